//! Time of the cores by mode. Own reader on Linux: sysinfo has the CPU use as one number only.

use loadline_protocol::Column;

use super::Part;
use super::moment::Moment;

/// Shares of the time of all cores since the previous sample: programs (`user`, nice ones and guests
/// included), the kernel (`system`, with interrupts), waiting for disks (`iowait`), and other virtual
/// machines on the same hardware (`steal`). `cpu` is `user`, `system` and `steal` together.
pub(super) struct Modes(reader::Reader);

impl Modes {
    pub(super) fn new() -> Modes {
        Modes(reader::Reader::new())
    }
}

impl Part for Modes {
    fn columns(&self) -> Vec<Column> {
        ["user", "system", "iowait", "steal"].map(|name| Column::new(name, "%")).into()
    }

    fn sample(&mut self, now: &Moment, values: &mut Vec<f64>) -> bool {
        let mut shares = self.0.shares().unwrap_or([f64::NAN; 4]);
        if let Some(of_limit) = now.modes_of_limit {
            shares[..2].copy_from_slice(&of_limit);
        }
        values.extend(shares);
        // Other systems have no modes, and there is nothing to do about it.
        true
    }
}

#[cfg(target_os = "linux")]
mod reader {
    use crate::procfs::{CpuTimes, Stat, StatLine};

    pub(super) struct Reader {
        stat: Stat,
        last: Option<CpuTimes>,
    }

    impl Reader {
        pub(super) fn new() -> Reader {
            Reader { stat: Stat::new(Stat::ROOM_OF_A_LINE), last: None }
        }

        /// Shares since the previous call, in the order of the columns, %.
        pub(super) fn shares(&mut self) -> Option<[f64; 4]> {
            let mut now = None;
            self.stat.each(|line| {
                if let StatLine::Cpus(times) = line {
                    now = Some(times);
                }
                // The line of all cores together is the first.
                false
            });
            let last = std::mem::replace(&mut self.last, now);
            between(last?, now?)
        }
    }

    /// `None` if there was no time between the two.
    pub(super) fn between(last: CpuTimes, now: CpuTimes) -> Option<[f64; 4]> {
        let total = now.total().checked_sub(last.total()).filter(|ticks| *ticks > 0)?;
        // The count of the time spent waiting for disks may go back a little.
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
}

#[cfg(not(target_os = "linux"))]
mod reader {
    pub(super) struct Reader;

    impl Reader {
        pub(super) fn new() -> Reader {
            Reader
        }

        #[expect(clippy::unused_self, reason = "the reader of Linux has something to keep")]
        pub(super) fn shares(&mut self) -> Option<[f64; 4]> {
            None
        }
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::reader::between;
    use crate::procfs::CpuTimes;

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
        assert_eq!(between(last, now), Some([30.0, 20.0, 10.0, 10.0]));
    }

    #[test]
    fn shares_are_of_the_time_that_there_was() {
        let times = |user, total| CpuTimes { user, idle: total - user, ..CpuTimes::default() };
        let check = |user, total, expected| {
            let shares = between(times(900, 1000), times(user, total));
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
