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
mod sensors;

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::registry::Registry;

use super::families::Families;
use crate::source::{Collect, Group};

/// Of cores, devices and file systems, as many of each as are told. No machine is known with more.
const COUNT_MAX: usize = 4096;

/// What is read by itself, and may fail by itself.
trait Part: Send {
    /// The name of the collector.
    fn name(&self) -> &'static str;

    /// What there is to tell now; `None` if it cannot be read.
    fn read(&mut self) -> Option<Box<dyn Collector>>;
}

/// A part, and the groups that want it; none is for all.
type Offer = (&'static [Group], fn() -> Box<dyn Part>);

/// All that is told of the machine.
pub(super) struct Machine(Vec<Box<dyn Part>>);

impl Machine {
    /// What belongs to these groups, and what any dashboard asks for.
    pub(super) fn new(collect: &Collect) -> Machine {
        use Group::{Cores, Cpu, Disk, Freq, Load, Mem, Net, Pressure, Procs, Swap, Temp, Uptime};

        let parts: [Offer; 12] = [
            (&[Cpu, Cores, Procs, Uptime], || Box::new(cpu::Cpu::new())),
            (&[Freq], || Box::new(scaling::Cpufreq)),
            (&[Load], || Box::new(kernel::Loads::new())),
            (&[Mem, Swap], || Box::new(memory::Meminfo::new())),
            (&[Mem, Swap], || Box::new(memory::Vmstat::new())),
            (&[Net], || Box::new(network::Netdev::new())),
            (&[Disk], || Box::new(disks::Disks::new())),
            (&[Disk], || Box::new(filesystems::Filesystems::new())),
            (&[Pressure], || Box::new(pressure::Pressures::new())),
            (&[Temp], || Box::new(sensors::Hwmon)),
            (&[], || Box::new(kernel::Uname)),
            (&[], || Box::new(kernel::Time)),
        ];
        let is_wanted =
            |of: &[Group]| of.is_empty() || of.iter().any(|group| collect.groups().contains(group));
        Machine(parts.into_iter().filter(|(of, _)| is_wanted(of)).map(|(_, part)| part()).collect())
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The collectors that are read when these groups are collected.
    fn check(collect: &str, expected: &str) {
        let machine = Machine::new(&collect.parse().unwrap());
        let names: Vec<_> = machine.0.iter().map(|part| part.name()).collect();
        assert_eq!(names.join(" "), format!("{expected} uname time"), "{collect}");
    }

    #[test]
    fn what_is_not_collected_is_not_told() {
        check("net", "netdev");
        check("uptime", "cpu");
        check("swap", "meminfo vmstat");
        check("temp,disk", "diskstats filesystem hwmon");
        let defaults = "cpu cpufreq loadavg meminfo vmstat netdev diskstats filesystem pressure";
        check(&Collect::default().to_string(), defaults);
    }

    #[test]
    fn what_this_machine_tells_is_told_in_both_forms() {
        let mut registry = Registry::default();
        Machine::new(&Collect::all()).read(&mut registry);
        let (mut classic, mut open) = (String::new(), String::new());
        prometheus_client::encoding::prometheus_text::encode(&mut classic, &registry).unwrap();
        prometheus_client::encoding::text::encode(&mut open, &registry).unwrap();
        let samples = |text: &str| -> Vec<String> {
            text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
        };
        assert_eq!(samples(&classic), samples(&open));
        assert!(classic.contains("\nnode_cpu_seconds_total{cpu=\""), "{classic}");
    }
}
