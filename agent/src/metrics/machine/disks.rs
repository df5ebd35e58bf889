//! Counters of disks.

use std::collections::HashSet;

use prometheus_client::metrics::MetricType::{self, Counter, Gauge, Info};

use super::{is_new, label};
use crate::kernel::device_folders::DeviceFolders;
use crate::kernel::diskstats::{DiskstatsFile, SECTOR_BYTES};
use crate::kernel::root::Root;
use crate::metrics::family::{Family, Labels};

/// Type, name and help of the metrics, in the kernel's order.
const FIELDS: [(MetricType, &str, &str); 17] = [
    (Counter, "reads_completed", "The total number of reads completed successfully."),
    (Counter, "reads_merged", "The total number of reads merged."),
    (Counter, "read_bytes", "The total number of bytes read successfully."),
    (Counter, "read_time_seconds", "The total number of seconds spent by all reads."),
    (Counter, "writes_completed", "The total number of writes completed successfully."),
    (Counter, "writes_merged", "The number of writes merged."),
    (Counter, "written_bytes", "The total number of bytes written successfully."),
    (Counter, "write_time_seconds", "This is the total number of seconds spent by all writes."),
    (Gauge, "io_now", "The number of I/Os currently in progress."),
    (Counter, "io_time_seconds", "Total seconds spent doing I/Os."),
    (Counter, "io_time_weighted_seconds", "The weighted # of seconds spent doing I/Os."),
    (Counter, "discards_completed", "The total number of discards completed successfully."),
    (Counter, "discards_merged", "The total number of discards merged."),
    (Counter, "discarded_sectors", "The total number of sectors discarded successfully."),
    (Counter, "discard_time_seconds", "This is the total number of seconds spent by all discards."),
    (Counter, "flush_requests", "The total number of flush requests completed successfully"),
    (
        Counter,
        "flush_requests_time_seconds",
        "This is the total number of seconds spent by all flush requests.",
    ),
];

/// Labels of `node_disk_info` besides the device and its numbers, and the attributes with their
/// texts, of which a disk has one at most. The path is known to udev only.
const INFO_LABELS: [(&str, &[&str]); 6] = [
    ("path", &[]),
    ("wwn", &["wwid", "device/wwid"]),
    ("model", &["device/model"]),
    ("serial", &["serial", "device/serial"]),
    ("revision", &["device/rev", "device/firmware_rev"]),
    ("rotational", &["queue/rotational"]),
];

pub(super) struct DiskCollector {
    counters: DiskstatsFile,
    folders: DeviceFolders,
}

impl DiskCollector {
    pub(super) fn new(root: &Root) -> DiskCollector {
        let (counters, folders) = (DiskstatsFile::new(root), DeviceFolders::of_disks(root));
        DiskCollector { counters, folders }
    }

    pub(super) fn read(&mut self) -> Option<Vec<Family>> {
        let (mut known, mut disks, mut infos) = (HashSet::new(), Vec::new(), Vec::new());
        let is_any = self.counters.for_each(|disk| {
            let labels = Labels::from([label("device", disk.name)]);
            // Some Xen guests have `xvda1` without its disk. The kernel lists it as a whole disk.
            let is_part = is_partition_name(disk.name) && !self.folders.has(disk.name, "");
            if !is_part && !is_virtual(disk.name) && is_new(&mut known, &labels) {
                infos.push((info_labels(&self.folders, disk.name, disk.number), 1.0));
                disks.push((labels, disk.counts));
            }
        });
        let families = FIELDS.into_iter().enumerate().map(|(at, (kind, name, help))| {
            let values = disks.iter().filter_map(|(labels, counts)| {
                Some((labels.clone(), in_unit_of(name, counts[at]?)))
            });
            Family::new(kind, format!("node_disk_{name}"), help, values)
        });
        let help = "Number, model and kind of the disk, value is always 1.";
        let info = Family::new(Info, "node_disk", help, infos);
        is_any.then(|| families.chain([info]).collect())
    }
}

