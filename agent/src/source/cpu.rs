//! How busy the processor is.

use std::time::Duration;

use loadline_protocol::Column;
use sysinfo::{CpuRefreshKind, MINIMUM_CPU_UPDATE_INTERVAL, RefreshKind, System};

use super::Source;

/// Utilization of all cores since the previous sample.
pub(super) struct Cpu(reader::Reader);

impl Cpu {
    pub(super) fn new() -> Cpu {
        Cpu(reader::Reader::new())
    }
}

impl Source for Cpu {
    fn columns(&self) -> Vec<Column> {
        vec![Column::new("cpu", "%")]
    }

    fn sample(&mut self, values: &mut Vec<f64>) {
        values.push(self.0.busy_percent().map_or(f64::NAN, |percent| percent.clamp(0.0, 100.0)));
    }

    fn warm_up(&self) -> Duration {
        // The system counts in hundredths of a second: in less time there is little to count.
        MINIMUM_CPU_UPDATE_INTERVAL.max(Duration::from_millis(200)) + Duration::from_millis(10)
    }
}

/// The number of logical cores, where the system tells it.
pub(super) fn logical_cores() -> Option<u32> {
    let cores = System::new_with_specifics(RefreshKind::nothing().with_cpu(usage())).ok()?;
    u32::try_from(cores.cpus().len()).ok().filter(|cores| *cores > 0)
}

fn usage() -> CpuRefreshKind {
    CpuRefreshKind::nothing().with_usage()
}

#[cfg(target_os = "linux")]
mod reader {
    use crate::procfs::Kept;

    /// Reads the sum over all cores, and no more. sysinfo skips a reading that comes less than
    /// 200 ms after the last one: at that interval, every second sample would repeat the one
    /// before.
    pub(super) struct Reader {
        stat: Kept,
        last: Option<Ticks>,
    }

    /// Where the time that no core had anything to do stands.
    const IDLE: usize = 3;

    /// Where the time stands that it was idle because of a disk.
    const WAITING: usize = 4;

    /// What the processor has done since the machine was started.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(super) struct Ticks {
        pub(super) idle: u64,
        pub(super) total: u64,
    }

    impl Reader {
        pub(super) fn new() -> Reader {
            let mut reader = Reader { stat: Kept::new("/proc/stat"), last: None };
            reader.last = reader.read();
            reader
        }

        pub(super) fn busy_percent(&mut self) -> Option<f64> {
            let ticks = self.read();
            let last = std::mem::replace(&mut self.last, ticks)?;
            ticks?.busy_percent_since(last)
        }

        fn read(&mut self) -> Option<Ticks> {
            // Room for a line of eleven words, each as long as a number can be.
            Ticks::parse(self.stat.beginning(&mut [0; 256])?)
        }
    }

    impl Ticks {
        /// `cpu user nice system idle iowait irq softirq steal …`; what guests used is in `user`
        /// and `nice` already.
        pub(super) fn parse(stat: &str) -> Option<Ticks> {
            let mut words = stat.lines().next()?.split_ascii_whitespace();
            if words.next() != Some("cpu") {
                return None;
            }
            let (mut idle, mut total, mut count) = (0_u64, 0_u64, 0);
            for word in words.take(8) {
                let ticks = word.parse().ok()?;
                total = total.checked_add(ticks)?;
                if matches!(count, IDLE | WAITING) {
                    idle += ticks;
                }
                count += 1;
            }
            (count > IDLE).then_some(Ticks { idle, total })
        }

        /// `None` if there was no time between the two.
        pub(super) fn busy_percent_since(self, last: Ticks) -> Option<f64> {
            let total = self.total.checked_sub(last.total).filter(|ticks| *ticks > 0)?;
            // The count of the time spent waiting for disks may go back a little.
            let idle = self.idle.saturating_sub(last.idle).min(total);
            Some((total - idle) as f64 / total as f64 * 100.0)
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod reader {
    use sysinfo::{RefreshKind, System};

    /// Its own system, for refreshing anything else in it delays the next reading of the usage.
    pub(super) struct Reader(Option<System>);

    impl Reader {
        pub(super) fn new() -> Reader {
            // The first reading is the average since the machine was started. It is taken here
            // and shown to nobody.
            let kind = RefreshKind::nothing().with_cpu(super::usage());
            Reader(System::new_with_specifics(kind).ok())
        }

        pub(super) fn busy_percent(&mut self) -> Option<f64> {
            let system = self.0.as_mut()?;
            system.refresh_cpu_usage();
            Some(f64::from(system.global_cpu_usage()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_sample_after_the_warm_up_is_no_average_since_the_start() {
        let mut cpu = Cpu::new();
        let begin = std::time::Instant::now();
        while begin.elapsed() < cpu.warm_up() {
            // Keeps a core busy, which the average since the start does not show.
            std::hint::spin_loop();
        }
        let mut values = Vec::new();
        cpu.sample(&mut values);
        let cores = f64::from(logical_cores().unwrap_or(1));
        assert!(values[0] > 60.0 / cores, "{values:?} with {cores} cores");
        assert!(values[0] <= 100.0);
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod linux_tests {
    use super::reader::Ticks;

    #[test]
    fn waiting_is_idle_and_guests_are_counted_once() {
        let stat = "cpu  100 20 30 400 50 6 7 8 90 10\ncpu0 1 2 3 4\n";
        assert_eq!(Ticks::parse(stat), Some(Ticks { idle: 450, total: 621 }));
        assert_eq!(Ticks::parse("cpu 1 2 3 4"), Some(Ticks { idle: 4, total: 10 }));
        let absurd = format!("cpu {0} {0} {0} {0}", u64::MAX);
        for wrong in [
            "",
            "\n",
            "cpu",
            "cpu 1 2 3",
            "cpu0 1 2 3 4",
            "intr 1 2 3 4 5",
            "cpu -1 2 3 4",
            "cpu 1 2 3 -4 5",
            "cpu 1 2 3 4 x",
            "cpu 1 2 3 4 5 6 7 nan",
            "cpu 1.5 2 3 4",
            "cpu 1 2 3 18446744073709551616",
            "\ncpu 1 2 3 4",
            "\u{0}\u{0}\u{0}",
            &absurd,
        ] {
            assert_eq!(Ticks::parse(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn usage_is_the_part_of_the_time_that_was_not_idle() {
        let check = |idle, total, expected| {
            let last = Ticks { idle: 100, total: 1000 };
            assert_eq!(Ticks { idle, total }.busy_percent_since(last), expected, "{idle} {total}");
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
}
