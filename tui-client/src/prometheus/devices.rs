//! Devices that the totals of network and disk count: hardware interfaces and whole disks, so that
//! each byte counts once, as on an agent. Pure.
//!
//! An agent sees in `/sys` which devices are hardware. A server knows less: numbers from `/sys` if
//! `node_exporter` reads them, else only names.

use std::collections::{BTreeMap, BTreeSet};

use super::device_names::{
    disk_rank, is_hardware_name, is_infiniband_part, is_made_on_demand, is_modem_name,
    is_port_name, is_tunnel_name, is_virtual_interface_name, multipath_disk_name, whole_disk_name,
};

pub(super) use super::device_names::MANY_PREFIXES;

/// Highest number of devices of an instance. Further devices are ignored.
const DEVICES_MAX: usize = 4096;

/// Types of the kernel (`ARPHRD_…`) of hardware interfaces: Ethernet and Wi-Fi, InfiniBand, CAN,
/// mobile.
/// Tunnels and loopback have others.
const HARDWARE_TYPES: &[u32] = &[1, 32, 280, 519];

/// Type of an interface without a link layer: a tunnel, or a mobile modem.
const TYPE_NONE: u32 = 65_534;

/// Type of the interface of an `OpenVZ` container.
const TYPE_VOID: u32 = 65_535;

/// Origin of a name (`name_assign_type`): chosen by the kernel from the firmware's description.
const NAMED_BY_FIRMWARE: u32 = 2;

/// Origin of a name: chosen by who made the interface. The kernel makes hardware.
const NAMED_BY_USER: u32 = 3;

/// Origin of a name: changed since, as udev does with hardware. Whoever makes a virtual interface
/// gives its name at once.
const RENAMED: u32 = 4;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DeviceKind {
    Interface,
    Disk,
}

/// Part of the query for devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DeviceFact {
    Disk,
    Interface,
    /// Number of an interface.
    Id,
    /// Number of the interface below: the same for hardware, another for VLAN, macvlan and veth.
    LinkId,
    Type,
    NameOrigin,
    Address,
    /// Name of a bond.
    Bond,
}

impl DeviceFact {
    pub(super) const ALL: &[DeviceFact] = &[
        DeviceFact::Disk,
        DeviceFact::Interface,
        DeviceFact::Id,
        DeviceFact::LinkId,
        DeviceFact::Type,
        DeviceFact::NameOrigin,
        DeviceFact::Address,
        DeviceFact::Bond,
    ];

    /// Returns the name of the metric, which is also the name of the part.
    pub(super) fn metric(self) -> &'static str {
        match self {
            DeviceFact::Disk => "node_disk_read_bytes_total",
            DeviceFact::Interface => "node_network_receive_bytes_total",
            DeviceFact::Id => "node_network_iface_id",
            DeviceFact::LinkId => "node_network_iface_link",
            DeviceFact::Type => "node_network_protocol_type",
            DeviceFact::NameOrigin => "node_network_name_assign_type",
            DeviceFact::Address => "node_network_info",
            DeviceFact::Bond => "node_bonding_slaves",
        }
    }

    pub(super) fn of_part(name: &str) -> Option<DeviceFact> {
        DeviceFact::ALL.iter().copied().find(|fact| fact.metric() == name)
    }
}

/// Facts about a network interface. `None` if the exporter does not provide it.
#[derive(Debug, Clone, Default)]
struct Interface {
    id: Option<u32>,
    link_id: Option<u32>,
    kind: Option<u32>,
    name_origin: Option<u32>,
    address: String,
}

/// Rank of an interface of a machine without hardware, such as a container. Only the interfaces of
/// the lowest rank count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum InterfaceRank {
    /// Usual name of hardware.
    Usual,
    Unknown,
    Tunnel,
}

