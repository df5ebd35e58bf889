//! End of a program whatever it does: after a signal, and after a panic.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io;
use std::panic;
use std::thread;
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal};
use signal_hook::iterator::Signals;
use signal_hook::low_level;

use crate::messages::STDERR;

/// Exit code of a failure.
const FAILURE_EXIT_CODE: i32 = 1;

/// Ends the program with exit code 0 when `limit` has passed since one of the `signals`. A program that
/// handles the signals itself ends before, unless a file, a lookup or a terminal hangs. `restore` runs last.
///
/// # Errors
/// The system is out of threads or file descriptors.
pub fn end_after_signals(signals: &[i32], limit: Duration, restore: fn()) -> io::Result<()> {
    let mask: SigSet = signals.iter().filter_map(|it| Signal::try_from(*it).ok()).collect();
    let mut signals = Signals::new(signals)?;
    // The system prefers the main thread for a signal, and wakes no other one. A main thread that waits for
    // a file system handles no signals.
    mask.thread_block()?;
    let end = move || {
        // An error is impossible: the mask is valid.
        let _ = mask.thread_unblock();
        if signals.forever().next().is_some() {
            thread::sleep(limit);
            restore();
            STDERR.flush();
            // Without the usual cleanup, which writes to a standard output that may block.
            low_level::exit(0);
        }
    };
    let thread = thread::Builder::new().name("signals".to_owned()).spawn(end);
    if thread.is_err() {
        mask.thread_unblock()?;
    }
    thread.map(drop)
}

/// Makes a panic in any thread or task end the program after its message: a program without one of its
/// tasks would show old values as current. `restore` runs before the message.
pub fn exit_on_panic(restore: fn()) {
    panic::set_hook(Box::new(move |info| {
        restore();
        let backtrace = Backtrace::capture();
        let is_captured = backtrace.status() == BacktraceStatus::Captured;
        let details = if is_captured { format!("\n{backtrace}") } else { String::new() };
        let thread = thread::current();
        let name = thread.name().unwrap_or("unnamed");
        STDERR.push(&format!("thread {name} {info}{details}\n"));
        STDERR.flush();
        low_level::exit(FAILURE_EXIT_CODE);
    }));
}
