//! The machine, by the names and labels of `node_exporter`: who has its dashboards and alerts goes on
//! with them.
//!
//! A file for each of its collectors: what is read, and how that is told.

mod cpu;
mod disks;
mod filesystems;
mod kernel;
mod memory;
mod network;
mod pressure;
mod scaling;

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::registry::Registry;

use super::families::Families;

/// Of cores, devices and file systems, as many of each as are told. No machine is known with more.
const COUNT_MAX: usize = 4096;

/// What is read by itself, and may fail by itself.
trait Part: Send {
    /// The name of the collector.
    fn name(&self) -> &'static str;

    /// What there is to tell now; `None` if it cannot be read.
    fn read(&mut self) -> Option<Box<dyn Collector>>;
}

/// All that is told of the machine.
pub(super) struct Machine(Vec<Box<dyn Part>>);

impl Machine {
    pub(super) fn new() -> Machine {
        Machine(vec![
            Box::new(cpu::Cpu::new()),
            Box::new(scaling::Cpufreq),
            Box::new(kernel::Loads::new()),
            Box::new(memory::Meminfo::new()),
            Box::new(memory::Vmstat::new()),
            Box::new(network::Netdev::new()),
            Box::new(disks::Disks::new()),
            Box::new(filesystems::Filesystems::new()),
            Box::new(pressure::Pressures::new()),
            Box::new(kernel::Uname),
            Box::new(kernel::Time),
        ])
    }

    /// Reads all of it, for whoever the registry is encoded for.
    pub(super) fn read(&mut self, registry: &mut Registry) {
        let mut successes = Vec::with_capacity(self.0.len());
        for part in &mut self.0 {
            let told = part.read();
            successes.push((part.name(), told.is_some()));
            if let Some(told) = told {
                registry.register_collector(told);
            }
        }
        registry.register_collector(Box::new(Successes(successes)));
    }
}

/// Which parts could be read.
#[derive(Debug)]
struct Successes(Vec<(&'static str, bool)>);

impl Collector for Successes {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Whether this part of the machine could be read.";
        let values = self
            .0
            .iter()
            .map(|(name, is_read)| ([("collector", *name)], if *is_read { 1.0 } else { 0.0 }));
        Families::new(encoder).gauge("loadline_agent_collector_success", help, values)
    }
}
