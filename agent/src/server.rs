//! All clients: accepts them, bounds their number, stops them.
//!
//! ```text
//!  Accept ─┐
//!  Accept ─┼─▶ a channel of one ─▶ Server::admit ─▶ a session, or "too many clients"
//!  Accept ─┘
//! ```

use std::convert::Infallible;
use std::io;
use std::panic;
use std::time::Duration;

use loadline_protocol::Note;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{sleep, timeout};

use crate::listen::Accept;
use crate::session::{self, Service};

/// How long an accept loop waits after a failure that is the system's, such as no descriptor left.
const BACK_OFF: Duration = Duration::from_millis(250);

/// How many clients too many are told so at a time; further ones are cut off without a word.
const REFUSALS_MAX: usize = 16;

/// How long the sessions have to say goodbye.
const STOP_MAX: Duration = Duration::from_secs(1);

/// The clients of an agent.
pub(crate) struct Server {
    service: Service,
    clients_max: usize,
    sessions: JoinSet<()>,
    refusals: JoinSet<()>,
}

impl Server {
    pub(crate) fn new(service: Service, clients_max: usize) -> Server {
        Server { service, clients_max, sessions: JoinSet::new(), refusals: JoinSet::new() }
    }

    /// Serves whoever comes in, until it is dropped.
    ///
    /// # Panics
    /// If a session does: half an agent is worse than none.
    pub(crate) async fn run<L: Accept>(&mut self, listeners: Vec<L>) -> Infallible {
        let (comers, mut accepted) = mpsc::channel(1);
        let mut doors: JoinSet<()> = JoinSet::new();
        for listener in listeners {
            doors.spawn(watch_door(listener, comers.clone()));
        }
        loop {
            tokio::select! {
                Some((stream, peer)) = accepted.recv() => self.admit(stream, peer),
                Some(ended) = self.sessions.join_next() => check(ended),
                Some(ended) = self.refusals.join_next() => check(ended),
                Some(ended) = doors.join_next() => check(ended),
                // Without this the loop would have nothing to wait for, were there no listener.
                () = std::future::pending() => {}
            }
        }
    }

    fn admit<S>(&mut self, stream: S, peer: String)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        while let Some(ended) = self.sessions.try_join_next() {
            check(ended);
        }
        if self.sessions.len() < self.clients_max {
            self.sessions.spawn(attend(self.service.clone(), stream, peer));
        } else if self.refusals.len() < REFUSALS_MAX {
            tracing::debug!(peer, clients_max = self.clients_max, "too many clients");
            self.refusals.spawn(session::refuse(stream, Note::Error("too many clients".into())));
        }
    }

    /// Gives the sessions time to notice that the ring is closed, and ends those that do not.
    pub(crate) async fn stop(mut self) {
        let all_ended = async {
            while let Some(ended) = self.sessions.join_next().await {
                check(ended);
            }
        };
        if timeout(STOP_MAX, all_ended).await.is_err() {
            tracing::debug!(clients = self.sessions.len(), "clients that did not listen");
        }
    }
}

/// A client, from its coming to its going.
async fn attend<S: AsyncRead + AsyncWrite + Unpin>(service: Service, stream: S, peer: String) {
    tracing::debug!(peer, "client came");
    let ending = service.serve(stream).await;
    tracing::debug!(peer, ?ending, "client went");
}

/// Passes on who comes in by one listener.
async fn watch_door<L: Accept>(listener: L, comers: mpsc::Sender<(L::Stream, String)>) {
    let mut healthy = true;
    loop {
        match listener.accept().await {
            Ok(comer) => {
                healthy = true;
                if comers.send(comer).await.is_err() {
                    return;
                }
            }
            // That client thought better of it.
            Err(error) if is_of_the_peer(&error) => {}
            Err(error) => {
                if std::mem::take(&mut healthy) {
                    tracing::error!(%error, "no client can come in; trying again until one does");
                }
                sleep(BACK_OFF).await;
            }
        }
    }
}

fn is_of_the_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// Passes on the panic of a session.
pub(crate) fn check(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        panic::resume_unwind(error.into_panic());
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::{Agent, Facts, Scripted, Settings};

    /// What the task of a client may take; with what the runtime keeps beside it this makes a good
    /// half of the 1.5 KiB that a client may cost.
    const TASK_BYTES_MAX: usize = 512;

    #[tokio::test]
    async fn ten_thousand_clients_fit_into_a_few_megabytes() {
        let source = Scripted::plain(|_, values| values.extend([1.0; 6]));
        let agent = Agent::start(source, Facts::default(), Settings::default()).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let task = attend(agent.service(), stream, String::new());
        let bytes = size_of_val(&task);
        assert!(bytes <= TASK_BYTES_MAX, "{bytes} bytes");
    }
}
