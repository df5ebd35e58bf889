//! Traffic of network interfaces.

use std::collections::HashSet;

use prometheus_client::metrics::MetricType::Counter;

use super::{is_new, label};
use crate::kernel::net_dev::NetDevFile;
use crate::metrics::family::{Family, Labels};

/// Metrics in the kernel's order.
const FIELDS: [&str; 16] = [
    "receive_bytes",
    "receive_packets",
    "receive_errs",
    "receive_drop",
    "receive_fifo",
    "receive_frame",
    "receive_compressed",
    "receive_multicast",
    "transmit_bytes",
    "transmit_packets",
    "transmit_errs",
    "transmit_drop",
    "transmit_fifo",
    "transmit_colls",
    "transmit_carrier",
    "transmit_compressed",
];

pub(super) fn traffic(file: &mut NetDevFile) -> Option<Vec<Family>> {
    let (mut known, mut interfaces) = (HashSet::new(), Vec::new());
    let is_any = file.for_each(|device| {
        let labels = Labels::from([label("device", device.name)]);
        if is_new(&mut known, &labels) {
            interfaces.push((labels, device.counts));
        }
    });
    let families = FIELDS.into_iter().enumerate().map(|(at, name)| {
        let values = interfaces.iter().map(|(labels, counts)| (labels.clone(), counts[at] as f64));
        let help = format!("Network device statistic {name}.");
        Family::new(Counter, format!("node_network_{name}"), help, values)
    });
    is_any.then(|| families.collect())
}

#[cfg(test)]
mod tests {
    use loadline_protocol::sanitize;

    use super::*;
    use crate::kernel::tests::TestRoot;
    use crate::metrics::machine::tests::samples;

    #[test]
    fn each_interface_is_exported_once_with_all_counters() {
        let counts = "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16";
        let text = format!("head | er\n  e\u{1b}0: {counts}\n  e\u{1b}0:{counts}\n  bad: 1 2\n");
        let files = TestRoot::with(&[("proc/net/dev", &text)]);
        let samples = samples(traffic(&mut NetDevFile::new(&files.root()))).unwrap();
        let device = sanitize("e\u{1b}0");
        let expected = FIELDS.iter().zip(1..).map(|(name, count)| {
            format!("node_network_{name}_total{{device=\"{device}\"}} {count}.0\n")
        });
        assert_eq!(samples, expected.collect::<String>());
    }

    #[test]
    fn without_interfaces_there_is_nothing_to_export() {
        let files = TestRoot::with(&[("proc/net/dev", "Inter-|   Receive\n")]);
        assert_eq!(samples(traffic(&mut NetDevFile::new(&files.root()))), None);
    }
}
