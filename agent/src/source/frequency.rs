//! Mean frequency of the cores. Own reader on Linux: sysinfo reads the whole of `/proc/cpuinfo` for
//! each core. If no core changes its own frequency, sysinfo takes the first core for all, and on some
//! architectures a maximum or a number that is no frequency.

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
    /// Adds the frequency of this number of cores. 0 means unknown.
    fn add(&mut self, mhz: f64, cores: usize) {
        if mhz > 0.0 && mhz <= MHZ_MAX {
            self.sum += mhz * cores as f64;
            self.count += cores;
        }
    }

    /// `None` without values.
    fn get(self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }
}

#[cfg(target_os = "linux")]
mod reader {
    use tokio::time::Instant;

    use super::Mean;
    use crate::kernel::core_lists::OnlineCores;
    use crate::kernel::cpufreq::FrequencyFiles;
    use crate::kernel::cpuinfo::CpuinfoFile;
    use crate::kernel::root::Root;
    use crate::source::rescan::Rescan;

    /// Mean over all online cores, from cpufreq files of cores or of groups of cores that change
    /// their frequency together, else from `/proc/cpuinfo`. If both have a frequency for each core,
    /// the kernel takes both from the same place, and the cpufreq files are much shorter.
    pub(crate) struct FrequencyReader {
        files: FrequencyFiles,
        list: CpuinfoFile,
        /// Number of cores in the list at the last read. Nothing after the last core is read.
        listed_cores: Option<usize>,
        online: OnlineCores,
        rescan: Rescan,
    }

    impl FrequencyReader {
        pub(crate) fn new(root: &Root) -> FrequencyReader {
            FrequencyReader {
                files: FrequencyFiles::new(root),
                list: CpuinfoFile::new(root),
                listed_cores: None,
                online: OnlineCores::new(root),
                rescan: Rescan::default(),
            }
        }

        pub(crate) fn mean_mhz(&mut self, now: Instant) -> Option<f64> {
            if self.online.has_changed() || self.rescan.is_due(now) {
                self.listed_cores = None;
                self.files.rescan();
            }
            let mut mean = Mean::default();
            self.files.for_each_mhz(|mhz, cores| mean.add(mhz, cores));
            mean.get().or_else(|| self.listed_mean())
        }

