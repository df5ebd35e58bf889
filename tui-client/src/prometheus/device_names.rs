//! Kinds of devices by their names, on Linux, BSD and macOS. Pure.

/// Prefixes of virtual interfaces that a machine may have hundreds of. The server leaves them out.
pub(super) const MANY_PREFIXES: &[&str] = &[
    "veth", "cali", "lxc", "lxd", "azv", "eni", "gke", "cilium", "tap", "vnet", "vif", "fwbr",
    "fwln", "fwpr", "qbr", "qvo", "qvb", "qr-", "qg-", "docker", "br-", "ve-", "vb-", "vz-",
    "epair",
];

/// Prefixes of other virtual interfaces: bonds, bridges, and ends of virtual cables.
const VIRTUAL_PREFIXES: &[&str] = &[
    "lo",
    "bond",
    "team",
    "lagg",
    "trunk",
    "bridge",
    "virbr",
    "vmbr",
    "xenbr",
    "xapi",
    "ovs",
    "ovn",
    "podman",
    "nerdctl",
    "incus",
    "cni",
    "cbr",
    "flannel",
    "fanctl",
    "weave",
    "kube",
    "ipvs",
    "nodelocal",
    "antrea",
    "genev",
    "gvtap",
    "datapath",
    "azure",
    "vlan",
    "vxlan",
    "vxcan",
    "vcan",
    "vmnet",
    "vmenet",
    "vether",
    "vrf",
    "macv",
    "macsec",
    "ipvl",
    "ifb",
    "imq",
    "dummy",
    "nlmon",
    "bat",
    "mon",
    "hwsim",
    "awdl",
    "llw",
    "anpi",
    "p2p",
    "pflog",
    "pfsync",
    "carp",
    "feth",
    "XHC",
    "pim",
    "shim",
    "teql",
];

/// Prefixes of tunnels.
const TUNNEL_PREFIXES: &[&str] = &[
    "tun",
    "wg",
    "tailscale",
    "zt",
    "utun",
    "ppp",
    "l2tp",
    "vti",
    "vpn",
    "svpn",
    "nordlynx",
    "nebula",
    "ipip",
    "ipsec",
    "xfrm",
    "ip6",
    "ip_",
    "gre",
    "mgre",
    "erspan",
    "sit",
    "gif",
    "stf",
];

/// Names of virtual interfaces apart from their numbers. Names of hardware may begin with them.
const VIRTUAL_STEMS: &[&str] = &["br", "ap", "ng", "pan"];

/// Names of hardware interfaces apart from their numbers: of Linux, then of the drivers of BSD.
const HARDWARE_STEMS: &[&str] = &[
    "eth", "en", "em", "wlan", "wwan", "usb", "ib", "can", "lan", "wan", "swp", "ra", "ath", "hsn",
    "bnep", "ae", "age", "alc", "ale", "aq", "awg", "axe", "axen", "bce", "bge", "bnxt", "bxe",
    "cas", "cc", "cxgbe", "cxl", "dc", "dwc", "ena", "fxp", "gem", "genet", "hn", "iavf", "ice",
    "igb", "igc", "iwm", "iwn", "iwx", "ix", "ixgbe", "ixl", "ixv", "jme", "lem", "mce", "mlxen",
    "msk", "mvneta", "nfe", "oce", "qlnxe", "re", "rge", "rl", "sfxge", "sis", "sk", "ue", "ure",
    "vge", "vic", "vio", "vmx", "vr", "vtnet", "xn", "xnf",
];

/// Prefixes of block devices that hold no data of the machine: in memory, in files, or removable.
const IGNORED_DISK_PREFIXES: &[&str] =
    &["loop", "ram", "zram", "nullb", "xpram", "sr", "scd", "fd", "cd", "st", "pass", "dk"];

/// Prefixes of disks of other machines.
const NETWORK_DISK_PREFIXES: &[&str] =
    &["nbd", "rbd", "rnbd", "etherd/", "ublkb", "pxd", "scini", "vitastor"];

/// Prefixes of disks that consist of others, from the lowest to the highest.
const STACKED_DISK_PREFIXES: &[&str] = &[
    "emcpower",
    "drbd",
    "bcache",
    "flashcache",
    "md",
    "zd",
    "zvol",
    "ploop",
    "VxVM",
    "VxDMP",
    "asm",
    "dm-",
    "device-mapper",
];

