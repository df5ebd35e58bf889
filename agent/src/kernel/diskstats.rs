//! `/proc/diskstats`: counters of block devices.

use super::record_file::{Record, RecordFile};
use super::{number, words};

/// Reader of `/proc/diskstats`: devices in the kernel's order.
pub(crate) type DiskstatsFile = RecordFile<DiskStats<'static>>;

/// Counters of a block device or partition since it appeared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DiskStats<'a> {
    pub(crate) name: &'a str,
    pub(crate) read: Transfers,
    pub(crate) written: Transfers,
    /// Number of requests in progress.
    pub(crate) in_flight: u64,
    /// Time with at least one request in progress, ms.
    pub(crate) busy_ms: u64,
    /// Sum of the time of all requests, ms.
    pub(crate) weighted_ms: u64,
    /// Discards. Since Linux 4.18.
    pub(crate) discarded: Option<Transfers>,
    /// Number of flushes and their time, ms. Since Linux 5.5.
    pub(crate) flushed: Option<(u64, u64)>,
}

/// Counters of one kind of request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Transfers {
    pub(crate) completed: u64,
    pub(crate) merged: u64,
    /// In units of 512 bytes, for every device.
    pub(crate) sectors: u64,
    /// Time of all requests, ms.
    pub(crate) ms: u64,
}

/// Size of a sector in this file, bytes.
pub(crate) const SECTOR_BYTES: u64 = 512;

impl Transfers {
    /// Returns the number of bytes transferred.
    pub(crate) fn bytes(self) -> u64 {
        self.sectors.saturating_mul(SECTOR_BYTES)
    }
}

impl Record for DiskStats<'static> {
    type Of<'a> = DiskStats<'a>;

    const PATH: &'static str = "proc/diskstats";

    /// Parses ` 254       0 vda 99615 27188 14462498 64450 145132 415238 157672912 1089561 0 …`.
    fn parse(line: &[u8]) -> Option<DiskStats<'_>> {
        let mut words = words(line);
        let (_major, _minor) = (number(words.next()?)?, number(words.next()?)?);
        let name = std::str::from_utf8(words.next()?).ok()?;
        let mut next = || number(words.next()?);
        let transfers = |next: &mut dyn FnMut() -> Option<u64>| {
            let (completed, merged, sectors, ms) = (next()?, next()?, next()?, next()?);
            Some(Transfers { completed, merged, sectors, ms })
        };
        let (read, written) = (transfers(&mut next)?, transfers(&mut next)?);
        let (in_flight, busy_ms, weighted_ms) = (next()?, next()?, next()?);
        let discarded = transfers(&mut next);
        let flushed = next().zip(next());
        Some(DiskStats { name, read, written, in_flight, busy_ms, weighted_ms, discarded, flushed })
    }
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
            found.push(format!(
                "{} {} {} {} {} {}",
                disk.name,
                disk.read.bytes(),
                disk.written.bytes(),
                disk.in_flight,
                disk.busy_ms,
                disk.weighted_ms
            ));
        });
        assert!(found_any);
        assert_eq!(found, ["vda 1536 3584 9 10 11", "sdb1 1024 2048 0 0 0"]);
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
        let most = Transfers { sectors: u64::MAX, ..Transfers::default() };
        assert_eq!(most.bytes(), u64::MAX);
    }
}
