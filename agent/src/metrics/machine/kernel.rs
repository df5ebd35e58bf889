//! Load average, kernel version and system time.

use std::fmt;

use loadline_protocol::sanitize;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType::Gauge;
use rustix::time::{ClockId, clock_gettime};

use super::MetricCollector;
use crate::metrics::family_writer::FamilyWriter;
use crate::procfs::LoadavgFile;

pub(super) struct LoadavgCollector(LoadavgFile);

impl LoadavgCollector {
    pub(super) fn new() -> LoadavgCollector {
        LoadavgCollector(LoadavgFile::new())
    }
}

impl MetricCollector for LoadavgCollector {
    fn name(&self) -> &'static str {
        "loadavg"
    }

    fn read(&mut self) -> Option<Box<dyn Collector>> {
        Some(Box::new(LoadavgSnapshot(self.0.read()?.averages)))
    }
}

#[derive(Debug)]
struct LoadavgSnapshot([f64; 3]);

impl Collector for LoadavgSnapshot {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut families = FamilyWriter::new(encoder);
        for (minutes, load) in ["1", "5", "15"].into_iter().zip(self.0) {
            let (name, help) = (format!("node_load{minutes}"), format!("{minutes}m load average."));
            families.unlabelled(Gauge, &name, &help, Some(load))?;
        }
        Ok(())
    }
}

pub(super) struct UnameCollector;

impl MetricCollector for UnameCollector {
    fn name(&self) -> &'static str {
        "uname"
    }

    fn read(&mut self) -> Option<Box<dyn Collector>> {
        let uname = rustix::system::uname();
        let parts = [
            ("domainname", uname.domainname()),
            ("machine", uname.machine()),
            ("nodename", uname.nodename()),
            ("release", uname.release()),
            ("sysname", uname.sysname()),
            ("version", uname.version()),
        ];
        let labels = parts.map(|(label, part)| (label, sanitize(&part.to_string_lossy()).into()));
        Some(Box::new(UnameSnapshot(labels)))
    }
}

#[derive(Debug)]
struct UnameSnapshot([(&'static str, String); 6]);

impl Collector for UnameSnapshot {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let labels = self.0.each_ref().map(|(label, value)| (*label, value.as_str()));
        let help = "Labeled system information as provided by the uname system call.";
        FamilyWriter::new(encoder).info("node_uname", help, &labels)
    }
}

pub(super) struct TimeCollector;

impl MetricCollector for TimeCollector {
    fn name(&self) -> &'static str {
        "time"
    }

    fn read(&mut self) -> Option<Box<dyn Collector>> {
        let now = clock_gettime(ClockId::Realtime);
        Some(Box::new(TimeSnapshot(now.tv_sec as f64 + now.tv_nsec as f64 / 1e9)))
    }
}

#[derive(Debug)]
struct TimeSnapshot(f64);

impl Collector for TimeSnapshot {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let help = "System time in seconds since epoch (1970).";
        FamilyWriter::new(encoder).unlabelled(Gauge, "node_time_seconds", help, Some(self.0))
    }
}
