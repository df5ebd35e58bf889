//! Loan of the terminal to a transport that prompts for a password or to confirm a host key.

use tokio::sync::{mpsc, oneshot};

/// Use of the terminal while a connection is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TerminalAccess {
    /// In use, for example by the screen: no prompts are possible.
    Taken,
    /// In plain mode: the transport may prompt.
    Lent {
        /// True if other messages than prompts are shown, too.
        echo: bool,
    },
}

/// Terminal, lent for one attempt to connect.
#[derive(Debug)]
pub(super) struct TerminalLoan {
    echo: bool,
    return_sender: oneshot::Sender<()>,
}

impl TerminalLoan {
    pub(super) fn access(loan: Option<&TerminalLoan>) -> TerminalAccess {
        loan.map_or(TerminalAccess::Taken, |loan| TerminalAccess::Lent { echo: loan.echo })
    }

    /// Returns the terminal. An error only means that nobody waits for it any more.
    pub(super) fn give_back(self) {
        let _ = self.return_sender.send(());
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
    /// connected or the attempt has failed; until then, the terminal must be in plain mode. With
    /// `echo`, the terminal shows other messages than prompts, too.
    pub(crate) async fn lend(&self, echo: bool) {
        let (return_sender, returned) = oneshot::channel();
        // Errors mean that the link has ended or is connected: no terminal is needed.
        if self.0.send(TerminalLoan { echo, return_sender }).await.is_ok() {
            let _ = returned.await;
        }
    }
}
