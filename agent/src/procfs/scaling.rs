//! `/sys/devices/system/cpu/cpu*/cpufreq/`: how fast each core runs, and may run.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;

const CORES: &str = "/sys/devices/system/cpu";

/// Room for a number, as long as it can be.
const ROOM: usize = 32;

/// How fast a core runs, kHz.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Scaling {
    pub(crate) core: u32,
    pub(crate) now_khz: Option<u64>,
    pub(crate) min_khz: Option<u64>,
    pub(crate) max_khz: Option<u64>,
}

/// How fast each core runs for which the kernel says so, at most so many of them. `None` if there is
/// no telling what cores there are.
pub(crate) fn scalings(count_max: usize) -> Option<Vec<Scaling>> {
    scalings_in(Path::new(CORES), count_max)
}

fn scalings_in(cores: &Path, count_max: usize) -> Option<Vec<Scaling>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(cores).ok()?.filter_map(Result::ok).take(2 * count_max) {
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix("cpu"));
        let Some(core) = number.and_then(|number| number.parse().ok()) else { continue };
        let folder = entry.path().join("cpufreq");
        let [now_khz, min_khz, max_khz] =
            ["scaling_cur_freq", "scaling_min_freq", "scaling_max_freq"]
                .map(|file| read(&folder.join(file)));
        if now_khz.is_some() && found.len() < count_max {
            found.push(Scaling { core, now_khz, min_khz, max_khz });
        }
    }
    found.sort_unstable_by_key(|scaling| scaling.core);
    Some(found)
}

fn read(path: &Path) -> Option<u64> {
    let mut room = [0; ROOM];
    let length = File::open(path).ok()?.read(&mut room).ok()?;
    super::number(room[..length].trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_core_that_has_a_frequency_is_told_in_the_order_of_their_numbers() {
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
        let slow = Scaling { core: 2, now_khz: Some(1_200_000), min_khz: None, max_khz: None };
        let fast =
            Scaling { core: 10, now_khz: Some(800_000), min_khz: None, max_khz: Some(4_000_000) };
        assert_eq!(scalings_in(folder.path(), 9), Some(vec![slow, fast]));
        assert_eq!(scalings_in(&folder.path().join("none"), 9), None);
    }
}