fn info_labels(folders: &DeviceFolders, name: &str, [major, minor]: [u64; 2]) -> Labels {
    let text = |(name_of, attributes): (&'static str, &[&str])| {
        let text = attributes.iter().find_map(|attribute| folders.text(name, attribute));
        label(name_of, &text.unwrap_or_default())
    };
    let numbers = [label("major", &major.to_string()), label("minor", &minor.to_string())];
    [label("device", name)].into_iter().chain(numbers).chain(INFO_LABELS.map(text)).collect()
}

/// Converts a count of the kernel (ms, sectors or a number) to the unit at the end of `name`.
fn in_unit_of(name: &str, count: u64) -> f64 {
    match name.rsplit_once('_') {
        Some((_, "seconds")) => count as f64 / 1e3,
        Some((_, "bytes")) => count.saturating_mul(SECTOR_BYTES) as f64,
        _ => count as f64,
    }
}

/// Returns the name without the number at its end. `None` if there is no number.
fn stem(name: &str) -> Option<&str> {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    (stem.len() < name.len()).then_some(stem)
}

/// Matches `^(z?ram|loop|fd)\d+$`.
fn is_virtual(name: &str) -> bool {
    matches!(stem(name), Some("ram" | "zram" | "loop" | "fd"))
}

/// Matches `^((h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$`.
fn is_partition_name(name: &str) -> bool {
    let Some(stem) = stem(name) else { return false };
    let letter = ["hd", "sd", "vd", "xvd"].iter().find_map(|kind| stem.strip_prefix(kind));
    let is_part = letter
        .is_some_and(|rest| matches!(rest.as_bytes(), [letter] if letter.is_ascii_lowercase()));
    is_part || is_nvme_partition(stem)
}

/// Matches `nvme\d+n\d+p`.
fn is_nvme_partition(stem: &str) -> bool {
    let numbers = stem.strip_prefix("nvme").and_then(|rest| rest.strip_suffix('p'));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let pair = numbers.and_then(|numbers| numbers.split_once('n'));
    pair.is_some_and(|(controller, space)| is_number(controller) && is_number(space))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::tests::TestRoot;
    use crate::metrics::machine::tests::samples;

    #[test]
    fn a_disk_has_its_model() {
        let files = TestRoot::with(&[
            ("proc/diskstats", " 259 3 nvme0n1 1 2 3 4 5 6 7 8 9 10 11\n"),
            ("sys/block/nvme0n1/device/model", "Fast \"Disk\"  \n"),
            ("sys/block/nvme0n1/queue/rotational", "0\n"),
        ]);
        let samples = samples(DiskCollector::new(&files.root()).read()).unwrap();
        let info = r#"node_disk_info{device="nvme0n1",major="259",minor="3",path="",wwn="",model="Fast \"Disk\"",serial="",revision="",rotational="0"} 1"#;
        assert!(samples.contains(info), "{samples}");
    }

    #[test]
    fn a_partition_without_its_disk_is_exported() {
        let counts = "1 2 3 4 5 6 7 8 9 10 11\n";
        let stats = format!("202 1 xvda1 {counts}202 16 xvdb {counts}202 17 xvdb1 {counts}");
        let files = TestRoot::with(&[("proc/diskstats", &stats)]);
        files.make_folder("sys/block/xvda1/device");
        files.make_folder("sys/block/xvdb/xvdb1");
        let samples = samples(DiskCollector::new(&files.root()).read()).unwrap();
        let read = |it: &&str| it.starts_with("node_disk_read_bytes_total");
        let expected = ["xvda1", "xvdb"]
            .map(|name| format!("node_disk_read_bytes_total{{device=\"{name}\"}} 1536.0"));
        assert_eq!(samples.lines().filter(read).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn whole_disks_are_exported_and_partitions_are_not() {
        let is_ignored = |name| is_virtual(name) || is_partition_name(name);
        let all = [
            "vda", "sda", "sdaa", "xvda", "nvme0n1", "mmcblk0", "dm-0", "md127", "sr0", "", "nvme",
            "rama", "nbd0", "sdaa1",
        ];
        for name in all {
            assert!(!is_ignored(name), "{name}");
        }
        for name in
            ["vda1", "sda12", "hdb3", "xvda1", "nvme0n1p1", "loop0", "ram15", "zram0", "fd0"]
        {
            assert!(is_ignored(name), "{name}");
        }
    }
}
