//! Metrics of the agent itself.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use prometheus_client::metrics::MetricType::{Counter, Gauge};
use rustix::param::clock_ticks_per_second;
use rustix::process::{Resource, getrlimit};

use super::family::Family;
use crate::kernel::own_process;
use crate::kernel::root::Root;
use crate::kernel::stat::{StatCount, StatFile, StatLine};
use crate::ring::RingHandle;
use crate::vitals::{Totals, cpu_time};

/// Sources of the agent's metrics.
pub(crate) struct AgentMetrics {
    pub(super) totals: Arc<Totals>,
    ring: RingHandle,
    pub(super) interval: Duration,
    /// Start time of the process in seconds since the Unix epoch.
    start_time: Option<f64>,
}

impl AgentMetrics {
    pub(crate) fn new(totals: Arc<Totals>, ring: RingHandle, interval: Duration) -> AgentMetrics {
        AgentMetrics { totals, ring, interval, start_time: start_seconds() }
    }

    /// Returns the current values. `scrape_duration` is the time that the machine's collectors
    /// took.
    pub(super) fn families(&self, scrape_duration: Duration) -> Vec<Family> {
        let version = [("version", env!("CARGO_PKG_VERSION").into())];
        let mut families =
            vec![Family::info("loadline_agent_build", "Version of the agent.", version)];
        let (samples, late) = (self.totals.samples.load(Relaxed), self.totals.late.load(Relaxed));
        let (rows, bytes) = self.ring.size();
        let (interval, duration) = (self.interval.as_secs_f64(), scrape_duration.as_secs_f64());
        for (kind, name, help, value) in [
            (Counter, "samples", "Samples taken.", samples as f64),
            (Counter, "late_samples", "Samples taken late or missed.", late as f64),
            (Gauge, "clients", "Connected clients of the stream.", self.ring.clients() as f64),
            (Gauge, "sample_interval_seconds", "Time between two samples.", interval),
            (Gauge, "history_rows", "Samples in the history.", rows as f64),
            (Gauge, "history_bytes", "Size of the history as text in bytes.", bytes as f64),
            (Gauge, "scrape_duration_seconds", "Duration of the scrape.", duration),
        ] {
            let name = format!("loadline_agent_{name}");
            families.push(Family::unlabelled(kind, name, help, Some(value)));
        }
        families.extend(self.process_families());
        families
    }

    fn process_families(&self) -> impl Iterator<Item = Family> {
        let root = Root::of_this_machine();
        let count = |count: u64| count as f64;
        let cpu = cpu_time().map(|time| time.as_secs_f64());
        let resident = own_process::resident_bytes(&root).map(count);
        let files = own_process::open_files(&root).map(count);
        let files_max = getrlimit(Resource::Nofile).current.filter(|_| cfg!(target_os = "linux"));
        let start_help = "Start time of the process since unix epoch in seconds.";
        [
            (Counter, "cpu_seconds", "Total user and system CPU time spent in seconds.", cpu),
            (Gauge, "resident_memory_bytes", "Resident memory size in bytes.", resident),
            (Gauge, "start_time_seconds", start_help, self.start_time),
            (Gauge, "open_fds", "Number of open file descriptors.", files),
            (Gauge, "max_fds", "Maximum number of open file descriptors.", files_max.map(count)),
        ]
        .into_iter()
        .map(|(kind, name, help, value)| {
            Family::unlabelled(kind, format!("process_{name}"), help, value)
        })
    }
}

/// Returns the start time of this process, in seconds since the Unix epoch.
fn start_seconds() -> Option<f64> {
    let root = Root::of_this_machine();
    let ticks = own_process::start_ticks(&root)?;
    let boot = StatFile::new(&root).find_map(|line| match line {
        StatLine::Count(StatCount::BootTime, seconds) => Some(seconds as f64),
        _ => None,
    });
    Some(boot? + ticks as f64 / clock_ticks_per_second() as f64)
}
