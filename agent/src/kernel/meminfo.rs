//! `/proc/meminfo`: size and use of the memory.

use super::{OpenFile, number, words};

/// Reader of `/proc/meminfo`.
#[derive(Debug)]
pub(crate) struct MeminfoFile(OpenFile);

/// Value of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Amount {
    /// Size in bytes.
    Bytes(u64),
    /// Number of items, such as huge pages.
    Count(u64),
}

/// Buffer for the whole file: about 60 lines.
const BUFFER_BYTES: usize = 8 * 1024;

impl MeminfoFile {
    pub(crate) fn new() -> MeminfoFile {
        MeminfoFile::of("/proc/meminfo")
    }

    pub(crate) fn of(path: &str) -> MeminfoFile {
        MeminfoFile(OpenFile::new(path))
    }

    /// Passes the name of each line, such as `Active(anon)`, and its value to `each`.
    pub(crate) fn for_each(&mut self, mut each: impl FnMut(&str, Amount)) {
        self.0.for_each_line(&mut [0; BUFFER_BYTES], |line| {
            if let Some((name, amount)) = parse(line) {
                each(name, amount);
            }
            true
        });
    }
}

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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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
            assert_eq!(parse(wrong.as_bytes()), None, "{wrong:?}");
        }
    }

    #[test]
    fn each_line_has_a_name_and_an_amount() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("meminfo");
        let text = "MemTotal: 9 kB\nActive(anon):    5 kB\nHugePages_Total:       3\nOdd: 3 MB\n:";
        std::fs::write(&path, text).unwrap();
        let mut found = Vec::new();
        let each = |name: &str, amount| found.push((name.to_owned(), amount));
        MeminfoFile::of(path.to_str().unwrap()).for_each(each);
        let expected = [
            ("MemTotal", Amount::Bytes(9216)),
            ("Active(anon)", Amount::Bytes(5120)),
            ("HugePages_Total", Amount::Count(3)),
        ];
        assert_eq!(found, expected.map(|(name, amount)| (name.to_owned(), amount)));
    }

    proptest! {
        #[test]
        fn any_text_is_an_amount_or_none(text: Vec<u8>) {
            let _ = parse(&text);
        }
    }
}
