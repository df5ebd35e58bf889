//! How full the main memory is.

use loadline_protocol::Column;
use sysinfo::{MemoryRefreshKind, RefreshKind, System};

use super::Source;

/// The part of the memory that programs cannot get any more.
pub(super) struct Memory(reader::Reader);

/// How much there is and how much a program could get, both in the same unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ram {
    total: u64,
    available: u64,
}

impl Memory {
    pub(super) fn new() -> Memory {
        Memory(reader::Reader::new())
    }
}

impl Source for Memory {
    fn columns(&self) -> Vec<Column> {
        vec![Column::new("mem", "%")]
    }

    fn sample(&mut self, values: &mut Vec<f64>) {
        values.push(self.0.ram().and_then(Ram::percent).unwrap_or(f64::NAN));
    }
}

impl Ram {
    fn percent(self) -> Option<f64> {
        let used = self.total.saturating_sub(self.available);
        (self.total > 0).then(|| used as f64 / self.total as f64 * 100.0)
    }
}

/// The size of the main memory in bytes, where the system tells it.
pub(super) fn total() -> Option<u64> {
    read().map(|system| system.total_memory()).filter(|bytes| *bytes > 0)
}

fn read() -> Option<System> {
    System::new_with_specifics(RefreshKind::nothing().with_memory(amount())).ok()
}

fn amount() -> MemoryRefreshKind {
    MemoryRefreshKind::nothing().with_ram()
}

#[cfg(target_os = "linux")]
mod reader {
    use super::Ram;
    use crate::procfs::Kept;

    pub(super) struct Reader(Kept);

    impl Reader {
        pub(super) fn new() -> Reader {
            Reader(Kept::new("/proc/meminfo"))
        }

        pub(super) fn ram(&mut self) -> Option<Ram> {
            // The lines that matter are the first three to five, of 28 bytes each.
            parse(self.0.beginning(&mut [0; 512])?)
        }
    }

    /// `MemTotal:       67385156 kB` and so on, a line each. Before Linux 3.14 there is no
    /// `MemAvailable`; then what is free and what is kept from files are taken for it.
    pub(super) fn parse(meminfo: &str) -> Option<Ram> {
        let (whole_lines, _) = meminfo.rsplit_once('\n')?;
        let (mut total, mut available) = (None, None);
        let mut parts = [None; 3];
        for line in whole_lines.lines() {
            let (name, rest) = line.split_once(':')?;
            let amount = || rest.trim().trim_end_matches("kB").trim_end().parse::<u64>().ok();
            match name {
                "MemTotal" => total = amount(),
                "MemFree" => parts[0] = amount(),
                "MemAvailable" => available = amount(),
                "Buffers" => parts[1] = amount(),
                "Cached" => parts[2] = amount(),
                _ => {}
            }
            if total.is_some() && available.is_some() {
                break;
            }
        }
        let estimate = || parts.into_iter().try_fold(0_u64, |sum, part| sum.checked_add(part?));
        Some(Ram { total: total?, available: available.or_else(estimate)? })
    }
}

#[cfg(not(target_os = "linux"))]
mod reader {
    use sysinfo::System;

    use super::Ram;

    pub(super) struct Reader(Option<System>);

    impl Reader {
        pub(super) fn new() -> Reader {
            Reader(super::read())
        }

        pub(super) fn ram(&mut self) -> Option<Ram> {
            let system = self.0.as_mut()?;
            system.refresh_memory_specifics(super::amount());
            Some(Ram { total: system.total_memory(), available: system.available_memory() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_available_is_in_use() {
        let percent = |total, available| Ram { total, available }.percent();
        assert_eq!(percent(200, 50), Some(75.0));
        assert_eq!(percent(200, 300), Some(0.0));
        assert_eq!(percent(0, 0), None);
        assert_eq!(percent(u64::MAX, 0), Some(100.0));
        assert_eq!(percent(1, u64::MAX), Some(0.0));
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod linux_tests {
    use super::Ram;
    use super::reader::parse;

    fn check(meminfo: &str, expected: Option<(u64, u64)>) {
        let expected = expected.map(|(total, available)| Ram { total, available });
        assert_eq!(parse(meminfo), expected, "{meminfo:?}");
    }

    #[test]
    fn the_system_says_what_is_available() {
        let text = "MemTotal:  900 kB\nMemFree:  100 kB\nMemAvailable:  500 kB\nBuffers:  1 kB\n";
        check(text, Some((900, 500)));
    }

    #[test]
    fn an_old_system_leaves_it_to_others_to_estimate() {
        let text = "MemTotal: 900 kB\nMemFree: 100 kB\nBuffers: 20 kB\nCached: 300 kB\nSwap";
        check(text, Some((900, 420)));
    }

    #[test]
    fn a_text_that_makes_no_sense_is_no_memory() {
        check("", None);
        check("MemTotal: 900 kB\n", None);
        check("MemTotal: many kB\nMemAvailable: 5 kB\n", None);
        check("MemTotal: -900 kB\nMemAvailable: 5 kB\n", None);
        check("MemTotal: 18446744073709551616 kB\nMemAvailable: 5 kB\n", None);
        check("MemTotal: nan kB\nMemAvailable: inf kB\n", None);
        check("MemTotal:\nMemAvailable:\n", None);
        check("MemTotal 900 kB\nMemAvailable 5 kB\n", None);
        check("\u{0}\u{0}\n\n:\n", None);
        check("MemAvailable: 5 kB\nMemFree: 5 kB\nBuffers: 1 kB\nCached: 1 kB\n", None);
        // A number that is cut off would be another one.
        check("MemTotal: 900 kB\nMemAvailable: 5", None);
        let most = u64::MAX;
        check(&format!("MemTotal: 9 kB\nMemFree: {most}\nBuffers: {most}\nCached: 1\n"), None);
    }
}
