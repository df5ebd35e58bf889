//! Network traffic. Own reader on Linux: sysinfo reads a dozen files for each interface, and does
//! not mark physical interfaces.
//!
//! Each byte counts once: at the interface that is hardware. docs/columns.md has the whole rule.

pub(super) use self::reader::Interfaces;

/// Name prefixes of virtual interfaces. Their traffic passes another interface, or none.
const VIRTUAL_PREFIXES: &[&str] = &[
    "anpi",
    "antrea",
    "awdl",
    "azv",
    "bat",
    "bond",
    "br-",
    "bridge",
    "cali",
    "cilium",
    "cni",
    "docker",
    "dummy",
    "erspan",
    "fanctl",
    "flannel",
    "fwbr",
    "fwln",
    "fwpr",
    "genev",
    "gif",
    "gre",
    "gvtap",
    "ifb",
    "incusbr",
    "ip6",
    "ipip",
    "ipvl",
    "ipvs",
    "kube",
    "lo",
    "llw",
    "lxc",
    "lxd",
    "macsec",
    "macv",
    "mgre",
    "mon.",
    "nerdctl",
    "nodelocaldns",
    "ovn",
    "ovs",
    "podman",
    "ppp",
    "sit",
    "stf",
    "tailscale",
    "tap",
    "team",
    "tun",
    "utun",
    "vcan",
    "veth",
    "virbr",
    "vlan",
    "vmbr",
    "vmnet",
    "vnet",
    "vrf",
    "vxcan",
    "vxlan",
    "vti",
    "weave",
    "wg",
    "xfrm",
    "zt",
];

/// Names that are virtual only as a whole: `br0`, but not `brcm0`.
const VIRTUAL_STEMS: &[&str] = &["ap", "br"];

/// Returns whether an interface of this name is hardware, or the end of a container's network, as
/// far as the name shows. `eth0.5` is a VLAN on `eth0`, and `eth0:1` an alias; alone each is the end
/// of a container.
fn is_likely_physical(name: &str, names: &[&str]) -> bool {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let is_on_other = name.rsplit_once(['.', ':']).is_some_and(|(lower, _)| names.contains(&lower));
    let is_virtual = VIRTUAL_PREFIXES.iter().any(|kind| name.starts_with(kind));
    !(is_on_other || is_virtual || VIRTUAL_STEMS.contains(&stem))
}

impl Interfaces {
    /// Returns the names of the interfaces except loopback and the ends of containers: first those
    /// that count.
    pub(super) fn lasting_names(&mut self) -> Vec<String> {
        let mut names = Vec::new();
        self.for_each(|name, _| names.push(name.to_owned()));
        let devices: Vec<_> = names.iter().map(|name| (name.as_str(), [0; 2])).collect();
        let counted = self.select_counted(&devices);
        let (counted, others): (Vec<_>, Vec<_>) =
            names.into_iter().zip(counted).partition(|(_, is_counted)| *is_counted);
        let others = others
            .into_iter()
            .filter(|(name, _)| !name.starts_with("lo") && !self.is_container_end(name));
        counted.into_iter().chain(others).map(|(name, _)| name).collect()
    }
}

#[cfg(target_os = "linux")]
mod reader {
    use crate::kernel::device_folders::DeviceFolders;
    use crate::kernel::net_dev::NetDevFile;
    use crate::kernel::root::Root;
    use crate::source::rates::Device;

    /// Network interfaces with the bytes that each has received and sent.
    pub(crate) struct Interfaces {
        counters: NetDevFile,
        folders: DeviceFolders,
    }

