//! Mean frequency of the cores. Own reader on Linux: sysinfo reads the whole of `/proc/cpuinfo` for
//! each core. If no core changes its own frequency, sysinfo takes the first core for all.

#[cfg(target_os = "linux")]
mod folders;

use loadline_protocol::Column;

use super::Collector;
use super::snapshot::SystemSnapshot;

/// Collector of `freq`: mean current frequency of the online cores in MHz.
pub(super) struct FrequencyCollector(reader::FrequencyReader);

impl FrequencyCollector {
    pub(super) fn new() -> FrequencyCollector {
        FrequencyCollector(reader::FrequencyReader::new())
    }
}

impl Collector for FrequencyCollector {
    fn columns(&self) -> Vec<Column> {
        vec![Column::new("freq", "MHz")]
    }

    fn sample(&mut self, _: &SystemSnapshot, values: &mut Vec<f64>) -> bool {
        values.push(self.0.mean_mhz().unwrap_or(f64::NAN));
        true
    }
}

/// Highest plausible frequency, MHz: no core is nearly as fast. Higher values are ignored.
const MHZ_MAX: f64 = 1e6;

/// Running mean.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Mean {
    sum: f64,
    count: usize,
}

impl Mean {
    fn extend(&mut self, values: impl IntoIterator<Item = f64>) {
        for value in values.into_iter().filter(|mhz| (0.0..=MHZ_MAX).contains(mhz)) {
            self.sum += value;
            self.count += 1;
        }
    }

    /// `None` without values, and if all are 0: systems report an unknown frequency as 0.
    fn get(self) -> Option<f64> {
        (self.sum > 0.0).then(|| self.sum / self.count as f64)
    }
}

#[cfg(target_os = "linux")]
mod reader {
    use super::Mean;
    use super::folders::FrequencyFolders;
    use crate::procfs::OpenFile;

    /// Number of samples between two searches for new cores.
    pub(super) const RESCAN_SAMPLES: u32 = 64;

    /// Size of a piece of `/proc/cpuinfo`. No line is nearly as long.
    const LIST_BUFFER_BYTES: usize = 8 * 1024;

    /// Mean frequency from the files that `psutil.cpu_freq()` reads: cpufreq folders of cores or of
    /// groups of cores that change their frequency together, else `/proc/cpuinfo`. If both have a
    /// frequency for each core, the kernel takes both from the same place, and the cpufreq files
    /// are much shorter.
    pub(super) struct FrequencyReader {
        folders: FrequencyFolders,
        list: OpenFile,
        /// Number of cores in the list at the last read. Nothing after the last core is read.
        listed_cores: Option<usize>,
        /// Files of each core, or group of cores, that changes its frequency.
        files: Vec<FrequencyFiles>,
        /// Number of samples until the next search for cores.
        rescan_in: u32,
        buffer: Box<[u8]>,
    }

    /// Frequency files of a core, or of a group of cores.
    struct FrequencyFiles {
        /// Frequency according to the scaling driver.
        scaling_cur_freq: OpenFile,
        /// Frequency measured by the hardware, used if the scaling driver has none.
        cpuinfo_cur_freq: OpenFile,
    }

    impl FrequencyReader {
        pub(super) fn new() -> FrequencyReader {
            FrequencyReader::of("/sys/devices/system/cpu", "/proc/cpuinfo")
        }

        pub(super) fn of(cpus: &str, list: &str) -> FrequencyReader {
            FrequencyReader {
                folders: FrequencyFolders::new(cpus),
                list: OpenFile::new(list),
                listed_cores: None,
                files: Vec::new(),
                rescan_in: 0,
                buffer: vec![0; LIST_BUFFER_BYTES].into(),
            }
        }

        pub(super) fn mean_mhz(&mut self) -> Option<f64> {
            if self.rescan_in == 0 {
                self.rescan();
            }
            self.rescan_in -= 1;
            let mut mean = Mean::default();
            mean.extend(self.files.iter_mut().filter_map(FrequencyFiles::mhz));
            if let Some(mean) = mean.get() {
                return Some(mean);
            }
            let mut mean = Mean::default();
            self.list.for_each_line(&mut self.buffer, |line| {
                mean.extend(line_mhz(line));
                Some(mean.count) != self.listed_cores
            });
            self.listed_cores = Some(mean.count).filter(|count| *count > 0);
            mean.get()
        }

