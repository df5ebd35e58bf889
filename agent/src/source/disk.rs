//! Disk traffic. Own reader on Linux: sysinfo asks each mount for its size, which blocks if a
//! network server is gone, and lists a disk once for each mount.
//!
//! Each byte counts once: at the disk that is hardware. docs/columns.md has the whole rule.

pub(super) use self::reader::Disks;

impl Disks {
    /// Returns the names of the disks that count.
    pub(super) fn counted_names(&mut self) -> Vec<String> {
        let mut disks: Vec<(String, [u64; 2])> = Vec::new();
        self.for_each(|name, counts| disks.push((name.to_owned(), counts)));
        let devices: Vec<_> = disks.iter().map(|(name, counts)| (name.as_str(), *counts)).collect();
        let counted = self.select_counted(&devices);
        disks.into_iter().zip(counted).filter_map(|((name, _), it)| it.then_some(name)).collect()
    }
}

#[cfg(target_os = "linux")]
mod reader {
    use crate::kernel::device_folders::DeviceFolders;
    use crate::kernel::diskstats::{DiskstatsFile, is_partition};
    use crate::kernel::root::Root;
    use crate::source::rates::Device;

    /// Name prefixes of devices that never count: memory, files, optical and floppy drives.
    const IGNORED_PREFIXES: &[&str] = &["loop", "ram", "zram", "nullb", "sr", "scd", "fd", "xpram"];

    /// Name endings of the areas of a flash chip that are no storage.
    const FLASH_AREAS: &[&str] = &["boot0", "boot1", "rpmb"];

    /// Name prefixes of devices that consist of others. Most have no `device` entry.
    const STACKED_PREFIXES: &[&str] = &[
        "dm-",
        "md",
        "zd",
        "bcache",
        "drbd",
        "device-mapper",
        "zvol",
        "ploop",
        "flashcache",
        "emcpower",
        "VxVM",
        "VxDMP",
        "asm",
    ];

    /// Name prefixes of disks of other machines: network block devices.
    const NETWORK_PREFIXES: &[&str] =
        &["nbd", "rbd", "rnbd", "etherd/", "ublkb", "pxd", "scini", "vitastor"];

