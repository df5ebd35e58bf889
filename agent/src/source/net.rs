//! Network traffic. Own reader on Linux: sysinfo reads a dozen files for each interface, and does
//! not mark physical interfaces.

pub(super) use self::reader::Interfaces;

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

    /// Network interfaces with the bytes that each has received and sent.
    pub(crate) struct Interfaces {
        counters: NetDevFile,
        folders: DeviceFolders,
    }

    impl Interfaces {
        pub(crate) fn new(root: &Root) -> Interfaces {
            let (counters, folders) = (NetDevFile::new(root), DeviceFolders::of_interfaces(root));
            Interfaces { counters, folders }
        }

        pub(crate) fn for_each(&mut self, mut each: impl FnMut(&str, [u64; 2])) {
            self.counters.for_each(|device| each(device.name, device.bytes()));
        }

        /// Selects the interfaces that belong to a device. If none does, as in a container, the
        /// name decides.
        pub(crate) fn select_physical(&self, names: &[&str]) -> Vec<bool> {
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

    pub(crate) struct Interfaces(Option<Networks>);

    impl Interfaces {
        pub(crate) fn new(_: &Root) -> Interfaces {
            Interfaces(Networks::new_with_refreshed_list().ok())
        }

        pub(crate) fn for_each(&mut self, mut each: impl FnMut(&str, [u64; 2])) {
            let Some(networks) = &mut self.0 else { return };
            networks.refresh(true);
            for (name, device) in networks.iter() {
                let counts = [device.total_received(), device.total_transmitted()];
                each(&name.to_string_lossy(), counts);
            }
        }

        #[expect(clippy::unused_self, reason = "same interface as on Linux")]
        pub(crate) fn select_physical(&self, names: &[&str]) -> Vec<bool> {
            names.iter().map(|name| super::is_likely_physical(name)).collect()
        }
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::reader::Interfaces;
    use crate::kernel::tests::TestRoot;

    #[test]
    fn physical_interfaces_are_counted_once() {
        let files = TestRoot::new();
        let make = |path: &str| files.make_folder(&format!("sys/class/net/{path}"));
        let check = |names: &[&str], expected: &[&str]| {
            let selected = Interfaces::new(&files.root()).select_physical(names);
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
