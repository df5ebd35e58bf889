//! `/proc/net/dev`: counters of network interfaces.

use super::record_file::{Record, RecordFile};
use super::{number, words};

/// Interfaces in the kernel's order.
pub(crate) type NetDevFile = RecordFile<NetDevice<'static>>;

/// Counters of an interface since it appeared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NetDevice<'a> {
    pub(crate) name: &'a str,
    /// Received: bytes, packets, errors, dropped, overruns, framing errors, compressed, multicast.
    /// Then sent: bytes, packets, errors, dropped, overruns, collisions, carrier losses, compressed.
    pub(crate) counts: [u64; 16],
}

impl NetDevice<'_> {
    /// Returns the bytes received and sent.
    pub(crate) fn bytes(&self) -> [u64; 2] {
        [self.counts[0], self.counts[8]]
    }
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
        (!name.is_empty()).then_some(NetDevice { name, counts })
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
            let (name, [received, sent]) = (device.name, device.bytes());
            found.push(format!(
                "{name} {received}/{} {sent}/{}",
                device.counts[3], device.counts[11]
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
