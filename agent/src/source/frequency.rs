//! Mean frequency of the cores. Own reader on Linux: sysinfo reads the whole of `/proc/cpuinfo` for
//! each core. If no core changes its own frequency, sysinfo takes the first core for all.

pub(super) use self::reader::FrequencyReader;

/// Highest plausible frequency, MHz: no core is nearly as fast. Higher values are ignored.
const MHZ_MAX: f64 = 1e6;

/// Running mean.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Mean {
    sum: f64,
    count: usize,
}

impl Mean {
    fn add(&mut self, mhz: f64) {
        if (0.0..=MHZ_MAX).contains(&mhz) {
            self.sum += mhz;
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
    use crate::kernel::cpufreq::FrequencyFiles;
    use crate::kernel::cpuinfo::CpuinfoFile;
    use crate::kernel::root::Root;

    /// Number of samples between two searches for new cores.
    pub(super) const RESCAN_SAMPLES: u32 = 64;

    /// Mean frequency from the files that `psutil.cpu_freq()` reads: cpufreq files of cores or of
    /// groups of cores that change their frequency together, else `/proc/cpuinfo`. If both have a
    /// frequency for each core, the kernel takes both from the same place, and the cpufreq files
    /// are much shorter.
    pub(crate) struct FrequencyReader {
        files: FrequencyFiles,
        list: CpuinfoFile,
        /// Number of cores in the list at the last read. Nothing after the last core is read.
        listed_cores: Option<usize>,
        /// Number of samples until the next search for cores.
        rescan_in: u32,
    }

    impl FrequencyReader {
        pub(crate) fn new(root: &Root) -> FrequencyReader {
            let (files, list) = (FrequencyFiles::new(root), CpuinfoFile::new(root));
            FrequencyReader { files, list, listed_cores: None, rescan_in: 0 }
        }

        pub(crate) fn mean_mhz(&mut self) -> Option<f64> {
            if self.rescan_in == 0 {
                self.rescan_in = RESCAN_SAMPLES;
                self.listed_cores = None;
                self.files.rescan();
            }
            self.rescan_in -= 1;
            let mut mean = Mean::default();
            self.files.for_each_mhz(|mhz| mean.add(mhz));
            mean.get().or_else(|| self.listed_mean())
        }

        fn listed_mean(&mut self) -> Option<f64> {
            let mut mean = Mean::default();
            self.list.find_map(|mhz| {
                mean.add(mhz);
                (Some(mean.count) == self.listed_cores).then_some(())
            });
            self.listed_cores = Some(mean.count).filter(|count| *count > 0);
            mean.get()
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod reader {
    use sysinfo::{CpuRefreshKind, RefreshKind, System};

    use super::Mean;
    use crate::kernel::root::Root;

    pub(crate) struct FrequencyReader(Option<System>);

    impl FrequencyReader {
        pub(crate) fn new(_: &Root) -> FrequencyReader {
            let frequency = CpuRefreshKind::nothing().with_frequency();
            let system = System::new_with_specifics(RefreshKind::nothing().with_cpu(frequency));
            FrequencyReader(system.ok())
        }

        pub(crate) fn mean_mhz(&mut self) -> Option<f64> {
            let system = self.0.as_mut()?;
            system.refresh_cpu_frequency();
            let mut mean = Mean::default();
            system.cpus().iter().for_each(|cpu| mean.add(cpu.frequency() as f64));
            mean.get()
        }
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::reader::{FrequencyReader, RESCAN_SAMPLES};
    use crate::kernel::tests::TestRoot;

    /// Simulated machine: folders of cores below `cpu/`, and `cpuinfo`.
    struct Files(TestRoot);

    impl Files {
        fn new(cpuinfo: &str) -> Files {
            Files(TestRoot::with(&[("proc/cpuinfo", cpuinfo)]))
        }

        fn write(&self, path: &str, text: &str) {
            self.0.write(&format!("sys/devices/system/{path}"), text);
        }

        fn reader(&self) -> FrequencyReader {
            FrequencyReader::new(&self.0.root())
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
        files.0.write("proc/cpuinfo", "cpu MHz : 5000\ncpu MHz : 3000\n");
        assert_eq!(after_rescan(&mut reader), Some(4000.0));
        files.write("cpu/cpufreq/policy0/scaling_cur_freq", "1000000\n");
        assert_eq!(after_rescan(&mut reader), Some(1000.0));
        files.write("cpu/cpufreq/policy1/scaling_cur_freq", "3000000\n");
        assert_eq!(after_rescan(&mut reader), Some(2000.0));
        files.0.remove_folder("sys/devices/system/cpu/cpufreq/policy0");
        assert_eq!(after_rescan(&mut reader), Some(3000.0));
    }
}
