//! Sampler, ring, sessions and server, put together.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use loadline_protocol::{Schema, Stamp};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::agent_info::AgentInfo;
use crate::archive::Archive;
use crate::clock::Clock;
use crate::listen::{Accept, Listener};
#[cfg(feature = "metrics")]
use crate::metrics::AgentMetrics;
use crate::metrics::Exporter;
use crate::ring::Ring;
use crate::sampler::Sampler;
use crate::server::Server;
use crate::session::Service;
#[cfg(feature = "metrics")]
use crate::source::GroupSet;
use crate::source::{MachineFacts, MetricSource};
use crate::ticker::TickClock;

/// How long the disk has to take the last samples.
const ARCHIVE_FLUSH_TIMEOUT: Duration = Duration::from_millis(500);

/// How an agent samples and serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AgentSettings {
    /// The time between samples, whole milliseconds and at least one.
    pub interval: Duration,
    /// How long samples are kept; [`SAMPLES_MAX`](crate::SAMPLES_MAX) of them at most.
    pub history: Duration,
    /// How many clients the listeners let in at a time.
    pub clients_max: usize,
    /// How many of them may come from one address of the network.
    pub clients_per_address_max: usize,
}

impl AgentSettings {
    /// Shortest interval: 250 ms. sysinfo needs 200 ms between two readings of the CPU use; the rest is
    /// for ticks that are heard late.
    pub const INTERVAL_MIN: Duration = Duration::from_millis(250);

    /// Longest interval: an hour.
    pub const INTERVAL_MAX: Duration = Duration::from_hours(1);
}

impl Default for AgentSettings {
    fn default() -> AgentSettings {
        AgentSettings {
            interval: Duration::from_secs(1),
            history: Duration::from_hours(1),
            clients_max: 1024,
            clients_per_address_max: 256,
        }
    }
}

/// Samples a source and serves the samples to any number of clients.
pub struct Agent {
    sampler: Sampler,
    service: Service,
    settings: AgentSettings,
    /// Who reads metrics, if anybody may.
    exporter: Option<Exporter<Listener>>,
    /// Comes true when the samples are on the disk, some time after the sampler is gone.
    archive_flushed: Option<oneshot::Receiver<()>>,
}

impl Agent {
    /// An agent with its first sample, which is taken when the source has a true one: of the
    /// [`MachineMetrics`](crate::Machine) after 200 ms. The system's clock and timer drive it.
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

    /// [`Agent::start`] with the samples of earlier agents that are in the archive, in which its own
    /// are kept as well.
    ///
    /// # Panics
    /// As [`Agent::start`].
    pub async fn start_with_archive(
        source: impl MetricSource + 'static,
        facts: MachineFacts,
        settings: AgentSettings,
        archive: Option<Archive>,
    ) -> Agent {
        let drive = (TickClock::System, Clock::system());
        Agent::start_inner(drive, Box::new(source), facts, settings, archive).await
    }

    /// [`Agent::start`] with another clock than this machine's, and with the runtime's timer, which
    /// a test or a simulation may halt and turn forward.
    ///
    /// # Panics
    /// As [`Agent::start`].
    pub async fn start_with_clock(
        source: impl MetricSource + 'static,
        facts: MachineFacts,
        settings: AgentSettings,
        clock: Clock,
    ) -> Agent {
        let drive = (TickClock::Runtime, clock);
        Agent::start_inner(drive, Box::new(source), facts, settings, None).await
    }

    async fn start_inner(
        (tick_clock, clock): (TickClock, Clock),
        source: Box<dyn MetricSource>,
        facts: MachineFacts,
        settings: AgentSettings,
        mut archive: Option<Archive>,
    ) -> Agent {
        let schema = Schema::new(Stamp::TimeSeq, source.columns())
            .expect("a source has columns, each of another name");
        let interval = Duration::from_millis(settings.interval.as_millis().max(1) as u64);
        let mut ring = Ring::new(&schema, interval, settings.history);
        if let Some(archive) = &mut archive {
            archive.restore(&mut ring, &schema);
        }
        let sampler = Sampler::start(source, clock, tick_clock, ring).await;
        let info = Arc::new(AgentInfo::new(facts, schema, interval));
        let readers = sampler.ring().handle();
        let archived = archive.and_then(|archive| archive.spawn_writer(&readers, info.clone()));
        let service = Service::new(readers, info);
        Agent { sampler, service, settings, exporter: None, archive_flushed: archived }
    }

    /// The same agent that, while it [runs](Agent::run), also tells `OpenMetrics` over HTTP to who
    /// comes in by `listeners`: `/metrics` has these groups of the machine by the names of Prometheus'
    /// own `node_exporter`, and the agent; `/healthz` says whether samples are taken.
    ///
    /// # Errors
    /// The system has no thread left.
    #[cfg(feature = "metrics")]
    pub fn with_metrics(
        mut self,
        listeners: Vec<Listener>,
        collect: &GroupSet,
    ) -> std::io::Result<Agent> {
        self.exporter = Some(Exporter::new(listeners, self.agent_metrics(), collect)?);
        Ok(self)
    }

    /// Where it stands how this agent is.
    #[cfg(feature = "metrics")]
    pub(crate) fn agent_metrics(&self) -> AgentMetrics {
        let ring = self.sampler.ring();
        AgentMetrics::new(self.sampler.totals(), ring.handle(), ring.interval())
    }

    /// A handle that serves one client over any stream; of an agent that does not
    /// [`run`](Agent::run), the first sample and no more.
    #[must_use]
    pub fn service(&self) -> Service {
        self.service.clone()
    }

    /// Samples, and serves who comes in by `listeners` (none is fine, see [`Agent::service`]),
    /// until `stop` comes true. Then subscribed clients get `# bye`, and all sessions end within a
    /// second.
    ///
    /// # Panics
    /// If a session does.
    pub async fn run(self, listeners: Vec<Listener>, stop: impl Future<Output = ()>) {
        self.run_with(listeners, stop).await;
    }

    /// [`Agent::run`] with any way in.
    ///
    /// # Panics
    /// As [`Agent::run`].
    pub async fn run_with<L: Accept>(self, listeners: Vec<L>, stop: impl Future<Output = ()>) {
        let Agent { mut sampler, service, settings, mut exporter, archive_flushed: archived } =
            self;
        let mut server =
            Server::new(service, settings.clients_max, settings.clients_per_address_max);
        tokio::select! {
            never = sampler.run() => match never {},
            never = server.run(listeners) => match never {},
            never = serve_metrics(exporter.as_mut()) => match never {},
            () = stop => {}
        }
        // The ring closes with the sampler. That tells the sessions to end.
        drop(sampler);
        let stop_metrics = async {
            if let Some(exporter) = exporter {
                exporter.stop().await;
            }
        };
        tokio::join!(server.stop(), stop_metrics);
        if let Some(archived) = archived {
            // What a disk takes no more is lost; it was told.
            let _ = timeout(ARCHIVE_FLUSH_TIMEOUT, archived).await;
        }
    }
}

async fn serve_metrics(exporter: Option<&mut Exporter<Listener>>) -> Infallible {
    match exporter {
        Some(exporter) => exporter.run().await,
        None => std::future::pending().await,
    }
}

impl fmt::Debug for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Agent").field("settings", &self.settings).finish_non_exhaustive()
    }
}
