//! `/proc/self/`: memory, start and open files of this process.

use std::fs;

use rustix::param::page_size;

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
    parse_start(&fs::read_to_string(root.path("proc/self/stat")).ok()?)
}

/// Parses `4711 (loadline agent) S 1 …`. The program name stands in parentheses and may contain any
/// character.
pub(super) fn parse_start(text: &str) -> Option<u64> {
    let (_, words) = text.rsplit_once(')')?;
    words.split_ascii_whitespace().nth(19)?.parse().ok()
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
    fn memory_and_start_of_a_process_are_parsed() {
        assert_eq!(parse_statm("5322 1288 961 40 0 1022 0\n"), Some(1288));
        let stat = "4711 (a) b) c) S 1 4711 4711 0 -1 4194560 1 0 0 0 1 2 0 0 20 0 1 0 8643 9 10";
        assert_eq!(parse_start(stat), Some(8643));
        for wrong in ["", "5322", "5322 x", "4711 (a) S 1", "4711 a S 1"] {
            assert_eq!(parse_statm(wrong), None, "{wrong}");
            assert_eq!(parse_start(wrong), None, "{wrong}");
        }
    }
}
