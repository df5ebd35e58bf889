//! How fast the cores run.

use loadline_protocol::Column;

use super::Source;

/// The mean current frequency of the cores that are online.
pub(super) struct Frequency(reader::Reader);

impl Frequency {
    pub(super) fn new() -> Frequency {
        Frequency(reader::Reader::new())
    }
}

impl Source for Frequency {
    fn columns(&self) -> Vec<Column> {
        vec![Column::new("freq", "MHz")]
    }

    fn sample(&mut self, values: &mut Vec<f64>) {
        values.push(self.0.mean_mhz().unwrap_or(f64::NAN));
    }
}

/// A mean in the making.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Mean {
    sum: f64,
    count: usize,
}

impl Mean {
    fn extend(&mut self, values: impl IntoIterator<Item = f64>) {
        for value in values {
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
    use std::fs::{self, File};
    use std::io::{BufRead, BufReader};
    use std::path::{Path, PathBuf};

    use super::Mean;

    /// Reads what `psutil.cpu_freq()` reads, by the same rule: the kernel's list of cores counts
    /// if it has a frequency for each of those that can change theirs, or if none can; else the
    /// files of the latter. sysinfo takes the first core for all where no core can change its own.
    pub(super) struct Reader {
        /// One folder for each group of cores that change their frequency together.
        policies: Vec<PathBuf>,
        /// The line that is being read, kept for its memory.
        line: Vec<u8>,
    }

    impl Reader {
        pub(super) fn new() -> Reader {
            Reader { policies: policies(Path::new("/sys/devices/system/cpu")), line: Vec::new() }
        }

        pub(super) fn mean_mhz(&mut self) -> Option<f64> {
            let listed = File::open("/proc/cpuinfo")
                .map(|file| listed(BufReader::new(file), &mut self.line))
                .unwrap_or_default();
            if self.policies.is_empty() || self.policies.len() == listed.count {
                return listed.get();
            }
            scaled(&self.policies).get().or(listed.get())
        }
    }

    /// The frequencies in the text of `/proc/cpuinfo`.
    pub(super) fn listed(mut text: impl BufRead, line: &mut Vec<u8>) -> Mean {
        let mut mean = Mean::default();
        loop {
            line.clear();
            match text.read_until(b'\n', line) {
                Ok(0) | Err(_) => return mean,
                Ok(_) => mean.extend(line_mhz(line)),
            }
        }
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

    /// The folders with the frequency of a core or a group of cores.
    pub(super) fn policies(cpus: &Path) -> Vec<PathBuf> {
        let grouped = numbered(&cpus.join("cpufreq"), "policy");
        if !grouped.is_empty() {
            return grouped;
        }
        let cores = numbered(cpus, "cpu").into_iter().map(|core| core.join("cpufreq"));
        cores.filter(|folder| folder.is_dir()).collect()
    }

    /// The entries of `folder` whose name is `prefix` and a number.
    fn numbered(folder: &Path, prefix: &str) -> Vec<PathBuf> {
        let is_numbered = |path: &PathBuf| {
            let name = path.file_name().and_then(|name| name.to_str());
            name.and_then(|name| name.strip_prefix(prefix))
                .is_some_and(|number| number.parse::<u32>().is_ok())
        };
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).filter(is_numbered).collect()
    }

    /// The frequencies of these folders. A core that is offline has none.
    pub(super) fn scaled(policies: &[PathBuf]) -> Mean {
        let mut mean = Mean::default();
        let read = |policy: &PathBuf, name| -> Option<f64> {
            let khz: f64 = fs::read_to_string(policy.join(name)).ok()?.trim().parse().ok()?;
            Some(khz / 1000.0)
        };
        for policy in policies {
            let mhz = read(policy, "scaling_cur_freq").or_else(|| read(policy, "cpuinfo_cur_freq"));
            mean.extend(mhz);
        }
        mean
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

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::fs;

    use super::reader::{listed, policies, scaled};

    fn check(cpuinfo: &str, expected: Option<f64>) {
        assert_eq!(listed(cpuinfo.as_bytes(), &mut Vec::new()).get(), expected, "{cpuinfo:?}");
    }

    #[test]
    fn the_mean_is_over_all_cores_that_are_listed() {
        check("processor\t: 0\ncpu MHz\t\t: 2400.000\n\ncpu MHz\t\t: 1200.5\n", Some(1800.25));
        check("CPU MHz: 800", Some(800.0));
    }

    #[test]
    fn where_no_frequency_is_told_there_is_none() {
        check("", None);
        check("processor : 0\nBogoMIPS : 48.00\n", None);
        check("cpu MHz : 0.000\n", None);
        check("cpu MHz : unknown\ncpu MHz\n", None);
    }

    #[test]
    fn cores_that_change_their_frequency_have_it_in_a_file() {
        let cpus = tempfile::tempdir().unwrap();
        assert_eq!(policies(cpus.path()), Vec::<std::path::PathBuf>::new());
        let write = |path: &str, text: &str| {
            let path = cpus.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("cpu0/cpufreq/scaling_cur_freq", "800000\n");
        write("cpu1/cpufreq/cpuinfo_cur_freq", "1600000\n");
        write("cpu2/topology/core_id", "2\n");
        write("cpuidle/current_driver", "none\n");
        assert_eq!(scaled(&policies(cpus.path())).get(), Some(1200.0));

        write("cpufreq/policy0/scaling_cur_freq", "2000000\n");
        write("cpufreq/policy4/related_cpus", "offline\n");
        assert_eq!(scaled(&policies(cpus.path())).get(), Some(2000.0));
    }
}
