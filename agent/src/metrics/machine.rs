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

use std::collections::HashSet;
use std::hash::Hash;

use loadline_protocol::sanitize;
use prometheus_client::metrics::MetricType::Gauge;

use super::family::{Family, Label};
use crate::kernel::arcstats::ArcFile;
use crate::kernel::device_folders::DeviceFolders;
use crate::kernel::meminfo::MeminfoFile;
use crate::kernel::net_dev::NetDevFile;
use crate::kernel::pressure::pressure_files;
use crate::kernel::root::Root;
use crate::kernel::vmstat::VmstatFile;
use crate::source::{Group, GroupSet};
use cpu::CpuCollector;
use disks::DiskCollector;
use filesystems::FilesystemCollector;

/// Limit of exported cores, devices, file systems, and lines of a file. No known machine has more.
const COUNT_MAX: usize = 4096;

/// Function that reads the current values. `None` on failure, independent of other collectors.
type Collector = Box<dyn FnMut() -> Option<Vec<Family>> + Send>;

/// Returns a collector that keeps `files` open.
fn collector<T: Send + 'static>(
    mut files: T,
    read: fn(&mut T) -> Option<Vec<Family>>,
) -> Collector {
    Box::new(move || read(&mut files))
}

/// Name of a collector, and the groups that need it. Without groups it always runs.
type CollectorEntry = (&'static str, &'static [Group], fn(&Root) -> Collector);

/// All collectors of the machine, with their names.
pub(super) struct MachineMetrics(Vec<(&'static str, Collector)>);

impl MachineMetrics {
    /// Creates the collectors of these groups, and those that all dashboards need.
    pub(super) fn new(root: &Root, collect: &GroupSet) -> MachineMetrics {
        use Group::{
            Cores, Cpu, Disk, DiskDevices, Filesystems, Freq, Load, Mem, Net, NetDevices, Pressure,
            Procs, Swap, Temp, Uptime,
        };

        let collectors: [CollectorEntry; 15] = [
            ("cpu", &[Cpu, Cores, Procs, Uptime], |root| {
                collector(CpuCollector::new(root), CpuCollector::read)
            }),
            ("cpufreq", &[Freq], |root| {
                collector(root.clone(), |root| Some(scaling::frequencies(root)))
            }),
            ("loadavg", &[Load], |root| collector(root.clone(), kernel::load_averages)),
            ("meminfo", &[Mem, Swap], |root| collector(MeminfoFile::new(root), memory::sizes)),
            ("zfs", &[Mem], |root| collector(ArcFile::new(root), |it| Some(memory::arc(it)))),
            ("vmstat", &[Mem, Swap], |root| collector(VmstatFile::new(root), memory::page_counts)),
            ("netdev", &[Net, NetDevices], |root| {
                collector(NetDevFile::new(root), network::traffic)
            }),
            ("netclass", &[Net, NetDevices], |root| {
                collector(DeviceFolders::of_interfaces(root), |it| Some(network::properties(it)))
            }),
            ("bonding", &[Net, NetDevices], |root| {
                collector(DeviceFolders::of_interfaces(root), |it| Some(network::bonds(it)))
            }),
            ("diskstats", &[Disk, DiskDevices], |root| {
                collector(DiskCollector::new(root), DiskCollector::read)
            }),
            ("filesystem", &[Disk, Filesystems], |root| {
                collector(FilesystemCollector::new(root), FilesystemCollector::read)
            }),
            ("pressure", &[Pressure], |root| {
                collector(pressure_files(root), pressure::stall_times)
            }),
            ("hwmon", &[Temp], |root| collector(root.clone(), sensors::temperatures)),
            ("uname", &[], |_| Box::new(|| Some(vec![kernel::uname()]))),
            ("time", &[], |_| Box::new(|| Some(vec![kernel::time()]))),
        ];
        let is_wanted =
            |of: &[Group]| of.is_empty() || of.iter().any(|group| collect.groups().contains(group));
        let wanted = collectors.into_iter().filter(|(_, of, _)| is_wanted(of));
        MachineMetrics(wanted.map(|(name, _, new)| (name, new(root))).collect())
    }

    /// Runs all collectors. Returns their values and their success.
    pub(super) fn read(&mut self) -> Vec<Family> {
        let (mut families, mut successes) = (Vec::new(), Vec::new());
        for (name, read) in &mut self.0 {
            let found = read();
            successes.push(([("collector", (*name).into())].into(), f64::from(found.is_some())));
            families.extend(found.into_iter().flatten());
        }
        let (name, help) = ("loadline_agent_collector_success", "Whether the collector succeeded.");
        families.push(Family::new(Gauge, name, help, successes));
        families
    }
}

/// Adds `key` to `known`. Returns false if `key` is already there, or if `known` is full. Repeated
/// names or labels would make the whole page invalid.
fn is_new<K: Clone + Eq + Hash>(known: &mut HashSet<K>, key: &K) -> bool {
    known.len() < COUNT_MAX && known.insert(key.clone())
}

/// Returns a label with a text from outside.
fn label(name: &'static str, text: &str) -> Label {
    (name, sanitize(text).into_owned().into())
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::prometheus_text;
    use prometheus_client::registry::Registry;

    use super::*;
    use crate::metrics::family::Families;

    /// Returns the samples of a collector, a line each. `None` if nothing can be read.
    pub(super) fn samples(families: Option<Vec<Family>>) -> Option<String> {
        let registry = registry(families?);
        let mut text = String::new();
        prometheus_text::encode(&mut text, &registry).unwrap();
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        Some(samples.map(|line| line.to_owned() + "\n").collect())
    }

    fn registry(families: Vec<Family>) -> Registry {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Families(families)));
        registry
    }

    /// Checks the collectors for these groups.
    fn check(collect: &str, expected: &str) {
        let machine = MachineMetrics::new(&Root::of_this_machine(), &collect.parse().unwrap());
        let names: Vec<_> = machine.0.iter().map(|(name, _)| *name).collect();
        assert_eq!(names.join(" "), format!("{expected} uname time"), "{collect}");
    }

    #[test]
    fn groups_that_are_not_collected_are_not_exported() {
        check("net", "netdev netclass bonding");
        check("disk-devices", "diskstats");
        check("filesystems", "filesystem");
        check("uptime", "cpu");
        check("swap", "meminfo vmstat");
        check("temp,disk", "diskstats filesystem hwmon");
        let defaults = "cpu cpufreq loadavg meminfo zfs vmstat netdev netclass bonding diskstats \
                        filesystem pressure";
        check(&GroupSet::default().to_string(), defaults);
    }

    #[test]
    fn both_formats_have_the_same_samples() {
        let mut machine = MachineMetrics::new(&Root::of_this_machine(), &GroupSet::all());
        let registry = registry(machine.read());
        let (mut classic, mut open) = (String::new(), String::new());
        prometheus_text::encode(&mut classic, &registry).unwrap();
        prometheus_client::encoding::text::encode(&mut open, &registry).unwrap();
        let samples = |text: &str| -> Vec<String> {
            text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
        };
        assert_eq!(samples(&classic), samples(&open));
        assert!(classic.contains("\nnode_cpu_seconds_total{cpu=\""), "{classic}");
    }
}
