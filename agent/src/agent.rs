//! Agent: sampler, ring, sessions and server, put together.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use loadline_protocol::{Schema, Stamp};

use crate::agent_info::AgentInfo;
use crate::archive::{Archive, RunningArchive};
use crate::clock::Clock;
#[cfg(feature = "metrics")]
use crate::metrics::AgentMetrics;
use crate::metrics::Exporter;
use crate::ring::Ring;
use crate::sampler::Sampler;
use crate::serve::listen::Accept;
#[cfg(feature = "metrics")]
use crate::serve::listen::Listener;
use crate::serve::server::Server;
use crate::serve::session::Service;
#[cfg(feature = "metrics")]
use crate::source::GroupSet;
use crate::source::{MachineFacts, MetricSource};
use crate::ticker::Ticker;

/// Sampling interval, history and client limits of an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AgentSettings {
    /// Time between samples, rounded down to milliseconds, at least 1 ms.
    pub interval: Duration,
    /// Time that samples are kept, at most [`SAMPLES_MAX`](crate::SAMPLES_MAX) of them.
    pub history: Duration,
    /// Limit of concurrent clients of all listeners.
    pub clients_max: usize,
    /// Limit of concurrent clients from one network address, or of one user at a Unix socket.
    pub clients_per_address_max: usize,
}

impl AgentSettings {
    /// Shortest interval: 250 ms. sysinfo needs 200 ms between two CPU refreshes; 50 ms are for
    /// late ticks.
    pub const INTERVAL_MIN: Duration = Duration::from_millis(250);

    /// Longest interval: one hour.
    pub const INTERVAL_MAX: Duration = Duration::from_hours(1);

    /// Default number of processes by CPU, and by memory, in a look.
    pub const TOP: u16 = 5;
}

impl Default for AgentSettings {
    fn default() -> AgentSettings {
        AgentSettings {
            interval: Duration::from_secs(1),
            history: Duration::from_hours(24),
            clients_max: 1024,
            clients_per_address_max: 256,
        }
    }
}

/// Agent that samples a source and serves the samples to any number of clients.
pub struct Agent {
    sampler: Sampler,
    service: Service,
    settings: AgentSettings,
    /// HTTP server for metrics, if enabled.
    exporter: Option<Exporter>,
    archive: Option<RunningArchive>,
}

impl Agent {
    /// Starts an agent with its first sample. A [`Machine`](crate::Machine) has its first valid
    /// sample after 200 ms. Timestamps and ticks come from the system's clock and timer.
    ///
    /// # Panics
    /// If the source has no columns, or two of the same name.
    pub async fn start(
        source: impl MetricSource + 'static,
        facts: MachineFacts,
        settings: AgentSettings,
    ) -> Agent {
        Agent::start_with_archive(source, facts, settings, None).await
    }

    /// Starts an agent as [`Agent::start`] does, with the history from the archive. New samples are
    /// added to the archive.
    ///
    /// # Panics
    /// As [`Agent::start`].
    pub async fn start_with_archive(
        source: impl MetricSource + 'static,
        facts: MachineFacts,
        settings: AgentSettings,
        archive: Option<Archive>,
    ) -> Agent {
        let (source, clock) = (Box::new(source), Clock::system());
        Agent::start_inner(source, facts, settings, Ticker::system, clock, archive).await
    }

    /// Starts an agent as [`Agent::start`] does, with another clock, and with the timer of the
    /// runtime, which a test or a simulation may pause and advance.
    ///
    /// # Panics
    /// As [`Agent::start`].
    pub async fn start_with_clock(
        source: impl MetricSource + 'static,
        facts: MachineFacts,
        settings: AgentSettings,
        clock: Clock,
    ) -> Agent {
        let source = Box::new(source);
        Agent::start_inner(source, facts, settings, Ticker::runtime, clock, None).await
    }

    async fn start_inner(
        source: Box<dyn MetricSource>,
        facts: MachineFacts,
        settings: AgentSettings,
        new_ticker: fn(Duration) -> Ticker,
        clock: Clock,
        archive: Option<Archive>,
    ) -> Agent {
        let schema = Schema::new(Stamp::TimeSeq, source.columns())
            .expect("a source has columns with unique names");
        let interval = Duration::from_millis(settings.interval.as_millis().max(1) as u64);
        let ring = Ring::new(&schema, interval, settings.history);
        let top = source.top();
        let mut sampler = Sampler::start(source, clock, new_ticker, ring).await;
        let info = Arc::new(AgentInfo { facts, schema, interval, top });
        let ring = sampler.ring.handle.clone();
        let archive = match archive {
            // Loading takes longer than an interval if the history is long.
            Some(archive) => tokio::select! {
                archive = archive.start(&ring, info.clone()) => Some(archive),
                never = sampler.run() => match never {},
            },
            None => None,
        };
        let service = Service { ring, info };
        Agent { sampler, service, settings, exporter: None, archive }
    }

    /// Adds an HTTP server that serves `OpenMetrics` while the agent [runs](Agent::run). `/metrics`
    /// has the groups of `collect` under the names of Prometheus' `node_exporter`, and the metrics
    /// of the agent. `/healthz` reports whether samples are taken.
    ///
    /// # Errors
    /// If the system has no thread left.
    #[cfg(feature = "metrics")]
    pub fn with_metrics(
        mut self,
        listeners: Vec<Listener>,
        collect: &GroupSet,
    ) -> std::io::Result<Agent> {
        self.exporter = Some(Exporter::new(listeners, self.agent_metrics(), collect)?);
        Ok(self)
    }

    /// Returns the counters for the agent's own metrics.
    #[cfg(feature = "metrics")]
    pub(crate) fn agent_metrics(&self) -> AgentMetrics {
        let ring = &self.sampler.ring;
        AgentMetrics::new(self.sampler.vitals.totals(), ring.handle.clone(), ring.interval)
    }

    /// Returns a handle that serves one client over any stream. Unless the agent
    /// [runs](Agent::run), the client gets the first sample only.
    pub fn service(&self) -> Service {
        self.service.clone()
    }

    /// Takes samples and serves the clients of `listeners`, if any, until `stop` resolves. Then
    /// subscribed clients get `# bye`, and all sessions end within a second.
    ///
    /// # Panics
    /// If a session panics.
    pub async fn run<L: Accept>(self, listeners: Vec<L>, stop: impl Future<Output = ()>) {
        let Agent { mut sampler, service, settings, mut exporter, archive } = self;
        let mut server =
            Server::new(service, settings.clients_max, settings.clients_per_address_max);
        tokio::select! {
            never = sampler.run() => match never {},
            never = server.run(listeners) => match never {},
            never = serve_metrics(exporter.as_mut()) => match never {},
            never = watch(archive.as_ref()) => match never {},
            () = stop => {}
        }
        // Dropping the sampler closes the ring, which ends the sessions.
        drop(sampler);
        let stop_metrics = async {
            if let Some(exporter) = exporter {
                exporter.stop().await;
            }
        };
        let flush = async {
            if let Some(archive) = archive {
                archive.flush().await;
            }
        };
        tokio::join!(server.stop(), stop_metrics, flush);
    }
}

async fn watch(archive: Option<&RunningArchive>) -> Infallible {
    match archive {
        Some(archive) => archive.watch().await,
        None => std::future::pending().await,
    }
}

async fn serve_metrics(exporter: Option<&mut Exporter>) -> Infallible {
    match exporter {
        Some(exporter) => exporter.run().await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests;
