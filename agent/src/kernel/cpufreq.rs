//! `/sys/devices/system/cpu/cpu*/cpufreq/`: frequency of each core, and its limits.

use std::fs::File;
use std::io::Read as _;

use super::{for_each_numbered, number};

const CPU_FOLDER: &str = "/sys/devices/system/cpu";

/// Buffer for the longest possible number.
const NUMBER_BYTES: usize = 32;

/// Frequency of a core and its limits, kHz.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CoreFrequency {
    pub(crate) core: u32,
    pub(crate) now_khz: Option<u64>,
    pub(crate) min_khz: Option<u64>,
    pub(crate) max_khz: Option<u64>,
}

/// Returns the known frequencies of the cores, at most `count_max`.
pub(crate) fn core_frequencies(count_max: usize) -> Vec<CoreFrequency> {
    core_frequencies_in(CPU_FOLDER, count_max)
}

fn core_frequencies_in(cores: &str, count_max: usize) -> Vec<CoreFrequency> {
    let mut found = Vec::new();
    for_each_numbered(cores, b"cpu", |core| {
        if found.len() < count_max {
            let of = |file| read(&format!("{cores}/cpu{core}/cpufreq/scaling_{file}_freq"));
            let [now_khz, min_khz, max_khz] = ["cur", "min", "max"].map(of);
            found.extend(now_khz.is_some().then_some(CoreFrequency {
                core,
                now_khz,
                min_khz,
                max_khz,
            }));
        }
    });
    found.sort_unstable_by_key(|scaling| scaling.core);
    found
}

fn read(path: &str) -> Option<u64> {
    let mut buffer = [0; NUMBER_BYTES];
    let length = File::open(path).ok()?.read(&mut buffer).ok()?;
    number(buffer[..length].trim_ascii())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn core_frequencies_are_sorted_by_core_number() {
        let folder = tempfile::tempdir().unwrap();
        for (core, files) in [
            ("cpu10", &[("scaling_cur_freq", "800000\n"), ("scaling_max_freq", "4000000\n")][..]),
            ("cpu2", &[("scaling_cur_freq", "1200000\n"), ("scaling_min_freq", "x\n")]),
            ("cpu3", &[]),
            ("cpuidle", &[("scaling_cur_freq", "1\n")]),
        ] {
            let files_of = folder.path().join(core).join("cpufreq");
            fs::create_dir_all(&files_of).unwrap();
            for (file, text) in files {
                fs::write(files_of.join(file), text).unwrap();
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
        let cores = folder.path().to_str().unwrap();
        assert_eq!(core_frequencies_in(cores, 9), [slow, fast]);
        assert_eq!(core_frequencies_in(cores, 1).len(), 1);
        assert_eq!(core_frequencies_in(&format!("{cores}/none"), 9), []);
    }
}
