//! The plain terminal, lent to others.

use std::fs::File;

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};

use crate::link::Lender;

/// Lends the terminal, which is plain, to a link until it has tried its source. Whatever is done with
/// it meanwhile, it is then set as it was.
pub async fn lend(lender: &Lender, echo: bool) {
    let _modes = Modes::keep();
    lender.lend(echo).await;
}

/// How the terminal is set; so again when this is dropped. An ssh that is killed while it asks for a
/// password leaves it without an echo.
struct Modes {
    terminal: File,
    modes: Termios,
}

impl Modes {
    /// `None` without a terminal.
    fn keep() -> Option<Modes> {
        let terminal = File::open("/dev/tty").ok()?;
        let modes = tcgetattr(&terminal).ok()?;
        Some(Modes { terminal, modes })
    }
}

impl Drop for Modes {
    fn drop(&mut self) {
        let Ok(now) = tcgetattr(&self.terminal) else { return };
        // In the background, to set them would stop the program; but there, nobody has changed them.
        if now.local_modes != self.modes.local_modes || now.input_modes != self.modes.input_modes {
            // An error means that the terminal is gone.
            let _ = tcsetattr(&self.terminal, OptionalActions::Now, &self.modes);
        }
    }
}
