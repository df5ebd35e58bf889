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
//!                         └─ family          values with names, types and labels, for both formats
//! ```
//!
//! Scrapes do not delay samples: they have their own thread.

mod agent_metrics;
mod family;
mod format;
#[cfg(target_os = "linux")]
mod machine;
mod response;
mod scraper;
mod timeout;

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::body::Bytes;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use loadline_protocol::DurationText;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, timeout};

use crate::kernel::root::Root;
use crate::serve::connection::Connection;
use crate::serve::listen::Listener;
use crate::serve::places::ClientPlace;
use crate::serve::server::{Protocol, Server};
use crate::source::GroupSet;
pub(crate) use agent_metrics::AgentMetrics;
use format::ExpositionFormat;
use response::respond;
use scraper::{ScrapeRequest, Scraper};
use timeout::TimeoutStream;

/// Limit of connections: a few Prometheus servers with two each, and some browsers.
const CONNECTIONS_MAX: usize = 64;

/// Limit of connections from one address, or of one user at a Unix socket.
const CONNECTIONS_PER_ADDRESS_MAX: usize = 32;

/// Limit of a request's head: 16 KiB.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// Limit of headers in a request.
const HEADERS_MAX: usize = 100;

/// Timeout of the collectors: 5 s, less than Prometheus's default scrape timeout.
const SCRAPE_TIMEOUT: Duration = Duration::from_secs(5);

/// Age of the newest sample, in intervals, from which the agent is unhealthy.
const OVERDUE_INTERVALS: u32 = 3;

/// Shortest interval of requests that protect a connection: 1 s. One that always asks would never give
/// way.
const ACTIVE_INTERVAL_MIN: Duration = Duration::from_secs(1);

/// Response to a connection beyond the limit.
const TOO_MANY_CONNECTIONS: &str = "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\n\
                        Content-Length: 21\r\nConnection: close\r\n\r\ntoo many connections\n";

/// Handle of the scraper thread. Cheap to clone; clones share the thread.
#[derive(Clone)]
pub(crate) struct Metrics {
    requests: mpsc::Sender<ScrapeRequest>,
    agent: Arc<AgentMetrics>,
    /// Closed when the agent stops.
    stop: watch::Receiver<()>,
}

impl Metrics {
    /// Starts the scraper thread.
    fn start(
        agent: AgentMetrics,
        collect: &GroupSet,
        stop: watch::Receiver<()>,
    ) -> std::io::Result<Metrics> {
        let agent = Arc::new(agent);
        // Each connection has at most one pending request.
        let (requests, receiver) = mpsc::channel(CONNECTIONS_MAX);
        let scraper = Scraper::new(agent.clone(), &Root::of_this_machine(), collect);
        std::thread::Builder::new().name("metrics".to_owned()).spawn(|| scraper.run(receiver))?;
        Ok(Metrics { requests, agent, stop })
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
        let (passed, interval) = (self.agent.totals.since_newest(), self.agent.interval);
        (passed > interval * OVERDUE_INTERVALS).then(|| {
            let passed = Duration::from_millis(passed.as_millis() as u64);
            let [passed, interval] = [passed, interval].map(DurationText);
            format!("the newest sample is {passed} old, expected one every {interval}")
        })
    }

    /// Serves one client until it disconnects or the agent stops.
    async fn serve_http(
        &self,
        stream: Box<dyn Connection>,
        place: ClientPlace,
    ) -> hyper::Result<()> {
        let mut stop = self.stop.clone();
        let asked_at = Mutex::new(None::<Instant>);
        let service = service_fn(async |request| {
            let now = Instant::now();
            let before = asked_at.lock().unwrap_or_else(PoisonError::into_inner).replace(now);
            place.set_active(before.is_none_or(|before| now - before >= ACTIVE_INTERVAL_MIN));
            let response = respond(self, request).await;
            place.set_active(false);
            Ok::<_, Infallible>(response)
        });
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

impl Protocol for Metrics {
    async fn serve(self, stream: Box<dyn Connection>, name: String, place: ClientPlace) {
        if let Err(error) = self.serve_http(stream, place).await {
            tracing::debug!(peer = name, %error, "metrics connection failed");
        }
    }

    fn refusal(_why: &str) -> String {
        TOO_MANY_CONNECTIONS.to_owned()
    }
}

/// Server of the metrics, with its listeners.
pub(crate) struct Exporter {
    server: Server<Metrics>,
    listeners: Vec<Listener>,
    /// Dropped when the agent stops.
    stop: watch::Sender<()>,
}

impl Exporter {
    /// Creates an exporter with its scraper thread. `collect` selects the metrics of the machine.
    ///
    /// # Errors
    /// The system cannot start a thread.
    pub(crate) fn new(
        listeners: Vec<Listener>,
        agent: AgentMetrics,
        collect: &GroupSet,
    ) -> std::io::Result<Exporter> {
        let (stop, stopped) = watch::channel(());
        let metrics = Metrics::start(agent, collect, stopped)?;
        let server = Server::new(metrics, CONNECTIONS_MAX, CONNECTIONS_PER_ADDRESS_MAX);
        Ok(Exporter { server, listeners, stop })
    }

    /// Accepts and serves clients until it is dropped.
    ///
    /// # Panics
    /// If a connection panics: an agent in a broken state must not continue.
    pub(crate) async fn run(&mut self) -> Infallible {
        self.server.run(std::mem::take(&mut self.listeners)).await
    }

    /// Finishes pending responses and closes the connections.
    pub(crate) async fn stop(self) {
        drop(self.stop);
        self.server.stop().await;
    }
}

#[cfg(test)]
mod tests;
