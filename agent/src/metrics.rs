//! What Prometheus reads, over HTTP: the machine by the names of `node_exporter`, and the agent.
//!
//! ```text
//!  listeners ─▶ Exporter ─▶ patience ─▶ hyper ─▶ answer ── form
//!                                                  │ asks
//!                                                  ▼
//!                       scraper   a thread that reads when asked, once for all within 200 ms
//!                         │
//!                         ├─ machine    what Linux tells, a file for each collector
//!                         ├─ itself     how the agent is
//!                         └─ families   names, types and labels: written in either form
//! ```
//!
//! Samples are taken while somebody reads metrics: the thread that reads is another one.

mod agent_metrics;
mod family_writer;
mod format;
#[cfg(target_os = "linux")]
mod machine;
mod response;
mod scraper;
mod timeout;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Bytes;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use loadline_protocol::DurationText;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::timeout;

use crate::kernel::root::Root;
use crate::listen::{Accept, Peer};
use crate::server::origins::{Origin, Origins};
use crate::server::{REFUSALS_MAX, STOP_TIMEOUT, propagate_panic, run_accept_loop};
use crate::session;
use crate::source::GroupSet;
pub(crate) use agent_metrics::AgentMetrics;
use format::ExpositionFormat;
use response::respond;
use scraper::{ScrapeRequest, Scraper};
use timeout::TimeoutStream;

/// How many connections there may be: some servers that scrape, two connections each, and who looks.
const CONNECTIONS_MAX: usize = 64;

/// How many of them may come from one address.
const CONNECTIONS_PER_ADDRESS_MAX: usize = 32;

/// How long the head of a request may be.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// How many headers it may have.
const HEADERS_MAX: usize = 100;

/// How long the machine may take to tell how it is: less than a scrape may, by default.
const SCRAPE_TIMEOUT: Duration = Duration::from_secs(5);

/// So many intervals without a sample are too many.
const OVERDUE_INTERVALS: u32 = 3;

/// What a client is told that is one too many.
const TOO_MANY_CONNECTIONS: &str = "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\n\
                        Content-Length: 21\r\nConnection: close\r\n\r\ntoo many connections\n";

/// Answers requests. Cheap to clone; all clones are the same one.
#[derive(Clone)]
pub(crate) struct Metrics {
    requests: mpsc::Sender<ScrapeRequest>,
    agent: Arc<AgentMetrics>,
}

impl Metrics {
    /// Begins the thread that reads.
    fn start(agent: AgentMetrics, collect: &GroupSet) -> std::io::Result<Metrics> {
        let itself = Arc::new(agent);
        // Each connection asks one question at a time.
        let (requests, receiver) = mpsc::channel(CONNECTIONS_MAX);
        let scraper = Scraper::new(itself.clone(), &Root::of_this_machine(), collect);
        std::thread::Builder::new().name("metrics".to_owned()).spawn(|| scraper.run(receiver))?;
        Ok(Metrics { requests, agent: itself })
    }

    /// The page of metrics, unless the machine takes too long to tell.
    ///
    /// # Panics
    /// If the thread that reads did.
    async fn scrape(&self, format: ExpositionFormat) -> Option<Bytes> {
        let (reply, page) = oneshot::channel();
        self.requests.try_send(ScrapeRequest { format, reply }).ok()?;
        let page = timeout(SCRAPE_TIMEOUT, page).await.ok()?;
        Some(page.expect("a thread that reads for as long as somebody can ask"))
    }

    /// Why the agent is not well.
    fn health_error(&self) -> Option<String> {
        let (passed, interval) = (self.agent.since_newest(), self.agent.interval());
        (passed > interval * OVERDUE_INTERVALS).then(|| {
            let passed = Duration::from_millis(passed.as_millis() as u64);
            let [passed, interval] = [passed, interval].map(DurationText);
            format!("the newest sample is {passed} old, and there should be one each {interval}")
        })
    }

    /// Serves one client, until it goes or `stop` is closed.
    async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
        mut stop: watch::Receiver<()>,
    ) -> Result<(), hyper::Error> {
        let service = service_fn(async |request| Ok::<_, Infallible>(respond(self, request).await));
        let mut connection = std::pin::pin!(
            http1::Builder::new()
                .timer(TokioTimer::new())
                // The stream has patience of its own, which is longer between two requests.
                .header_read_timeout(None)
                .max_header_size(HEAD_BYTES_MAX)
                .max_headers(HEADERS_MAX)
                .max_buf_size(2 * HEAD_BYTES_MAX)
                .serve_connection(TokioIo::new(TimeoutStream::new(stream)), service)
        );
        tokio::select! {
            ended = connection.as_mut() => return ended,
            // An error says that the agent stops, which is what is waited for.
            _ = stop.changed() => {}
        }
        connection.as_mut().graceful_shutdown();
        connection.await
    }
}

