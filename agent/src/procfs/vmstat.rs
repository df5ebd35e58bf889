//! `/proc/vmstat`: what became of the pages of the memory.

use super::{OpenFile, number, words};

/// The kernel's file.
#[derive(Debug)]
pub(crate) struct VmstatFile(OpenFile);

/// The kernel gives about a page at a time, and no line is nearly so long.
const BUFFER_BYTES: usize = 8 * 1024;

impl VmstatFile {
    pub(crate) fn new() -> VmstatFile {
        VmstatFile::of("/proc/vmstat")
    }

    pub(crate) fn of(path: &str) -> VmstatFile {
        VmstatFile(OpenFile::new(path))
    }

    /// Hands out each line: its name, as in `pgmajfault`, and the number that stands there.
    pub(crate) fn for_each(&mut self, mut each: impl FnMut(&str, u64)) {
        self.0.for_each_line(&mut [0; BUFFER_BYTES], |line| {
            if let Some((name, count)) = parse(line) {
                each(name, count);
            }
            true
        });
    }
}

fn parse(line: &[u8]) -> Option<(&str, u64)> {
    let mut words = words(line);
    Some((std::str::from_utf8(words.next()?).ok()?, number(words.next()?)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_name_and_a_number() {
        assert_eq!(parse(b"pgmajfault 8135"), Some(("pgmajfault", 8135)));
        for wrong in [&b""[..], b"pgmajfault", b"pgmajfault -1", b"\xff 1"] {
            assert_eq!(parse(wrong), None, "{wrong:?}");
        }
    }
}
