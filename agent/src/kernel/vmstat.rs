//! `/proc/vmstat`: counters of memory pages.

use super::{OpenFile, number, words};

/// Reader of `/proc/vmstat`.
#[derive(Debug)]
pub(crate) struct VmstatFile(OpenFile);

/// Buffer: the kernel returns about a page per read, and no line is nearly as long.
const BUFFER_BYTES: usize = 8 * 1024;

impl VmstatFile {
    pub(crate) fn new() -> VmstatFile {
        VmstatFile::of("/proc/vmstat")
    }

    pub(crate) fn of(path: &str) -> VmstatFile {
        VmstatFile(OpenFile::new(path))
    }

    /// Passes the name of each line, such as `pgmajfault`, and its number to `each`.
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
