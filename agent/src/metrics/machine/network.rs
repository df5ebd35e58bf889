//! Traffic of network interfaces, and their place among each other: which are hardware, and which
//! are built on another one.

use std::collections::HashSet;

use prometheus_client::metrics::MetricType::{Counter, Gauge, Info};

use super::{COUNT_MAX, is_new, label};
use crate::kernel::device_folders::DeviceFolders;
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

/// Labels of `node_network_info` besides `device` and `adminstate`.
const INFO_LABELS: [&str; 5] = ["address", "broadcast", "duplex", "operstate", "ifalias"];

/// Name, attribute and help of the numbers of an interface.
const NUMBERS: [(&str, &str, &str); 3] = [
    ("iface_id", "ifindex", "Network device property: iface_id"),
    ("iface_link", "iflink", "Network device property: iface_link"),
    ("protocol_type", "type", "Network device property: protocol_type"),
];

/// Returns properties of the interfaces.
pub(super) fn properties(folders: &DeviceFolders) -> Vec<Family> {
    let mut names = folders.names();
    names.truncate(COUNT_MAX);
    let help = "Non-numeric data of a network device, value is always 1.";
    let info = names.iter().map(|name| (info_labels(folders, name), 1.0));
    let mut families = vec![Family::new(Info, "node_network", help, info)];
    families.extend(NUMBERS.map(|(metric, attribute, help)| {
        let values = names.iter().filter_map(|name| {
            Some((Labels::from([label("device", name)]), folders.number(name, attribute)? as f64))
        });
        Family::new(Gauge, format!("node_network_{metric}"), help, values)
    }));
    families
}

fn info_labels(folders: &DeviceFolders, name: &str) -> Labels {
    let flags = folders.text(name, "flags").unwrap_or_default();
    let flags = u64::from_str_radix(flags.trim_start_matches("0x"), 16).ok();
    let state = flags.map_or("", |flags| if flags & 1 == 1 { "up" } else { "down" });
    let text = |attribute| label(attribute, &folders.text(name, attribute).unwrap_or_default());
    let fixed = [label("device", name), label("adminstate", state)];
    fixed.into_iter().chain(INFO_LABELS.map(text)).collect()
}

/// Returns the number of members of each bond.
pub(super) fn bonds(folders: &DeviceFolders) -> Vec<Family> {
    let (mut all, mut active) = (Vec::new(), Vec::new());
    for name in folders.names().into_iter().take(COUNT_MAX) {
        let Some(members) = folders.text(&name, "bonding/slaves") else { continue };
        let is_up = |member: &&str| {
            folders.text(member, "bonding_slave/mii_status").is_some_and(|status| status == "up")
        };
        let members = members.split_whitespace();
        let labels = Labels::from([label("master", &name)]);
        all.push((labels.clone(), members.clone().count() as f64));
        active.push((labels, members.filter(is_up).count() as f64));
    }
    let help = "Number of configured slaves per bonding interface.";
    let all = Family::new(Gauge, "node_bonding_slaves", help, all);
    let help = "Number of active slaves per bonding interface.";
    vec![all, Family::new(Gauge, "node_bonding_active", help, active)]
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

    #[test]
    fn properties_and_bonds_tell_how_interfaces_are_stacked() {
        let files = TestRoot::with(&[
            ("sys/class/net/bond0/bonding/slaves", "eth0 eth1\n"),
            ("sys/class/net/bond0/ifindex", "4\n"),
            ("sys/class/net/eth0/bonding_slave/mii_status", "up\n"),
            ("sys/class/net/eth0/ifindex", "2\n"),
            ("sys/class/net/eth0/iflink", "2\n"),
            ("sys/class/net/eth0/type", "1\n"),
            ("sys/class/net/eth0/flags", "0x1803\n"),
            ("sys/class/net/eth0/address", "02:00:00:00:00:01\n"),
            ("sys/class/net/eth0/ifalias", "up\u{1b}link\n"),
            ("sys/class/net/eth1/flags", "0x1002\n"),
        ]);
        let folders = DeviceFolders::of_interfaces(&files.root());
        let found = samples(Some(properties(&folders))).unwrap();
        let eth0 = "device=\"eth0\",adminstate=\"up\",address=\"02:00:00:00:00:01\",\
                    broadcast=\"\",duplex=\"\",operstate=\"\",ifalias=\"up\u{fffd}link\"";
        assert!(found.contains(&format!("node_network_info{{{eth0}}} 1")), "{found}");
        assert!(found.contains("{device=\"eth1\",adminstate=\"down\","), "{found}");
        let numbers = found.lines().filter(|line| !line.starts_with("node_network_info"));
        let expected = [
            "node_network_iface_id{device=\"bond0\"} 4.0",
            "node_network_iface_id{device=\"eth0\"} 2.0",
            "node_network_iface_link{device=\"eth0\"} 2.0",
            "node_network_protocol_type{device=\"eth0\"} 1.0",
        ];
        assert_eq!(numbers.collect::<Vec<_>>(), expected);
        let expected = "node_bonding_slaves{master=\"bond0\"} 2.0\n\
                        node_bonding_active{master=\"bond0\"} 1.0\n";
        assert_eq!(samples(Some(bonds(&folders))).unwrap(), expected);
        let none = DeviceFolders::of_interfaces(&TestRoot::new().root());
        assert_eq!(samples(Some(properties(&none))).as_deref(), Some(""));
        assert_eq!(samples(Some(bonds(&none))).as_deref(), Some(""));
    }
}
