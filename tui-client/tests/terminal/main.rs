//! The program `loadline` as its users run it: in a terminal, and in a pipe.

#![expect(clippy::unwrap_used, reason = "a test fails where something is not as it should be")]

mod configured;
mod given;
mod hostile;
mod keys;
mod life;
mod pictures;
mod program;
mod pty;
mod several;
mod stage;
mod svg;
