//! Traffic of network interfaces.

use std::fmt;

use loadline_protocol::sanitize;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use super::{COUNT_MAX, MetricCollector};
use crate::metrics::family_writer::FamilyWriter;
use crate::procfs::{NetDevFile, Traffic};

pub(super) struct NetdevCollector(NetDevFile);

impl NetdevCollector {
    pub(super) fn new() -> NetdevCollector {
        NetdevCollector(NetDevFile::new())
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
