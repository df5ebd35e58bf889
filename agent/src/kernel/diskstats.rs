//! `/proc/diskstats`: counters of block devices.

use super::record_file::{Record, RecordFile};
use super::{number, words};

/// Devices in the kernel's order.
pub(crate) type DiskstatsFile = RecordFile<DiskStats<'static>>;

/// Counters of a block device or partition since it appeared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DiskStats<'a> {
    /// Major and minor number.
    pub(crate) number: [u64; 2],
    pub(crate) name: &'a str,
    /// Reads completed, merged, their sectors and time in ms. The same for writes. Requests in
    /// progress, time with at least one request in progress in ms, sum of the time of all requests
    /// in ms. Since Linux 4.18 the same as reads for discards, and since 5.5 flushes and their time
    /// in ms.
    pub(crate) counts: [Option<u64>; 17],
}

/// Number of counters that all kernels have.
const COUNTS_MIN: usize = 11;

/// Size of a sector in this file, for every device.
pub(crate) const SECTOR_BYTES: u64 = 512;

impl DiskStats<'_> {
    /// Returns the bytes read and written.
    pub(crate) fn bytes(&self) -> [u64; 2] {
        [self.counts[2], self.counts[6]]
            .map(|sectors| sectors.unwrap_or_default().saturating_mul(SECTOR_BYTES))
    }
}

impl Record for DiskStats<'static> {
    type Of<'a> = DiskStats<'a>;

    const PATH: &'static str = "proc/diskstats";

    /// Parses ` 254       0 vda 99615 27188 14462498 64450 145132 415238 157672912 1089561 0 …`.
    fn parse(line: &[u8]) -> Option<DiskStats<'_>> {
        let mut words = words(line);
        let major_minor = [number(words.next()?)?, number(words.next()?)?];
        let name = std::str::from_utf8(words.next()?).ok()?;
        let counts = std::array::from_fn(|_| number(words.next()?));
        let is_complete = counts[..COUNTS_MIN].iter().all(Option::is_some);
        is_complete.then_some(DiskStats { number: major_minor, name, counts })
    }
}

/// Returns whether a name is that of a partition of one of these devices: `sda1` of `sda`,
/// `nvme0n1p1` of `nvme0n1`.
pub(crate) fn is_partition(name: &str, devices: &[(&str, [u64; 2])]) -> bool {
    devices.iter().any(|(disk, _)| {
        let Some(rest) = name.strip_prefix(disk) else { return false };
        let has_number = disk.ends_with(|c: char| c.is_ascii_digit());
        let number = if has_number { rest.strip_prefix('p') } else { Some(rest) };
        number.is_some_and(|it| !it.is_empty() && it.bytes().all(|byte| byte.is_ascii_digit()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::tests::TestRoot;

    #[test]
    fn counters_of_each_device_are_parsed() {
        let text = " 254       0 vda 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17\n   \
                    8       1 sda1 1 2 3 4\n   8      17 sdb1 1 0 2 0 3 0 4 0 0 0 0\n";
        let files = TestRoot::with(&[("proc/diskstats", text)]);
        let mut found = Vec::new();
        let found_any = DiskstatsFile::new(&files.root()).for_each(|disk| {
            let (name, [read, written]) = (disk.name, disk.bytes());
            found.push(format!("{name} {read} {written} {:?}", &disk.counts[8..13]));
        });
        assert!(found_any);
        let expected = [
            "vda 1536 3584 [Some(9), Some(10), Some(11), Some(12), Some(13)]",
            "sdb1 1024 2048 [Some(0), Some(0), Some(0), None, None]",
        ];
        assert_eq!(found, expected);
        assert!(!DiskstatsFile::new(&TestRoot::new().root()).for_each(|_| {}));
    }

    #[test]
    fn malformed_lines_are_rejected() {
        for wrong in [
            "",
            "254 0",
            "254 0 vda",
            "254 0 vda 1 2 3 4 5 6 7 8 9 10",
            "254 0 vda 1 2 3 4 5 6 7 8 9 10 x",
            "-1 0 vda 1 2 3 4 5 6 7 8 9 10 11",
            "254 0 vda 1 2 99999999999999999999 4 5 6 7 8 9 10 11",
        ] {
            assert_eq!(DiskStats::parse(wrong.as_bytes()), None, "{wrong:?}");
        }
        assert_eq!(DiskStats::parse(b"254 0 \xff 1 2 3 4 5 6 7 8 9 10 11"), None);
        let most = DiskStats { number: [254, 0], name: "vda", counts: [Some(u64::MAX); 17] };
        assert_eq!(most.bytes(), [u64::MAX; 2]);
    }
}
