//! Clients of rows and metrics: accepts and limits connections, runs their sessions, stops them.
//!
//! ```text
//!  Accept ─┐
//!  Accept ─┼─▶ a channel of one ─▶ TLS: Handshakes ─┐
//!  Accept ─┘             └──────── plaintext ───────┴─▶ Places ─▶ a session of the Protocol
//!                                                          └────▶ a refusal
//! ```

mod handshakes;
mod rate_limiter;

use std::convert::Infallible;
use std::io;
use std::panic;
use std::time::Duration;

use loadline_protocol::{Note, SafeText};
use rustix::io::Errno;
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep, timeout};

use crate::serve::connection::{Connection, Handshake};
use crate::serve::listen::{Accept, Peer};
use crate::serve::log_limit::LogLimit;
use crate::serve::places::{ClientPlace, Evicted, Full, SharedPlaces};
use crate::serve::session::{self, Service};
use handshakes::Handshakes;
use loadline_common::without_error_number;
use rate_limiter::RateLimiter;

/// Pause after a failed accept: 250 ms.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(250);

/// First pause after an accept without a free file descriptor: 1 ms, in which an evicted client
/// frees one. Twice as long after each further failure, up to [`ACCEPT_BACKOFF`].
const EVICTION_PAUSE: Duration = Duration::from_millis(1);

/// Time without failure after which the next one is logged again: 1 min. With few free descriptors
/// an accept succeeds now and then.
const RECOVERY_PERIOD: Duration = Duration::from_mins(1);

/// Clients that are refused with a reason at the same time. Further ones are closed without one.
const REFUSALS_MAX: usize = 16;

/// Time in which sessions can end when the agent stops.
pub(crate) const STOP_TIMEOUT: Duration = Duration::from_secs(1);

/// Protocol that a [`Server`] speaks with its clients.
pub(crate) trait Protocol: Clone + Send + 'static {
    /// Serves one client until it leaves or the agent stops. `name` is for the log.
    fn serve(
        self,
        stream: Box<dyn Connection>,
        name: String,
        place: ClientPlace,
    ) -> impl Future<Output = ()> + Send;

    /// Returns the text for a client that is refused.
    fn refusal(why: &str) -> String;
}

/// The clients of one protocol.
pub(crate) struct Server<P> {
    protocol: P,
    handshakes: Handshakes,
    places: SharedPlaces,
    sessions: JoinSet<()>,
    refusals: JoinSet<()>,
    /// Limits the log of clients that are refused or give way.
    crowd_log: LogLimit,
}

/// Report of an accept loop.
enum Accepted {
    Client(Handshake, Peer),
    /// A client waits, but no file descriptor is free.
    NoDescriptor,
}

