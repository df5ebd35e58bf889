//! `/sys/devices/system/cpu/{present,online}`: lists of cores.

use super::open_file::OpenFile;
use super::root::Root;

/// Buffer for a list of cores. A list of single numbers up to 512 is shorter.
const LIST_BYTES: usize = 2048;

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
}

/// Returns the number of the last present core, plus one. Includes offline cores, but not possible
/// cores, which a virtual machine could get later: there may be hundreds.
pub(crate) fn present_cores(root: &Root) -> Option<usize> {
    let mut file = OpenFile::new(root.path("sys/devices/system/cpu/present"));
    parse_count(file.read_prefix(&mut [0; LIST_BYTES])?)
}

/// Parses a list such as `0-3,8-15`.
pub(super) fn parse_count(list: &str) -> Option<usize> {
    let number = list.trim().rsplit([',', '-']).next()?;
    number.parse::<usize>().ok()?.checked_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_cores_is_the_last_of_the_list_plus_one() {
        assert_eq!(parse_count("0\n"), Some(1));
        assert_eq!(parse_count("0-3,8-15\n"), Some(16));
        assert_eq!(parse_count("0-3,7\n"), Some(8));
        for wrong in ["", "\n", "-", "0-", "x", "0-18446744073709551615", "99999999999999999999"] {
            assert_eq!(parse_count(wrong), None, "{wrong:?}");
        }
    }
}
