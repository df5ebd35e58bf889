//! `/proc/pressure/`: time that tasks waited for a busy resource.

use super::open_file::OpenFile;
use super::root::Root;
use super::{number, words};

/// Reader of `cpu`, `memory` or `io` in `/proc/pressure/`.
#[derive(Debug)]
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

impl PressureFile {
    /// Returns the reader for `cpu`, `memory` or `io`.
    pub(crate) fn new(root: &Root, resource: &str) -> PressureFile {
        PressureFile(OpenFile::new(root.path(&format!("proc/pressure/{resource}"))))
    }

    /// Returns `None` if the kernel does not support or has disabled pressure.
    pub(crate) fn read(&mut self) -> Option<Stalls> {
        Stalls::parse(self.0.read_prefix(&mut [0; TEXT_BYTES])?.as_bytes())
    }
}

impl Stalls {
    pub(crate) fn parse(text: &[u8]) -> Option<Stalls> {
        let mut stalls = Stalls::default();
        for line in text.split(|byte| *byte == b'\n') {
            let mut words = words(line);
            match words.next() {
                Some(b"some") => stalls.some = Stall::parse(words),
                Some(b"full") => stalls.full = Stall::parse(words),
                _ => {}
            }
        }
        (stalls != Stalls::default()).then_some(stalls)
    }
}

impl Stall {
    /// Parses `avg10=0.12 avg60=0.34 avg300=0.56 total=789`.
    fn parse<'a>(words: impl Iterator<Item = &'a [u8]>) -> Option<Stall> {
        let (mut avg10, mut total_us) = (None, None);
        for word in words {
            if let Some(percent) = word.strip_prefix(b"avg10=") {
                let percent: f64 = std::str::from_utf8(percent).ok()?.parse().ok()?;
                avg10 = Some(percent).filter(|percent| (0.0..=100.0).contains(percent));
            } else if let Some(total) = word.strip_prefix(b"total=") {
                total_us = number(total);
            }
        }
        Some(Stall { avg10: avg10?, total_us: total_us? })
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
        assert_eq!(Stalls::parse(format!("{some}{full}").as_bytes()), Some(both));
        assert_eq!(Stalls::parse(some.as_bytes()), Some(Stalls { full: None, ..both }));
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
            assert_eq!(Stalls::parse(wrong.as_bytes()), None, "{wrong:?}");
        }
    }
}
