//! Counters of disks.

use std::fmt;

use loadline_protocol::sanitize;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType::{self, Counter, Gauge};

use super::{COUNT_MAX, MetricCollector};
use crate::metrics::family_writer::FamilyWriter;
use crate::procfs::{DiskStats, DiskstatsFile};

pub(super) struct DiskstatsCollector(DiskstatsFile);

impl DiskstatsCollector {
    pub(super) fn new() -> DiskstatsCollector {
        DiskstatsCollector(DiskstatsFile::new())
    }
}

impl MetricCollector for DiskstatsCollector {
    fn name(&self) -> &'static str {
        "diskstats"
    }

    fn read(&mut self) -> Option<Box<dyn Collector>> {
        let mut snapshot = DiskstatsSnapshot(Vec::new());
        let is_any = self.0.for_each(|disk| {
            let name = sanitize(disk.name).into_owned();
            let is_known = snapshot.0.iter().any(|(known, _)| *known == name);
            if snapshot.0.len() < COUNT_MAX && !is_known && !is_ignored(disk.name) {
                snapshot.0.push((name, disk_values(&disk)));
            }
        });
        is_any.then(|| Box::new(snapshot) as Box<dyn Collector>)
    }
}

/// Returns true for partitions and virtual disks:
/// `^(z?ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$`.
fn is_ignored(name: &str) -> bool {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    if stem.len() == name.len() {
        return false;
    }
    if matches!(stem, "ram" | "zram" | "loop" | "fd") {
        return true;
    }
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

/// Type, name and help of the metrics, in the order of [`disk_values`].
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

type DiskValues = [Option<f64>; FIELDS.len()];

/// Values of a disk. Linux counts discards since 4.18 and flushes since 5.5.
fn disk_values(disk: &DiskStats) -> DiskValues {
    let count = |count: u64| Some(count as f64);
    let seconds = |ms: u64| Some(ms as f64 / 1e3);
    let (read, written) = (disk.read, disk.written);
    let discarded = disk.discarded;
    let (flushes, flush_ms) = disk.flushed.unzip();
    [
        count(read.completed),
        count(read.merged),
        count(read.bytes()),
        seconds(read.ms),
        count(written.completed),
        count(written.merged),
        count(written.bytes()),
        seconds(written.ms),
        count(disk.in_flight),
        seconds(disk.busy_ms),
        seconds(disk.weighted_ms),
        discarded.and_then(|discarded| count(discarded.completed)),
        discarded.and_then(|discarded| count(discarded.merged)),
        discarded.and_then(|discarded| count(discarded.sectors)),
        discarded.and_then(|discarded| seconds(discarded.ms)),
        flushes.and_then(count),
        flush_ms.and_then(seconds),
    ]
}

#[derive(Debug)]
struct DiskstatsSnapshot(Vec<(String, DiskValues)>);

impl Collector for DiskstatsSnapshot {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut families = FamilyWriter::new(encoder);
        for (at, (kind, name, help)) in FIELDS.into_iter().enumerate() {
            let values = self
                .0
                .iter()
                .filter_map(|(disk, values)| Some(([("device", disk.as_str())], values[at]?)));
            families.family(kind, &format!("node_disk_{name}"), help, values)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_disks_are_exported_and_partitions_are_not() {
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
