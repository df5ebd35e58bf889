//! Metrics over HTTP for Prometheus: the machine under the names of `node_exporter`, and the agent.
//!
//! ```text
//!  listeners ─▶ Exporter ─▶ timeout ─▶ hyper ─▶ response ── format
//!                                                  │ requests
//!                                                  ▼
//!                       scraper   a thread that reads on request, at most once in 200 ms
//!                         │
//!                         ├─ machine         collectors of Linux, a file for each
//!                         ├─ agent_metrics   metrics of the agent itself
//!                         └─ family_writer   names, types and labels, for both formats
//! ```
//!
//! Scrapes do not delay samples: they have their own thread.

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

/// Limit of connections: a few Prometheus servers with two each, and some browsers.
const CONNECTIONS_MAX: usize = 64;

/// Limit of connections from one address.
const CONNECTIONS_PER_ADDRESS_MAX: usize = 32;

/// Limit of a request's head: 16 KiB.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// Limit of headers in a request.
const HEADERS_MAX: usize = 100;

/// Timeout of the collectors: 5 s, less than Prometheus's default scrape timeout.
const SCRAPE_TIMEOUT: Duration = Duration::from_secs(5);

/// Age of the newest sample, in intervals, from which the agent is unhealthy.
const OVERDUE_INTERVALS: u32 = 3;

/// Response to a connection beyond the limit.
const TOO_MANY_CONNECTIONS: &str = "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\n\
                        Content-Length: 21\r\nConnection: close\r\n\r\ntoo many connections\n";

/// Handle of the scraper thread. Cheap to clone; clones share the thread.
#[derive(Clone)]
pub(crate) struct Metrics {
    requests: mpsc::Sender<ScrapeRequest>,
    agent: Arc<AgentMetrics>,
}

impl Metrics {
    /// Starts the scraper thread.
    fn start(agent: AgentMetrics, collect: &GroupSet) -> std::io::Result<Metrics> {
        let itself = Arc::new(agent);
        // Each connection has at most one pending request.
        let (requests, receiver) = mpsc::channel(CONNECTIONS_MAX);
        let scraper = Scraper::new(itself.clone(), &Root::of_this_machine(), collect);
        std::thread::Builder::new().name("metrics".to_owned()).spawn(|| scraper.run(receiver))?;
        Ok(Metrics { requests, agent: itself })
    }

    /// Returns the metrics page. `None` if the collectors take too long.
    ///
    /// # Panics
    /// If the scraper thread panicked.
    async fn scrape(&self, format: ExpositionFormat) -> Option<Bytes> {
        let (reply, page) = oneshot::channel();
        self.requests.try_send(ScrapeRequest { format, reply }).ok()?;
        let page = timeout(SCRAPE_TIMEOUT, page).await.ok()?;
        Some(page.expect("the scraper thread runs until all senders are dropped"))
    }

    /// Returns why the agent is unhealthy. `None` if it is healthy.
    fn health_error(&self) -> Option<String> {
        let (passed, interval) = (self.agent.since_newest(), self.agent.interval());
        (passed > interval * OVERDUE_INTERVALS).then(|| {
            let passed = Duration::from_millis(passed.as_millis() as u64);
            let [passed, interval] = [passed, interval].map(DurationText);
            format!("the newest sample is {passed} old, expected one every {interval}")
        })
    }

    /// Serves one client until it disconnects or `stop` is closed.
    async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
        mut stop: watch::Receiver<()>,
    ) -> Result<(), hyper::Error> {
        let service = service_fn(async |request| Ok::<_, Infallible>(respond(self, request).await));
        let mut connection = std::pin::pin!(
            http1::Builder::new()
                .timer(TokioTimer::new())
                // [`TimeoutStream`] has its own timeouts, with a longer one between two requests.
                .header_read_timeout(None)
                .max_header_size(HEAD_BYTES_MAX)
                .max_headers(HEADERS_MAX)
                .max_buf_size(2 * HEAD_BYTES_MAX)
                .serve_connection(TokioIo::new(TimeoutStream::new(stream)), service)
        );
        tokio::select! {
            ended = connection.as_mut() => return ended,
            // The error is expected: the sender was dropped, since the agent stops.
            _ = stop.changed() => {}
        }
        connection.as_mut().graceful_shutdown();
        connection.await
    }
}

/// The HTTP clients: accepts and limits connections, serves them, stops them.
pub(crate) struct Exporter<L> {
    metrics: Metrics,
    listeners: Vec<L>,
    /// Connections. Each returns the origin of its client.
    connections: JoinSet<Option<Origin>>,
    origins: Origins,
    refusals: JoinSet<()>,
    /// Dropped when the agent stops.
    stop: watch::Sender<()>,
}

impl<L: Accept> Exporter<L> {
    /// Creates an exporter with its scraper thread. `collect` selects the metrics of the machine.
    ///
    /// # Errors
    /// The system cannot start a thread.
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

    /// Accepts and serves clients until it is dropped.
    ///
    /// # Panics
    /// If a connection panics: an agent in a broken state must not go on.
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
                // Without a listener the loop would have nothing to wait for.
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
                    tracing::debug!(peer, %error, "metrics connection failed");
                }
                origin
            });
        } else if self.refusals.len() < REFUSALS_MAX {
            tracing::debug!(peer = peer.name, "refused a metrics connection");
            self.refusals.spawn(refuse(stream));
        }
    }

    fn reap(&mut self, ended: Result<Option<Origin>, JoinError>) {
        if let Some(origin) = propagate_panic(ended).flatten() {
            self.origins.leave(origin);
        }
    }

    /// Finishes pending responses and closes the connections.
    pub(crate) async fn stop(self) {
        let Exporter { mut connections, stop, .. } = self;
        drop(stop);
        let all_ended = async {
            while let Some(ended) = connections.join_next().await {
                propagate_panic(ended);
            }
        };
        if timeout(STOP_TIMEOUT, all_ended).await.is_err() {
            tracing::debug!(connections = connections.len(), "aborted metrics connections");
        }
    }
}

/// Refuses a client with a 503 response.
async fn refuse<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) {
    // With TLS, the handshake happens first. A client that does not read misses the reason.
    let sent = timeout(STOP_TIMEOUT, stream.write_all(TOO_MANY_CONNECTIONS.as_bytes())).await;
    if matches!(sent, Ok(Ok(()))) {
        session::drain_and_close(stream).await;
    }
}

#[cfg(test)]
mod tests;
