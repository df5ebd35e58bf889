//! Terminal modes while a link uses the plain terminal.

use std::fs::File;
use std::io::{self, IsTerminal as _};
use std::pin::pin;
use std::time::Duration;

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use tokio::time::timeout;

use crate::link::{TerminalAccess, TerminalLender};

/// Delay of the message to a person who waits for a connection: 30 s.
const NOTICE_DELAY: Duration = Duration::from_secs(30);

/// Lends the terminal to a link until its connection attempt ends, then restores the terminal
/// modes. The terminal must be plain (not raw) already. With `echo`, it shows other messages than prompts, too.
/// Calls `notice` once if the attempt takes long: a person may be typing, or nobody may answer.
pub(crate) async fn lend_plain_terminal(
    lender: &TerminalLender,
    echo: bool,
    notice: impl FnOnce(),
) {
    let _modes = TerminalModes::save();
    let mut attempt = pin!(lender.lend(TerminalAccess::Lent { echo }));
    if timeout(NOTICE_DELAY, &mut attempt).await.is_err() {
        notice();
        attempt.await;
    }
}

/// Returns whether a person can answer prompts: a standard stream is a terminal, and it controls this process.
pub(crate) fn has_terminal() -> bool {
    let is_open =
        io::stdin().is_terminal() || io::stdout().is_terminal() || io::stderr().is_terminal();
    is_open && File::open("/dev/tty").is_ok()
}

/// Saved terminal modes, restored on drop. An ssh that is killed at a password prompt leaves the
/// terminal without echo.
struct TerminalModes {
    terminal: File,
    saved: Termios,
}

impl TerminalModes {
    /// Saves the modes of the controlling terminal. `None` without a terminal.
    fn save() -> Option<TerminalModes> {
        let terminal = File::open("/dev/tty").ok()?;
        let modes = tcgetattr(&terminal).ok()?;
        Some(TerminalModes { terminal, saved: modes })
    }
}

impl Drop for TerminalModes {
    fn drop(&mut self) {
        let Ok(now) = tcgetattr(&self.terminal) else { return };
        // Setting the modes in the background would stop the program; there they are unchanged.
        if now.local_modes != self.saved.local_modes || now.input_modes != self.saved.input_modes {
            // An error means that the terminal is gone.
            let _ = tcsetattr(&self.terminal, OptionalActions::Now, &self.saved);
        }
    }
}
