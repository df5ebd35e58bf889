//! `/proc/pressure/`: time that tasks waited for a busy resource.

use super::number;
use super::open_file::OpenFile;
use super::root::Root;

/// File of a resource.
pub(crate) struct PressureFile(OpenFile);

/// Stall times of a resource.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Stalls {
    /// Time in which at least one task waited.
    pub(crate) some: Option<Stall>,
    /// Time in which all non-idle tasks waited.
    pub(crate) full: Option<Stall>,
}

/// Stall time.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Stall {
    /// Share of the last ten seconds, %.
    pub(crate) avg10: f64,
    /// Total since boot, µs.
    pub(crate) total_us: u64,
}

/// Buffer for two lines of five words of maximum length.
const TEXT_BYTES: usize = 512;

/// Returns the readers for CPU, memory and IO.
pub(crate) fn pressure_files(root: &Root) -> [PressureFile; 3] {
    ["proc/pressure/cpu", "proc/pressure/memory", "proc/pressure/io"]
        .map(|path| PressureFile(OpenFile::new(root.path(path))))
}

impl PressureFile {
    /// Returns `None` if the kernel does not support or has disabled pressure.
    pub(crate) fn read(&mut self) -> Option<Stalls> {
        Stalls::parse(self.0.read_prefix(&mut [0; TEXT_BYTES])?)
    }
}

impl Stalls {
    pub(crate) fn parse(text: &str) -> Option<Stalls> {
        let stall = |kind| text.lines().find_map(|line| Stall::parse(line.strip_prefix(kind)?));
        let stalls = Stalls { some: stall("some "), full: stall("full ") };
        (stalls != Stalls::default()).then_some(stalls)
    }
}

impl Stall {
    /// Parses `avg10=0.12 avg60=0.34 avg300=0.56 total=789`.
    fn parse(words: &str) -> Option<Stall> {
        let value = |name| words.split_ascii_whitespace().find_map(|word| word.strip_prefix(name));
        let avg10 = value("avg10=")?.parse().ok().filter(|it| (0.0..=100.0).contains(it))?;
        Some(Stall { avg10, total_us: number(value("total=")?.as_bytes())? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_lines_are_read_and_one_may_be_missing() {
        let some = "some avg10=1.50 avg60=0.34 avg300=0.56 total=789\n";
        let full = "full avg10=100.00 avg60=0.00 avg300=0.00 total=0\n";
        let stall = |avg10, total_us| Some(Stall { avg10, total_us });
        let both = Stalls { some: stall(1.5, 789), full: stall(100.0, 0) };
        assert_eq!(Stalls::parse(&format!("{some}{full}")), Some(both));
        assert_eq!(Stalls::parse(some), Some(Stalls { full: None, ..both }));
    }

    #[test]
    fn malformed_text_is_rejected() {
        for wrong in [
            "",
            "some",
            "some avg10=0.00",
            "some total=5",
            "some avg10=nan total=5",
            "some avg10=-1 total=5",
            "some avg10=100.01 total=5",
            "some avg10=inf total=5",
            "some avg10=1 total=-5",
            "some avg10= total=",
            "most avg10=1 total=5",
            "\u{0}\u{0}",
        ] {
            assert_eq!(Stalls::parse(wrong), None, "{wrong:?}");
        }
    }
}
