//! CPU time by mode. Own reader on Linux: sysinfo has only the total CPU use, and only that of all
//! cores.

use std::array;

use crate::kernel::root::Root;
use crate::kernel::stat::{
    CpuTimes, StatFile, StatLine, core_stat_lines, first_stat_line, for_each_core,
};

/// Reader of the time of all cores together, or of some of them.
pub(super) struct CpuModesReader {
    first_line: StatFile,
    core_lines: StatFile,
    /// Numbers of the cores, if not all count.
    cores: Option<Vec<u32>>,
    /// Number of cores that were online, and their time.
    last: Option<(usize, CpuTimes)>,
}

impl CpuModesReader {
    pub(super) fn new(root: &Root) -> CpuModesReader {
        let (first_line, core_lines) = (first_stat_line(root), core_stat_lines(root));
        CpuModesReader { first_line, core_lines, cores: None, last: None }
    }

    /// Sets the cores that count: all of them if `None`.
    pub(super) fn set_cores(&mut self, cores: Option<&[u32]>) {
        if self.cores.as_deref() != cores {
            self.cores = cores.map(<[u32]>::to_vec);
            self.last = None;
        }
    }

    /// Returns the shares of user, system, iowait and steal since the previous call, %, and the ticks of
    /// all cores that count.
    pub(super) fn shares_and_ticks(&mut self) -> Option<([f64; 4], u64)> {
        let now = self.times();
        let ((last_count, last), (count, now)) = (std::mem::replace(&mut self.last, now)?, now?);
        // A core that comes or goes makes a gap: its time since boot is no time since `last`.
        shares_between(last, now).filter(|_| count == last_count)
    }

    fn times(&mut self) -> Option<(usize, CpuTimes)> {
        let Some(cores) = &self.cores else {
            return self.first_line.find_map(|line| match line {
                StatLine::AllCpus(times) => Some((0, times)),
                _ => None,
            });
        };
        let (mut count, mut sum) = (0, CpuTimes([0; 10]));
        for_each_core(&mut self.core_lines, |number, times| {
            if cores.binary_search(&number).is_ok() {
                count += 1;
                sum.add(times);
            }
        });
        (count > 0).then_some((count, sum))
    }
}

/// Returns the shares, and the ticks of all time. `None` if no time has passed.
fn shares_between(last: CpuTimes, now: CpuTimes) -> Option<([f64; 4], u64)> {
    let total = now.total().checked_sub(last.total()).filter(|ticks| *ticks > 0)?;
    let (last, now) = (ticks_of_columns(last), ticks_of_columns(now));
    let shares = array::from_fn(|column| {
        // The kernel's iowait counter may go back a little.
        let ticks = now[column].saturating_sub(last[column]).min(total);
        ticks as f64 / total as f64 * 100.0
    });
    Some((shares, total))
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
        assert_eq!(shares_between(last, now), Some(([30.0, 20.0, 10.0, 10.0], 100)));
    }

    #[test]
    fn shares_stay_between_0_and_100_percent() {
        let times = |user, total| CpuTimes([user, 0, 0, total - user, 0, 0, 0, 0, 0, 0]);
        let check = |user, total, expected| {
            let shares = shares_between(times(900, 1000), times(user, total));
            assert_eq!(shares.map(|([user, ..], _)| user), expected, "{user} {total}");
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