    /// Interface of a machine without hardware interfaces, such as a container. Only those of the
    /// lowest rank count.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    enum InterfaceRank {
        /// `eth0`.
        Uplink,
        /// Virtual by its name, and not a port of a bridge: `tap0` of a rootless container.
        Virtual,
        /// Without Ethernet, such as `tun0` and `wg0`.
        Tunnel,
    }

    /// Link types of interfaces that repeat the frames of others: monitors of Wi-Fi, netlink and
    /// vsock.
    const MONITOR_TYPES: [u64; 5] = [801, 802, 803, 824, 826];

    /// Link type of the loopback interface.
    const LOOPBACK_TYPE: u64 = 772;

    /// Link types of tunnels: PPP, IPIP, IP6, SIT, GRE, GRE over IPv6, and none (TUN, `WireGuard`).
    const TUNNEL_TYPES: [u64; 7] = [512, 768, 769, 776, 778, 823, 65534];

    impl Interfaces {
        pub(crate) fn new(root: &Root) -> Interfaces {
            let (counters, folders) = (NetDevFile::new(root), DeviceFolders::of_interfaces(root));
            Interfaces { counters, folders }
        }

        pub(crate) fn for_each(&mut self, mut each: impl FnMut(&str, [u64; 2])) {
            self.counters.for_each(|device| each(device.name, device.bytes()));
        }

        /// Selects the interfaces that are hardware. If none is, as in a container, selects those
        /// that lead out as far as links, types and at last names show.
        pub(crate) fn select_counted(&self, interfaces: &[Device<'_>]) -> Vec<bool> {
            let names: Vec<&str> = interfaces.iter().map(|(name, _)| *name).collect();
            let hardware: Vec<bool> = names.iter().map(|name| self.is_hardware(name)).collect();
            if hardware.contains(&true) {
                return hardware;
            }
            let ranks: Vec<_> = names.iter().map(|name| self.rank(name, &names)).collect();
            let lowest = ranks.iter().flatten().min();
            ranks.iter().map(|rank| rank.is_some() && rank.as_ref() == lowest).collect()
        }

        /// Returns whether an interface is one end of a pair whose other end is in a container, and
        /// does not count itself. Such names last as long as the container.
        pub(super) fn is_container_end(&self, name: &str) -> bool {
            let number = |attribute| self.folders.number(name, attribute);
            let is_paired = number("iflink").is_some() && number("iflink") != number("ifindex");
            is_paired && !self.is_stacked(name) && !self.folders.has(name, "device")
        }

        fn is_hardware(&self, name: &str) -> bool {
            let has = |entry| self.folders.has(name, entry);
            // The master counts the traffic as well if it has a device: accelerated interfaces of
            // clouds. The user ports of a switch count that of the conduit, which has `dsa`.
            has("device")
                && !has("master/device")
                && !has("dsa")
                && !self.is_end_of_guest(name)
                && !self.is_representor(name)
                && !self.has_type(name, &MONITOR_TYPES)
        }

        /// Returns whether an interface is the machine's end of a cable to a Xen guest, such as
        /// `vif1.0`. It has a `device`, but is no hardware.
        fn is_end_of_guest(&self, name: &str) -> bool {
            let bus = self.folders.link_target(name, "device/subsystem");
            name.starts_with("vif") || bus.is_some_and(|bus| bus == "xen-backend")
        }

        /// Returns whether an interface stands for a function of the network card that another
        /// system uses. The port of the card counts the traffic as well.
        fn is_representor(&self, name: &str) -> bool {
            let Some(port) = self.folders.text(name, "phys_port_name") else { return false };
            let digits = |c: char| c.is_ascii_digit();
            let function = port.strip_prefix('c').map(|it| it.trim_start_matches(digits));
            let function = function.unwrap_or(&port);
            ["pf", "vf", "sf"].iter().any(|kind| {
                let number = function.strip_prefix(kind);
                number.is_some_and(|number| number.starts_with(digits))
            })
        }

        fn has_type(&self, name: &str, types: &[u64]) -> bool {
            self.folders.number(name, "type").is_some_and(|kind| types.contains(&kind))
        }

        /// Returns whether the traffic of an interface passes another one of this machine, as with
        /// VLANs, bonds and bridges.
        fn is_stacked(&self, name: &str) -> bool {
            self.folders.has_prefixed(name, "", "lower_")
                || ["bridge", "bonding"].iter().any(|kind| self.folders.has(name, kind))
        }

        fn rank(&self, name: &str, names: &[&str]) -> Option<InterfaceRank> {
            let is_silent =
                self.has_type(name, &[LOOPBACK_TYPE]) || self.has_type(name, &MONITOR_TYPES);
            if name == "lo" || is_silent || self.is_stacked(name) {
                return None;
            }
            if self.has_type(name, &TUNNEL_TYPES) {
                return Some(InterfaceRank::Tunnel);
            }
            if super::is_likely_physical(name, names) {
                return Some(InterfaceRank::Uplink);
            }
            (!self.folders.has(name, "master")).then_some(InterfaceRank::Virtual)
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod reader {
    use sysinfo::Networks;

    use crate::kernel::root::Root;
    use crate::source::rates::Device;

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
        pub(crate) fn select_counted(&self, interfaces: &[Device<'_>]) -> Vec<bool> {
            let names: Vec<&str> = interfaces.iter().map(|(name, _)| *name).collect();
            names.iter().map(|name| super::is_likely_physical(name, &names)).collect()
        }

        #[expect(clippy::unused_self, reason = "same interface as on Linux")]
        pub(super) fn is_container_end(&self, _: &str) -> bool {
            false
        }
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::os::unix::fs::symlink;

    use super::reader::Interfaces;
    use crate::kernel::tests::TestRoot;

    /// Checks which of the interfaces count. Each entry is a folder `NAME/ENTRY`, or an attribute
    /// `NAME/ATTRIBUTE=TEXT`, or a link `NAME/ENTRY->TARGET`.
    fn check(entries: &str, names: &str, expected: &str) {
        let files = TestRoot::new();
        for entry in entries.split_whitespace() {
            let path = |name: &str| format!("sys/class/net/{name}");
            if let Some((link, target)) = entry.split_once("->") {
                symlink(format!("/bus/{target}"), files.root().path(&path(link))).unwrap();
            } else if let Some((attribute, text)) = entry.split_once('=') {
                files.write(&path(attribute), text);
            } else {
                files.make_folder(&path(entry));
            }
        }
        let names: Vec<&str> = names.split(' ').collect();
        let devices: Vec<_> = names.iter().map(|name| (*name, [0, 0])).collect();
        let selected = Interfaces::new(&files.root()).select_counted(&devices);
        let selected = names.iter().zip(selected).filter_map(|(name, is)| is.then_some(*name));
        assert_eq!(selected.collect::<Vec<_>>().join(" "), expected, "{entries}");
    }

    #[test]
    fn hardware_counts_and_what_is_built_on_it_does_not() {
        check("eth0/device eth1/device", "lo eth0 eth1", "eth0 eth1");
        // The members of the bond count, the bond does not.
        let bond = "eth0/device eth1/device eth0/master eth1/master bond0/bonding bond0/lower_eth0";
        check(bond, "lo eth0 eth1 bond0", "eth0 eth1");
        check("eth0/device eth0.100/lower_eth0 wg0", "lo eth0 eth0.100 wg0", "eth0");
        let names =
            "lo eno1 vmbr0 tap100i0 fwbr100i0 fwln100i0 fwpr100p0 veth1 cali1 flannel.1 dummy0";
        check("eno1/device eno1/master vmbr0/bridge", names, "eno1");
        check(
            "eth0/device can0/device can0/type=280 vcan0/type=280",
            "lo eth0 can0 vcan0",
            "eth0 can0",
        );
    }

    #[test]
    fn hardware_whose_traffic_other_hardware_counts_does_not() {
        // Ports of a switch behind a conduit.
        check(
            "eth0/device eth0/dsa lan1/device lan2/device lan1/lower_eth0",
            "lo eth0 lan1 lan2",
            "lan1 lan2",
        );
        // An accelerated function below the interface of the cloud, and that one in a bond.
        check("eth0/device eth0/master enP2/device enP2/master/device", "lo eth0 enP2", "eth0");
        // Functions of a network card that virtual machines use.
        let functions = "p0/device p0/phys_port_name=p0 a/device a/phys_port_name=pf0vf3 \
                         b/device b/phys_port_name=c1pf0sf88 c/device c/phys_port_name=pf0hpf \
                         d/device d/phys_port_name=vf2 e/device e/phys_port_name=p1s0";
        check(functions, "lo p0 a b c d e", "p0 e");
        check(
            "wlan0/device wlan0/type=1 wlan0mon/device wlan0mon/type=803",
            "wlan0 wlan0mon",
            "wlan0",
        );
        // A Xen machine and its guests, one of them renamed.
        let guests = "eth0/device eth0/master xenbr0/bridge vif1.0/device vif1.0/master \
                      web/device web/device/subsystem->xen-backend enX0/device enX0/device/subsystem->xen";
        check(guests, "lo eth0 xenbr0 vif1.0 web enX0", "eth0 enX0");
        // Own traffic: subinterfaces of InfiniBand, and a second Wi-Fi interface of the same radio.
        check("ib0/device ib0.8001/device uap0/device", "ib0 ib0.8001 uap0", "ib0 ib0.8001 uap0");
    }

    #[test]
    fn in_a_container_the_interfaces_that_lead_out_count_once() {
        check("", "lo", "");
        // Without /sys, names decide.
        check("", "lo eth0 eth1 veth12ab docker0 br-12ab eth0.5 tun0 wg0 br0", "eth0 eth1");
        check("", "lo eth0.5", "eth0.5");
        check("", "lo eth0 eth0:1", "eth0");
        check("", "lo veth0", "veth0");
        check("", "lo eth0 macvlan0 ipvlan0 vrf-blue dummy0 ifb0 docker0", "eth0");
        check("eth0/type=1 eth0/iflink=12 eth0/ifindex=2", "lo eth0", "eth0");
        check("eth0/type=1 data/lower_eth0 data/type=1", "lo eth0 data", "eth0");
        // A container in the container, behind NAT, and beside the uplink in a bridge.
        check("eth0/type=1 docker0/bridge vethab/master", "lo eth0 docker0 vethab", "eth0");
        check("eth0/master br0/bridge br0/lower_eth0 veth1/master", "lo eth0 br0 veth1", "eth0");
        check("eth0/master eth1/master trunk/lower_eth0", "lo eth0 eth1 trunk", "eth0 eth1");
        check(
            "eth0/type=1 he-ipv6/type=776 vpn/type=65534 tunl0/type=768",
            "lo eth0 he-ipv6 vpn tunl0",
            "eth0",
        );
        check("lo0/type=772 venet0/type=65535", "lo0 venet0", "venet0");
    }

    #[test]
    fn a_container_with_only_a_tunnel_counts_it() {
        check("tap0/type=1 wg0/type=65534", "lo tap0 wg0", "tap0");
        check(
            "tap0/type=1 docker0/bridge veth1/master veth1/type=1",
            "lo tap0 docker0 veth1",
            "tap0",
        );
        check("tun0/type=65534", "lo tun0", "tun0");
    }

    #[test]
    fn ends_of_containers_are_pairs() {
        let files = TestRoot::with(&[
            ("sys/class/net/veth1/iflink", "2\n"),
            ("sys/class/net/veth1/ifindex", "7\n"),
            ("sys/class/net/eth0/iflink", "3\n"),
            ("sys/class/net/eth0/ifindex", "3\n"),
            ("sys/class/net/eth0.5/iflink", "3\n"),
            ("sys/class/net/eth0.5/ifindex", "8\n"),
            ("sys/class/net/eth0.5/lower_eth0/ifindex", "3\n"),
        ]);
        let interfaces = Interfaces::new(&files.root());
        let is_end = ["veth1", "eth0", "eth0.5", "gone"].map(|it| interfaces.is_container_end(it));
        assert_eq!(is_end, [true, false, false, false]);
    }
}