        /// Searches for cores. Open files stay open if the folders are unchanged.
        fn rescan(&mut self) {
            self.rescan_in = RESCAN_SAMPLES;
            self.listed_cores = None;
            if self.folders.have_changed() {
                self.files =
                    self.folders.paths().map(|folder| FrequencyFiles::new(&folder)).collect();
            }
        }
    }

    impl FrequencyFiles {
        fn new(folder: &str) -> FrequencyFiles {
            let file = |name| OpenFile::new(format!("{folder}/{name}"));
            FrequencyFiles {
                scaling_cur_freq: file("scaling_cur_freq"),
                cpuinfo_cur_freq: file("cpuinfo_cur_freq"),
            }
        }

        /// `None` if the core is offline.
        fn mhz(&mut self) -> Option<f64> {
            file_mhz(&mut self.scaling_cur_freq).or_else(|| file_mhz(&mut self.cpuinfo_cur_freq))
        }
    }

    /// Parses `2400000`, in kHz.
    fn file_mhz(file: &mut OpenFile) -> Option<f64> {
        let khz: u32 = file.read_prefix(&mut [0; 32])?.trim().parse().ok()?;
        Some(f64::from(khz) / 1000.0)
    }

    /// Parses `cpu MHz : 2400.000`.
    fn line_mhz(line: &[u8]) -> Option<f64> {
        let key = b"cpu mhz";
        if !line.get(..key.len())?.eq_ignore_ascii_case(key) {
            return None;
        }
        let (_, value) = std::str::from_utf8(line).ok()?.split_once(':')?;
        value.trim().parse().ok()
    }
}

#[cfg(not(target_os = "linux"))]
mod reader {
    use sysinfo::{CpuRefreshKind, RefreshKind, System};

    use super::Mean;

    pub(super) struct FrequencyReader(Option<System>);

    impl FrequencyReader {
        pub(super) fn new() -> FrequencyReader {
            let frequency = CpuRefreshKind::nothing().with_frequency();
            let system = System::new_with_specifics(RefreshKind::nothing().with_cpu(frequency));
            FrequencyReader(system.ok())
        }

        pub(super) fn mean_mhz(&mut self) -> Option<f64> {
            let system = self.0.as_mut()?;
            system.refresh_cpu_frequency();
            let mut mean = Mean::default();
            mean.extend(system.cpus().iter().map(|cpu| cpu.frequency() as f64));
            mean.get()
        }
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::reader::{FrequencyReader, RESCAN_SAMPLES};

    /// Simulated machine: folders of cores below `cpu/`, and `cpuinfo`.
    struct Files(TempDir);

    impl Files {
        fn new(cpuinfo: &str) -> Files {
            let files = Files(tempfile::tempdir().unwrap());
            files.write("cpuinfo", cpuinfo);
            files
        }

        fn write(&self, path: &str, text: &str) {
            let path = self.0.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        /// Removes a core, as the system does when a core goes offline.
        fn remove(&self, folder: &str) {
            fs::remove_dir_all(self.0.path().join(folder)).unwrap();
        }

        fn reader(&self) -> FrequencyReader {
            let folder = self.0.path().to_str().unwrap();
            FrequencyReader::of(&format!("{folder}/cpu"), &format!("{folder}/cpuinfo"))
        }
    }

    /// Returns the mean after the next search for cores.
    fn after_rescan(reader: &mut FrequencyReader) -> Option<f64> {
        (0..RESCAN_SAMPLES).fold(None, |_, _| reader.mean_mhz())
    }

    fn check(cpuinfo: &str, expected: Option<f64>) {
        assert_eq!(Files::new(cpuinfo).reader().mean_mhz(), expected, "{cpuinfo:?}");
    }

    #[test]
    fn the_mean_is_over_all_cores_that_are_listed() {
        check("processor\t: 0\ncpu MHz\t\t: 2400.000\n\ncpu MHz\t\t: 1200.5\n", Some(1800.25));
        check("CPU MHz: 800", Some(800.0));
        let core = format!("flags : {}\ncpu MHz : 1000\n", "fpu ".repeat(500));
        check(&format!("{}cpu MHz : 1300\n", core.repeat(299)), Some(1001.0));
    }