        fn listed_mean(&mut self) -> Option<f64> {
            let (mut mean, mut cores) = (Mean::default(), 0);
            self.list.find_map(|mhz| {
                mean.add(mhz, 1);
                cores += 1;
                (Some(cores) == self.listed_cores).then_some(())
            });
            self.listed_cores = Some(cores).filter(|cores| *cores > 0);
            mean.get()
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod reader {
    use sysinfo::{CpuRefreshKind, RefreshKind, System};
    use tokio::time::Instant;

    use super::Mean;
    use crate::kernel::root::Root;

    pub(crate) struct FrequencyReader(Option<System>);

    impl FrequencyReader {
        pub(crate) fn new(_: &Root) -> FrequencyReader {
            let frequency = CpuRefreshKind::nothing().with_frequency();
            let system = System::new_with_specifics(RefreshKind::nothing().with_cpu(frequency));
            FrequencyReader(system.ok())
        }

        pub(crate) fn mean_mhz(&mut self, _: Instant) -> Option<f64> {
            let system = self.0.as_mut()?;
            system.refresh_cpu_frequency();
            let mut mean = Mean::default();
            system.cpus().iter().for_each(|cpu| mean.add(cpu.frequency() as f64, 1));
            mean.get()
        }
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use tokio::time::Instant;

    use super::reader::FrequencyReader;
    use crate::kernel::tests::TestRoot;
    use crate::source::rescan::RESCAN_INTERVAL;

    /// Simulated machine: folders of cores below `cpu/`, and `cpuinfo`.
    struct Files(TestRoot);

    impl Files {
        fn new(cpuinfo: &str) -> Files {
            Files(TestRoot::with(&[("proc/cpuinfo", cpuinfo)]))
        }

        fn write(&self, path: &str, text: &str) {
            self.0.write(&format!("sys/devices/system/{path}"), text);
        }

        fn reader(&self) -> Reader {
            Reader { reader: FrequencyReader::new(&self.0.root()), now: Instant::now() }
        }
    }

    struct Reader {
        reader: FrequencyReader,
        now: Instant,
    }

    impl Reader {
        fn mean_mhz(&mut self) -> Option<f64> {
            self.reader.mean_mhz(self.now)
        }

        /// Returns the mean after the next search for cores.
        fn after_rescan(&mut self) -> Option<f64> {
            self.now += RESCAN_INTERVAL;
            self.mean_mhz()
        }
    }

    fn check(cpuinfo: &str, expected: Option<f64>) {
        assert_eq!(Files::new(cpuinfo).reader().mean_mhz(), expected, "{cpuinfo:?}");
    }

    fn check_fixture(name: &str, expected: Option<f64>) {
        let files = Files(TestRoot::fixture(name));
        assert_eq!(files.reader().mean_mhz(), expected, "{name}");
    }

    #[test]
    fn the_frequency_of_a_mainframe_is_the_dynamic_one() {
        check_fixture("s390x", Some(2600.0));
    }

    #[test]
    fn the_mean_is_over_all_cores_of_a_power_machine() {
        check_fixture("power", Some(2795.5));
    }

    #[test]
    fn a_group_of_cores_counts_once_for_each_online_core() {
        let files = Files::new("");
        let policies = [("0", "0 1 2 3\n", "408000\n"), ("4", "4 5\n", "1800000\n")];
        for (number, cores, khz) in policies {
            let folder = format!("cpu/cpufreq/policy{number}");
            files.write(&format!("{folder}/affected_cpus"), cores);
            files.write(&format!("{folder}/related_cpus"), cores);
            files.write(&format!("{folder}/scaling_cur_freq"), khz);
        }
        files.write("cpu/online", "0-5\n");
        let mut reader = files.reader();
        assert_eq!(reader.mean_mhz(), Some(872.0));
        files.write("cpu/cpufreq/policy0/affected_cpus", "0 1\n");
        files.write("cpu/online", "0-1,4-5\n");
        assert_eq!(reader.mean_mhz(), Some(1104.0), "at once");
        files.write("cpu/cpufreq/policy0/affected_cpus", "\n");
        assert_eq!(reader.after_rescan(), Some(1800.0), "no core of the group is online");
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
        check("cpu MHz : 0.000\ncpu MHz : 1200\ncpu MHz : 1800\n", Some(1500.0));
        check("cpu MHz : unknown\ncpu MHz\n", None);
        check("cpu MHz : inf\ncpu MHz : nan\ncpu MHz : -5\n", None);
        check("cpu MHz : 1e300\ncpu MHz : 1000001\ncpu MHz : -1e300\n", None);
        check("cpu MHz : 1e300\ncpu MHz : 800\ncpu MHz : \u{0}\ncpu MHz :", Some(800.0));
        check("\ncpu MHz\n:\ncpu mhz:\nCPU MHZ : 1 GB\n", None);
    }

    #[test]
    fn a_group_whose_frequency_is_unknown_does_not_lower_the_mean() {
        let files = Files::new("cpu MHz : 5000\n");
        for (number, khz) in [("0", "0\n"), ("4", "1800000\n"), ("6", "<unknown>\n")] {
            files.write(&format!("cpu/cpufreq/policy{number}/affected_cpus"), "0 1 2 3\n");
            files.write(&format!("cpu/cpufreq/policy{number}/scaling_cur_freq"), khz);
        }
        let mut reader = files.reader();
        assert_eq!(reader.mean_mhz(), Some(1800.0));
        assert_eq!(reader.after_rescan(), Some(1800.0));
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
        assert_eq!(reader.after_rescan(), Some(4000.0));
        files.write("cpu/cpufreq/policy0/scaling_cur_freq", "1000000\n");
        assert_eq!(reader.after_rescan(), Some(1000.0));
        files.write("cpu/cpufreq/policy1/scaling_cur_freq", "3000000\n");
        assert_eq!(reader.after_rescan(), Some(2000.0));
        files.0.remove_folder("sys/devices/system/cpu/cpufreq/policy0");
        assert_eq!(reader.after_rescan(), Some(3000.0));
    }
}