/// Devices of an instance, as far as the server knows them.
#[derive(Debug, Clone, Default)]
pub(super) struct KnownDevices {
    /// Each disk with the bytes read since the start of the machine.
    disks: BTreeMap<String, f64>,
    interfaces: BTreeMap<String, Interface>,
    bonds: BTreeSet<String>,
}

/// Names of the devices that count.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct CountedDevices {
    interfaces: BTreeSet<String>,
    disks: BTreeSet<String>,
}

impl CountedDevices {
    pub(super) fn of_kind(&self, kind: DeviceKind) -> &BTreeSet<String> {
        match kind {
            DeviceKind::Interface => &self.interfaces,
            DeviceKind::Disk => &self.disks,
        }
    }
}

impl KnownDevices {
    /// Adds a fact about a device. `address` is the interface's own.
    pub(super) fn add(&mut self, fact: DeviceFact, name: &str, address: &str, value: Option<f64>) {
        if self.count() >= DEVICES_MAX {
            return;
        }
        let number = value.filter(|value| *value >= 0.0).map(|value| value as u32);
        match fact {
            DeviceFact::Disk => drop(self.disks.insert(name.to_owned(), value.unwrap_or(0.0))),
            DeviceFact::Bond => drop(self.bonds.insert(name.to_owned())),
            _ => {
                let interface = self.interfaces.entry(name.to_owned()).or_default();
                interface.set(fact, address, number);
            }
        }
    }

    pub(super) fn count(&self) -> usize {
        self.disks.len() + self.interfaces.len() + self.bonds.len()
    }

    pub(super) fn counted(&self) -> CountedDevices {
        CountedDevices { interfaces: self.counted_interfaces(), disks: self.counted_disks() }
    }

    fn counted_disks(&self) -> BTreeSet<String> {
        let is_part = |name: &str| {
            whole_disk_name(name).is_some_and(|whole| self.disks.contains_key(whole))
                || self.is_counted_path(name)
        };
        let whole = self.disks.keys().filter(|name| !is_part(name));
        lowest(whole.filter_map(|name| Some((disk_rank(name)?, name))))
    }

    /// Returns whether a device is one path to an `NVMe` disk that counts all paths. Before Linux
    /// 6.0, only the paths have counters, and those of the disk stay 0.
    fn is_counted_path(&self, name: &str) -> bool {
        let disk = multipath_disk_name(name).and_then(|disk| self.disks.get(&disk));
        disk.is_some_and(|bytes| *bytes > 0.0)
    }

    fn counted_interfaces(&self) -> BTreeSet<String> {
        let hardware: BTreeMap<&String, &Interface> =
            self.interfaces.iter().filter(|(name, it)| self.is_hardware(name, it)).collect();
        if hardware.is_empty() {
            // A container has only ends of virtual cables or tunnels, and they count.
            return lowest(
                self.interfaces.iter().filter_map(|(name, it)| Some((self.rank(name, it)?, name))),
            );
        }
        let counts = |name: &str, it: &Interface| {
            !is_conduit(name, it, &hardware) && !self.is_twin(it, &hardware)
        };
        let counted = hardware.iter().filter(|(name, it)| counts(name, it));
        counted.map(|(name, _)| (*name).clone()).collect()
    }

    /// Returns the rank of an interface of a machine without hardware. `None` if it never counts.
    fn rank(&self, name: &str, interface: &Interface) -> Option<InterfaceRank> {
        if !self.may_count(name, interface) {
            let is_tunnel = is_tunnel_name(name) && !self.is_on_other(name);
            return is_tunnel.then_some(InterfaceRank::Tunnel);
        }
        Some(if is_hardware_name(name) { InterfaceRank::Usual } else { InterfaceRank::Unknown })
    }

    /// Returns whether an interface is on top of another one by its name: `eth0.5` is a VLAN,
    /// `eth0:1` an alias.
    fn is_on_other(&self, name: &str) -> bool {
        let lower = name.rsplit_once(['.', ':', '@']);
        lower.is_some_and(|(lower, _)| self.interfaces.contains_key(lower))
            && !is_infiniband_part(name)
    }

