//! `/proc/loadavg`: load averages.

use super::open_file::OpenFile;
use super::root::Root;
use super::{number, words};

/// Reader of `/proc/loadavg`.
#[derive(Debug)]
pub(crate) struct LoadavgFile(OpenFile);

/// Content of `/proc/loadavg`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct LoadAverages {
    /// Over 1, 5 and 15 minutes.
    pub(crate) averages: [f64; 3],
    /// Number of runnable threads, and of all threads, if known.
    pub(crate) threads: Option<(u64, u64)>,
}

/// Highest plausible load: the maximum number of tasks in Linux.
const LOAD_MAX: f64 = (1 << 22) as f64;

/// Buffer for the longest possible numbers.
const TEXT_BYTES: usize = 128;

impl LoadavgFile {
    pub(crate) fn new(root: &Root) -> LoadavgFile {
        LoadavgFile(OpenFile::new(root.path("proc/loadavg")))
    }

    pub(crate) fn read(&mut self) -> Option<LoadAverages> {
        LoadAverages::parse(self.0.read_prefix(&mut [0; TEXT_BYTES])?.as_bytes())
    }
}

impl LoadAverages {
    /// Parses `0.52 0.44 0.40 1/123 4567`.
    pub(crate) fn parse(text: &[u8]) -> Option<LoadAverages> {
        let mut words = words(text);
        let mut average = || {
            let load: f64 = std::str::from_utf8(words.next()?).ok()?.parse().ok()?;
            (0.0..=LOAD_MAX).contains(&load).then_some(load)
        };
        let averages = [average()?, average()?, average()?];
        Some(LoadAverages { averages, threads: words.next().and_then(threads) })
    }
}

/// Parses `1/123`.
fn threads(word: &[u8]) -> Option<(u64, u64)> {
    let slash = word.iter().position(|byte| *byte == b'/')?;
    Some((number(&word[..slash])?, number(&word[slash + 1..])?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_three_numbers_are_the_averages() {
        let loads = |text: &str| LoadAverages::parse(text.as_bytes());
        let expected = LoadAverages { averages: [0.52, 0.44, 12.4], threads: Some((1, 123)) };
        assert_eq!(loads("0.52 0.44 12.40 1/123 4567\n"), Some(expected));
        let bare = LoadAverages { averages: [0.0, 4_194_304.0, 1000.0], threads: None };
        assert_eq!(loads("0 4194304 1e3"), Some(bare));
        assert_eq!(loads("0 4194304 1e3 1/x"), Some(bare));
        for wrong in [
            "",
            "\n",
            "0.5 0.4",
            "0.5 nan 0.4",
            "0.5 -1 0.4",
            "0.5 1e999 0.4",
            "0.5 1e300 0.4",
            "inf inf inf",
            "4194305 0 0",
            "0,5 0,4 0,3",
            "a b c",
            "\u{0} \u{0} \u{0}",
        ] {
            assert_eq!(loads(wrong), None, "{wrong:?}");
        }
    }
}
