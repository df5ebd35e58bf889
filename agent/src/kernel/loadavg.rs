//! `/proc/loadavg`: load averages.

use super::open_file::OpenFile;
use super::root::Root;

/// Highest plausible load: the maximum number of tasks in Linux.
const LOAD_MAX: f64 = (1 << 22) as f64;

/// Buffer for the longest possible numbers.
const TEXT_BYTES: usize = 128;

/// Returns the averages over 1, 5 and 15 minutes.
pub(crate) fn read(root: &Root) -> Option<[f64; 3]> {
    parse(OpenFile::new(root.path("proc/loadavg")).read_prefix(&mut [0; TEXT_BYTES])?)
}

/// Parses `0.52 0.44 0.40 1/123 4567`.
pub(super) fn parse(text: &str) -> Option<[f64; 3]> {
    let mut words = text.split_ascii_whitespace();
    let mut average = || {
        let load: f64 = words.next()?.parse().ok()?;
        (0.0..=LOAD_MAX).contains(&load).then_some(load)
    };
    Some([average()?, average()?, average()?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_three_numbers_are_the_averages() {
        assert_eq!(parse("0.52 0.44 12.40 1/123 4567\n"), Some([0.52, 0.44, 12.4]));
        assert_eq!(parse("0 4194304 1e3"), Some([0.0, 4_194_304.0, 1000.0]));
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
            assert_eq!(parse(wrong), None, "{wrong:?}");
        }
    }
}
