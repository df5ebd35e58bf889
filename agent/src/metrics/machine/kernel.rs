//! How many tasks want to run, which kernel it is, and what time.

use std::fmt;

use loadline_protocol::sanitize;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType::Gauge;
use rustix::time::{ClockId, clock_gettime};

use super::Part;
use crate::metrics::families::Families;
use crate::procfs::Loadavg;

/// The collector `loadavg`.
pub(super) struct Loads(Loadavg);

impl Loads {
    pub(super) fn new() -> Loads {
        Loads(Loadavg::new())
    }
}

impl Part for Loads {
    fn name(&self) -> &'static str {
        "loadavg"
    }

    fn read(&mut self) -> Option<Box<dyn Collector>> {
        Some(Box::new(Averages(self.0.loads()?.averages)))
    }
}

#[derive(Debug)]
struct Averages([f64; 3]);

impl Collector for Averages {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut families = Families::new(encoder);
        for (minutes, load) in ["1", "5", "15"].into_iter().zip(self.0) {
            let (name, help) = (format!("node_load{minutes}"), format!("{minutes}m load average."));
            families.one(Gauge, &name, &help, Some(load))?;
        }
        Ok(())
    }
}

/// The collector `uname`.
pub(super) struct Uname;

impl Part for Uname {
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
        let told = parts.map(|(label, part)| (label, sanitize(&part.to_string_lossy()).into()));
        Some(Box::new(Kernel(told)))
    }
}

#[derive(Debug)]
struct Kernel([(&'static str, String); 6]);

impl Collector for Kernel {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let labels = self.0.each_ref().map(|(label, value)| (*label, value.as_str()));
        let help = "Labeled system information as provided by the uname system call.";
        Families::new(encoder).info("node_uname", help, &labels)
    }
}

/// The collector `time`.
pub(super) struct Time;

impl Part for Time {
    fn name(&self) -> &'static str {
        "time"
    }

    fn read(&mut self) -> Option<Box<dyn Collector>> {
        let now = clock_gettime(ClockId::Realtime);
        Some(Box::new(Now(now.tv_sec as f64 + now.tv_nsec as f64 / 1e9)))
    }
}

#[derive(Debug)]
struct Now(f64);

impl Collector for Now {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let help = "System time in seconds since epoch (1970).";
        Families::new(encoder).one(Gauge, "node_time_seconds", help, Some(self.0))
    }
}
