//! Terminal modes while a link uses the plain terminal.

use std::fs::File;

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};

use crate::link::TerminalLender;

/// Lends the terminal to a link until its connection attempt ends, then restores the terminal
/// modes. The terminal must be plain (not raw) already.
pub(crate) async fn lend_plain_terminal(lender: &TerminalLender, echo: bool) {
    let _modes = TerminalModes::save();
    lender.lend(echo).await;
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
