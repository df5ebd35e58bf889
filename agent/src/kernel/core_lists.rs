//! Lists of cores such as `0-3,8-15`, and `/sys/devices/system/cpu/online`.

use super::open_file::OpenFile;
use super::root::Root;

/// Buffer for a list of cores. A list of single numbers up to 512 is shorter.
pub(super) const LIST_BYTES: usize = 2048;

/// Number of cores that Linux supports at most.
const CORES_SUPPORTED: u32 = 8192;

/// List of the online cores.
pub(crate) struct OnlineCores {
    file: OpenFile,
    last: Vec<u8>,
}

impl OnlineCores {
    pub(crate) fn new(root: &Root) -> OnlineCores {
        let file = OpenFile::new(root.path("sys/devices/system/cpu/online"));
        OnlineCores { file, last: Vec::with_capacity(LIST_BYTES) }
    }

    /// Returns true if the list differs from the previous call.
    pub(crate) fn has_changed(&mut self) -> bool {
        let mut buffer = [0; LIST_BYTES];
        let list = self.file.read_prefix(&mut buffer).unwrap_or_default().as_bytes();
        let has_changed = self.last != list;
        self.last.clear();
        self.last.extend_from_slice(list);
        has_changed
    }

    /// Returns the numbers of the cores, in ascending order.
    pub(crate) fn numbers(&mut self) -> Option<Vec<u32>> {
        parse_list(self.file.read_prefix(&mut [0; LIST_BYTES])?)
    }
}

/// Parses a list such as `0-3,8-15`: numbers in ascending order. `None` if it is empty.
pub(super) fn parse_list(list: &str) -> Option<Vec<u32>> {
    let mut cores = Vec::new();
    for range in list.trim().split(',') {
        let (start, end) = range.split_once('-').unwrap_or((range, range));
        let (start, end): (u32, u32) = (start.parse().ok()?, end.parse().ok()?);
        if start > end || end >= CORES_SUPPORTED || cores.last().is_some_and(|it| *it >= start) {
            return None;
        }
        cores.extend(start..=end);
    }
    Some(cores)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_numbers_and_ranges() {
        assert_eq!(parse_list("0\n"), Some(vec![0]));
        assert_eq!(parse_list("0-3,7\n"), Some(vec![0, 1, 2, 3, 7]));
        assert_eq!(parse_list("8190-8191"), Some(vec![8190, 8191]));
        for wrong in [
            "",
            "\n",
            "-",
            "0-",
            "x",
            "3-1",
            "2,1",
            "0-2,2",
            "0-8192",
            "0-4294967295",
            "99999999999999999999",
        ] {
            assert_eq!(parse_list(wrong), None, "{wrong:?}");
        }
    }
}
