//! Disk traffic, and use of the root file system. Own reader on Linux: sysinfo asks each mount for
//! its size, which blocks if a network server is gone, and lists a disk once for each mount.

pub(super) use self::reader::Disks;

/// Returns the use of a file system, %. As in `df`, space reserved for root does not count.
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

    /// Disks with the bytes read from and written to each, and the root file system.
    pub(crate) struct Disks {
        counters: DiskstatsFile,
        folders: DeviceFolders,
        root_folder: PathBuf,
    }

    impl Disks {
        pub(crate) fn new(root: &Root) -> Disks {
            let (counters, folders) = (DiskstatsFile::new(root), DeviceFolders::of_disks(root));
            Disks { counters, folders, root_folder: root.path("/") }
        }

        pub(crate) fn for_each(&mut self, mut each: impl FnMut(&str, [u64; 2])) {
            self.counters.for_each(|disk| each(disk.name, disk.bytes()));
        }

        pub(crate) fn root_used_percent(&self) -> Option<f64> {
            let space = Space::of(&self.root_folder)?;
            super::used_percent(space.size.saturating_sub(space.free), space.available)
        }

        /// Selects the physical disks of `names`. Only whole disks have a folder, and only physical
        /// disks a `device` entry. If no disk has a `device`, the name decides.
        pub(crate) fn select_physical(&self, names: &[&str]) -> Vec<bool> {
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

    use crate::kernel::root::Root;

    pub(crate) struct Disks(Option<sysinfo::Disks>);

    impl Disks {
        pub(crate) fn new(_: &Root) -> Disks {
            Disks(sysinfo::Disks::new_with_refreshed_list().ok())
        }

        pub(crate) fn for_each(&mut self, mut each: impl FnMut(&str, [u64; 2])) {
            let Some(disks) = &mut self.0 else { return };
            disks.refresh(true);
            // Several file systems of one disk report the same counters.
            for disks in disks.chunk_by(|one, two| one.name() == two.name()) {
                let usage = disks[0].usage();
                let counts = [usage.total_read_bytes, usage.total_written_bytes];
                each(&disks[0].name().to_string_lossy(), counts);
            }
        }

        pub(crate) fn root_used_percent(&self) -> Option<f64> {
            let root_folder = Path::new("/");
            let disk = self.0.as_ref()?.iter().find(|disk| disk.mount_point() == root_folder)?;
            let available = disk.available_space();
            super::used_percent(disk.total_space().saturating_sub(available), available)
        }

        #[expect(clippy::unused_self, reason = "same interface as on Linux")]
        pub(crate) fn select_physical(&self, names: &[&str]) -> Vec<bool> {
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
    use super::reader::Disks;
    use crate::kernel::tests::TestRoot;

    #[test]
    fn only_whole_physical_disks_are_counted() {
        let files = TestRoot::new();
        let make = |path: &str| files.make_folder(&format!("sys/block/{path}"));
        let check = |names: &[&str], expected: &[&str]| {
            let selected = Disks::new(&files.root()).select_physical(names);
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
