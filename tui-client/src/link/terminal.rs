//! Loan of the terminal to a transport that prompts for a password or to confirm a host key.

use tokio::sync::{mpsc, oneshot};

/// Use of the terminal while a connection is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TerminalAccess {
    /// In use, for example by the screen: no prompts are possible.
    Taken,
    /// Not there, for example in a cron job. A program of the user's own may answer prompts, but not for ever.
    Missing,
    /// In plain mode: the transport may prompt.
    Lent {
        /// True if other messages than prompts and warnings are shown, too.
        echo: bool,
    },
}

impl TerminalAccess {
    /// Returns whether a person can answer prompts.
    pub(super) fn has_person(self) -> bool {
        matches!(self, TerminalAccess::Lent { .. })
    }
}

/// Terminal, lent for one attempt to connect; returned when dropped.
#[derive(Debug)]
pub(super) struct TerminalLoan {
    access: TerminalAccess,
    _returned: oneshot::Sender<()>,
}

impl TerminalLoan {
    pub(super) fn access(loan: Option<&TerminalLoan>) -> TerminalAccess {
        loan.map_or(TerminalAccess::Taken, |loan| loan.access)
    }
}

/// Lender of the terminal to a link.
#[derive(Debug, Clone)]
pub struct TerminalLender(mpsc::Sender<TerminalLoan>);

impl TerminalLender {
    pub(super) fn new() -> (TerminalLender, mpsc::Receiver<TerminalLoan>) {
        let (sender, receiver) = mpsc::channel(1);
        (TerminalLender(sender), receiver)
    }

    /// Makes the link try to connect at once, with the terminal. Resolves once the source is
    /// connected or the attempt has failed; until then, the terminal must be in plain mode.
    pub(crate) async fn lend(&self, access: TerminalAccess) {
        let (sender, returned) = oneshot::channel();
        // An error means that the link has ended and needs no terminal.
        let _ = self.0.send(TerminalLoan { access, _returned: sender }).await;
        let _ = returned.await;
    }
}
