//! `/proc/meminfo`: size and use of the memory.

use super::record_file::{Record, RecordFile};
use super::root::Root;
use super::{number, words};

pub(crate) type MeminfoFile = RecordFile<Amount>;

/// Value of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Amount {
    /// Size in bytes.
    Bytes(u64),
    /// Number of items, such as huge pages.
    Count(u64),
}

impl Record for Amount {
    /// Name of the line, such as `Active(anon)`, and its value.
    type Of<'a> = (&'a str, Amount);

    const PATH: &'static str = "proc/meminfo";

    /// Parses `MemTotal:       67385156 kB`.
    fn parse(line: &[u8]) -> Option<(&str, Amount)> {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = std::str::from_utf8(&line[..colon]).ok()?;
        let mut words = words(&line[colon + 1..]);
        let amount = number(words.next()?)?;
        match words.next() {
            Some(b"kB") => Some((name, Amount::Bytes(amount.checked_mul(1024)?))),
            None => Some((name, Amount::Count(amount))),
            Some(_) => None,
        }
    }
}

/// Returns the size of the memory, bytes.
pub(crate) fn total_bytes(root: &Root) -> Option<u64> {
    MeminfoFile::new(root).find_map(|line| match line {
        ("MemTotal", Amount::Bytes(bytes)) => Some(bytes).filter(|bytes| *bytes > 0),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::tests::TestRoot;

    #[test]
    fn malformed_lines_are_rejected() {
        for wrong in [
            "",
            ":",
            "MemTotal:",
            "MemTotal 900 kB",
            "MemTotal: many kB",
            "MemTotal: -900 kB",
            "MemTotal: nan kB",
            "MemTotal: 18446744073709551616 kB",
            "MemTotal: 18446744073709551615 kB",
            "MemTotal: 3 MB",
            "\u{0}\u{0}",
        ] {
            assert_eq!(Amount::parse(wrong.as_bytes()), None, "{wrong:?}");
        }
    }

    #[test]
    fn each_line_has_a_name_and_an_amount() {
        let text = "MemTotal: 9 kB\nActive(anon):    5 kB\nHugePages_Total:       3\nOdd: 3 MB\n:";
        let files = TestRoot::with(&[("proc/meminfo", text)]);
        let mut found = Vec::new();
        let each = |(name, amount): (&str, Amount)| found.push((name.to_owned(), amount));
        MeminfoFile::new(&files.root()).for_each(each);
        let expected = [
            ("MemTotal", Amount::Bytes(9216)),
            ("Active(anon)", Amount::Bytes(5120)),
            ("HugePages_Total", Amount::Count(3)),
        ];
        assert_eq!(found, expected.map(|(name, amount)| (name.to_owned(), amount)));
    }
}
