//! `/proc/stat`: CPU times and other counters since boot.

use super::record_file::{Record, RecordFile};
use super::root::Root;
use super::{number, words};

pub(crate) type StatFile = RecordFile<StatLine>;

/// Value of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StatLine {
    /// Times of all cores together: the first line.
    AllCpus(CpuTimes),
    /// Number and times of a core. Offline cores have no line.
    Cpu(u32, CpuTimes),
    Count(StatCount, u64),
}

/// Number that has a line of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum StatCount {
    Interrupts,
    ContextSwitches,
    /// In seconds since the Unix epoch.
    BootTime,
    /// Tasks started since boot.
    Forks,
    /// Runnable tasks.
    Running,
    /// Tasks that wait for a disk.
    Blocked,
}

/// CPU times in ticks, 1/100 s on almost all kernels: `user nice system idle iowait irq softirq steal
/// guest guest_nice`. `user` and `nice` include the time of guests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CpuTimes(pub(crate) [u64; 10]);

/// Buffer for the first line: eleven words of maximum length.
const FIRST_LINE_BYTES: usize = 256;

/// Returns a reader for the first line, with the times of all cores together.
pub(crate) fn first_stat_line(root: &Root) -> StatFile {
    StatFile::with_buffer(root.path(StatLine::PATH), FIRST_LINE_BYTES)
}

/// Buffer for several lines of cores. The long line of interrupts is skipped.
const CORE_LINES_BYTES: usize = 4 * 1024;

/// Returns a reader for the lines of cores.
pub(crate) fn core_stat_lines(root: &Root) -> StatFile {
    StatFile::with_buffer(root.path(StatLine::PATH), CORE_LINES_BYTES)
}

/// Returns the numbers of the online cores, in ascending order.
pub(crate) fn core_numbers(root: &Root) -> Vec<u32> {
    let mut numbers = Vec::new();
    for_each_core(&mut core_stat_lines(root), |number, _| numbers.push(number));
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

/// Passes number and times of each core to `each`: the lines that follow the first one.
pub(crate) fn for_each_core(stat: &mut StatFile, mut each: impl FnMut(u32, CpuTimes)) {
    stat.find_map(|line| match line {
        StatLine::AllCpus(_) => None,
        StatLine::Cpu(number, times) => {
            each(number, times);
            None
        }
        StatLine::Count(..) => Some(()),
    });
}

impl Record for StatLine {
    type Of<'a> = StatLine;

    const PATH: &'static str = "proc/stat";

    /// Buffer for one read on a machine with a few hundred cores, with the line of interrupts. On
    /// larger machines the file is read in pieces.
    const BUFFER_BYTES: usize = 64 * 1024;

    fn parse(line: &[u8]) -> Option<StatLine> {
        let mut words = words(line);
        let name = words.next()?;
        if let Some(suffix) = name.strip_prefix(b"cpu") {
            let times = CpuTimes::parse(words)?;
            if suffix.is_empty() {
                return Some(StatLine::AllCpus(times));
            }
            return Some(StatLine::Cpu(number(suffix)?.try_into().ok()?, times));
        }
        let count = match name {
            b"intr" => StatCount::Interrupts,
            b"ctxt" => StatCount::ContextSwitches,
            b"btime" => StatCount::BootTime,
            b"processes" => StatCount::Forks,
            b"procs_running" => StatCount::Running,
            b"procs_blocked" => StatCount::Blocked,
            _ => return None,
        };
        Some(StatLine::Count(count, number(words.next()?)?))
    }
}

impl CpuTimes {
    /// Old kernels have fewer values, at least up to `idle`.
    fn parse<'a>(words: impl Iterator<Item = &'a [u8]>) -> Option<CpuTimes> {
        let mut ticks = [0; 10];
        let mut count = 0;
        for (tick, word) in ticks.iter_mut().zip(words) {
            *tick = number(word)?;
            count += 1;
        }
        let times = CpuTimes(ticks);
        (count >= 4 && times.checked_total().is_some()).then_some(times)
    }

    /// Returns the total. Guest time is part of `user` and `nice`. Always `Some` after `parse`.
    fn checked_total(self) -> Option<u64> {
        let CpuTimes([ticks @ .., _guest, _guest_nice]) = self;
        ticks.into_iter().try_fold(0, u64::checked_add)
    }

    /// Adds the times of another core.
    pub(crate) fn add(&mut self, CpuTimes(others): CpuTimes) {
        for (ticks, other) in self.0.iter_mut().zip(others) {
            *ticks = ticks.saturating_add(other);
        }
    }

    /// Returns the total time.
    pub(crate) fn total(self) -> u64 {
        self.checked_total().unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::tests::TestRoot;

    #[test]
    fn all_known_lines_are_parsed() {
        let text = "cpu  100 20 30 400 50 6 7 8 9 10\ncpu0 1 2 3 4\ncpu12 1 2 3 4 5 6 7 8\n\
                    page 5 6\nintr 9225179 0 0\nctxt 11\nbtime 1795687891\nprocesses 12\n\
                    procs_running 3\nprocs_blocked 1\nsoftirq 5 6\n";
        let files = TestRoot::with(&[("proc/stat", text)]);
        let mut stat = StatFile::with_buffer(files.root().path("proc/stat"), 64);
        let mut lines = Vec::new();
        stat.for_each(|line| lines.push(line));
        let expected = [
            StatLine::AllCpus(CpuTimes([100, 20, 30, 400, 50, 6, 7, 8, 9, 10])),
            StatLine::Cpu(0, CpuTimes([1, 2, 3, 4, 0, 0, 0, 0, 0, 0])),
            StatLine::Cpu(12, CpuTimes([1, 2, 3, 4, 5, 6, 7, 8, 0, 0])),
            StatLine::Count(StatCount::Interrupts, 9_225_179),
            StatLine::Count(StatCount::ContextSwitches, 11),
            StatLine::Count(StatCount::BootTime, 1_795_687_891),
            StatLine::Count(StatCount::Forks, 12),
            StatLine::Count(StatCount::Running, 3),
            StatLine::Count(StatCount::Blocked, 1),
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn guest_time_is_counted_once() {
        assert_eq!(CpuTimes([100, 20, 30, 400, 50, 6, 7, 8, 9, 10]).total(), 621);
    }

    #[test]
    fn malformed_lines_are_rejected() {
        let absurd = format!("cpu {0} {0} {0} {0}", u64::MAX);
        for wrong in [
            "",
            " ",
            "cpu",
            "cpu 1 2 3",
            "cpux 1 2 3 4",
            "cpu-1 1 2 3 4",
            "cpu99999999999 1 2 3 4",
            "intr",
            "intr x",
            "btime -5",
            "ctxt 18446744073709551616",
            "cpu -1 2 3 4",
            "cpu +1 2 3 4",
            "cpu 1 2 3 4 x",
            "cpu 1 2 3 4 5 6 7 nan",
            "cpu 1.5 2 3 4",
            "cpu 1 2 3 18446744073709551616",
            "\u{0}\u{0}\u{0}",
            &absurd,
        ] {
            assert_eq!(StatLine::parse(wrong.as_bytes()), None, "{wrong:?}");
        }
    }
}
