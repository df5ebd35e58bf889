//! `/proc/net/dev`: counters of network interfaces.

use super::record_file::{Record, RecordFile};
use super::{number, words};

/// Reader of `/proc/net/dev`: interfaces in the kernel's order.
pub(crate) type NetDevFile = RecordFile<NetDevice<'static>>;

/// Counters of an interface since it appeared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NetDevice<'a> {
    pub(crate) name: &'a str,
    pub(crate) received: Traffic,
    pub(crate) sent: Traffic,
}

/// Counters of one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Traffic {
    pub(crate) bytes: u64,
    pub(crate) packets: u64,
    pub(crate) errors: u64,
    pub(crate) dropped: u64,
    pub(crate) overruns: u64,
    /// Framing errors if received, collisions if sent.
    pub(crate) frames_or_collisions: u64,
    /// Compressed packets if received, carrier losses if sent.
    pub(crate) compressed_or_carrier: u64,
    /// Multicast packets if received, compressed packets if sent.
    pub(crate) multicast_or_compressed: u64,
}

impl Record for NetDevice<'static> {
    type Of<'a> = NetDevice<'a>;

    const PATH: &'static str = "proc/net/dev";

    /// Parses `  eth0: 757563584   50593    0    0    0     0          0         0  4147551 …`.
    /// Some kernels write no blank after the colon.
    fn parse(line: &[u8]) -> Option<NetDevice<'_>> {
        let colon = line.iter().rposition(|byte| *byte == b':')?;
        let name = std::str::from_utf8(line[..colon].trim_ascii()).ok()?;
        let mut counts = [0; 16];
        let mut words = words(&line[colon + 1..]);
        for count in &mut counts {
            *count = number(words.next()?)?;
        }
        let traffic = |at: usize| Traffic {
            bytes: counts[at],
            packets: counts[at + 1],
            errors: counts[at + 2],
            dropped: counts[at + 3],
            overruns: counts[at + 4],
            frames_or_collisions: counts[at + 5],
            compressed_or_carrier: counts[at + 6],
            multicast_or_compressed: counts[at + 7],
        };
        let (received, sent) = (traffic(0), traffic(8));
        (!name.is_empty()).then_some(NetDevice { name, received, sent })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::tests::TestRoot;

    #[test]
    fn each_interface_has_a_line_below_the_headings() {
        let text = "Inter-|   Receive                |  Transmit\n \
                    face |bytes    packets errs drop fifo frame compressed multicast|bytes    pack\n    \
                    lo: 45    25    1    2    3     4          5         6 46    26 7 8 9 10 11 12\n  \
                    br-1:7575 5 0 0 0 0 0 0 4147 4 0 0 0 0 0 0\n";
        let files = TestRoot::with(&[("proc/net/dev", text)]);
        let mut found = Vec::new();
        let found_any = NetDevFile::new(&files.root()).for_each(|device| {
            found.push(format!(
                "{} {}/{} {}/{}",
                device.name,
                device.received.bytes,
                device.received.dropped,
                device.sent.bytes,
                device.sent.dropped
            ));
        });
        assert!(found_any);
        assert_eq!(found, ["lo 45/2 46/8", "br-1 7575/0 4147/0"]);
        assert!(!NetDevFile::new(&TestRoot::new().root()).for_each(|_| {}));
    }

    #[test]
    fn malformed_lines_are_rejected() {
        for wrong in [
            "",
            ":",
            "eth0:",
            "eth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15",
            ": 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16",
            "eth0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16",
            "eth0: -1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16",
            "eth0: 1 2 3 4 5 6 7 8 99999999999999999999 10 11 12 13 14 15 16",
            "eth0: 1 2 3 4 5 6 7 8 nan 10 11 12 13 14 15 16",
        ] {
            assert_eq!(NetDevice::parse(wrong.as_bytes()), None, "{wrong:?}");
        }
        assert_eq!(NetDevice::parse(b"\xff: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16"), None);
    }
}
