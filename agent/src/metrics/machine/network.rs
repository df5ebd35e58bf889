//! Traffic of network interfaces.

use std::fmt;

use loadline_protocol::sanitize;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use super::{COUNT_MAX, MetricCollector};
use crate::kernel::net_dev::{NetDevFile, Traffic};
use crate::kernel::root::Root;
use crate::metrics::family_writer::FamilyWriter;

pub(super) struct NetdevCollector(NetDevFile);

impl NetdevCollector {
    pub(super) fn new(root: &Root) -> NetdevCollector {
        NetdevCollector(NetDevFile::new(root))
    }
}

impl MetricCollector for NetdevCollector {
    fn name(&self) -> &'static str {
        "netdev"
    }

    fn read(&mut self) -> Option<Box<dyn Collector>> {
        let mut snapshot = NetdevSnapshot(Vec::new());
        let is_any = self.0.for_each(|device| {
            let name = sanitize(device.name);
            if snapshot.0.len() < COUNT_MAX && !snapshot.0.iter().any(|known| known.name == name) {
                let (received, sent) = (device.received, device.sent);
                snapshot.0.push(Interface { name: name.into(), received, sent });
            }
        });
        is_any.then(|| Box::new(snapshot) as Box<dyn Collector>)
    }
}

#[derive(Debug)]
struct Interface {
    name: String,
    received: Traffic,
    sent: Traffic,
}

#[derive(Debug)]
struct NetdevSnapshot(Vec<Interface>);

/// Name for received traffic, name for sent traffic if different, and value.
type TrafficField = (&'static str, Option<&'static str>, fn(&Traffic) -> u64);

const FIELDS: [TrafficField; 8] = [
    ("bytes", None, |traffic| traffic.bytes),
    ("packets", None, |traffic| traffic.packets),
    ("errs", None, |traffic| traffic.errors),
    ("drop", None, |traffic| traffic.dropped),
    ("fifo", None, |traffic| traffic.overruns),
    ("frame", Some("colls"), |traffic| traffic.frames_or_collisions),
    ("compressed", Some("carrier"), |traffic| traffic.compressed_or_carrier),
    ("multicast", Some("compressed"), |traffic| traffic.multicast_or_compressed),
];

impl Collector for NetdevSnapshot {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut families = FamilyWriter::new(encoder);
        let mut family = |name: String, values: &dyn Fn(&Interface) -> u64| {
            let help = format!("Network device statistic {name}.");
            let values = self
                .0
                .iter()
                .map(|interface| ([("device", interface.name.as_str())], values(interface) as f64));
            families.counter(&format!("node_network_{name}"), &help, values)
        };
        for (name, _, field) in FIELDS {
            family(format!("receive_{name}"), &|interface| field(&interface.received))?;
        }
        for (name, sent_name, field) in FIELDS {
            let name = sent_name.unwrap_or(name);
            family(format!("transmit_{name}"), &|interface| field(&interface.sent))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::tests::TestRoot;
    use crate::metrics::machine::tests::samples;

    #[test]
    fn each_interface_is_exported_once_with_all_counters() {
        let counts = "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16";
        let text = format!("head | er\n  e\u{1b}0: {counts}\n  e\u{1b}0:{counts}\n  bad: 1 2\n");
        let files = TestRoot::with(&[("proc/net/dev", &text)]);
        let samples = samples(&mut NetdevCollector::new(&files.root())).unwrap();
        let device = sanitize("e\u{1b}0");
        let names = [
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
        let expected = names.iter().zip(1..).map(|(name, count)| {
            format!("node_network_{name}_total{{device=\"{device}\"}} {count}.0\n")
        });
        assert_eq!(samples, expected.collect::<String>());
    }

    #[test]
    fn without_interfaces_there_is_nothing_to_export() {
        let files = TestRoot::with(&[("proc/net/dev", "Inter-|   Receive\n")]);
        assert_eq!(samples(&mut NetdevCollector::new(&files.root())), None);
    }
}
