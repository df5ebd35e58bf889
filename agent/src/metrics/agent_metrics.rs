//! Metrics of the agent itself.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType::{Counter, Gauge};

use super::family_writer::FamilyWriter;
use crate::ring::RingHandle;
use crate::vitals::{Totals, process};

/// Sources of the agent's metrics.
pub(crate) struct AgentMetrics {
    totals: Arc<Totals>,
    ring: RingHandle,
    interval: Duration,
    /// Start time of the process in seconds since the Unix epoch.
    start_time: Option<f64>,
}

impl AgentMetrics {
    pub(crate) fn new(totals: Arc<Totals>, ring: RingHandle, interval: Duration) -> AgentMetrics {
        AgentMetrics { totals, ring, interval, start_time: process::start_seconds() }
    }

    pub(super) fn interval(&self) -> Duration {
        self.interval
    }

    /// Time since the newest sample.
    pub(super) fn since_newest(&self) -> Duration {
        self.totals.since_newest()
    }

    /// Returns the current values. `scrape_duration` is the time that the machine's collectors
    /// took.
    pub(super) fn snapshot(&self, scrape_duration: Duration) -> AgentSnapshot {
        let count = |count: u64| count as f64;
        let (rows, bytes) = self.ring.size();
        AgentSnapshot {
            samples: count(self.totals.samples()),
            late: count(self.totals.late()),
            clients: count(self.ring.clients()),
            history_rows: rows as f64,
            history_bytes: count(bytes),
            interval: self.interval.as_secs_f64(),
            scrape_duration: scrape_duration.as_secs_f64(),
            cpu: process::cpu_time().map(|cpu| cpu.as_secs_f64()),
            resident_bytes: process::resident_bytes().map(count),
            start_time: self.start_time,
            open_files: process::open_files().map(count),
            open_files_max: process::open_files_max().map(count),
        }
    }
}

/// Values of the agent's metrics at one time.
#[derive(Debug)]
pub(super) struct AgentSnapshot {
    samples: f64,
    late: f64,
    clients: f64,
    history_rows: f64,
    history_bytes: f64,
    interval: f64,
    scrape_duration: f64,
    cpu: Option<f64>,
    resident_bytes: Option<f64>,
    start_time: Option<f64>,
    open_files: Option<f64>,
    open_files_max: Option<f64>,
}

impl Collector for AgentSnapshot {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut families = FamilyWriter::new(encoder);
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        families.info("loadline_agent_build", "Version of the agent.", &version)?;
        for (kind, name, help, value) in [
            (Counter, "samples", "Samples taken.", self.samples),
            (Counter, "late_samples", "Samples taken late or missed.", self.late),
            (Gauge, "clients", "Connected clients of the stream.", self.clients),
            (Gauge, "sample_interval_seconds", "Time between two samples.", self.interval),
            (Gauge, "history_rows", "Samples in the history.", self.history_rows),
            (Gauge, "history_bytes", "Size of the history in bytes.", self.history_bytes),
            (Gauge, "scrape_duration_seconds", "Duration of the scrape.", self.scrape_duration),
        ] {
            families.unlabelled(kind, &format!("loadline_agent_{name}"), help, Some(value))?;
        }
        for (kind, name, help, value) in [
            (Counter, "cpu_seconds", "Total user and system CPU time spent in seconds.", self.cpu),
            (Gauge, "resident_memory_bytes", "Resident memory size in bytes.", self.resident_bytes),
            (
                Gauge,
                "start_time_seconds",
                "Start time of the process since unix epoch in seconds.",
                self.start_time,
            ),
            (Gauge, "open_fds", "Number of open file descriptors.", self.open_files),
            (Gauge, "max_fds", "Maximum number of open file descriptors.", self.open_files_max),
        ] {
            families.unlabelled(kind, &format!("process_{name}"), help, value)?;
        }
        Ok(())
    }
}