impl<P: Protocol> Server<P> {
    pub(crate) fn new(protocol: P, clients_max: usize, clients_per_origin_max: usize) -> Self {
        Server {
            protocol,
            handshakes: Handshakes::default(),
            places: SharedPlaces::new(clients_max, clients_per_origin_max),
            sessions: JoinSet::new(),
            refusals: JoinSet::new(),
            crowd_log: LogLimit::default(),
        }
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
                Some(accepted) = accepted.recv() => self.receive(accepted),
                Some((stream, peer)) = self.handshakes.next() => self.admit(stream, peer),
                Some(ended) = self.sessions.join_next() => drop(propagate_panic(ended)),
                Some(ended) = self.refusals.join_next() => drop(propagate_panic(ended)),
                Some(ended) = accept_loops.join_next() => drop(propagate_panic(ended)),
                // Without a listener the loop would have nothing to wait for.
                () = std::future::pending() => {}
            }
        }
    }

    fn receive(&mut self, accepted: Accepted) {
        match accepted {
            Accepted::Client(Handshake::Done(stream), peer) => self.admit(Some(stream), peer),
            Accepted::Client(Handshake::Pending(handshake), peer) => {
                if let Some(origin) = self.handshakes.start(handshake, peer) {
                    self.log_crowd("too many unfinished TLS handshakes, ended one", &origin);
                }
            }
            Accepted::NoDescriptor => self.free_descriptor(),
        }
    }

    /// Serves or refuses a client. `None` if its handshake has failed.
    fn admit(&mut self, stream: Option<Box<dyn Connection>>, peer: Peer) {
        // Each new session is followed by the end of one that has ended before.
        while let Some(ended) = self.sessions.try_join_next() {
            propagate_panic(ended);
        }
        let Some(stream) = stream else { return };
        match self.places.enter(peer.origin, peer.is_authenticated) {
            Ok((place, evicted)) => {
                let id = place.id;
                let session = self.protocol.clone().serve(stream, peer.name, place);
                self.places.set_session(id, self.sessions.spawn(session));
                self.end(evicted);
            }
            Err(full) => self.refuse(stream, &peer, full),
        }
    }

    fn refuse(&mut self, stream: Box<dyn Connection>, peer: &Peer, full: Full) {
        let why = match full {
            Full::All => "too many clients".to_owned(),
            Full::Origin => format!("too many clients from {}", peer.origin),
        };
        self.log_crowd("too many clients, refused one", &peer.name);
        if self.refusals.len() < REFUSALS_MAX {
            self.refusals.spawn(session::close(stream, P::refusal(&why)));
        }
    }

    fn end(&mut self, evicted: Option<Evicted>) {
        if let Some(evicted) = evicted {
            self.log_crowd("too many clients, closed one for another", &evicted.origin());
            evicted.end();
        }
    }

    /// Closes a connection: a handshake of an origin that has several, else a client.
    fn free_descriptor(&mut self) {
        if self.handshakes.end_oldest(2).is_some() {
            return;
        }
        match self.places.make_room() {
            Some(evicted) => self.end(Some(evicted)),
            None => drop(self.handshakes.end_oldest(1)),
        }
    }

    /// Logs one event a minute, because strangers can cause any number of them.
    fn log_crowd(&mut self, what: &str, who: &dyn std::fmt::Display) {
        match self.crowd_log.record(Instant::now()) {
            Some(0) => tracing::warn!(%who, "{what}"),
            Some(others) => tracing::warn!(%who, others, "{what}"),
            None => tracing::debug!(%who, "{what}"),
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
    fn serve(
        self,
        stream: Box<dyn Connection>,
        name: String,
        place: ClientPlace,
    ) -> impl Future<Output = ()> + Send {
        tracing::debug!(peer = name, "client connected");
        let mut session = self.session(stream, Some(place));
        // Not an `async fn`, whose future would hold both the stream and the session.
        async move {
            let ending = session.run().await;
            tracing::debug!(peer = name, ?ending, "client disconnected");
        }
    }

    fn refusal(why: &str) -> String {
        format!("{}\n", Note::Error(SafeText::new(why)))
    }
}

/// Sends the clients of one listener to the server, at a limited rate.
async fn run_accept_loop<L: Accept>(listener: L, accepted_sender: mpsc::Sender<Accepted>) {
    let mut failures = AcceptFailures::default();
    let mut limiter = RateLimiter::new();
    loop {
        if limiter.acquire().await {
            tracing::warn!("too many new connections, accepting them more slowly");
        }
        let report = match listener.accept().await {
            Ok((handshake, peer)) => {
                failures.in_a_row = 0;
                Accepted::Client(handshake, peer)
            }
            // The client gave up.
            Err(error) if is_peer_error(&error) => continue,
            Err(error) => {
                failures.log(&error);
                if !is_shortage(&error) {
                    sleep(ACCEPT_BACKOFF).await;
                    continue;
                }
                Accepted::NoDescriptor
            }
        };
        let is_shortage = matches!(report, Accepted::NoDescriptor);
        if accepted_sender.send(report).await.is_err() {
            return;
        }
        if is_shortage {
            sleep(failures.next_pause()).await;
        }
    }
}

/// Failed accepts of one listener.
#[derive(Debug, Default)]
struct AcceptFailures {
    last: Option<Instant>,
    /// Failures without a free file descriptor since the last client.
    in_a_row: u32,
}

impl AcceptFailures {
    fn log(&mut self, error: &io::Error) {
        let now = Instant::now();
        if self.last.replace(now).is_none_or(|failed| now - failed > RECOVERY_PERIOD) {
            let error = without_error_number(&error.to_string());
            tracing::error!(%error, "cannot accept clients, retrying");
        }
    }

    /// Returns the pause before the next accept without a free file descriptor.
    fn next_pause(&mut self) -> Duration {
        let pause = EVICTION_PAUSE.saturating_mul(1 << self.in_a_row.min(16));
        self.in_a_row += 1;
        pause.min(ACCEPT_BACKOFF)
    }
}

/// Returns whether closing a connection makes the next accept possible.
fn is_shortage(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE))
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
    use crate::serve::origin::Origin;
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
        let places = SharedPlaces::new(1, 1);
        let (place, _) = places.enter(Origin::Unknown, false).unwrap();
        let task = Protocol::serve(agent.service(), Box::new(stream), String::new(), place);
        let bytes = size_of_val(&task);
        assert!(bytes <= TASK_BYTES_MAX, "{bytes} bytes");
    }
}
