//! The plain terminal, lent to others.

use std::fs::File;

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};

use crate::link::TerminalLender;

/// Lends the terminal, which is plain, to a link until it has tried its source. Whatever is done with
/// it meanwhile, it is then set as it was.
pub async fn lend_plain_terminal(lender: &TerminalLender, echo: bool) {
    let _modes = TerminalModes::save();
    lender.lend(echo).await;
}

/// How the terminal is set; so again when this is dropped. An ssh that is killed while it asks for a
/// password leaves it without an echo.
struct TerminalModes {
    terminal: File,
    saved: Termios,
}

impl TerminalModes {
    /// `None` without a terminal.
    fn save() -> Option<TerminalModes> {
        let terminal = File::open("/dev/tty").ok()?;
        let modes = tcgetattr(&terminal).ok()?;
        Some(TerminalModes { terminal, saved: modes })
    }
}

impl Drop for TerminalModes {
    fn drop(&mut self) {
        let Ok(now) = tcgetattr(&self.terminal) else { return };
        // In the background, to set them would stop the program; but there, nobody has changed them.
        if now.local_modes != self.saved.local_modes || now.input_modes != self.saved.input_modes {
            // An error means that the terminal is gone.
            let _ = tcsetattr(&self.terminal, OptionalActions::Now, &self.saved);
        }
    }
}
