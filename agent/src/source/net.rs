//! Network traffic. Own reader on Linux: sysinfo reads a dozen files for each interface, and does
//! not mark physical interfaces.

use loadline_protocol::Column;

use super::Collector;
use super::rates::Rates;
use super::snapshot::SystemSnapshot;
use crate::kernel::root::Root;

/// Collector of bytes per second received and sent, summed over the physical interfaces.
pub(super) struct NetCollector {
    reader: reader::NetReader,
    rates: Rates,
}

impl NetCollector {
    pub(super) fn new(root: &Root) -> NetCollector {
        NetCollector { reader: reader::NetReader::new(root), rates: Rates::default() }
    }
}

impl Collector for NetCollector {
    fn columns(&self) -> Vec<Column> {
        ["net_rx", "net_tx"].map(|name| Column::new(name, "B/s")).into()
    }

    fn sample(&mut self, now: &SystemSnapshot, values: &mut Vec<f64>) -> bool {
        let NetCollector { reader, rates } = self;
        rates.begin();
        let found_any = reader.for_each(|name, counts| rates.add_device(name, counts));
        values.extend(rates.finish(now.at, |names| reader.select_physical(names)));
        found_any
    }
}

/// Name prefixes of virtual interfaces. Their traffic passes another interface, or none: counting
/// both would count the traffic twice.
const VIRTUAL_PREFIXES: &[&str] = &[
    "lo", "veth", "docker", "br-", "virbr", "vnet", "tun", "tap", "wg", "ifb", "dummy", "bond",
    "team", "cni", "cali", "flannel", "vxlan", "gre", "sit", "ip6", "lxc", "lxdbr", "vmbr", "utun",
    "awdl", "bridge", "llw", "gif", "stf",
];

/// Returns whether an interface looks physical by its name. `eth0.5` is a VLAN on `eth0`.
fn is_likely_physical(name: &str) -> bool {
    !name.contains('.') && !VIRTUAL_PREFIXES.iter().any(|kind| name.starts_with(kind))
}

#[cfg(target_os = "linux")]
mod reader {
    use crate::kernel::device_folders::DeviceFolders;
    use crate::kernel::net_dev::NetDevFile;
    use crate::kernel::root::Root;

    pub(super) struct NetReader {
        counters: NetDevFile,
        folders: DeviceFolders,
    }

    impl NetReader {
        pub(super) fn new(root: &Root) -> NetReader {
            let (counters, folders) = (NetDevFile::new(root), DeviceFolders::of_interfaces(root));
            NetReader { counters, folders }
        }

        pub(super) fn for_each(&mut self, mut each: impl FnMut(&str, [u64; 2])) -> bool {
            self.counters.for_each(|device| each(device.name, device.bytes()))
        }

        /// Selects the interfaces that belong to a device. If none does, as in a container, the
        /// name decides.
        pub(super) fn select_physical(&self, names: &[&str]) -> Vec<bool> {
            let has = |name: &str, entry| self.folders.has(name, entry);
            // The master counts the traffic as well if both belong to a device, as with the
            // accelerated interfaces of some clouds.
            let is_physical = |name: &&str| has(name, "device") && !has(name, "master/device");
            let physical: Vec<bool> = names.iter().map(is_physical).collect();
            if physical.contains(&true) {
                return physical;
            }
            names.iter().map(|name| super::is_likely_physical(name)).collect()
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod reader {
    use sysinfo::Networks;

    use crate::kernel::root::Root;

    pub(super) struct NetReader(Option<Networks>);

    impl NetReader {
        pub(super) fn new(_: &Root) -> NetReader {
            NetReader(Networks::new_with_refreshed_list().ok())
        }

        pub(super) fn for_each(&mut self, mut for_each: impl FnMut(&str, [u64; 2])) -> bool {
            let Some(networks) = &mut self.0 else { return false };
            networks.refresh(true);
            for (name, device) in networks.iter() {
                for_each(
                    &name.to_string_lossy(),
                    [device.total_received(), device.total_transmitted()],
                );
            }
            !networks.is_empty()
        }

        #[expect(clippy::unused_self, reason = "same interface as on Linux")]
        pub(super) fn select_physical(&self, names: &[&str]) -> Vec<bool> {
            names.iter().map(|name| super::is_likely_physical(name)).collect()
        }
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::reader::NetReader;
    use crate::kernel::tests::TestRoot;

    #[test]
    fn physical_interfaces_are_counted_once() {
        let files = TestRoot::new();
        let make = |path: &str| files.make_folder(&format!("sys/class/net/{path}"));
        let check = |names: &[&str], expected: &[&str]| {
            let selected = NetReader::new(&files.root()).select_physical(names);
            let selected = names.iter().zip(selected).filter_map(|(name, is)| is.then_some(*name));
            assert_eq!(selected.collect::<Vec<_>>(), expected);
        };
        let container = ["lo", "eth0", "veth12ab", "docker0", "br-12ab", "eth0.5", "tun0", "wg0"];
        check(&container, &["eth0"]);
        check(&["lo"], &[]);
        check(&[], &[]);
        make("eth0/device");
        make("bond0");
        make("enp1s0/device");
        // A port of the bond, and an accelerated port of eth0.
        make("enp1s0/master");
        make("enP2/device");
        make("enP2/master/device");
        check(&["lo", "eth0", "bond0", "eth1", "enp1s0", "enP2"], &["eth0", "enp1s0"]);
    }
}
