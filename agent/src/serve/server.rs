//! Clients of rows and metrics: accepts and limits connections, runs their sessions, stops them.
//!
//! ```text
//!  Accept ─┐
//!  Accept ─┼─▶ a channel of one ─▶ Server::admit ─▶ a session of the Protocol, or a refusal
//!  Accept ─┘
//! ```

mod origins;
mod rate_limiter;

use std::convert::Infallible;
use std::io;
use std::panic;
use std::time::Duration;

use loadline_protocol::{Note, SafeText};
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep, timeout};

use crate::serve::connection::Handshake;
use crate::serve::listen::{Accept, Peer};
use crate::serve::session::{self, Ending, Service};
use loadline_common::without_error_number;
use origins::Origins;
use rate_limiter::RateLimiter;

/// Pause after a failed accept, such as no free file descriptor: 250 ms.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(250);

/// Time without failure after which the next one is logged again: 1 min. With few free descriptors
/// an accept succeeds now and then.
const RECOVERY_PERIOD: Duration = Duration::from_mins(1);

/// Clients that are refused with a reason at the same time. Further ones are closed without one.
const REFUSALS_MAX: usize = 16;

/// Time in which sessions can end when the agent stops.
pub(crate) const STOP_TIMEOUT: Duration = Duration::from_secs(1);

/// Protocol that a [`Server`] speaks with its clients.
pub(crate) trait Protocol: Clone + Send + 'static {
    /// Serves one client until it leaves or the agent stops. Returns the client.
    fn serve(self, handshake: Handshake, peer: Peer) -> impl Future<Output = Peer> + Send;

    /// Returns the text for a client that is refused, and logs the refusal.
    fn refusal(peer: &Peer, why: &str) -> String;
}

/// The clients of one protocol.
pub(crate) struct Server<P> {
    protocol: P,
    clients_max: usize,
    /// Sessions. Each returns its client.
    sessions: JoinSet<Peer>,
    origins: Origins,
    refusals: JoinSet<()>,
}

impl<P: Protocol> Server<P> {
    pub(crate) fn new(protocol: P, clients_max: usize, clients_per_address_max: usize) -> Self {
        let (sessions, refusals) = (JoinSet::new(), JoinSet::new());
        let origins = Origins::new(clients_per_address_max);
        Server { protocol, clients_max, sessions, origins, refusals }
    }

    /// Accepts and serves clients until it is dropped.
    ///
    /// # Panics
    /// If a session panics: an agent in a broken state must not continue.
    pub(crate) async fn run<L: Accept>(&mut self, listeners: Vec<L>) -> Infallible {
        let (accepted_sender, mut accepted) = mpsc::channel(1);
        let mut accept_loops: JoinSet<()> = JoinSet::new();
        for listener in listeners {
            accept_loops.spawn(run_accept_loop(listener, accepted_sender.clone()));
        }
        loop {
            tokio::select! {
                Some((handshake, peer)) = accepted.recv() => self.admit(handshake, peer),
                Some(ended) = self.sessions.join_next() => self.reap(ended),
                Some(ended) = self.refusals.join_next() => drop(propagate_panic(ended)),
                Some(ended) = accept_loops.join_next() => drop(propagate_panic(ended)),
                // Without a listener the loop would have nothing to wait for.
                () = std::future::pending() => {}
            }
        }
    }

    fn admit(&mut self, handshake: Handshake, peer: Peer) {
        while let Some(ended) = self.sessions.try_join_next() {
            self.reap(ended);
        }
        match self.check_limits(&peer) {
            Ok(()) => {
                self.sessions.spawn(self.protocol.clone().serve(handshake, peer));
            }
            Err(why) if self.refusals.len() < REFUSALS_MAX => {
                self.refusals.spawn(session::close(handshake, P::refusal(&peer, &why)));
            }
            Err(_) => {}
        }
    }

    /// Counts a client. The error is the reason to refuse the client.
    fn check_limits(&mut self, peer: &Peer) -> Result<(), String> {
        if self.sessions.len() >= self.clients_max {
            return Err("too many clients".to_owned());
        }
        match peer.address {
            Some(address) if !self.origins.enter(address) => {
                Err(format!("too many clients from {address}"))
            }
            _ => Ok(()),
        }
    }

    fn reap(&mut self, ended: Result<Peer, JoinError>) {
        if let Some(address) = propagate_panic(ended).and_then(|peer| peer.address) {
            self.origins.leave(address);
        }
    }

    /// Waits until the sessions have seen that the agent stops, and aborts the others.
    pub(crate) async fn stop(mut self) {
        let all_ended = async {
            while let Some(ended) = self.sessions.join_next().await {
                propagate_panic(ended);
            }
        };
        if timeout(STOP_TIMEOUT, all_ended).await.is_err() {
            tracing::debug!(clients = self.sessions.len(), "aborted sessions");
        }
    }
}

impl Protocol for Service {
    async fn serve(self, handshake: Handshake, peer: Peer) -> Peer {
        tracing::debug!(peer = peer.name, "client connected");
        let ending = match handshake.await {
            Ok(stream) => Service::serve(&self, stream).await,
            Err(_) => Ending::Left,
        };
        tracing::debug!(peer = peer.name, ?ending, "client disconnected");
        peer
    }

    fn refusal(peer: &Peer, why: &str) -> String {
        tracing::debug!(peer = peer.name, why, "refused a client");
        format!("{}\n", Note::Error(SafeText::new(why)))
    }
}

/// Sends the clients of one listener to the server, at a limited rate.
async fn run_accept_loop<L: Accept>(listener: L, accepted_sender: mpsc::Sender<(Handshake, Peer)>) {
    let mut last_failure: Option<Instant> = None;
    let mut limiter = RateLimiter::new();
    loop {
        if limiter.acquire().await {
            tracing::warn!("too many new connections, accepting them more slowly");
        }
        match listener.accept().await {
            Ok(client) => {
                if accepted_sender.send(client).await.is_err() {
                    return;
                }
            }
            // The client gave up.
            Err(error) if is_peer_error(&error) => {}
            Err(error) => {
                let now = Instant::now();
                if last_failure.replace(now).is_none_or(|failed| now - failed > RECOVERY_PERIOD) {
                    let error = without_error_number(&error.to_string());
                    tracing::error!(%error, "cannot accept clients, retrying");
                }
                sleep(ACCEPT_BACKOFF).await;
            }
        }
    }
}

fn is_peer_error(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// Resumes the panic of a task. Returns the output of a finished one, `None` for a cancelled one.
pub(crate) fn propagate_panic<T>(ended: Result<T, JoinError>) -> Option<T> {
    match ended {
        Ok(output) => Some(output),
        Err(error) if error.is_panic() => panic::resume_unwind(error.into_panic()),
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::serve::connection::without_handshake;
    use crate::{Agent, AgentSettings, MachineFacts, ScriptedSource};

    /// Maximum size of a session's task. With the runtime's overhead that is about half of the 1.5
    /// KiB budget for a client.
    const TASK_BYTES_MAX: usize = 512;

    #[tokio::test]
    async fn ten_thousand_clients_fit_into_a_few_megabytes() {
        let source = ScriptedSource::plain(|_, values| values.extend([1.0; 6]));
        let agent = Agent::start(source, MachineFacts::default(), AgentSettings::default()).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let peer = Peer { name: String::new(), address: None };
        let task = Protocol::serve(agent.service(), without_handshake(stream), peer);
        let bytes = size_of_val(&task);
        assert!(bytes <= TASK_BYTES_MAX, "{bytes} bytes");
    }
}
