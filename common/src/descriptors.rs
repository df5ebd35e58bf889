//! File descriptors that a program needs to start.

use std::io;
use std::os::fd::AsFd as _;

/// Number of file descriptors that must be free at the start: 32, for the runtime, signals, kernel files,
/// and a few connections.
const FREE_DESCRIPTORS_MIN: usize = 32;

/// Checks that the program can open files. Libraries panic without file descriptors.
///
/// # Errors
/// A message in one line, with a hint.
pub fn check_descriptors() -> Result<(), String> {
    let stdin = io::stdin();
    let duplicates: io::Result<Vec<_>> =
        (0..FREE_DESCRIPTORS_MIN).map(|_| stdin.as_fd().try_clone_to_owned()).collect();
    duplicates.map(drop).map_err(|error| {
        format!(
            "cannot start: {error}; raise the limit of open files: {FREE_DESCRIPTORS_MIN} more are needed \
             (ulimit -n, or LimitNOFILE= in systemd)"
        )
    })
}
