//! What each core has done, and what the kernel counted meanwhile.

use std::collections::BTreeMap;
use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType::{self, Counter, Gauge};
use rustix::param::clock_ticks_per_second;

use super::{COUNT_MAX, Part};
use crate::metrics::families::Families;
use crate::procfs::{CpuTimes, Stat, StatLine};

/// A core whose idle time goes back by so many seconds was away, and begins anew.
const BACK_SECONDS_MAX: u64 = 3;

/// The collectors `cpu` and `stat`: one file of the kernel has it all.
pub(super) struct Cpu {
    stat: Stat,
    /// What was told of each core, so that nothing goes back that is said to go on only.
    last: BTreeMap<u32, CpuTimes>,
}

impl Cpu {
    pub(super) fn new() -> Cpu {
        Cpu { stat: Stat::new(Stat::ROOM), last: BTreeMap::new() }
    }
}

impl Part for Cpu {
    fn name(&self) -> &'static str {
        "cpu"
    }

    fn read(&mut self) -> Option<Box<dyn Collector>> {
        let mut told = Told { ticks_per_second: clock_ticks_per_second(), ..Told::default() };
        let last = &self.last;
        self.stat.each(|line| {
            told.take(line, last);
            true
        });
        if told.cores.is_empty() {
            return None;
        }
        self.last.clone_from(&told.cores);
        Some(Box::new(told))
    }
}

#[derive(Debug, Default)]
struct Told {
    ticks_per_second: u64,
    cores: BTreeMap<u32, CpuTimes>,
    interrupts: Option<u64>,
    switches: Option<u64>,
    forks: Option<u64>,
    boot: Option<u64>,
    running: Option<u64>,
    blocked: Option<u64>,
}

impl Told {
    fn take(&mut self, line: StatLine, last: &BTreeMap<u32, CpuTimes>) {
        match line {
            StatLine::Cpus(_) => {}
            StatLine::Cpu(core, times) => {
                let back_max = BACK_SECONDS_MAX * self.ticks_per_second;
                let times = last.get(&core).map_or(times, |last| onward(*last, times, back_max));
                if self.cores.len() < COUNT_MAX {
                    self.cores.insert(core, times);
                }
            }
            StatLine::Interrupts(count) => self.interrupts = Some(count),
            StatLine::ContextSwitches(count) => self.switches = Some(count),
            StatLine::Forks(count) => self.forks = Some(count),
            StatLine::BootTime(seconds) => self.boot = Some(seconds),
            StatLine::Running(count) => self.running = Some(count),
            StatLine::Blocked(count) => self.blocked = Some(count),
        }
    }
}

/// The times of a core, none less than before: the kernel's go back a little now and then, which
/// would look as if they had begun anew.
fn onward(last: CpuTimes, now: CpuTimes, back_max: u64) -> CpuTimes {
    if now.idle.saturating_add(back_max) < last.idle {
        return now;
    }
    CpuTimes {
        user: now.user.max(last.user),
        nice: now.nice.max(last.nice),
        system: now.system.max(last.system),
        idle: now.idle.max(last.idle),
        iowait: now.iowait.max(last.iowait),
        irq: now.irq.max(last.irq),
        softirq: now.softirq.max(last.softirq),
        steal: now.steal.max(last.steal),
        guest: now.guest.max(last.guest),
        guest_nice: now.guest_nice.max(last.guest_nice),
    }
}

fn modes(times: &CpuTimes) -> [(&'static str, u64); 8] {
    [
        ("idle", times.idle),
        ("iowait", times.iowait),
        ("irq", times.irq),
        ("nice", times.nice),
        ("softirq", times.softirq),
        ("steal", times.steal),
        ("system", times.system),
        ("user", times.user),
    ]
}

impl Collector for Told {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut families = Families::new(encoder);
        let seconds = |ticks: u64| ticks as f64 / self.ticks_per_second as f64;
        let cores: Vec<_> =
            self.cores.iter().map(|(core, times)| (core.to_string(), times)).collect();
        let times = cores.iter().flat_map(|(core, times)| {
            let labelled =
                |(mode, ticks)| ([("cpu", core.as_str()), ("mode", mode)], seconds(ticks));
            modes(times).map(labelled)
        });
        families.counter("node_cpu_seconds", "Seconds the CPUs spent in each mode.", times)?;
        let guests = cores.iter().flat_map(|(core, times)| {
            [("nice", times.guest_nice), ("user", times.guest)]
                .map(|(mode, ticks)| ([("cpu", core.as_str()), ("mode", mode)], seconds(ticks)))
        });
        let help = "Seconds the CPUs spent in guests (VMs) for each mode.";
        families.counter("node_cpu_guest_seconds", help, guests)?;
        let counts: [(MetricType, _, _, _); 6] = [
            (Counter, "intr", "Total number of interrupts serviced.", self.interrupts),
            (Counter, "context_switches", "Total number of context switches.", self.switches),
            (Counter, "forks", "Total number of forks.", self.forks),
            (Gauge, "boot_time_seconds", "Node boot time, in unixtime.", self.boot),
            (Gauge, "procs_running", "Number of processes in runnable state.", self.running),
            (Gauge, "procs_blocked", "Number of processes that wait for a disk.", self.blocked),
        ];
        for (kind, name, help, count) in counts {
            let count = count.map(|count| count as f64);
            families.one(kind, &format!("node_{name}"), help, count)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(idle: u64, iowait: u64) -> CpuTimes {
        CpuTimes { idle, iowait, ..CpuTimes::default() }
    }

    #[test]
    fn what_goes_back_a_little_stands_still_and_a_core_that_was_away_begins_anew() {
        assert_eq!(onward(times(1000, 50), times(1010, 48), 300), times(1010, 50));
        assert_eq!(onward(times(1000, 50), times(700, 51), 300), times(1000, 51));
        assert_eq!(onward(times(1000, 50), times(699, 1), 300), times(699, 1));
        assert_eq!(onward(times(u64::MAX, 0), times(0, 0), 300), times(0, 0));
    }
}
