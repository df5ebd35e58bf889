//! Metrics of the machine, with the names and labels of `node_exporter`, so that its dashboards and
//! alerts work.
//!
//! There is one file for each collector or a few related ones.

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

use super::family_writer::FamilyWriter;
use crate::source::{Group, GroupSet};

/// Limit of exported cores, devices and file systems, of each kind. No known machine has more.
const COUNT_MAX: usize = 4096;

/// Collector that can fail independently of the others.
trait MetricCollector: Send {
    fn name(&self) -> &'static str;

    /// Reads the current values. `None` on failure.
    fn read(&mut self) -> Option<Box<dyn Collector>>;
}

/// Collector and the groups that need it. Without groups it always runs.
type CollectorEntry = (&'static [Group], fn() -> Box<dyn MetricCollector>);

/// All collectors of the machine.
pub(super) struct MachineMetrics(Vec<Box<dyn MetricCollector>>);

impl MachineMetrics {
    /// Creates the collectors of these groups, and those that all dashboards need.
    pub(super) fn new(collect: &GroupSet) -> MachineMetrics {
        use Group::{Cores, Cpu, Disk, Freq, Load, Mem, Net, Pressure, Procs, Swap, Temp, Uptime};

        let collectors: [CollectorEntry; 12] = [
            (&[Cpu, Cores, Procs, Uptime], || Box::new(cpu::CpuCollector::new())),
            (&[Freq], || Box::new(scaling::CpufreqCollector)),
            (&[Load], || Box::new(kernel::LoadavgCollector::new())),
            (&[Mem, Swap], || Box::new(memory::MeminfoCollector::new())),
            (&[Mem, Swap], || Box::new(memory::VmstatCollector::new())),
            (&[Net], || Box::new(network::NetdevCollector::new())),
            (&[Disk], || Box::new(disks::DiskstatsCollector::new())),
            (&[Disk], || Box::new(filesystems::FilesystemCollector::new())),
            (&[Pressure], || Box::new(pressure::PsiCollector::new())),
            (&[Temp], || Box::new(sensors::HwmonCollector)),
            (&[], || Box::new(kernel::UnameCollector)),
            (&[], || Box::new(kernel::TimeCollector)),
        ];
        let is_wanted =
            |of: &[Group]| of.is_empty() || of.iter().any(|group| collect.groups().contains(group));
        MachineMetrics(
            collectors
                .into_iter()
                .filter(|(of, _)| is_wanted(of))
                .map(|(_, part)| part())
                .collect(),
        )
    }

    /// Runs all collectors, and registers their values and their success.
    pub(super) fn read(&mut self, registry: &mut Registry) {
        let mut successes = Vec::with_capacity(self.0.len());
        for collector in &mut self.0 {
            let snapshot = collector.read();
            successes.push((collector.name(), snapshot.is_some()));
            if let Some(snapshot) = snapshot {
                registry.register_collector(snapshot);
            }
        }
        registry.register_collector(Box::new(CollectorStatus(successes)));
    }
}

/// Success of each collector.
#[derive(Debug)]
struct CollectorStatus(Vec<(&'static str, bool)>);

impl Collector for CollectorStatus {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Whether the collector succeeded.";
        let values = self
            .0
            .iter()
            .map(|(name, is_read)| ([("collector", *name)], if *is_read { 1.0 } else { 0.0 }));
        FamilyWriter::new(encoder).gauge("loadline_agent_collector_success", help, values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks the collectors for these groups.
    fn check(collect: &str, expected: &str) {
        let machine = MachineMetrics::new(&collect.parse().unwrap());
        let names: Vec<_> = machine.0.iter().map(|part| part.name()).collect();
        assert_eq!(names.join(" "), format!("{expected} uname time"), "{collect}");
    }

    #[test]
    fn groups_that_are_not_collected_are_not_exported() {
        check("net", "netdev");
        check("uptime", "cpu");
        check("swap", "meminfo vmstat");
        check("temp,disk", "diskstats filesystem hwmon");
        let defaults = "cpu cpufreq loadavg meminfo vmstat netdev diskstats filesystem pressure";
        check(&GroupSet::default().to_string(), defaults);
    }

    #[test]
    fn both_formats_have_the_same_samples() {
        let mut registry = Registry::default();
        MachineMetrics::new(&GroupSet::all()).read(&mut registry);
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
