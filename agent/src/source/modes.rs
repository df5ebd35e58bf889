//! CPU time by mode. Own reader on Linux: sysinfo has only the total CPU use.

use loadline_protocol::Column;

use super::Collector;
use super::snapshot::SystemSnapshot;
use crate::kernel::root::Root;
use crate::kernel::stat::{CpuTimes, StatFile, StatLine, first_stat_line};

/// Collector of shares of the time of all cores since the previous sample: `user` (with nice and
/// guests), `system` (with interrupts), `iowait`, and `steal` (time used by other virtual machines
/// on the same hardware). `cpu` is the sum of `user`, `system` and `steal`.
pub(super) struct CpuModesCollector {
    stat: StatFile,
    last: Option<CpuTimes>,
}

impl CpuModesCollector {
    pub(super) fn new(root: &Root) -> CpuModesCollector {
        CpuModesCollector { stat: first_stat_line(root), last: None }
    }

    /// Returns the shares since the previous call in column order, %.
    fn shares(&mut self) -> Option<[f64; 4]> {
        let now = self.stat.find_map(|line| match line {
            StatLine::AllCpus(times) => Some(times),
            _ => None,
        });
        let last = std::mem::replace(&mut self.last, now);
        shares_between(last?, now?)
    }
}

impl Collector for CpuModesCollector {
    fn columns(&self) -> Vec<Column> {
        ["user", "system", "iowait", "steal"].map(|name| Column::new(name, "%")).into()
    }

    fn sample(&mut self, now: &SystemSnapshot, values: &mut Vec<f64>) -> bool {
        let mut shares = self.shares().unwrap_or([f64::NAN; 4]);
        if let Some(container_modes) = now.container_modes {
            shares[..2].copy_from_slice(&container_modes);
        }
        values.extend(shares);
        // True on other systems too: a warning about missing modes would not help.
        true
    }
}

/// `None` if no time has passed.
fn shares_between(last: CpuTimes, now: CpuTimes) -> Option<[f64; 4]> {
    let total = now.total().checked_sub(last.total()).filter(|ticks| *ticks > 0)?;
    // The kernel's iowait counter may go back a little.
    let more = |now: u64, last: u64| now.saturating_sub(last).min(total);
    let percent = |ticks: u64| ticks.min(total) as f64 / total as f64 * 100.0;
    let system = more(now.system, last.system);
    let interrupts = more(now.irq + now.softirq, last.irq + last.softirq);
    Some([
        percent(more(now.user + now.nice, last.user + last.nice)),
        percent(system.saturating_add(interrupts)),
        percent(more(now.iowait, last.iowait)),
        percent(more(now.steal, last.steal)),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_percentages_of_the_elapsed_time() {
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
        assert_eq!(shares_between(last, now), Some([30.0, 20.0, 10.0, 10.0]));
    }

    #[test]
    fn shares_stay_between_0_and_100_percent() {
        let times = |user, total| CpuTimes { user, idle: total - user, ..CpuTimes::default() };
        let check = |user, total, expected| {
            let shares = shares_between(times(900, 1000), times(user, total));
            assert_eq!(shares.map(|[user, ..]| user), expected, "{user} {total}");
        };
        check(940, 1040, Some(100.0));
        check(910, 1040, Some(25.0));
        check(890, 1040, Some(0.0));
        check(900, 1000, None);
        check(800, 900, None);
        check(0, u64::MAX, Some(0.0));
        check(u64::MAX, u64::MAX, Some(100.0));
    }
}
