//! The program `loadline`.

use std::process::ExitCode;

fn main() -> ExitCode {
    loadline::run_program()
}
