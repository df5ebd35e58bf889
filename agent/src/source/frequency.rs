//! Mean frequency of the cores. Own reader on Linux: sysinfo takes the first core for all where no core
//! changes its own frequency, and reads the whole of `/proc/cpuinfo` once a core.

#[cfg(target_os = "linux")]
mod folders;

use loadline_protocol::Column;

use super::Part;
use super::moment::Moment;

/// The mean current frequency of the cores that are online.
pub(super) struct Frequency(reader::Reader);

impl Frequency {
    pub(super) fn new() -> Frequency {
        Frequency(reader::Reader::new())
    }
}

impl Part for Frequency {
    fn columns(&self) -> Vec<Column> {
        vec![Column::new("freq", "MHz")]
    }

    fn sample(&mut self, _: &Moment, values: &mut Vec<f64>) -> bool {
        values.push(self.0.mean_mhz().unwrap_or(f64::NAN));
        true
    }
}

/// No core is nearly so fast: what tells more tells nothing.
const MHZ_MAX: f64 = 1e6;

/// A mean in the making.
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

    /// `None` of nothing, and of zeros: that is how systems say that they do not know.
    fn get(self) -> Option<f64> {
        (self.sum > 0.0).then(|| self.sum / self.count as f64)
    }
}

#[cfg(target_os = "linux")]
mod reader {
    use super::Mean;
    use super::folders::Folders;
    use crate::procfs::Kept;

    /// After so many samples, cores whose frequency was not known before are looked for.
    pub(super) const SAMPLES_A_LOOK: u32 = 64;

    /// Room for a piece of the kernel's list of cores, of which no line is nearly so long.
    const LIST_ROOM: usize = 8 * 1024;

    /// The mean of what `psutil.cpu_freq()` has the mean of: the cores, or groups of cores, that
    /// change their frequency together, if there are any; else the kernel's list of cores. Where
    /// both tell the frequency of each core they have it from the same place in the kernel, and
    /// the files are by far the shorter text.
    pub(super) struct Reader {
        folders: Folders,
        list: Kept,
        /// How many cores it had at the last look: behind the last of them nothing need be read.
        listed: Option<usize>,
        /// One for each core or group of cores that changes its frequency.
        scaled: Vec<Scaled>,
        /// How many samples are still taken before cores are looked for again.
        find_in: u32,
        /// A piece of the list.
        room: Box<[u8]>,
    }

    /// A folder with the frequency of a core, or of a group of cores.
    struct Scaled {
        /// What governs the frequency says so.
        governed: Kept,
        /// The hardware says so, if nothing else does.
        measured: Kept,
    }

    impl Reader {
        pub(super) fn new() -> Reader {
            Reader::of("/sys/devices/system/cpu", "/proc/cpuinfo")
        }

        pub(super) fn of(cpus: &str, list: &str) -> Reader {
            Reader {
                folders: Folders::new(cpus),
                list: Kept::new(list),
                listed: None,
                scaled: Vec::new(),
                find_in: 0,
                room: vec![0; LIST_ROOM].into(),
            }
        }

        pub(super) fn mean_mhz(&mut self) -> Option<f64> {
            if self.find_in == 0 {
                self.find();
            }
            self.find_in -= 1;
            let mut mean = Mean::default();
            mean.extend(self.scaled.iter_mut().filter_map(Scaled::mhz));
            if let Some(mean) = mean.get() {
                return Some(mean);
            }
            let mut mean = Mean::default();
            self.list.each_line(&mut self.room, |line| {
                mean.extend(line_mhz(line));
                Some(mean.count) != self.listed
            });
            self.listed = Some(mean.count).filter(|count| *count > 0);
            mean.get()
        }

        /// Files that are open already stay so.
        fn find(&mut self) {
            self.find_in = SAMPLES_A_LOOK;
            self.listed = None;
            if self.folders.have_changed() {
                self.scaled = self.folders.paths().map(|folder| Scaled::new(&folder)).collect();
            }
        }
    }

    impl Scaled {
        fn new(folder: &str) -> Scaled {
            let file = |name| Kept::new(format!("{folder}/{name}"));
            Scaled { governed: file("scaling_cur_freq"), measured: file("cpuinfo_cur_freq") }
        }

        /// `None` of a core that is offline.
        fn mhz(&mut self) -> Option<f64> {
            file_mhz(&mut self.governed).or_else(|| file_mhz(&mut self.measured))
        }
    }

    /// `2400000`, which are kHz
    fn file_mhz(file: &mut Kept) -> Option<f64> {
        let khz: u32 = file.beginning(&mut [0; 32])?.trim().parse().ok()?;
        Some(f64::from(khz) / 1000.0)
    }

    /// `cpu MHz : 2400.000`
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

    pub(super) struct Reader(Option<System>);

    impl Reader {
        pub(super) fn new() -> Reader {
            let frequency = CpuRefreshKind::nothing().with_frequency();
            let system = System::new_with_specifics(RefreshKind::nothing().with_cpu(frequency));
            Reader(system.ok())
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

    use super::reader::{Reader, SAMPLES_A_LOOK};

    /// A machine of files: those of its cores below `cpu/`, and `cpuinfo`.
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

        /// Takes a core away as the system does.
        fn remove(&self, folder: &str) {
            fs::remove_dir_all(self.0.path().join(folder)).unwrap();
        }

        fn reader(&self) -> Reader {
            let folder = self.0.path().to_str().unwrap();
            Reader::of(&format!("{folder}/cpu"), &format!("{folder}/cpuinfo"))
        }
    }

    /// The mean after the next look for cores.
    fn after_a_look(reader: &mut Reader) -> Option<f64> {
        (0..SAMPLES_A_LOOK).fold(None, |_, _| reader.mean_mhz())
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
    fn where_no_frequency_is_told_there_is_none() {
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
    fn cores_that_change_their_frequency_have_it_in_a_file() {
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
    fn files_that_tell_nothing_leave_it_to_the_list() {
        let files = Files::new("cpu MHz : 5000\n");
        files.write("cpu/cpufreq/policy0/scaling_cur_freq", "<unknown>\n");
        assert_eq!(files.reader().mean_mhz(), Some(5000.0));
    }

    #[test]
    fn a_file_that_makes_no_sense_leaves_it_to_the_others() {
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
    fn names_that_only_look_like_those_of_cores_are_none() {
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
    fn a_core_that_comes_later_counts_soon() {
        let files = Files::new("cpu MHz : 5000\n");
        let mut reader = files.reader();
        assert_eq!(reader.mean_mhz(), Some(5000.0));
        files.write("cpuinfo", "cpu MHz : 5000\ncpu MHz : 3000\n");
        assert_eq!(after_a_look(&mut reader), Some(4000.0));
        files.write("cpu/cpufreq/policy0/scaling_cur_freq", "1000000\n");
        assert_eq!(after_a_look(&mut reader), Some(1000.0));
        files.write("cpu/cpufreq/policy1/scaling_cur_freq", "3000000\n");
        assert_eq!(after_a_look(&mut reader), Some(2000.0));
        files.remove("cpu/cpufreq/policy0");
        assert_eq!(after_a_look(&mut reader), Some(3000.0));
    }
}
