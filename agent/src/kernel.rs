//! Readers of the kernel's files: everything below `/proc` and `/sys`, cgroups included. No other
//! module contains a path of such a file.
//!
//! All paths are relative to a [`Root`](root::Root). Parsers are functions of text and run on every
//! system; only reading the files needs Linux. Readers for samples keep their files open and read
//! them from the start on each call. Once their buffers exist, nothing is allocated. A value that is
//! unreadable or implausible is missing.

pub(crate) mod arcstats;
pub(crate) mod available_memory;
pub(crate) mod cgroups;
pub(crate) mod core_lists;
#[cfg(target_os = "linux")]
pub(crate) mod cpufreq;
pub(crate) mod cpuinfo;
pub(crate) mod cpusets;
#[cfg(target_os = "linux")]
pub(crate) mod device_folders;
pub(crate) mod diskstats;
pub(crate) mod filesystem_filter;
pub(crate) mod hwmon;
pub(crate) mod loadavg;
pub(crate) mod meminfo;
pub(crate) mod mounts;
pub(crate) mod net_dev;
#[cfg(target_os = "linux")]
pub(crate) mod numbered_entries;
mod open_file;
pub(crate) mod own_process;
pub(crate) mod pressure;
#[cfg(target_os = "linux")]
pub(crate) mod process_files;
pub(crate) mod process_stat;
pub(crate) mod process_status;
pub(crate) mod process_units;
pub(crate) mod record_file;
pub(crate) mod root;
pub(crate) mod stat;
#[cfg(target_os = "linux")]
pub(crate) mod temperature_sensors;
pub(crate) mod vmstat;

/// Returns the words of a line.
fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty())
}

/// Parses an unsigned number: digits only.
fn number(word: &[u8]) -> Option<u64> {
    let digits = std::str::from_utf8(word).ok().filter(|_| word.iter().all(u8::is_ascii_digit))?;
    digits.parse().ok()
}

#[cfg(test)]
pub(crate) mod tests;
