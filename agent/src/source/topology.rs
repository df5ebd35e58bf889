//! Number of cores, and the list of online cores. Own reader on Linux: sysinfo lists the cores that
//! are online at its start, and does not notice changes.

use sysinfo::{CpuRefreshKind, RefreshKind, System};

pub(super) use self::reader::OnlineCores;

/// Highest number of cores with a column. The names of 512 columns fill a line.
const CORES_MAX: usize = 512;

/// Returns the number of cores, offline cores included.
pub(super) fn count() -> usize {
    let logical = || logical_cores().map(|cores| cores as usize);
    reader::present().or_else(logical).unwrap_or(0).min(CORES_MAX)
}

/// Returns the number of online logical cores.
pub(super) fn logical_cores() -> Option<u32> {
    let usage = CpuRefreshKind::nothing().with_usage();
    let system = System::new_with_specifics(RefreshKind::nothing().with_cpu(usage)).ok()?;
    u32::try_from(system.cpus().len()).ok().filter(|cores| *cores > 0)
}

#[cfg(target_os = "linux")]
mod reader {
    use std::path::PathBuf;

    use crate::kernel::OpenFile;

    /// Buffer for a list of cores. A list of single numbers up to 512 is shorter.
    const LIST_BYTES: usize = 2048;

    /// List of the online cores.
    pub(crate) struct OnlineCores {
        file: OpenFile,
        last: Vec<u8>,
    }

    impl OnlineCores {
        pub(crate) fn new() -> OnlineCores {
            OnlineCores::of("/sys/devices/system/cpu/online")
        }

        pub(crate) fn of(path: impl Into<PathBuf>) -> OnlineCores {
            OnlineCores { file: OpenFile::new(path), last: Vec::with_capacity(LIST_BYTES) }
        }

        /// Returns true if the list differs from the previous call.
        pub(crate) fn has_changed(&mut self) -> bool {
            let mut buffer = [0; LIST_BYTES];
            let list = self.file.read_prefix(&mut buffer).unwrap_or_default().as_bytes();
            let has_changed = self.last != list;
            self.last.clear();
            self.last.extend_from_slice(list);
            has_changed
        }
    }

    /// Returns the number of the last present core, plus one. Includes offline cores, but not
    /// possible cores, which a virtual machine could get later: there may be hundreds.
    pub(super) fn present() -> Option<usize> {
        parse(OpenFile::new("/sys/devices/system/cpu/present").read_prefix(&mut [0; LIST_BYTES])?)
    }

    /// Parses a list such as `0-3,8-15`.
    pub(super) fn parse(list: &str) -> Option<usize> {
        let number = list.trim().rsplit([',', '-']).next()?;
        number.parse::<usize>().ok()?.checked_add(1)
    }
}

#[cfg(not(target_os = "linux"))]
mod reader {
    /// List of the online cores. Never changes.
    pub(crate) struct OnlineCores;

    impl OnlineCores {
        pub(crate) fn new() -> OnlineCores {
            OnlineCores
        }

        #[expect(clippy::unused_self, reason = "same interface as on Linux")]
        pub(crate) fn has_changed(&mut self) -> bool {
            false
        }
    }

    pub(super) fn present() -> Option<usize> {
        None
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::reader::parse;

    #[test]
    fn the_number_of_cores_is_the_last_of_the_list_plus_one() {
        assert_eq!(parse("0\n"), Some(1));
        assert_eq!(parse("0-3,8-15\n"), Some(16));
        assert_eq!(parse("0-3,7\n"), Some(8));
        for wrong in ["", "\n", "-", "0-", "x", "0-18446744073709551615", "99999999999999999999"] {
            assert_eq!(parse(wrong), None, "{wrong:?}");
        }
    }
}
