//! The terminal, lent to a way that has something to ask: a password, or whether a host is the
//! right one.

use tokio::sync::{mpsc, oneshot};

/// Whose the terminal is while a connection is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TerminalAccess {
    /// Somebody else's, such as the screen's: nothing can be asked.
    Taken,
    /// It is plain, and whoever makes the connection may ask in it.
    Lent {
        /// Whether what is said beside the questions is shown, too.
        echo: bool,
    },
}

/// The terminal, for as long as one try takes.
#[derive(Debug)]
pub(super) struct TerminalLoan {
    echo: bool,
    return_sender: oneshot::Sender<()>,
}

impl TerminalLoan {
    pub(super) fn access(loan: Option<&TerminalLoan>) -> TerminalAccess {
        loan.map_or(TerminalAccess::Taken, |loan| TerminalAccess::Lent { echo: loan.echo })
    }

    /// An error only means that nobody waits for it any more.
    pub(super) fn give_back(self) {
        let _ = self.return_sender.send(());
    }
}

/// Lends the terminal to a link.
#[derive(Debug, Clone)]
pub struct TerminalLender(mpsc::Sender<TerminalLoan>);

impl TerminalLender {
    pub(super) fn new() -> (TerminalLender, mpsc::Receiver<TerminalLoan>) {
        let (sender, receiver) = mpsc::channel(1);
        (TerminalLender(sender), receiver)
    }

    /// Makes the link try at once, with the terminal, which has to be plain until this resolves: when
    /// the source is connected, or the try has failed. With `echo` the terminal shows what is said
    /// beside the questions, too.
    pub async fn lend(&self, echo: bool) {
        let (return_sender, returned) = oneshot::channel();
        // Errors mean that the link has ended or is connected already: it needs no terminal.
        if self.0.send(TerminalLoan { echo, return_sender }).await.is_ok() {
            let _ = returned.await;
        }
    }
}
