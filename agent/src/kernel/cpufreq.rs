//! `/sys/devices/system/cpu/cpu*/cpufreq/`: frequency of each core, and its limits.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::path::Path;

use rustix::fs::{Access, access};

use super::numbered_entries::for_each_numbered;
use super::open_file::OpenFile;
use super::root::Root;

const CPU_FOLDER: &str = "sys/devices/system/cpu";

/// Frequency of a core and its limits, kHz.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CoreFrequency {
    pub(crate) core: u32,
    pub(crate) now_khz: Option<u64>,
    pub(crate) min_khz: Option<u64>,
    pub(crate) max_khz: Option<u64>,
}

/// Returns the known frequencies of the cores, at most `count_max`.
pub(crate) fn core_frequencies(root: &Root, count_max: usize) -> Vec<CoreFrequency> {
    let mut found = Vec::new();
    for_each_numbered(&root.path(CPU_FOLDER), b"cpu", |core| {
        if found.len() < count_max {
            let folder = root.path(&format!("{CPU_FOLDER}/cpu{core}/cpufreq"));
            let khz =
                |name| OpenFile::new(folder.join(format!("scaling_{name}_freq"))).read_number();
            let [now_khz, min_khz, max_khz] = ["cur", "min", "max"].map(khz);
            let frequency = CoreFrequency { core, now_khz, min_khz, max_khz };
            found.extend(now_khz.is_some().then_some(frequency));
        }
    });
    found.sort_unstable_by_key(|frequency| frequency.core);
    found
}

/// Frequency files of the cores, or of groups of cores that change their frequency together: those
/// that `psutil.cpu_freq()` reads.
///
/// The search for cores is repeated now and then, and allocates nothing if the result is unchanged.
pub(crate) struct FrequencyFiles {
    /// Parent folder of all cores.
    cpus: OsString,
    /// Paths and numbers of the folders, in ascending order.
    paths: PathPattern,
    numbers: Vec<u32>,
    /// Result of the search. The buffer is reused.
    found: Vec<u32>,
    /// Buffer for paths.
    path: OsString,
    files: Vec<FrequencyFile>,
}

/// Frequency files of a core, or of a group of cores.
struct FrequencyFile {
    /// Frequency according to the scaling driver.
    scaling_cur_freq: OpenFile,
    /// Frequency measured by the hardware, used if the scaling driver has none.
    cpuinfo_cur_freq: OpenFile,
}

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
            numbers: Vec::new(),
            found: Vec::new(),
            path: OsString::new(),
            files: Vec::new(),
        }
    }

    /// Searches for cores. Open files stay open if the folders are unchanged.
    pub(crate) fn rescan(&mut self) {
        self.scan(POLICIES);
        let paths = if self.found.is_empty() { CORES } else { POLICIES };
        if paths == CORES {
            self.scan(CORES);
        }
        if (paths, &self.found) != (self.paths, &self.numbers) {
            self.paths = paths;
            self.numbers.clone_from(&self.found);
            let folders = self.numbers.iter().map(|number| {
                paths.write(&mut self.path, &self.cpus, *number);
                FrequencyFile::new(Path::new(&self.path))
            });
            self.files = folders.collect();
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

    /// Passes each known frequency to `each`, MHz. Offline cores have none.
    pub(crate) fn for_each_mhz(&mut self, mut each: impl FnMut(f64)) {
        let khz = self.files.iter_mut().filter_map(FrequencyFile::khz);
        khz.for_each(|khz| each(khz as f64 / 1000.0));
    }
}

impl FrequencyFile {
    fn new(folder: &Path) -> FrequencyFile {
        let file = |name| OpenFile::new(folder.join(name));
        let (scaling, measured) = (file("scaling_cur_freq"), file("cpuinfo_cur_freq"));
        FrequencyFile { scaling_cur_freq: scaling, cpuinfo_cur_freq: measured }
    }

    fn khz(&mut self) -> Option<u64> {
        let FrequencyFile { scaling_cur_freq, cpuinfo_cur_freq } = self;
        scaling_cur_freq.read_number().or_else(|| cpuinfo_cur_freq.read_number())
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
        let slow =
            CoreFrequency { core: 2, now_khz: Some(1_200_000), min_khz: None, max_khz: None };
        let fast = CoreFrequency {
            core: 10,
            now_khz: Some(800_000),
            min_khz: None,
            max_khz: Some(4_000_000),
        };
        assert_eq!(core_frequencies(&root.root(), 9), [slow, fast]);
        assert_eq!(core_frequencies(&root.root(), 1).len(), 1);
        assert_eq!(core_frequencies(&TestRoot::new().root(), 9), []);
    }
}
