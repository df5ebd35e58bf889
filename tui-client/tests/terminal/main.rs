//! Tests of the program `loadline` from outside: in a terminal, and with redirected output.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

#[cfg(feature = "tls")]
#[path = "../../../agent/tests/agent/authority.rs"]
mod authority;
mod blocked;
mod configured;
mod hangs;
mod hostile;
mod imports;
mod keys;
mod life;
mod local_inputs;
mod pictures;
mod program;
mod prometheus;
mod pty;
mod recordings;
mod secrets;
mod several;
mod sizes;
mod ssh;
mod stage;
mod svg;
#[cfg(feature = "tls")]
mod tls;
