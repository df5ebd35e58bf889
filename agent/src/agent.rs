//! Sampler, ring, sessions and server, put together.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use loadline_protocol::{Schema, Stamp};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::about::About;
use crate::archive::Archive;
use crate::beat::Rhythm;
use crate::clock::Clock;
use crate::listen::{Accept, Listener};
use crate::metrics::Exporter;
#[cfg(feature = "metrics")]
use crate::metrics::Itself;
use crate::ring::Ring;
use crate::sampler::Sampler;
use crate::server::Server;
use crate::session::Service;
#[cfg(feature = "metrics")]
use crate::source::Collect;
use crate::source::{Facts, Source};

/// How long the disk has to take the last samples.
const ARCHIVE_MAX: Duration = Duration::from_millis(500);

/// How an agent samples and serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// The time between samples, whole milliseconds and at least one.
    pub interval: Duration,
    /// How long samples are kept; [`SAMPLES_MAX`](crate::SAMPLES_MAX) of them at most.
    pub history: Duration,
    /// How many clients the listeners let in at a time.
    pub clients_max: usize,
    /// How many of them may come from one address of the network.
    pub clients_of_address_max: usize,
}

impl Settings {
    /// Shortest interval: 250 ms. sysinfo needs 200 ms between two readings of the CPU use; the rest is
    /// for ticks that are heard late.
    pub const INTERVAL_MIN: Duration = Duration::from_millis(250);

    /// Longest interval: an hour.
    pub const INTERVAL_MAX: Duration = Duration::from_hours(1);
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            interval: Duration::from_secs(1),
            history: Duration::from_hours(1),
            clients_max: 1024,
            clients_of_address_max: 256,
        }
    }
}

/// Samples a source and serves the samples to any number of clients.
pub struct Agent {
    sampler: Sampler,
    service: Service,
    settings: Settings,
    /// Who reads metrics, if anybody may.
    exporter: Option<Exporter<Listener>>,
    /// Comes true when the samples are on the disk, some time after the sampler is gone.
    archived: Option<oneshot::Receiver<()>>,
}

impl Agent {
    /// An agent with its first sample, which is taken when the source has a true one: of the
    /// [`Machine`](crate::Machine) after 200 ms. The system's clock and timer drive it.
    ///
    /// # Panics
    /// If the source has no columns, or two of the same name.
    pub async fn start(source: impl Source + 'static, facts: Facts, settings: Settings) -> Agent {
        Agent::start_with_archive(source, facts, settings, None).await
    }

    /// [`Agent::start`] with the samples of earlier agents that are in the archive, in which its own
    /// are kept as well.
    ///
    /// # Panics
    /// As [`Agent::start`].
    pub async fn start_with_archive(
        source: impl Source + 'static,
        facts: Facts,
        settings: Settings,
        archive: Option<Archive>,
    ) -> Agent {
        let drive = (Rhythm::System, Clock::system());
        Agent::start_in(drive, Box::new(source), facts, settings, archive).await
    }

    /// [`Agent::start`] with another clock than this machine's, and with the runtime's timer, which
    /// a test or a simulation may halt and turn forward.
    ///
    /// # Panics
    /// As [`Agent::start`].
    pub async fn start_with_clock(
        source: impl Source + 'static,
        facts: Facts,
        settings: Settings,
        clock: Clock,
    ) -> Agent {
        let drive = (Rhythm::Runtime, clock);
        Agent::start_in(drive, Box::new(source), facts, settings, None).await
    }

    async fn start_in(
        (rhythm, clock): (Rhythm, Clock),
        source: Box<dyn Source>,
        facts: Facts,
        settings: Settings,
        mut archive: Option<Archive>,
    ) -> Agent {
        let schema = Schema::new(Stamp::TimeSeq, source.columns())
            .expect("a source has columns, each of another name");
        let interval = Duration::from_millis(settings.interval.as_millis().max(1) as u64);
        let mut ring = Ring::new(&schema, interval, settings.history);
        if let Some(archive) = &mut archive {
            archive.restore(&mut ring, &schema);
        }
        let sampler = Sampler::start(source, clock, rhythm, ring).await;
        let about = Arc::new(About::new(facts, schema, interval));
        let readers = sampler.ring().readers();
        let archived = archive.and_then(|archive| archive.keep(&readers, about.clone()));
        let service = Service::new(readers, about);
        Agent { sampler, service, settings, exporter: None, archived }
    }

    /// The same agent that, while it [runs](Agent::run), also tells `OpenMetrics` over HTTP to who
    /// comes in by `listeners`: `/metrics` has these groups of the machine by the names of Prometheus'
    /// own `node_exporter`, and the agent; `/healthz` says whether samples are taken.
    ///
    /// # Errors
    /// The system has no thread left.
    #[cfg(feature = "metrics")]
    pub fn exposing(
        mut self,
        listeners: Vec<Listener>,
        collect: &Collect,
    ) -> std::io::Result<Agent> {
        self.exporter = Some(Exporter::new(listeners, self.itself(), collect)?);
        Ok(self)
    }

    /// Where it stands how this agent is.
    #[cfg(feature = "metrics")]
    pub(crate) fn itself(&self) -> Itself {
        let ring = self.sampler.ring();
        Itself::new(self.sampler.totals(), ring.readers(), ring.interval())
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
        let Agent { mut sampler, service, settings, mut exporter, archived } = self;
        let mut server =
            Server::new(service, settings.clients_max, settings.clients_of_address_max);
        tokio::select! {
            never = sampler.run() => match never {},
            never = server.run(listeners) => match never {},
            never = expose(exporter.as_mut()) => match never {},
            () = stop => {}
        }
        // The ring closes with the sampler. That tells the sessions to end.
        drop(sampler);
        let unexpose = async {
            if let Some(exporter) = exporter {
                exporter.stop().await;
            }
        };
        tokio::join!(server.stop(), unexpose);
        if let Some(archived) = archived {
            // What a disk takes no more is lost; it was told.
            let _ = timeout(ARCHIVE_MAX, archived).await;
        }
    }
}

async fn expose(exporter: Option<&mut Exporter<Listener>>) -> Infallible {
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
