//! Folder that contains the kernel's files.

use std::path::PathBuf;

/// Folder that contains `proc` and `sys`: `/`, or another folder in tests.
#[derive(Debug, Clone)]
pub(crate) struct Root(PathBuf);

impl Root {
    /// Returns the root of this machine.
    pub(crate) fn of_this_machine() -> Root {
        Root::at("/")
    }

    pub(crate) fn at(folder: impl Into<PathBuf>) -> Root {
        Root(folder.into())
    }

    /// Returns the location of a path below this root, with or without a slash at its start.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.0.join(path.trim_start_matches('/'))
    }
}
