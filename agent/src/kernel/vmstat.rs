//! `/proc/vmstat`: counters of memory pages.

use super::record_file::{Record, RecordFile};
use super::{number, words};

pub(crate) type VmstatFile = RecordFile<PageCount>;

/// Number of a line.
pub(crate) struct PageCount;

impl Record for PageCount {
    /// Name of the line, such as `pgmajfault`, and its number.
    type Of<'a> = (&'a str, u64);

    const PATH: &'static str = "proc/vmstat";

    fn parse(line: &[u8]) -> Option<(&str, u64)> {
        let mut words = words(line);
        Some((std::str::from_utf8(words.next()?).ok()?, number(words.next()?)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_name_and_a_number() {
        assert_eq!(PageCount::parse(b"pgmajfault 8135"), Some(("pgmajfault", 8135)));
        for wrong in [&b""[..], b"pgmajfault", b"pgmajfault -1", b"\xff 1"] {
            assert_eq!(PageCount::parse(wrong), None, "{wrong:?}");
        }
    }
}