    #[test]
    fn without_a_frequency_in_the_list_there_is_none() {
        check("", None);
        check("processor : 0\nBogoMIPS : 48.00\n", None);
        check("cpu MHz : 0.000\n", None);
        check("cpu MHz : unknown\ncpu MHz\n", None);
        check("cpu MHz : inf\ncpu MHz : nan\ncpu MHz : -5\n", None);
        check("cpu MHz : 1e300\ncpu MHz : 1000001\ncpu MHz : -1e300\n", None);
        check("cpu MHz : 1e300\ncpu MHz : 800\ncpu MHz : \u{0}\ncpu MHz :", Some(800.0));
        check("\ncpu MHz\n:\ncpu mhz:\nCPU MHZ : 1 GHz\n", None);
    }

    #[test]
    fn cpufreq_files_take_precedence_over_the_list() {
        let files = Files::new("cpu MHz : 5000\n");
        let mut reader = files.reader();
        files.write("cpu/cpu0/cpufreq/scaling_cur_freq", "800000\n");
        files.write("cpu/cpu1/cpufreq/cpuinfo_cur_freq", "1600000\n");
        files.write("cpu/cpu2/topology/core_id", "2\n");
        files.write("cpu/cpuidle/current_driver", "none\n");
        assert_eq!(reader.mean_mhz(), Some(1200.0));
        files.write("cpu/cpu0/cpufreq/scaling_cur_freq", "1000000\n");
        assert_eq!(reader.mean_mhz(), Some(1300.0));

        files.write("cpu/cpufreq/policy0/scaling_cur_freq", "2000000\n");
        files.write("cpu/cpufreq/policy4/related_cpus", "offline\n");
        assert_eq!(files.reader().mean_mhz(), Some(2000.0));
    }

    #[test]
    fn unreadable_frequencies_fall_back_to_the_list() {
        let files = Files::new("cpu MHz : 5000\n");
        files.write("cpu/cpufreq/policy0/scaling_cur_freq", "<unknown>\n");
        assert_eq!(files.reader().mean_mhz(), Some(5000.0));
    }

    #[test]
    fn a_malformed_file_is_ignored() {
        for absurd in ["", "\n", "-1", "nan", "1e9", "4294967295", "99999999999999999999", "\u{0}"]
        {
            let files = Files::new("cpu MHz : 5000\n");
            let policy = "cpu/cpufreq/policy0";
            files.write(&format!("{policy}/scaling_cur_freq"), absurd);
            assert_eq!(files.reader().mean_mhz(), Some(5000.0), "{absurd:?}");
            files.write("cpu/cpufreq/policy1/scaling_cur_freq", "800000\n");
            assert_eq!(files.reader().mean_mhz(), Some(800.0), "{absurd:?}");
        }
    }

    #[test]
    fn similar_folder_names_are_ignored() {
        let files = Files::new("cpu MHz : 5000\n");
        for name in ["policy", "policy-1", "policy+1", "policy1x", "policy99999999999", "cpu1"] {
            files.write(&format!("cpu/cpufreq/{name}/scaling_cur_freq"), "800000\n");
        }
        assert_eq!(files.reader().mean_mhz(), Some(5000.0));
        for name in ["cpu", "cpux/cpufreq", "cpu1/cpufreq1", "cpu+2/cpufreq"] {
            files.write(&format!("cpu/{name}/scaling_cur_freq"), "800000\n");
        }
        assert_eq!(files.reader().mean_mhz(), Some(5000.0));
    }

    #[test]
    fn cores_that_come_online_are_found_by_a_rescan() {
        let files = Files::new("cpu MHz : 5000\n");
        let mut reader = files.reader();
        assert_eq!(reader.mean_mhz(), Some(5000.0));
        files.write("cpuinfo", "cpu MHz : 5000\ncpu MHz : 3000\n");
        assert_eq!(after_rescan(&mut reader), Some(4000.0));
        files.write("cpu/cpufreq/policy0/scaling_cur_freq", "1000000\n");
        assert_eq!(after_rescan(&mut reader), Some(1000.0));
        files.write("cpu/cpufreq/policy1/scaling_cur_freq", "3000000\n");
        assert_eq!(after_rescan(&mut reader), Some(2000.0));
        files.remove("cpu/cpufreq/policy0");
        assert_eq!(after_rescan(&mut reader), Some(3000.0));
    }
}
