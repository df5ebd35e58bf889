//! Disk traffic, and use of the root file system. Own reader on Linux: sysinfo asks each mount for
//! its size, which blocks if a network server is gone, and lists a disk once for each mount.

use loadline_protocol::Column;

use super::Collector;
use super::rates::Rates;
use super::snapshot::SystemSnapshot;
use crate::kernel::root::Root;

/// Collector of bytes per second read and written on physical disks, and of the use of the root
/// file system. As in `df`, space reserved for root does not count.
pub(super) struct DiskCollector {
    reader: reader::DiskReader,
    rates: Rates,
}

impl DiskCollector {
    pub(super) fn new(root: &Root) -> DiskCollector {
        DiskCollector { reader: reader::DiskReader::new(root), rates: Rates::default() }
    }
}

impl Collector for DiskCollector {
    fn columns(&self) -> Vec<Column> {
        let rates = ["disk_read", "disk_write"].map(|name| Column::new(name, "B/s"));
        rates.into_iter().chain([Column::new("disk_used", "%")]).collect()
    }

    fn sample(&mut self, now: &SystemSnapshot, values: &mut Vec<f64>) -> bool {
        let DiskCollector { reader, rates } = self;
        rates.begin();
        let found_any = reader.for_each(|name, counts| rates.add_device(name, counts));
        values.extend(rates.finish(now.at, |names| reader.select_physical(names)));
        let used = reader.root_usage().and_then(|(used, available)| used_percent(used, available));
        values.push(used.unwrap_or(f64::NAN));
        found_any || used.is_some()
    }
}

fn used_percent(used: u64, available: u64) -> Option<f64> {
    let all = used.checked_add(available).filter(|bytes| *bytes > 0)?;
    Some(used as f64 / all as f64 * 100.0)
}

#[cfg(target_os = "linux")]
mod reader {
    use std::path::PathBuf;

    use crate::kernel::device_folders::DeviceFolders;
    use crate::kernel::diskstats::DiskstatsFile;
    use crate::kernel::mounts::Space;
    use crate::kernel::root::Root;

    /// Name prefixes of disks that consist of other disks or of memory.
    const VIRTUAL_PREFIXES: &[&str] =
        &["loop", "ram", "zram", "dm-", "md", "nbd", "sr", "fd", "drbd", "bcache"];

    pub(super) struct DiskReader {
        counters: DiskstatsFile,
        folders: DeviceFolders,
        root_folder: PathBuf,
    }

    impl DiskReader {
        pub(super) fn new(root: &Root) -> DiskReader {
            let (counters, folders) = (DiskstatsFile::new(root), DeviceFolders::of_disks(root));
            DiskReader { counters, folders, root_folder: root.path("/") }
        }

        pub(super) fn for_each(&mut self, mut each: impl FnMut(&str, [u64; 2])) -> bool {
            self.counters.for_each(|disk| each(disk.name, disk.bytes()))
        }

        /// Returns the bytes in use, and the bytes available to users other than root.
        pub(super) fn root_usage(&mut self) -> Option<(u64, u64)> {
            let space = Space::of(&self.root_folder)?;
            Some((space.size.saturating_sub(space.free), space.available))
        }

        /// Selects the physical disks of `names`. Only whole disks have a folder, and only physical
        /// disks a `device` entry. If no disk has a `device`, the name decides.
        pub(super) fn select_physical(&self, names: &[&str]) -> Vec<bool> {
            let has = |name: &str, entry| {
                let is_virtual = VIRTUAL_PREFIXES.iter().any(|kind| name.starts_with(kind));
                !is_virtual && self.folders.has(name, entry)
            };
            let physical: Vec<bool> = names.iter().map(|name| has(name, "device")).collect();
            if physical.contains(&true) {
                return physical;
            }
            names.iter().map(|name| has(name, "")).collect()
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod reader {
    use std::path::Path;

    use sysinfo::Disks;

    use crate::kernel::root::Root;

    pub(super) struct DiskReader(Option<Disks>);

    impl DiskReader {
        pub(super) fn new(_: &Root) -> DiskReader {
            DiskReader(Disks::new_with_refreshed_list().ok())
        }

        pub(super) fn for_each(&mut self, mut for_each: impl FnMut(&str, [u64; 2])) -> bool {
            let Some(disks) = &mut self.0 else { return false };
            disks.refresh(true);
            // Several file systems of one disk report the same counters.
            let mut last = None;
            for disk in disks.iter() {
                let name = Some(disk.name());
                if std::mem::replace(&mut last, name) != name {
                    let usage = disk.usage();
                    let counts = [usage.total_read_bytes, usage.total_written_bytes];
                    for_each(&disk.name().to_string_lossy(), counts);
                }
            }
            !disks.is_empty()
        }

        pub(super) fn root_usage(&mut self) -> Option<(u64, u64)> {
            let root_usage = Path::new("/");
            let disk = self.0.as_ref()?.iter().find(|disk| disk.mount_point() == root_usage)?;
            let available = disk.available_space();
            Some((disk.total_space().saturating_sub(available), available))
        }

        #[expect(clippy::unused_self, reason = "same interface as on Linux")]
        pub(super) fn select_physical(&self, names: &[&str]) -> Vec<bool> {
            vec![true; names.len()]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn space_reserved_for_root_is_not_counted() {
        assert_eq!(used_percent(30, 90), Some(25.0));
        assert_eq!(used_percent(0, 0), None);
        assert_eq!(used_percent(u64::MAX, 1), None);
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod linux_tests {
    use super::reader::DiskReader;
    use crate::kernel::tests::TestRoot;

    #[test]
    fn only_whole_physical_disks_are_counted() {
        let files = TestRoot::new();
        let make = |path: &str| files.make_folder(&format!("sys/block/{path}"));
        let check = |names: &[&str], expected: &[&str]| {
            let selected = DiskReader::new(&files.root()).select_physical(names);
            let selected = names.iter().zip(selected).filter_map(|(name, is)| is.then_some(*name));
            assert_eq!(selected.collect::<Vec<_>>(), expected);
        };
        let names = ["loop0", "zram0", "pmem0", "sda", "sda1", "dm-0", "md127", "cciss/c0d0"];
        check(&names, &[]);
        for whole in ["loop0", "zram0", "pmem0", "dm-0", "md127"] {
            make(whole);
        }
        check(&names, &["pmem0"]);
        make("sda/device");
        make("cciss!c0d0/device");
        check(&names, &["sda", "cciss/c0d0"]);
    }
}