/// The clients that read metrics: accepts them, bounds their number, stops them.
pub(crate) struct Exporter<L> {
    metrics: Metrics,
    listeners: Vec<L>,
    /// Each gives back where its client came from.
    connections: JoinSet<Option<Origin>>,
    origins: Origins,
    refusals: JoinSet<()>,
    /// Closed when the agent stops.
    stop: watch::Sender<()>,
}

impl<L: Accept> Exporter<L> {
    /// Clients that come in by these; what they read of the agent is in `itself`, and of the machine
    /// what `collect` says.
    ///
    /// # Errors
    /// The system has no thread left.
    pub(crate) fn new(
        listeners: Vec<L>,
        agent: AgentMetrics,
        collect: &GroupSet,
    ) -> std::io::Result<Exporter<L>> {
        let (connections, refusals) = (JoinSet::new(), JoinSet::new());
        let origins = Origins::new(CONNECTIONS_PER_ADDRESS_MAX);
        let (metrics, stop) = (Metrics::start(agent, collect)?, watch::Sender::new(()));
        Ok(Exporter { metrics, listeners, connections, origins, refusals, stop })
    }

    /// Answers whoever comes in, until it is dropped.
    ///
    /// # Panics
    /// If a connection does: half an agent is worse than none.
    pub(crate) async fn run(&mut self) -> Infallible {
        let (accepted_sender, mut accepted) = mpsc::channel(1);
        let mut accept_loops: JoinSet<()> = JoinSet::new();
        for listener in self.listeners.drain(..) {
            accept_loops.spawn(run_accept_loop(listener, accepted_sender.clone()));
        }
        loop {
            tokio::select! {
                Some((stream, peer)) = accepted.recv() => self.admit(stream, &peer),
                Some(ended) = self.connections.join_next() => self.reap(ended),
                Some(ended) = self.refusals.join_next() => drop(propagate_panic(ended)),
                Some(ended) = accept_loops.join_next() => drop(propagate_panic(ended)),
                // Without this the loop would have nothing to wait for, were there no listener.
                () = std::future::pending() => {}
            }
        }
    }

    fn admit(&mut self, stream: L::Stream, peer: &Peer) {
        while let Some(ended) = self.connections.try_join_next() {
            self.reap(ended);
        }
        let origin = peer.address.map(Origin::from);
        let has_room = self.connections.len() < CONNECTIONS_MAX;
        if has_room && origin.is_none_or(|origin| self.origins.enter(origin)) {
            let (metrics, stop) = (self.metrics.clone(), self.stop.subscribe());
            let peer = peer.name.clone();
            self.connections.spawn(async move {
                if let Err(error) = metrics.serve(stream, stop).await {
                    tracing::debug!(peer, %error, "a connection for metrics ended");
                }
                origin
            });
        } else if self.refusals.len() < REFUSALS_MAX {
            tracing::debug!(peer = peer.name, "refused a connection for metrics");
            self.refusals.spawn(refuse(stream));
        }
    }

    /// A connection has ended.
    fn reap(&mut self, ended: Result<Option<Origin>, JoinError>) {
        if let Some(origin) = propagate_panic(ended).flatten() {
            self.origins.leave(origin);
        }
    }

    /// Has answers finished that are on their way, and ends the connections.
    pub(crate) async fn stop(self) {
        let Exporter { mut connections, stop, .. } = self;
        drop(stop);
        let all_ended = async {
            while let Some(ended) = connections.join_next().await {
                propagate_panic(ended);
            }
        };
        if timeout(STOP_TIMEOUT, all_ended).await.is_err() {
            tracing::debug!(connections = connections.len(), "readers of metrics that did not end");
        }
    }
}

/// Tells a client that it is one too many.
async fn refuse<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) {
    // Over TLS the handshake comes first. A client that does not listen misses the reason.
    let sent = timeout(STOP_TIMEOUT, stream.write_all(TOO_MANY_CONNECTIONS.as_bytes())).await;
    if matches!(sent, Ok(Ok(()))) {
        session::drain_and_close(stream).await;
    }
}

#[cfg(test)]
mod tests;
