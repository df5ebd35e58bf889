//! `/sys/devices/system/cpu/cpu*/cpufreq/`: frequency of each core, and its limits.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::path::Path;

use rustix::fs::{Access, access};

use super::numbered_entries::for_each_numbered;
use super::open_file::OpenFile;
use super::root::Root;

const CPU_FOLDER: &str = "sys/devices/system/cpu";

/// Buffer for the cores of a group: numbers with blanks between them, of up to 512 cores.
const LIST_BYTES: usize = 2048;

/// Number of a core, and its current, minimum and maximum frequency, kHz.
pub(crate) type CoreFrequencies = (u32, [Option<u64>; 3]);

/// Returns the known frequencies of the cores, at most `count_max`.
pub(crate) fn core_frequencies(root: &Root, count_max: usize) -> Vec<CoreFrequencies> {
    let names = ["scaling_cur_freq", "scaling_min_freq", "scaling_max_freq"];
    let mut found = Vec::new();
    for_each_numbered(&root.path(CPU_FOLDER), b"cpu", |core| {
        let folder = root.path(&format!("{CPU_FOLDER}/cpu{core}/cpufreq"));
        let khz = OpenFile::in_folder(&folder, names).map(|mut file| file.read_number());
        if found.len() < count_max && khz[0].is_some() {
            found.push((core, khz));
        }
    });
    found.sort_unstable();
    found
}

/// Frequency files of the cores, or of groups of cores that change their frequency together.
///
/// The search for cores is repeated now and then, and allocates nothing if the result is unchanged.
pub(crate) struct FrequencyFiles {
    /// Parent folder of all cores.
    cpus: OsString,
    /// Paths of the folders with the files.
    paths: PathPattern,
    /// Buffer for the numbers of the folders found.
    found: Vec<u32>,
    /// Buffer for paths.
    path: OsString,
    /// In the order of their numbers.
    policies: Vec<Policy>,
}

/// Core, or group of cores that change their frequency together.
struct Policy {
    /// Number of its folder.
    number: u32,
    files: [OpenFile; 2],
    affected_cpus: OpenFile,
    /// Number of online cores at the last search.
    cores: usize,
}

/// Frequency according to the scaling driver. If there is none, as measured by the hardware.
const FREQUENCY_FILES: [&str; 2] = ["scaling_cur_freq", "cpuinfo_cur_freq"];

/// Paths of the folders with frequency files, below the folder of all cores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct PathPattern {
    parent: &'static str,
    /// Parts of the path before and after the number of the core or group.
    around: [&'static str; 2],
}

/// Folders of groups of cores.
const POLICIES: PathPattern = PathPattern { parent: "/cpufreq", around: ["policy", ""] };

/// Folders of single cores.
const CORES: PathPattern = PathPattern { parent: "", around: ["cpu", "/cpufreq"] };

impl FrequencyFiles {
    /// Returns no files: they are found by [`rescan`](FrequencyFiles::rescan).
    pub(crate) fn new(root: &Root) -> FrequencyFiles {
        FrequencyFiles {
            cpus: root.path(CPU_FOLDER).into_os_string(),
            paths: POLICIES,
            found: Vec::new(),
            path: OsString::new(),
            policies: Vec::new(),
        }
    }

    /// Searches for cores. Open files stay open if the folders are unchanged.
    pub(crate) fn rescan(&mut self) {
        self.scan(POLICIES);
        let paths = if self.found.is_empty() { CORES } else { POLICIES };
        if paths == CORES {
            self.scan(CORES);
        }
        let known = self.policies.iter().map(|policy| &policy.number);
        if paths != self.paths || !known.eq(&self.found) {
            self.paths = paths;
            let policies = self.found.iter().map(|number| {
                paths.write(&mut self.path, &self.cpus, *number);
                Policy::in_folder(*number, Path::new(&self.path))
            });
            self.policies = policies.collect();
        }
        if paths == POLICIES {
            self.policies.iter_mut().for_each(Policy::count_cores);
        }
    }

    fn scan(&mut self, paths: PathPattern) {
        let FrequencyFiles { cpus, found, path, .. } = self;
        found.clear();
        path.clear();
        path.push(&*cpus);
        path.push(paths.parent);
        let prefix = paths.around[0].as_bytes();
        for_each_numbered(Path::new(path), prefix, |number| found.push(number));
        found.retain(|number| {
            paths.write(path, cpus, *number);
            access(&*path, Access::EXISTS).is_ok()
        });
        found.sort_unstable();
    }

    /// Passes each known frequency to `each`, MHz, with the number of cores that have it. Offline
    /// cores have none.
    pub(crate) fn for_each_mhz(&mut self, mut each: impl FnMut(f64, usize)) {
        for policy in &mut self.policies {
            if let Some(khz) = policy.files.iter_mut().find_map(OpenFile::read_number::<u64>) {
                each(khz as f64 / 1000.0, policy.cores);
            }
        }
    }
}

impl Policy {
    fn in_folder(number: u32, folder: &Path) -> Policy {
        let affected_cpus = OpenFile::new(folder.join("affected_cpus"));
        let files = OpenFile::in_folder(folder, FREQUENCY_FILES);
        Policy { number, files, affected_cpus, cores: 1 }
    }

    /// Counts the online cores of a group. Without a list of them, the group counts once.
    fn count_cores(&mut self) {
        let mut buffer = [0; LIST_BYTES];
        let list = self.affected_cpus.read_prefix(&mut buffer);
        self.cores = list.map_or(1, |list| list.split_ascii_whitespace().count());
    }
}

impl PathPattern {
    /// Writes the path of the folder with this number to `path`.
    fn write(self, path: &mut OsString, cpus: &OsStr, number: u32) {
        let PathPattern { parent, around: [before, after] } = self;
        path.clear();
        path.push(cpus);
        // Writing to memory cannot fail.
        let _ = write!(path, "{parent}/{before}{number}{after}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::tests::TestRoot;

    #[test]
    fn core_frequencies_are_sorted_by_core_number() {
        let root = TestRoot::new();
        for (core, files) in [
            ("cpu10", &[("scaling_cur_freq", "800000\n"), ("scaling_max_freq", "4000000\n")][..]),
            ("cpu2", &[("scaling_cur_freq", "1200000\n"), ("scaling_min_freq", "x\n")]),
            ("cpu3", &[]),
            ("cpuidle", &[("scaling_cur_freq", "1\n")]),
        ] {
            root.make_folder(&format!("{CPU_FOLDER}/{core}"));
            for (file, text) in files {
                root.write(&format!("{CPU_FOLDER}/{core}/cpufreq/{file}"), text);
            }
        }
        let slow = (2, [Some(1_200_000), None, None]);
        let fast = (10, [Some(800_000), None, Some(4_000_000)]);
        assert_eq!(core_frequencies(&root.root(), 9), [slow, fast]);
        assert_eq!(core_frequencies(&root.root(), 1).len(), 1);
        assert_eq!(core_frequencies(&TestRoot::new().root(), 9), []);
    }
}
