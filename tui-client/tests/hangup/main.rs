//! Closing the terminal ends the program, with SIGHUP and without it.
//!
//! These tests have a process of their own. A terminal closes with its last open descriptor, which
//! a child of another test could inherit.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

#[expect(dead_code, reason = "other tests use the rest")]
#[path = "../terminal/stage.rs"]
mod stage;

use std::io::Read as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use portable_pty::{CommandBuilder, PtySize, native_pty_system};

use stage::{TestAgent, wait_until};

/// Serializes the tests: one terminal at a time.
static TERMINAL: Mutex<()> = Mutex::new(());

/// Returns whether a process exists and is not a zombie.
fn is_running(process: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let state = stat.rsplit(") ").next().and_then(|rest| rest.chars().next());
    state.is_some_and(|state| state != 'Z')
}

/// Runs a shell command that starts the program, and closes its terminal. `$0` is the program, `$1`
/// its source and `$2` a file for its process id.
fn close_terminal(script: &str) {
    // A failure of the other test does not matter here.
    let _guard = TERMINAL.lock().unwrap_or_else(PoisonError::into_inner);
    let server = TestAgent::start(0, Duration::from_millis(100));
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("process");
    let size = PtySize { rows: 24, cols: 80, pixel_width: 0, pixel_height: 0 };
    let pty = native_pty_system().openpty(size).unwrap();
    let mut command = CommandBuilder::new("sh");
    let program = env!("CARGO_BIN_EXE_loadline");
    command.args(["-c", script, program, &server.address.to_string()]);
    command.arg(&file);
    command.env("TERM", "xterm-256color");
    command.env("LOADLINE_CONFIG", "");
    let mut child = pty.slave.spawn_command(command).unwrap();
    drop(pty.slave);
    let mut reader = pty.master.try_clone_reader().unwrap();
    let mut shown = Vec::new();
    while !String::from_utf8_lossy(&shown).contains("LIVE") {
        let mut bytes = [0; 4096];
        let count = reader.read(&mut bytes).unwrap();
        shown.extend_from_slice(&bytes[..count]);
    }
    let process = wait_until("the process id", || {
        std::fs::read_to_string(&file).ok()?.trim().parse::<u32>().ok()
    });
    assert!(is_running(process));
    drop(reader);
    drop(pty.master);
    wait_until("the end of the program", || (!is_running(process)).then_some(()));
    let _ = child.wait();
}

#[test]
fn closing_the_terminal_ends_the_program() {
    close_terminal("echo $$ >$2; exec $0 $1");
}

#[test]
fn closing_the_terminal_without_a_signal_ends_the_program_too() {
    // The kernel sends no SIGHUP to a program in another session.
    close_terminal("setsid -w sh -c 'echo $$ >$2; exec $0 $1' $0 $1 $2");
}