    /// Rank of a device. Only the devices of the lowest rank count.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    enum DiskRank {
        Hardware,
        /// Not known to be virtual, but without a `device`.
        Unknown,
        Network,
        /// Built on devices that cannot be seen, for example on a network.
        Stacked,
    }

    /// Disks with the bytes read from and written to each.
    pub(crate) struct Disks {
        counters: DiskstatsFile,
        folders: DeviceFolders,
    }

    impl Disks {
        pub(crate) fn new(root: &Root) -> Disks {
            let (counters, folders) = (DiskstatsFile::new(root), DeviceFolders::of_disks(root));
            Disks { counters, folders }
        }

        pub(crate) fn for_each(&mut self, mut each: impl FnMut(&str, [u64; 2])) {
            self.counters.for_each(|disk| each(disk.name, disk.bytes()));
        }

        /// Selects the whole disks that are hardware. If there are none, selects network block
        /// devices, and then those whose parts cannot be seen.
        pub(crate) fn select_counted(&self, disks: &[Device<'_>]) -> Vec<bool> {
            // Only whole disks have a folder. Some containers hide all folders.
            let has_folders = disks.iter().any(|(name, _)| self.folders.has(name, ""));
            let is_whole = |name: &str| {
                if has_folders { self.folders.has(name, "") } else { !is_partition(name, disks) }
            };
            let ranks =
                disks.iter().map(|(name, _)| self.rank(name, disks).filter(|_| is_whole(name)));
            let ranks: Vec<Option<DiskRank>> = ranks.collect();
            let lowest = ranks.iter().flatten().min();
            ranks.iter().map(|rank| rank.is_some() && rank.as_ref() == lowest).collect()
        }

        fn rank(&self, name: &str, disks: &[Device<'_>]) -> Option<DiskRank> {
            let is_any = |prefixes: &[&str]| prefixes.iter().any(|kind| name.starts_with(kind));
            if is_any(IGNORED_PREFIXES) || is_flash_area(name) || is_counted_path(name, disks) {
                return None;
            }
            if is_any(STACKED_PREFIXES) {
                let has_parts = self.folders.has_prefixed(name, "slaves", "");
                return (!has_parts).then_some(DiskRank::Stacked);
            }
            if is_any(NETWORK_PREFIXES) {
                return Some(DiskRank::Network);
            }
            let has_device = self.folders.has(name, "device");
            Some(if has_device { DiskRank::Hardware } else { DiskRank::Unknown })
        }
    }

    /// Returns whether a name is that of a boot or key area of a flash chip: `mmcblk0boot1`.
    fn is_flash_area(name: &str) -> bool {
        name.starts_with("mmcblk") && FLASH_AREAS.iter().any(|area| name.ends_with(area))
    }

    /// Returns whether a device is one path to an `NVMe` disk that counts all paths. Before Linux
    /// 6.0, only the paths have counters, and those of the disk stay 0.
    fn is_counted_path(name: &str, disks: &[Device<'_>]) -> bool {
        let head = multipath_head(name);
        head.is_some_and(|head| {
            disks.iter().any(|(disk, counts)| *disk == head && *counts != [0; 2])
        })
    }

    /// Returns the disk of an `NVMe` path: `nvme0n1` of `nvme0c1n1`.
    fn multipath_head(name: &str) -> Option<String> {
        let (system, rest) = name.strip_prefix("nvme")?.split_once('c')?;
        let (controller, namespace) = rest.split_once('n')?;
        let are_numbers = [system, controller, namespace]
            .iter()
            .all(|it| !it.is_empty() && it.bytes().all(|byte| byte.is_ascii_digit()));
        are_numbers.then(|| format!("nvme{system}n{namespace}"))
    }
}

#[cfg(not(target_os = "linux"))]
mod reader {
    use crate::kernel::root::Root;
    use crate::source::rates::Device;

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

        #[expect(clippy::unused_self, reason = "same interface as on Linux")]
        pub(crate) fn select_counted(&self, disks: &[Device<'_>]) -> Vec<bool> {
            vec![true; disks.len()]
        }
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::reader::Disks;
    use crate::kernel::tests::TestRoot;

    /// Checks which of the devices count. Each entry is a folder in `/sys/block`. A device with a
    /// `=0` has counters of 0.
    fn check(entries: &str, devices: &str, expected: &str) {
        let files = TestRoot::new();
        for entry in entries.split_whitespace() {
            files.make_folder(&format!("sys/block/{entry}"));
        }
        let device = |text| match str::strip_suffix(text, "=0") {
            Some(name) => (name, [0, 0]),
            None => (text, [7, 7]),
        };
        let devices: Vec<_> = devices.split(' ').map(device).collect();
        let selected = Disks::new(&files.root()).select_counted(&devices);
        let selected =
            devices.iter().zip(selected).filter_map(|((name, _), is)| is.then_some(*name));
        assert_eq!(selected.collect::<Vec<_>>().join(" "), expected, "{entries}");
    }

    #[test]
    fn whole_disks_that_are_hardware_count_once() {
        // Raspberry Pi.
        let flash = "mmcblk0/device mmcblk0boot0/device mmcblk0boot1/device mmcblk0rpmb/device";
        let names = "mmcblk0 mmcblk0p1 mmcblk0p2 mmcblk0boot0 mmcblk0boot1 mmcblk0rpmb ram0 loop0";
        check(flash, names, "mmcblk0");
        // LVM on a RAID of two disks.
        let raid = "sda/device sdb/device md127/slaves/sda1 dm-0/slaves/md127 dm-1/slaves/md127";
        check(raid, "sda sda1 sdb sdb1 md127 md127p1 dm-0 dm-1", "sda sdb");
        check("sda/device zd0 zd16", "sda sda1 sda9 zd0 zd0p1 zd16", "sda");
        let network = "vda/device drbd0 nbd0 bcache0 rbd0/device etherd!e0.1/device ublkb0/device";
        check(network, "vda drbd0 nbd0 bcache0 rbd0 etherd/e0.1 ublkb0", "vda");
        check("sr0/device fd0/device sda/device zram0 nullb0", "sr0 fd0 sda zram0 nullb0", "sda");
        check(
            "dasda/device pmem0/device cciss!c0d0/device",
            "dasda dasda1 pmem0 cciss/c0d0 cciss/c0d0p1",
            "dasda pmem0 cciss/c0d0",
        );
        // The fifteenth disk of a virtual machine is no `vdo`.
        check("vdn/device vdo/device vdp/device", "vdn vdo vdo1 vdp", "vdn vdo vdp");
        check("sda/device sdb/device emcpowera", "sda sdb emcpowera emcpowera1", "sda sdb");
        check(
            "mmcblk0/device mmcblk0gp0/device mtdblock0/device",
            "mmcblk0 mmcblk0p1 mmcblk0gp0 mtdblock0",
            "mmcblk0 mmcblk0gp0 mtdblock0",
        );
        // Xen gives partitions without their disk.
        check("xvda1/device xvda2/device", "xvda1 xvda2", "xvda1 xvda2");
        // Two paths to one disk: each byte passes one of them.
        check("sda/device sdb/device dm-0/slaves/sda dm-0/slaves/sdb", "sda sdb dm-0", "sda sdb");
    }

    #[test]
    fn a_multipath_disk_counts_at_the_disk_or_at_its_paths() {
        let paths = "nvme0n1/device nvme0c0n1/device nvme0c1n1/device nvme10n1/device";
        let names = "nvme0n1 nvme0n1p1 nvme0c0n1 nvme0c1n1 nvme10n1";
        check(paths, names, "nvme0n1 nvme10n1");
        let names = "nvme0n1=0 nvme0n1p1 nvme0c0n1 nvme0c1n1 nvme10n1";
        check(paths, names, "nvme0n1 nvme0c0n1 nvme0c1n1 nvme10n1");
    }

    #[test]
    fn without_hardware_the_lowest_visible_devices_count() {
        check("loop0 zram0 ram0", "loop0 zram0 ram0", "");
        check("loop0 pmem0 dm-0 md127", "loop0 pmem0 dm-0 md127", "pmem0");
        // A root file system on a RAID of network block devices.
        check("nbd0 nbd1 md0/slaves/nbd0 md0/slaves/nbd1", "nbd0 nbd1 md0", "nbd0 nbd1");
        check("md0 dm-0/slaves/md0", "md0 dm-0", "md0");
        // Without /sys, names decide.
        check(
            "",
            "sda sda1 sda10 xvda1 nvme0n1 nvme0n1p1 dm-1 dm-10 mmcblk0 mmcblk0p1",
            "sda xvda1 nvme0n1 mmcblk0",
        );
    }
}
