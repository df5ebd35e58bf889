//! The program `loadline` as its users run it: in a terminal, and in a pipe.

#![expect(clippy::unwrap_used, reason = "a test fails where something is not as it should be")]

#[cfg(feature = "tls")]
#[path = "../../../agent/tests/agent/authority.rs"]
mod authority;
mod configured;
mod hostile;
mod keys;
mod life;
mod local_inputs;
mod pictures;
mod program;
mod prometheus;
mod pty;
mod several;
mod stage;
mod svg;
#[cfg(feature = "tls")]
mod tls;
