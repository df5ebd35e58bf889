//! What Linux tells of the machine: one file of this folder for one of the kernel's. For columns that
//! sysinfo has wrong or not at all, and for `/metrics`, whose counters sysinfo does not have.
//!
//! Each keeps its file open, and reads it from its beginning when it is asked; a parser beside it
//! takes what stands there, and knows no file. Once each buffer is there, nothing is allocated. What
//! cannot be read, or makes no sense, is not there.

#[cfg(feature = "metrics")]
mod disks_of_ours;
mod diskstats;
#[cfg(feature = "metrics")]
mod hwmon;
mod kept;
#[cfg(feature = "metrics")]
mod loadavg;
#[cfg(feature = "metrics")]
mod meminfo;
mod mounts;
mod net_dev;
mod numbered;
mod pressure;
#[cfg(feature = "metrics")]
mod scaling;
mod stat;
#[cfg(feature = "metrics")]
mod vmstat;

#[cfg(feature = "metrics")]
pub(crate) use disks_of_ours::is_disk_of_ours;
#[cfg(feature = "metrics")]
pub(crate) use diskstats::Disk;
pub(crate) use diskstats::Diskstats;
#[cfg(feature = "metrics")]
pub(crate) use hwmon::{Chip, chips};
pub(crate) use kept::Kept;
#[cfg(feature = "metrics")]
pub(crate) use loadavg::Loadavg;
#[cfg(feature = "metrics")]
pub(crate) use meminfo::{Amount, Meminfo};
pub(crate) use mounts::{Mount, Mounts, Space};
pub(crate) use net_dev::NetDev;
#[cfg(feature = "metrics")]
pub(crate) use net_dev::Traffic;
pub(crate) use numbered::each_numbered;
pub(crate) use pressure::Pressure;
#[cfg(feature = "metrics")]
pub(crate) use pressure::{Stall, Stalls};
#[cfg(feature = "metrics")]
pub(crate) use scaling::{Scaling, scalings};
pub(crate) use stat::{CpuTimes, Stat, StatLine};
#[cfg(feature = "metrics")]
pub(crate) use vmstat::Vmstat;

/// What stands between blanks.
fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty())
}

/// A number that counts something: digits, and nothing else.
fn number(word: &[u8]) -> Option<u64> {
    let digits = std::str::from_utf8(word).ok().filter(|_| word.iter().all(u8::is_ascii_digit))?;
    digits.parse().ok()
}
