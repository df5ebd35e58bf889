//! `/sys/devices/system/cpu/cpu*/cpufreq/`: how fast each core runs, and may run.

use std::fs::File;
use std::io::Read as _;

use super::{each_numbered, number};

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

/// How fast each core runs for which the kernel says so, at most so many of them.
pub(crate) fn scalings(count_max: usize) -> Vec<Scaling> {
    scalings_in(CORES, count_max)
}

fn scalings_in(cores: &str, count_max: usize) -> Vec<Scaling> {
    let mut found = Vec::new();
    each_numbered(cores, b"cpu", |core| {
        if found.len() < count_max {
            let of = |file| read(&format!("{cores}/cpu{core}/cpufreq/scaling_{file}_freq"));
            let [now_khz, min_khz, max_khz] = ["cur", "min", "max"].map(of);
            found.extend(now_khz.is_some().then_some(Scaling { core, now_khz, min_khz, max_khz }));
        }
    });
    found.sort_unstable_by_key(|scaling| scaling.core);
    found
}

fn read(path: &str) -> Option<u64> {
    let mut room = [0; ROOM];
    let length = File::open(path).ok()?.read(&mut room).ok()?;
    number(room[..length].trim_ascii())
}

#[cfg(test)]
mod tests {
    use std::fs;

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
        let cores = folder.path().to_str().unwrap();
        assert_eq!(scalings_in(cores, 9), [slow, fast]);
        assert_eq!(scalings_in(cores, 1).len(), 1);
        assert_eq!(scalings_in(&format!("{cores}/none"), 9), []);
    }
}
