//! Folders with numbered entries, such as cores or processes.

use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, RawDir, open};

use super::root::Root;

/// Buffer for a part of the entries. Larger folders are read in several parts.
const BUFFER_BYTES: usize = 4 * 1024;

/// Folder `/proc`, with a folder for each process.
pub(crate) struct ProcessFolders(PathBuf);

impl ProcessFolders {
    pub(crate) fn new(root: &Root) -> ProcessFolders {
        ProcessFolders(root.path("proc"))
    }

    /// Returns the number of processes. `None` if process 1 is hidden, and then probably others.
    pub(crate) fn count(&mut self) -> Option<usize> {
        let (mut count, mut has_first) = (0, false);
        for_each_numbered(&self.0, b"", |number| {
            count += 1;
            has_first |= number == 1;
        });
        has_first.then_some(count)
    }
}

/// Passes the number of each entry named `prefix` plus a number to `each`. Ignores unreadable
/// entries.
pub(crate) fn for_each_numbered(folder: &Path, prefix: &[u8], each: impl FnMut(u32)) {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    if let Ok(folder) = open(folder, flags, Mode::empty()) {
        for_each_number(folder, prefix, each);
    }
}

/// Does the same in an open folder, from its current position.
pub(super) fn for_each_number(folder: impl AsFd, prefix: &[u8], mut each: impl FnMut(u32)) {
    let mut buffer = [MaybeUninit::<u8>::uninit(); BUFFER_BYTES];
    let mut entries = RawDir::new(folder, &mut buffer);
    while let Some(Ok(entry)) = entries.next() {
        let digits = entry.file_name().to_bytes().strip_prefix(prefix);
        let digits = digits.filter(|digits| digits.iter().all(u8::is_ascii_digit));
        let number = digits.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
        number.into_iter().for_each(&mut each);
    }
}
