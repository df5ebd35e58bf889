//! `/proc/net/dev`: counters of network interfaces.

use super::{OpenFile, number, words};

/// Reader of `/proc/net/dev`.
#[derive(Debug)]
pub(crate) struct NetDevFile {
    file: OpenFile,
    buffer: Box<[u8]>,
}

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

/// Buffer: the kernel returns about a page per read, and no line is nearly as long.
const BUFFER_BYTES: usize = 8 * 1024;

impl NetDevFile {
    pub(crate) fn new() -> NetDevFile {
        NetDevFile::of("/proc/net/dev")
    }

    pub(crate) fn of(path: &str) -> NetDevFile {
        NetDevFile { file: OpenFile::new(path), buffer: vec![0; BUFFER_BYTES].into() }
    }

    /// Passes each interface to `each`, in the kernel's order. Returns whether there was one.
    pub(crate) fn for_each(&mut self, mut each: impl FnMut(NetDevice)) -> bool {
        let mut found_any = false;
        self.file.for_each_line(&mut self.buffer, |line| {
            if let Some(device) = NetDevice::parse(line) {
                found_any = true;
                each(device);
            }
            true
        });
        found_any
    }
}

impl NetDevice<'_> {
    /// Parses `  eth0: 757563584   50593    0    0    0     0          0         0  4147551 …`.
    /// Some kernels write no blank after the colon.
    pub(crate) fn parse(line: &[u8]) -> Option<NetDevice<'_>> {
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
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_interface_has_a_line_below_the_headings() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dev");
        let text = "Inter-|   Receive                |  Transmit\n \
                    face |bytes    packets errs drop fifo frame compressed multicast|bytes    pack\n    \
                    lo: 45    25    1    2    3     4          5         6 46    26 7 8 9 10 11 12\n  \
                    br-1:7575 5 0 0 0 0 0 0 4147 4 0 0 0 0 0 0\n";
        std::fs::write(&path, text).unwrap();
        let mut found = Vec::new();
        let found_any = NetDevFile::of(path.to_str().unwrap()).for_each(|device| {
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
        assert!(!NetDevFile::of("/proc/no/such/file").for_each(|_| {}));
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

    proptest! {
        #[test]
        fn any_bytes_are_an_interface_or_none(line: Vec<u8>) {
            let _ = NetDevice::parse(&line);
        }
    }
}
