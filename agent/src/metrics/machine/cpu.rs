//! CPU times per core, and counters of `/proc/stat`.

use std::collections::BTreeMap;
use std::{array, fmt};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType::{self, Counter, Gauge};
use rustix::param::clock_ticks_per_second;

use super::{COUNT_MAX, MetricCollector};
use crate::kernel::root::Root;
use crate::kernel::stat::{CpuTimes, StatFile, StatLine};
use crate::metrics::family_writer::FamilyWriter;

/// Decrease of a core's idle time, in seconds, from which the core was offline and its counters
/// restart.
const BACKWARD_SECONDS_MAX: u64 = 3;

/// Position of the idle time in [`CpuTimes`].
const IDLE: usize = 3;

/// Collectors `cpu` and `stat`, which read the same file.
pub(super) struct CpuCollector {
    stat: StatFile,
    /// Previous times of each core, so that counters never decrease.
    last: BTreeMap<u32, CpuTimes>,
}

impl CpuCollector {
    pub(super) fn new(root: &Root) -> CpuCollector {
        CpuCollector { stat: StatFile::new(root), last: BTreeMap::new() }
    }
}

impl MetricCollector for CpuCollector {
    fn name(&self) -> &'static str {
        "cpu"
    }

    fn read(&mut self) -> Option<Box<dyn Collector>> {
        let mut snapshot =
            CpuSnapshot { ticks_per_second: clock_ticks_per_second(), ..CpuSnapshot::default() };
        let last = &self.last;
        self.stat.for_each(|line| snapshot.add_line(line, last));
        if snapshot.cores.is_empty() {
            return None;
        }
        self.last.clone_from(&snapshot.cores);
        Some(Box::new(snapshot))
    }
}

#[derive(Debug, Default)]
struct CpuSnapshot {
    ticks_per_second: u64,
    cores: BTreeMap<u32, CpuTimes>,
    interrupts: Option<u64>,
    context_switches: Option<u64>,
    forks: Option<u64>,
    boot_time: Option<u64>,
    running: Option<u64>,
    blocked: Option<u64>,
}

impl CpuSnapshot {
    fn add_line(&mut self, line: StatLine, last: &BTreeMap<u32, CpuTimes>) {
        match line {
            StatLine::AllCpus(_) => {}
            StatLine::Cpu(core, times) => {
                let back_max = BACKWARD_SECONDS_MAX * self.ticks_per_second;
                let times =
                    last.get(&core).map_or(times, |last| monotonic_times(*last, times, back_max));
                if self.cores.len() < COUNT_MAX {
                    self.cores.insert(core, times);
                }
            }
            StatLine::Interrupts(count) => self.interrupts = Some(count),
            StatLine::ContextSwitches(count) => self.context_switches = Some(count),
            StatLine::Forks(count) => self.forks = Some(count),
            StatLine::BootTime(seconds) => self.boot_time = Some(seconds),
            StatLine::Running(count) => self.running = Some(count),
            StatLine::Blocked(count) => self.blocked = Some(count),
        }
    }
}

/// Returns the times of a core, none below its previous value. The kernel's values decrease
/// slightly at times, which would look like a counter reset.
fn monotonic_times(last: CpuTimes, now: CpuTimes, back_max: u64) -> CpuTimes {
    let (CpuTimes(last), CpuTimes(now)) = (last, now);
    if now[IDLE].saturating_add(back_max) < last[IDLE] {
        return CpuTimes(now);
    }
    CpuTimes(array::from_fn(|mode| now[mode].max(last[mode])))
}

fn modes(CpuTimes(ticks): &CpuTimes) -> [(&'static str, u64); 8] {
    let [user, nice, system, idle, iowait, irq, softirq, steal, _guest, _guest_nice] = *ticks;
    [
        ("idle", idle),
        ("iowait", iowait),
        ("irq", irq),
        ("nice", nice),
        ("softirq", softirq),
        ("steal", steal),
        ("system", system),
        ("user", user),
    ]
}

impl Collector for CpuSnapshot {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut families = FamilyWriter::new(encoder);
        let seconds = |ticks: u64| ticks as f64 / self.ticks_per_second as f64;
        let cores: Vec<_> =
            self.cores.iter().map(|(core, times)| (core.to_string(), times)).collect();
        let times = cores.iter().flat_map(|(core, times)| {
            let labelled =
                |(mode, ticks)| ([("cpu", core.as_str()), ("mode", mode)], seconds(ticks));
            modes(times).map(labelled)
        });
        families.counter("node_cpu_seconds", "Seconds the CPUs spent in each mode.", times)?;
        let guests = cores.iter().flat_map(|(core, CpuTimes([.., guest, guest_nice]))| {
            [("nice", *guest_nice), ("user", *guest)]
                .map(|(mode, ticks)| ([("cpu", core.as_str()), ("mode", mode)], seconds(ticks)))
        });
        let help = "Seconds the CPUs spent in guests (VMs) for each mode.";
        families.counter("node_cpu_guest_seconds", help, guests)?;
        let counts: [(MetricType, _, _, _); 6] = [
            (Counter, "intr", "Total number of interrupts serviced.", self.interrupts),
            (
                Counter,
                "context_switches",
                "Total number of context switches.",
                self.context_switches,
            ),
            (Counter, "forks", "Total number of forks.", self.forks),
            (Gauge, "boot_time_seconds", "Node boot time, in unixtime.", self.boot_time),
            (Gauge, "procs_running", "Number of processes in runnable state.", self.running),
            (Gauge, "procs_blocked", "Number of processes that wait for a disk.", self.blocked),
        ];
        for (kind, name, help, count) in counts {
            let count = count.map(|count| count as f64);
            families.unlabelled(kind, &format!("node_{name}"), help, count)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::tests::TestRoot;
    use crate::metrics::machine::tests::samples;

    fn times(idle: u64, iowait: u64) -> CpuTimes {
        CpuTimes([0, 0, 0, idle, iowait, 0, 0, 0, 0, 0])
    }

    #[test]
    fn a_counter_does_not_go_back_from_one_scrape_to_the_next() {
        let files = TestRoot::with(&[("proc/stat", "cpu0 0 0 0 1000 50\nctxt 5\n")]);
        let mut collector = CpuCollector::new(&files.root());
        let mut idle_and_iowait = || {
            let samples = samples(&mut collector).unwrap();
            let values = samples.lines().take(2).map(|line| line.rsplit(' ').next().unwrap());
            values.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(idle_and_iowait(), "10.0 0.5");
        files.write("proc/stat", "cpu0 0 0 0 1100 45\n");
        assert_eq!(idle_and_iowait(), "11.0 0.5");
        files.write("proc/stat", "cpu0 0 0 0 7 1\n");
        assert_eq!(idle_and_iowait(), "0.07 0.01");
    }

    #[test]
    fn small_decreases_are_held_and_a_core_that_was_offline_restarts() {
        assert_eq!(monotonic_times(times(1000, 50), times(1010, 48), 300), times(1010, 50));
        assert_eq!(monotonic_times(times(1000, 50), times(700, 51), 300), times(1000, 51));
        assert_eq!(monotonic_times(times(1000, 50), times(699, 1), 300), times(699, 1));
        assert_eq!(monotonic_times(times(u64::MAX, 0), times(0, 0), 300), times(0, 0));
    }
}