/// Names of whole disks apart from their numbers: of BSD and macOS, then of Linux.
const DISK_STEMS: &[&str] = &[
    "ada", "ad", "da", "nvd", "nda", "vtbd", "mmcsd", "xbd", "aacd", "mfid", "mfisyspd", "sd",
    "wd", "ld", "disk", "pmem", "mmcblk", "mtdblock",
];

/// Names of whole disks apart from the letters that number them, on Linux.
const LETTERED_DISKS: &[&str] = &["sd", "hd", "vd", "xvd", "dasd", "ubd", "fio", "rssd", "scm"];

fn starts_with_any(name: &str, prefixes: &[&str]) -> bool {
    prefixes.iter().any(|prefix| name.starts_with(prefix))
}

/// Returns the name without the number at its end. `None` if there is no number.
fn stem(name: &str) -> Option<&str> {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    (stem.len() < name.len()).then_some(stem)
}

fn has_stem(name: &str, stems: &[&str]) -> bool {
    stem(name).is_some_and(|stem| stems.contains(&stem))
}

/// Returns whether an interface is virtual as far as its name shows.
pub(super) fn is_virtual_interface_name(name: &str) -> bool {
    name == "enc0"
        || has_stem(name, VIRTUAL_STEMS)
        || is_representor_name(name)
        || starts_with_any(name, MANY_PREFIXES)
        || starts_with_any(name, VIRTUAL_PREFIXES)
        || is_tunnel_name(name)
}

pub(super) fn is_tunnel_name(name: &str) -> bool {
    starts_with_any(name, TUNNEL_PREFIXES)
}

/// Returns whether an interface has a usual name of hardware.
pub(super) fn is_hardware_name(name: &str) -> bool {
    has_stem(name, HARDWARE_STEMS)
        || is_infiniband_part(name)
        || matches!(name, "lan" | "wan")
        || is_name_by_location(name)
        || is_name_by_slot(name)
        || is_wifi_name(name)
}

/// Matches the names of systemd: `enp3s0`, `eno1`, `enX0`, `wlx001122334455`, `wwp0s20u4`.
fn is_name_by_location(name: &str) -> bool {
    let rest = ["en", "wl", "ww", "ib"].iter().find_map(|kind| name.strip_prefix(kind));
    rest.is_some_and(|rest| {
        rest.starts_with(['a', 'b', 'c', 'd', 'o', 'p', 'P', 's', 'u', 'v', 'x', 'X'])
            && rest.len() > 1
            && (rest.chars().all(|c| c.is_ascii_alphanumeric()) || rest.starts_with("ccw"))
    })
}

/// Matches the names of biosdevname: `p1p2`.
fn is_name_by_slot(name: &str) -> bool {
    let numbers = name.strip_prefix('p').and_then(|rest| rest.split_once('p'));
    numbers.is_some_and(|(slot, port)| is_number(slot) && is_number(port))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit())
}

/// Matches a function of a network card that another system uses: `enp3s0f0npf0vf1`. The port of
/// the card counts its traffic as well.
fn is_representor_name(name: &str) -> bool {
    let port = stem(name).and_then(|it| it.strip_suffix("vf").or(it.strip_suffix("sf")));
    let of_host = name.strip_suffix("hpf");
    port.or(of_host).and_then(stem).is_some_and(|port| port.ends_with("pf"))
}

/// Returns whether the interface is one of several on an `InfiniBand` port, such as `ib0.8001`. Each
/// has its own traffic.
pub(super) fn is_infiniband_part(name: &str) -> bool {
    let parts = name.split_once('.');
    parts.is_some_and(|(port, key)| {
        port.starts_with("ib") && key.len() == 4 && key.bytes().all(|c| c.is_ascii_hexdigit())
    })
}

/// Returns whether users create interfaces of this kind on hardware: Wi-Fi, mobile, USB.
pub(super) fn is_made_on_demand(name: &str) -> bool {
    ["wl", "ww", "usb", "ath", "ra", "phy", "ib"].iter().any(|kind| name.starts_with(kind))
}

