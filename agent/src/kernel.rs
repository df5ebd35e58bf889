//! Readers of Linux kernel files, one module for each file: for columns that sysinfo has wrong or
//! not at all, and for the counters of `/metrics`.
//!
//! Readers keep their files open and read them from the start on each call. Parsers take text, not
//! files. Once the buffers exist, nothing is allocated. A value that is unreadable or implausible
//! is missing.

#[cfg(feature = "metrics")]
mod cpufreq;
mod diskstats;
#[cfg(feature = "metrics")]
mod filesystem_filter;
#[cfg(feature = "metrics")]
mod hwmon;
#[cfg(feature = "metrics")]
mod loadavg;
#[cfg(feature = "metrics")]
mod meminfo;
mod mounts;
mod net_dev;
mod numbered_entries;
mod open_file;
mod pressure;
mod stat;
#[cfg(feature = "metrics")]
mod vmstat;

#[cfg(feature = "metrics")]
pub(crate) use cpufreq::{CoreFrequency, core_frequencies};
#[cfg(feature = "metrics")]
pub(crate) use diskstats::DiskStats;
pub(crate) use diskstats::DiskstatsFile;
#[cfg(feature = "metrics")]
pub(crate) use filesystem_filter::is_local_filesystem;
#[cfg(feature = "metrics")]
pub(crate) use hwmon::{Chip, chips};
#[cfg(feature = "metrics")]
pub(crate) use loadavg::LoadavgFile;
#[cfg(feature = "metrics")]
pub(crate) use meminfo::{Amount, MeminfoFile};
pub(crate) use mounts::{Mount, MountsFile, Space};
pub(crate) use net_dev::NetDevFile;
#[cfg(feature = "metrics")]
pub(crate) use net_dev::Traffic;
pub(crate) use numbered_entries::for_each_numbered;
pub(crate) use open_file::OpenFile;
pub(crate) use pressure::PressureFile;
#[cfg(feature = "metrics")]
pub(crate) use pressure::{Stall, Stalls};
pub(crate) use stat::{CpuTimes, StatFile, StatLine};
#[cfg(feature = "metrics")]
pub(crate) use vmstat::VmstatFile;

/// Returns the words of a line.
fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty())
}

/// Parses an unsigned number: digits only.
fn number(word: &[u8]) -> Option<u64> {
    let digits = std::str::from_utf8(word).ok().filter(|_| word.iter().all(u8::is_ascii_digit))?;
    digits.parse().ok()
}
