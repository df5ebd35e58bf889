//! Where Linux tells how fast each core runs.

use std::fmt::Write as _;

use rustix::fs::{Access, access};

use crate::procfs::for_each_numbered;

/// The folders with the frequency of a core, or of a group of cores that change it together. They
/// are looked for every now and then, and a look that finds the same ones allocates nothing.
pub(super) struct FrequencyFolders {
    /// The folder of all cores.
    cpus: String,
    kind: FolderKind,
    /// The numbers of the folders, in their order.
    found: Vec<u32>,
    /// The same of the look before, kept for its memory.
    previous: Vec<u32>,
    /// A path in the making, kept for its memory.
    path: String,
}

/// What has a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FolderKind {
    /// A group of cores.
    Policy,
    /// A core.
    Core,
}

impl FrequencyFolders {
    pub(super) fn new(cpus: &str) -> FrequencyFolders {
        let (found, previous, path) = (Vec::new(), Vec::new(), String::new());
        FrequencyFolders { cpus: cpus.to_owned(), kind: FolderKind::Policy, found, previous, path }
    }

    /// Looks for them; whether they are others than at the last look.
    pub(super) fn have_changed(&mut self) -> bool {
        std::mem::swap(&mut self.found, &mut self.previous);
        let kind = self.kind;
        self.scan(FolderKind::Policy);
        if self.found.is_empty() {
            self.scan(FolderKind::Core);
        }
        (kind, &self.previous) != (self.kind, &self.found)
    }

    /// Their paths.
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
    /// Where the folders of this kind are, below that of all cores.
    fn folder(self) -> &'static str {
        match self {
            FolderKind::Policy => "/cpufreq",
            FolderKind::Core => "",
        }
    }

    /// What stands before the number in the name of one.
    fn prefix(self) -> &'static [u8] {
        match self {
            FolderKind::Policy => b"policy",
            FolderKind::Core => b"cpu",
        }
    }

    /// Makes `path` that of the folder with this number.
    fn write_path(self, cpus: &str, number: u32, path: &mut String) {
        path.clear();
        // Writing to a String does not fail.
        let _ = match self {
            FolderKind::Policy => write!(path, "{cpus}/cpufreq/policy{number}"),
            FolderKind::Core => write!(path, "{cpus}/cpu{number}/cpufreq"),
        };
    }
}
