//! CPU time by mode. Own reader on Linux: sysinfo has only the total CPU use.

use std::array;

use crate::kernel::root::Root;
use crate::kernel::stat::{CpuTimes, StatFile, StatLine, first_stat_line};

/// Reader of the time of all cores together.
pub(super) struct CpuModesReader {
    stat: StatFile,
    last: Option<CpuTimes>,
}

impl CpuModesReader {
    pub(super) fn new(root: &Root) -> CpuModesReader {
        CpuModesReader { stat: first_stat_line(root), last: None }
    }

    /// Returns the shares of user, system, iowait and steal since the previous call, %.
    pub(super) fn shares(&mut self) -> Option<[f64; 4]> {
        let now = self.stat.find_map(|line| match line {
            StatLine::AllCpus(times) => Some(times),
            _ => None,
        });
        let last = std::mem::replace(&mut self.last, now);
        shares_between(last?, now?)
    }
}

/// `None` if no time has passed.
fn shares_between(last: CpuTimes, now: CpuTimes) -> Option<[f64; 4]> {
    let total = now.total().checked_sub(last.total()).filter(|ticks| *ticks > 0)?;
    let (last, now) = (ticks_of_columns(last), ticks_of_columns(now));
    Some(array::from_fn(|column| {
        // The kernel's iowait counter may go back a little.
        let ticks = now[column].saturating_sub(last[column]).min(total);
        ticks as f64 / total as f64 * 100.0
    }))
}

fn ticks_of_columns(CpuTimes(ticks): CpuTimes) -> [u64; 4] {
    let [user, nice, system, _idle, iowait, irq, softirq, steal, _guest, _guest_nice] = ticks;
    [user + nice, system + irq + softirq, iowait, steal]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_percentages_of_the_elapsed_time() {
        let last = CpuTimes([10, 0, 0, 20, 0, 0, 0, 0, 0, 0]);
        let now = CpuTimes([30, 10, 10, 50, 10, 4, 6, 10, 7, 3]);
        assert_eq!(shares_between(last, now), Some([30.0, 20.0, 10.0, 10.0]));
    }

    #[test]
    fn shares_stay_between_0_and_100_percent() {
        let times = |user, total| CpuTimes([user, 0, 0, total - user, 0, 0, 0, 0, 0, 0]);
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
