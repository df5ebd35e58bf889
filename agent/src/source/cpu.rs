//! How busy the processor is, and with what.

use loadline_protocol::Column;
use sysinfo::{CpuRefreshKind, RefreshKind, System};

use super::Part;
use super::moment::Moment;

/// Utilization of all cores since the previous sample.
pub(super) struct Busy;

/// What the time went into: programs (`user`, those that are nice and guests among them), the kernel
/// (`system`, with interrupts), waiting for disks (`iowait`), and other machines on the same hardware
/// (`steal`). `cpu` is `user`, `system` and `steal` together.
pub(super) struct Modes;

/// Parts of the time that there was, %.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Shares {
    pub(super) busy: f64,
    pub(super) user: f64,
    pub(super) system: f64,
    pub(super) iowait: f64,
    pub(super) steal: f64,
}

impl Part for Busy {
    fn columns(&self) -> Vec<Column> {
        vec![Column::new("cpu", "%")]
    }

    fn sample(&mut self, now: &Moment, values: &mut Vec<f64>) -> bool {
        values.push(now.cpu.busy);
        true
    }
}

impl Part for Modes {
    fn columns(&self) -> Vec<Column> {
        ["user", "system", "iowait", "steal"].map(|name| Column::new(name, "%")).into()
    }

    fn sample(&mut self, now: &Moment, values: &mut Vec<f64>) -> bool {
        values.extend([now.cpu.user, now.cpu.system, now.cpu.iowait, now.cpu.steal]);
        // Elsewhere nobody tells, and there is nothing to do about it.
        true
    }
}

impl Shares {
    pub(super) const UNKNOWN: Shares = Shares {
        busy: f64::NAN,
        user: f64::NAN,
        system: f64::NAN,
        iowait: f64::NAN,
        steal: f64::NAN,
    };
}

#[cfg(target_os = "linux")]
impl Shares {
    /// `None` if there was no time between the two.
    pub(super) fn between(
        last: crate::procfs::CpuTimes,
        now: crate::procfs::CpuTimes,
    ) -> Option<Shares> {
        let total = now.total().checked_sub(last.total()).filter(|ticks| *ticks > 0)?;
        // The count of the time spent waiting for disks may go back a little.
        let more = |now: u64, last: u64| now.saturating_sub(last).min(total);
        let percent = |ticks: u64| ticks.min(total) as f64 / total as f64 * 100.0;
        let idle = more(now.idle + now.iowait, last.idle + last.iowait);
        let system = more(now.system, last.system);
        let interrupts = more(now.irq + now.softirq, last.irq + last.softirq);
        Some(Shares {
            busy: percent(total - idle),
            user: percent(more(now.user + now.nice, last.user + last.nice)),
            system: percent(system.saturating_add(interrupts)),
            iowait: percent(more(now.iowait, last.iowait)),
            steal: percent(more(now.steal, last.steal)),
        })
    }
}

/// The number of logical cores, where the system tells it.
pub(super) fn logical_cores() -> Option<u32> {
    let usage = CpuRefreshKind::nothing().with_usage();
    let cores = System::new_with_specifics(RefreshKind::nothing().with_cpu(usage)).ok()?;
    u32::try_from(cores.cpus().len()).ok().filter(|cores| *cores > 0)
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;
    use crate::procfs::CpuTimes;

    #[test]
    fn usage_is_the_part_of_the_time_that_was_not_idle() {
        let times = |idle, total| CpuTimes { idle, user: total - idle, ..CpuTimes::default() };
        let check = |idle, total, expected| {
            let shares = Shares::between(times(100, 1000), times(idle, total));
            assert_eq!(shares.map(|shares| shares.busy), expected, "{idle} {total}");
        };
        check(100, 1040, Some(100.0));
        check(130, 1040, Some(25.0));
        check(140, 1040, Some(0.0));
        check(99, 1040, Some(100.0));
        check(150, 1040, Some(0.0));
        check(100, 1000, None);
        check(100, 900, None);
        check(0, 0, None);
        check(u64::MAX, u64::MAX, Some(0.0));
        check(0, u64::MAX, Some(100.0));
    }

    #[test]
    fn the_time_went_into_something() {
        let last = CpuTimes { user: 10, idle: 20, ..CpuTimes::default() };
        let now = CpuTimes {
            user: 30,
            nice: 10,
            system: 10,
            idle: 50,
            iowait: 10,
            irq: 4,
            softirq: 6,
            steal: 10,
            guest: 7,
            guest_nice: 3,
        };
        let shares = Shares { busy: 60.0, user: 30.0, system: 20.0, iowait: 10.0, steal: 10.0 };
        assert_eq!(Shares::between(last, now), Some(shares));
    }
}
