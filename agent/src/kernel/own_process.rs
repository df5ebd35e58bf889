//! `/proc/self/`: memory, start and open files of this process.

use std::fs;

use rustix::param::page_size;

use super::process_stat;
use super::root::Root;

/// Returns the resident memory, in bytes.
pub(crate) fn resident_bytes(root: &Root) -> Option<u64> {
    let text = fs::read_to_string(root.path("proc/self/statm")).ok()?;
    parse_statm(&text)?.checked_mul(page_size() as u64)
}

/// Parses `5322 1288 961 40 0 1022 0`: returns the resident memory, in pages.
pub(super) fn parse_statm(text: &str) -> Option<u64> {
    text.split(' ').nth(1)?.parse().ok()
}

/// Returns the start time, in ticks since boot.
pub(crate) fn start_ticks(root: &Root) -> Option<u64> {
    let text = fs::read(root.path("proc/self/stat")).ok()?;
    process_stat::parse(&text).map(|stat| stat.start)
}

/// Returns the number of open files, sockets included.
pub(crate) fn open_files(root: &Root) -> Option<u64> {
    let folder = root.path("proc/self/fd");
    // Since Linux 6.2, the size of the folder is the number of files. Before, the size is 0.
    match fs::metadata(&folder).ok()?.len() {
        0 => Some(fs::read_dir(folder).ok()?.count() as u64),
        count => Some(count),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_of_a_process_is_parsed() {
        assert_eq!(parse_statm("5322 1288 961 40 0 1022 0\n"), Some(1288));
        for wrong in ["", "5322", "5322 x"] {
            assert_eq!(parse_statm(wrong), None, "{wrong}");
        }
    }
}
