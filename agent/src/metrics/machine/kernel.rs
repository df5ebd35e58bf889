//! Load average, kernel version and system time.

use std::fmt;

use loadline_protocol::sanitize;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType::Gauge;
use rustix::time::{ClockId, clock_gettime};

use super::MetricCollector;
use crate::kernel::loadavg::LoadavgFile;
use crate::kernel::root::Root;
use crate::metrics::family_writer::FamilyWriter;

pub(super) struct LoadavgCollector(LoadavgFile);

impl LoadavgCollector {
    pub(super) fn new(root: &Root) -> LoadavgCollector {
        LoadavgCollector(LoadavgFile::new(root))
    }
}

impl MetricCollector for LoadavgCollector {
    fn name(&self) -> &'static str {
        "loadavg"
    }

    fn read(&mut self) -> Option<Box<dyn Collector>> {
        Some(Box::new(LoadavgSnapshot(self.0.read()?)))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::tests::TestRoot;
    use crate::metrics::machine::tests::samples;

    #[test]
    fn load_averages_are_exported_if_they_are_plausible() {
        let files = TestRoot::with(&[("proc/loadavg", "0.52 0.44 12.40 1/123 4567\n")]);
        let mut collector = LoadavgCollector::new(&files.root());
        let expected = "node_load1 0.52\nnode_load5 0.44\nnode_load15 12.4\n";
        assert_eq!(samples(&mut collector).as_deref(), Some(expected));
        files.write("proc/loadavg", "0.52 nan 12.40 1/123 4567\n");
        assert_eq!(samples(&mut collector), None);
    }

    #[test]
    fn kernel_and_time_are_those_of_this_machine() {
        let uname = samples(&mut UnameCollector).unwrap();
        let sysname = rustix::system::uname().sysname().to_string_lossy().into_owned();
        assert!(uname.starts_with("node_uname_info{domainname=\""), "{uname}");
        assert!(uname.contains(&format!(",sysname=\"{sysname}\",")), "{uname}");
        let time = samples(&mut TimeCollector).unwrap();
        let seconds: f64 = time.trim().strip_prefix("node_time_seconds ").unwrap().parse().unwrap();
        let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
        assert!((now - 60.0..=now).contains(&seconds), "{seconds} {now}");
    }
}