    /// Returns whether an interface is hardware, or the end of a virtual cable.
    fn may_count(&self, name: &str, interface: &Interface) -> bool {
        let is_hardware_type = |kind: u32| {
            HARDWARE_TYPES.contains(&kind)
                || kind == TYPE_VOID
                || (kind == TYPE_NONE && is_modem_name(name))
        };
        !self.bonds.contains(name)
            && !self.is_on_other(name)
            && !is_virtual_interface_name(name)
            && interface.kind.is_none_or(is_hardware_type)
    }

    fn is_hardware(&self, name: &str, interface: &Interface) -> bool {
        let is_named_as_hardware = match interface.name_origin {
            Some(NAMED_BY_FIRMWARE | RENAMED) => true,
            Some(NAMED_BY_USER) => is_made_on_demand(name),
            _ => is_hardware_name(name),
        };
        let has_own_link = !interface.is_linked() || is_infiniband_part(name);
        self.may_count(name, interface)
            && is_named_as_hardware
            && (has_own_link || self.is_switch_port(name, interface))
    }

    /// Returns whether an interface is a port of a switch chip. A port is linked to the interface
    /// that carries the traffic of all ports, the conduit.
    fn is_switch_port(&self, name: &str, interface: &Interface) -> bool {
        let has_conduit = self.interfaces.values().any(|it| it.id == interface.link_id);
        let is_named_as_port =
            interface.name_origin == Some(NAMED_BY_FIRMWARE) || is_port_name(name);
        has_conduit && is_named_as_port
    }

    /// Returns whether an interface has the address of an earlier one that sends through it, as
    /// the accelerated interfaces of some clouds. Members of a bond or team also have a common
    /// address, but count: the bond or team does not.
    fn is_twin(&self, interface: &Interface, hardware: &BTreeMap<&String, &Interface>) -> bool {
        let is_alike = |it: &Interface| !it.is_linked() && it.address == interface.address;
        let alike = || self.interfaces.iter().filter(|(_, it)| is_alike(it));
        !interface.address.is_empty()
            && !interface.is_linked()
            && alike().all(|(name, _)| hardware.contains_key(name))
            && alike().any(|(_, it)| it.id < interface.id)
    }
}

/// Returns whether the ports of a switch chip count instead of the interface.
fn is_conduit(name: &str, interface: &Interface, hardware: &BTreeMap<&String, &Interface>) -> bool {
    let is_port_of = |id: u32, port: &str, it: &Interface| {
        it.is_linked() && it.link_id == Some(id) && !is_infiniband_part(port)
    };
    match interface.id {
        Some(id) => hardware.iter().any(|(port, it)| is_port_of(id, port, it)),
        // Only names are known.
        None => name == "eth0" && hardware.keys().any(|name| is_port_name(name)),
    }
}

impl Interface {
    fn set(&mut self, fact: DeviceFact, address: &str, number: Option<u32>) {
        match fact {
            DeviceFact::Id => self.id = number,
            DeviceFact::LinkId => self.link_id = number,
            DeviceFact::Type => self.kind = number,
            DeviceFact::NameOrigin => self.name_origin = number,
            DeviceFact::Address => address.clone_into(&mut self.address),
            DeviceFact::Interface | DeviceFact::Disk | DeviceFact::Bond => {}
        }
    }

    /// Returns whether the interface is on top of another one, or the end of a virtual cable.
    fn is_linked(&self) -> bool {
        self.id.zip(self.link_id).is_some_and(|(id, link_id)| id != link_id)
    }
}