/// Matches the names of `OpenWrt`: `phy0-ap0`.
fn is_wifi_name(name: &str) -> bool {
    name.split_once('-').is_some_and(|(radio, _)| has_stem(radio, &["phy"]))
}

/// Returns whether an interface has a usual name of a port of a switch chip.
pub(super) fn is_port_name(name: &str) -> bool {
    matches!(name, "lan" | "wan") || has_stem(name, &["lan", "wan", "swp"])
}

pub(super) fn is_modem_name(name: &str) -> bool {
    name.starts_with("ww")
}

/// Rank of a disk. Only the disks of the lowest rank count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum DiskRank {
    /// Usual name of hardware.
    Hardware,
    Unknown,
    Network,
    /// Position among the kinds of disks that consist of others.
    Stacked(usize),
}

/// Returns the rank of a disk by its name. `None` if it never counts.
pub(super) fn disk_rank(name: &str) -> Option<DiskRank> {
    let is_flash_area = name.starts_with("mmcblk")
        && ["boot0", "boot1", "rpmb"].iter().any(|area| name.ends_with(area));
    if is_flash_area || starts_with_any(name, IGNORED_DISK_PREFIXES) {
        return None;
    }
    if let Some(kind) = STACKED_DISK_PREFIXES.iter().position(|kind| name.starts_with(kind)) {
        return Some(DiskRank::Stacked(kind));
    }
    Some(match name {
        _ if starts_with_any(name, NETWORK_DISK_PREFIXES) => DiskRank::Network,
        _ if is_disk_name(name) => DiskRank::Hardware,
        _ => DiskRank::Unknown,
    })
}

/// Returns the disk of an `NVMe` path: `nvme0n1` of `nvme0c1n1`.
pub(super) fn multipath_disk_name(name: &str) -> Option<String> {
    let (system, path) = name.strip_prefix("nvme")?.split_once('c')?;
    let (_, namespace) = path.split_once('n')?;
    Some(format!("nvme{system}n{namespace}"))
}

/// Returns the name of the whole disk if `name` is one of a partition: `sda` of `sda1`, `nvme0n1`
/// of `nvme0n1p1`.
pub(super) fn whole_disk_name(name: &str) -> Option<&str> {
    let whole = stem(name)?;
    let ends_in_digit = |text: &str| text.ends_with(|c: char| c.is_ascii_digit());
    let numbered = whole.strip_suffix('p').filter(|whole| ends_in_digit(whole));
    numbered.or(Some(whole).filter(|whole| !ends_in_digit(whole)))
}

/// Returns whether a disk has a usual name of a whole disk, or of one of its partitions.
fn is_disk_name(name: &str) -> bool {
    let letters = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let is_lettered = LETTERED_DISKS.iter().any(|kind| {
        let unit = letters.strip_prefix(kind);
        unit.is_some_and(|unit| (1..=3).contains(&unit.len()) && is_lower_case(unit))
    });
    let is_numbered = |whole: &str| {
        has_stem(whole, DISK_STEMS)
            || is_nvme_name(whole)
            || is_flash_partition(whole)
            || is_array_name(whole)
    };
    is_lettered || is_numbered(name) || whole_disk_name(name).is_some_and(is_numbered)
}

/// Matches `nvme0n1` and `nvme0c1n1`.
fn is_nvme_name(name: &str) -> bool {
    name.strip_prefix("nvme").is_some_and(|rest| rest.contains('n'))
}

/// Matches `mmcblk0gp1`, an own part of a flash chip.
fn is_flash_partition(name: &str) -> bool {
    stem(name)
        .and_then(|stem| stem.strip_suffix("gp"))
        .is_some_and(|chip| stem(chip).is_some_and(|stem| stem == "mmcblk"))
}

/// Matches the disks of RAID cards: `cciss/c0d1`.
fn is_array_name(name: &str) -> bool {
    let numbers = name.split_once("/c").and_then(|(_, rest)| rest.split_once('d'));
    numbers.is_some_and(|(card, disk)| is_number(card) && is_number(disk))
}

fn is_lower_case(text: &str) -> bool {
    text.bytes().all(|c| c.is_ascii_lowercase())
}
