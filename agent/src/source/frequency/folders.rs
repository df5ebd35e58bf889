//! Search for the sysfs folders with the frequency of the cores.

use std::fmt::Write as _;

use rustix::fs::{Access, access};

use crate::kernel::for_each_numbered;

/// Folders with the frequency of a core, or of a group of cores that change it together. The search
/// is repeated now and then, and allocates nothing if the result is unchanged.
pub(super) struct FrequencyFolders {
    /// Parent folder of all cores.
    cpus: String,
    kind: FolderKind,
    /// Numbers of the folders, in ascending order.
    found: Vec<u32>,
    /// Result of the previous search. The buffer is reused.
    previous: Vec<u32>,
    /// Buffer for paths.
    path: String,
}

/// Owner of a frequency folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FolderKind {
    /// Group of cores.
    Policy,
    /// Single core.
    Core,
}

impl FrequencyFolders {
    pub(super) fn new(cpus: &str) -> FrequencyFolders {
        let (found, previous, path) = (Vec::new(), Vec::new(), String::new());
        FrequencyFolders { cpus: cpus.to_owned(), kind: FolderKind::Policy, found, previous, path }
    }

    /// Repeats the search. Returns whether the result has changed.
    pub(super) fn have_changed(&mut self) -> bool {
        std::mem::swap(&mut self.found, &mut self.previous);
        let kind = self.kind;
        self.scan(FolderKind::Policy);
        if self.found.is_empty() {
            self.scan(FolderKind::Core);
        }
        (kind, &self.previous) != (self.kind, &self.found)
    }

    pub(super) fn paths(&self) -> impl Iterator<Item = String> {
        self.found.iter().map(|number| {
            let mut path = String::new();
            self.kind.write_path(&self.cpus, *number, &mut path);
            path
        })
    }

    fn scan(&mut self, kind: FolderKind) {
        let FrequencyFolders { cpus, found, path, .. } = self;
        self.kind = kind;
        found.clear();
        path.clear();
        path.push_str(cpus);
        path.push_str(kind.folder());
        for_each_numbered(path, kind.prefix(), |number| found.push(number));
        if kind == FolderKind::Core {
            found.retain(|number| {
                kind.write_path(cpus, *number, path);
                access(path.as_str(), Access::EXISTS).is_ok()
            });
        }
        found.sort_unstable();
    }
}

impl FolderKind {
    /// Returns the parent of the folders of this kind, relative to the folder of all cores.
    fn folder(self) -> &'static str {
        match self {
            FolderKind::Policy => "/cpufreq",
            FolderKind::Core => "",
        }
    }

    /// Returns the part of the folder name before the number.
    fn prefix(self) -> &'static [u8] {
        match self {
            FolderKind::Policy => b"policy",
            FolderKind::Core => b"cpu",
        }
    }

    /// Writes the path of the folder with this number to `path`.
    fn write_path(self, cpus: &str, number: u32, path: &mut String) {
        path.clear();
        // Writing to a `String` cannot fail.
        let _ = match self {
            FolderKind::Policy => write!(path, "{cpus}/cpufreq/policy{number}"),
            FolderKind::Core => write!(path, "{cpus}/cpu{number}/cpufreq"),
        };
    }
}
