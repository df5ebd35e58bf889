//! CPU times per core, and counters of `/proc/stat`.

use std::array;
use std::collections::BTreeMap;

use prometheus_client::metrics::MetricType::{Counter, Gauge};
use rustix::param::clock_ticks_per_second;

use super::COUNT_MAX;
use crate::kernel::root::Root;
use crate::kernel::stat::{CpuTimes, StatCount, StatFile, StatLine};
use crate::metrics::family::{Family, Labels};

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

    pub(super) fn read(&mut self) -> Option<Vec<Family>> {
        let (mut cores, mut counts) = (BTreeMap::new(), BTreeMap::new());
        let back_max = BACKWARD_SECONDS_MAX * clock_ticks_per_second();
        self.stat.for_each(|line| match line {
            StatLine::AllCpus(_) => {}
            StatLine::Cpu(core, times) => {
                let last = self.last.get(&core);
                let times = last.map_or(times, |last| monotonic_times(*last, times, back_max));
                if cores.len() < COUNT_MAX {
                    cores.insert(core, times);
                }
            }
            StatLine::Count(name, count) => {
                counts.insert(name, count);
            }
        });
        if cores.is_empty() {
            return None;
        }
        let mut families = time_families(&cores);
        families.extend(count_families(&counts));
        self.last = cores;
        Some(families)
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

fn time_families(cores: &BTreeMap<u32, CpuTimes>) -> Vec<Family> {
    let ticks_per_second = clock_ticks_per_second() as f64;
    let value = |core: &u32, (mode, ticks): (&'static str, u64)| {
        let labels = [("cpu", core.to_string().into()), ("mode", mode.into())];
        (Labels::from(labels), ticks as f64 / ticks_per_second)
    };
    let times = cores.iter().flat_map(|(core, CpuTimes(ticks))| {
        let [user, nice, system, idle, iowait, irq, softirq, steal, ..] = *ticks;
        let modes = [
            ("idle", idle),
            ("iowait", iowait),
            ("irq", irq),
            ("nice", nice),
            ("softirq", softirq),
            ("steal", steal),
            ("system", system),
            ("user", user),
        ];
        modes.map(|mode| value(core, mode))
    });
    let guests = cores.iter().flat_map(|(core, CpuTimes([.., guest, guest_nice]))| {
        [("nice", *guest_nice), ("user", *guest)].map(|mode| value(core, mode))
    });
    let (help, guest_help) = (
        "Seconds the CPUs spent in each mode.",
        "Seconds the CPUs spent in guests (VMs) for each mode.",
    );
    vec![
        Family::new(Counter, "node_cpu_seconds", help, times),
        Family::new(Counter, "node_cpu_guest_seconds", guest_help, guests),
    ]
}

fn count_families(counts: &BTreeMap<StatCount, u64>) -> impl Iterator<Item = Family> {
    use StatCount::{Blocked, BootTime, ContextSwitches, Forks, Interrupts, Running};

    [
        (Counter, "intr", "Total number of interrupts serviced.", Interrupts),
        (Counter, "context_switches", "Total number of context switches.", ContextSwitches),
        (Counter, "forks", "Total number of forks.", Forks),
        (Gauge, "boot_time_seconds", "Node boot time, in unixtime.", BootTime),
        (Gauge, "procs_running", "Number of processes in runnable state.", Running),
        (Gauge, "procs_blocked", "Number of processes that wait for a disk.", Blocked),
    ]
    .into_iter()
    .map(|(kind, name, help, count)| {
        let count = counts.get(&count).map(|count| *count as f64);
        Family::unlabelled(kind, format!("node_{name}"), help, count)
    })
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
            let samples = samples(collector.read()).unwrap();
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