/// Returns the names of the lowest rank.
fn lowest<'a, R: Ord + Copy>(ranked: impl Iterator<Item = (R, &'a String)>) -> BTreeSet<String> {
    let ranked: Vec<(R, &String)> = ranked.collect();
    let lowest = ranked.iter().map(|(rank, _)| *rank).min();
    let names = ranked.into_iter().filter(|(rank, _)| Some(*rank) == lowest);
    names.map(|(_, name)| name.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_interfaces(interfaces: &str, expected: &str) {
        check(interfaces, "", expected);
    }

    fn check_disks(disks: &str, expected: &str) {
        check("", disks, expected);
    }

    /// Checks which devices count. `interfaces` and `disks` are names; an interface may have facts:
    /// `eth0.5,id=7,link=2,type=1,origin=3,mac=02:00:00:00:00:01`; `bond0,bond` is listed as a bond,
    /// and `sda,unread` was never read.
    fn check(interfaces: &str, disks: &str, expected: &str) {
        let mut known = KnownDevices::default();
        for device in interfaces.split_whitespace() {
            let (name, facts) = device.split_once(',').unwrap_or((device, ""));
            known.add(DeviceFact::Interface, name, "", Some(1.0));
            for fact in facts.split(',').filter(|fact| !fact.is_empty()) {
                let (kind, value) = fact.split_once('=').unwrap_or((fact, ""));
                let kind = match kind {
                    "id" => DeviceFact::Id,
                    "link" => DeviceFact::LinkId,
                    "type" => DeviceFact::Type,
                    "origin" => DeviceFact::NameOrigin,
                    "mac" => DeviceFact::Address,
                    "bond" => DeviceFact::Bond,
                    other => panic!("{other}"),
                };
                known.add(kind, name, value, value.parse().ok());
            }
        }
        for disk in disks.split_whitespace() {
            let (name, read) = match disk.strip_suffix(",unread") {
                Some(name) => (name, 0.0),
                None => (disk, 1.0),
            };
            known.add(DeviceFact::Disk, name, "", Some(read));
        }
        let counted = known.counted();
        let names: Vec<&String> = counted.interfaces.iter().chain(&counted.disks).collect();
        let expected: Vec<&str> = expected.split_whitespace().collect();
        assert_eq!(names, expected, "{interfaces} | {disks}");
    }

    #[test]
    fn each_byte_of_an_interface_counts_once_by_names_alone() {
        check_interfaces("lo eth0 eth1 bond0", "eth0 eth1");
        check_interfaces("eth0 eth0.100", "eth0");
        check_interfaces("eth0 wg0", "eth0");
        check_interfaces("eth0 cali12ab34 flannel.1 cni0", "eth0");
        check_interfaces("eno1 vmbr0 tap100i0 fwbr100i0 fwln100i0 fwpr100p0", "eno1");
        check_interfaces(
            "enp3s0 br-12ab docker0 virbr0 virbr0-nic vnet0 lxcbr0 lxdbr0 veth1 docker_gwbridge",
            "enp3s0",
        );
        check_interfaces(
            "eth0 lxc12ab azv12ab eni12ab cilium_host cilium_net cilium_vxlan gke12",
            "eth0",
        );
        check_interfaces(
            "ens5 team0 ovs-system ovs-br tailscale0 zt5u4y6ekd nordlynx tun0 ppp0 sit0",
            "ens5",
        );
        check_interfaces(
            "eth0 kube-ipvs0 nodelocaldns kube-bridge weave datapath vxlan-6784 antrea-gw0",
            "eth0",
        );
        check_interfaces("enX0 docker0", "enX0");
        check_interfaces("end0 wlan0", "end0 wlan0");
        check_interfaces(
            "wlp2s0 wlx001122334455 enx001122aabbcc wwp0s20u4",
            "enx001122aabbcc wlp2s0 wlx001122334455 wwp0s20u4",
        );
        check_interfaces(
            "enp65s0f0np0 enp65s0f0np0.7 enP2p1s0 enccw0.0.0600 p1p2 em1 ib0",
            "em1 enP2p1s0 enccw0.0.0600 enp65s0f0np0 ib0 p1p2",
        );
        // Custom names beside usual ones are bridges and the like.
        check_interfaces("eth0 prod-net uplink o-hm0", "eth0");
        check_interfaces("lan-a internal lo", "internal lan-a");
        // OpenWrt: the ports of the switch count, not the conduit behind them.
        check_interfaces("eth0 lan1 lan2 wan br-lan phy0-ap0", "lan1 lan2 phy0-ap0 wan");
        // Xen, InfiniBand, functions of a network card, and an alias.
        check_interfaces("eth0 xenbr0 vif1.0 vif1.0-emu", "eth0");
        check_interfaces("ib0 ib0.8001 eth0 eth0.1001 eth0:1", "eth0 ib0 ib0.8001");
        check_interfaces(
            "enp3s0f0np0 enp3s0f0npf0vf1 enp3s0f0npf0hpf enp3s0f0v0",
            "enp3s0f0np0 enp3s0f0v0",
        );
        check_interfaces(
            "eth0 ifb0 dummy0 macvlan0 macvtap0 ipvlan0 vrf-blue ppp0 bnep0",
            "bnep0 eth0",
        );
        // FreeBSD and macOS.
        check_interfaces("lo0 em0 igb0 lagg0 bridge0 epair0a pflog0 enc0 tap1", "em0 igb0");
        check_interfaces("vtnet0 gif0 wg1 lo0", "vtnet0");
        check_interfaces(
            "lo0 gif0 stf0 anpi0 en0 en5 ap1 awdl0 llw0 utun0 bridge0 vmenet0 XHC20",
            "en0 en5",
        );
    }

    #[test]
    fn each_byte_of_an_interface_counts_once_by_numbers_from_sys() {
        let eth0 = "eth0,id=2,link=2,type=1,origin=4";
        let and = |others: &str| format!("lo,id=1,link=1,type=772 {eth0} {others}");
        check_interfaces(&and("vpn-x,id=3,link=3,type=65534,origin=3"), "eth0");
        check_interfaces(&and("storage,id=3,link=2,type=1,origin=3"), "eth0");
        check_interfaces(&and("uplink,id=3,link=3,type=1,origin=3"), "eth0");
        check_interfaces(&and("oldbridge,id=3,link=3,type=1"), "eth0");
        check_interfaces(&and("internal,id=3,link=3,type=1,origin=4"), "eth0 internal");
        check_interfaces(
            &and("eth1,id=3,link=3,type=1 trunk-a,id=4,link=4,type=1,bond"),
            "eth0 eth1",
        );
        check_interfaces(
            &and("wwan0,id=3,link=3,type=65534 tunl-0,id=4,link=0,type=768"),
            "eth0 wwan0",
        );
        check_interfaces(&and("wlan0,id=3,link=3,type=1 wlan1,id=4,link=4,type=803"), "eth0 wlan0");
        // A bridge that its owner calls `lan`, and a Wi-Fi interface that its owner made.
        check_interfaces(&and("lan,id=3,link=3,type=1,origin=3"), "eth0");
        check_interfaces(&and("em5,id=3,link=3,type=1,origin=3"), "eth0");
        check_interfaces(&and("phy0-ap0,id=3,link=3,type=1,origin=3"), "eth0 phy0-ap0");
        check_interfaces(&and("ppp0,id=3,link=3,type=512 vrf1,id=4,link=4,type=1"), "eth0");
        check_interfaces(
            "ib0,id=2,link=2,type=32 ib0.8001,id=3,link=2,type=32,origin=3",
            "ib0 ib0.8001",
        );
        // A bond whose members have its address.
        let member =
            |name: &str, id| format!("{name},id={id},link={id},type=1,origin=4,mac=02:01 ");
        let members = member("eth0", 2) + &member("eth1", 3);
        check_interfaces(&format!("{members} bond0,id=4,link=4,type=1,mac=02:01"), "eth0 eth1");
        check_interfaces(
            &format!("{members} lan-team,id=4,link=4,type=1,origin=3,mac=02:01"),
            "eth0 eth1",
        );
        // A cloud's interface, and the accelerated one that carries its traffic.
        check_interfaces(&(member("eth0", 2) + &member("enP53091s1", 3)), "eth0");
        // A switch: ports have the conduit's address.
        let switch = "eth0,id=2,link=2,type=1,origin=1,mac=02:01 lan1,id=3,link=2,type=1,origin=2,mac=02:01                       lan2,id=4,link=2,type=1,origin=2,mac=02:01 lan2.7,id=5,link=4,type=1,origin=3,mac=02:01";
        check_interfaces(switch, "lan1 lan2");
    }

    #[test]
    fn in_a_container_the_ends_of_virtual_cables_count() {
        check_interfaces("lo,id=1,link=1,type=772 eth0,id=2,link=17,type=1,origin=4", "eth0");
        check_interfaces(
            "eth0,id=2,link=3,type=1,origin=4 eth1,id=3,link=9,type=1,origin=4",
            "eth0 eth1",
        );
        check_interfaces(
            "eth0,id=2,link=17,type=1 eth0.5,id=3,link=2,type=1 tunl0,id=4,link=0,type=768",
            "eth0",
        );
        check_interfaces("lo host0,id=2,link=7,type=1", "host0");
        check_interfaces("lo,type=772 venet0,id=2,link=2,type=65535", "venet0");
        check_interfaces("lo,type=772 tun0,type=65534", "tun0");
        check_interfaces("lo,type=772", "");
        check_interfaces("", "");
    }

    #[test]
    fn each_byte_of_a_disk_counts_once() {
        check_disks("mmcblk0 mmcblk0p1 mmcblk0p2 mmcblk0boot0 mmcblk0boot1 mmcblk0rpmb", "mmcblk0");
        check_disks("sda zd0 zd16 zd0p1", "sda");
        check_disks("vda drbd0 nbd0 bcache0 rbd0", "vda");
        check_disks("sda sdb sda1 sdb1 md127 md127p1 dm-0 dm-1", "sda sdb");
        check_disks("nvme0n1 nvme0n1p1 nvme0c0n1 nvme10n1 nvme1n1", "nvme0n1 nvme10n1 nvme1n1");
        check_disks("nvme0n1,unread nvme0c0n1 nvme0c1n1", "nvme0c0n1 nvme0c1n1 nvme0n1");
        check_disks("vda vda1 vda15 loop0 ram0 zram0 sr0 fd0", "vda");
        check_disks("sdaa sdaa1 sda sda12", "sda sdaa");
        check_disks("xvda1 xvda2", "xvda1 xvda2");
        check_disks("xvda xvda1", "xvda");
        check_disks("dasda dasda1 cciss/c0d0 cciss/c0d0p1 pmem0", "cciss/c0d0 dasda pmem0");
        check_disks(
            "cciss/c0d0 cciss/c0d0p2 cciss/c1d0 ida/c0d1",
            "cciss/c0d0 cciss/c1d0 ida/c0d1",
        );
        check_disks("vdn vdo vdo1 vdp", "vdn vdo vdp");
        check_disks(
            "mmcblk0 mmcblk0p1 mmcblk0gp0 sda mtdblock0",
            "mmcblk0 mmcblk0gp0 mtdblock0 sda",
        );
        check_disks("sda foo0 emcpowera scinia", "sda");
        check_disks("ada0 ada1 da0 nvd0 nda0 cd0 pass0", "ada0 ada1 da0 nda0 nvd0");
        check_disks("disk0 disk2", "disk0 disk2");
        // Without hardware, the lowest that can be seen.
        check_disks("mtdblock0 mtdblock1 loop0", "mtdblock0 mtdblock1");
        check_disks("nbd0 nbd0p1 md0 dm-0", "nbd0");
        check_disks("md0 dm-0 zram0", "md0");
        check_disks("loop0 sr0", "");
    }
}
