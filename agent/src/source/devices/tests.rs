//! Columns of devices, and machines through which 1,000,000 bytes pass each second: every device that a byte passes counts
//! it, and the agent reports it once.

use std::fmt::Write as _;
use std::time::Duration;

use loadline_protocol::{LINE_MAX, Note, PLAIN_COLUMNS, Schema, Stamp};

use super::*;
use crate::kernel::tests::TestRoot;
use crate::source::{GroupSet, Machine, MetricSource as _};

const BYTES: u64 = 1_000_000;

/// Counters of `/proc/net/dev` and `/proc/diskstats` after some seconds. Each device has passed
/// [`BYTES`] a second, in 512-byte sectors for disks.
fn write_counters(files: &TestRoot, interfaces: &str, disks: &str, seconds: u64) {
    let (bytes, sectors) = (7 + seconds * BYTES, 64 + seconds * BYTES / 512);
    let mut text = "Inter-|   Receive\n face |bytes\n".to_owned();
    for name in interfaces.split_whitespace() {
        let _ = writeln!(text, "{name:>6}: {bytes} 5 0 0 0 0 0 0 {bytes} 4 0 0 0 0 0 0");
    }
    files.write("proc/net/dev", &text);
    text.clear();
    for name in disks.split_whitespace() {
        let _ = writeln!(text, "   8  0 {name} 9 0 {sectors} 0 9 0 {sectors} 0 0 0 0");
    }
    files.write("proc/diskstats", &text);
}

/// Runs a machine of these interfaces and disks for two seconds. Returns its columns of `groups`.
/// Each entry is a folder below `/sys`, or an attribute `PATH=TEXT`.
async fn columns(
    groups: &str,
    entries: &str,
    (interfaces, disks): (&str, &str),
) -> Vec<(String, f64)> {
    let files = TestRoot::new();
    for entry in entries.split_whitespace() {
        match entry.split_once('=') {
            Some((path, text)) => files.write(&format!("sys/{path}"), text),
            None => files.make_folder(&format!("sys/{entry}")),
        }
    }
    write_counters(&files, interfaces, disks, 0);
    let mut machine = Machine::at_root(&files.root(), &groups.parse().unwrap());
    tokio::time::advance(Duration::from_secs(2)).await;
    write_counters(&files, interfaces, disks, 2);
    let mut values = Vec::new();
    machine.sample(&mut values);
    let columns = machine.columns();
    assert_eq!(columns.len(), values.len());
    let named = columns.iter().map(|column| column.name().to_owned()).zip(values);
    named.skip(PLAIN_COLUMNS.len()).collect()
}

/// Returns entries in a folder.
fn below(folder: &str, entries: &str) -> String {
    let entries = entries.split_whitespace().map(|entry| format!("{folder}/{entry}"));
    entries.collect::<Vec<_>>().join(" ")
}

/// Checks received bytes, as a multiple of [`BYTES`].
async fn check_net(entries: &str, interfaces: &str, expected: f64) {
    let entries = below("class/net", entries);
    let found = columns("net", &entries, (interfaces, "")).await;
    let expected = expected * BYTES as f64;
    assert_eq!(found, [("net_rx".to_owned(), expected), ("net_tx".to_owned(), expected)]);
}

/// Checks bytes read, as a multiple of [`BYTES`].
async fn check_disk(entries: &str, disks: &str, expected: f64) {
    let entries = below("block", entries);
    let found = columns("disk", &entries, ("", disks)).await;
    // Whole sectors.
    let expected = expected * (BYTES / 512 * 512 + 256) as f64;
    for (name, value) in &found[..2] {
        assert!((value - expected).abs() < 1000.0, "{disks}: {name} {value} {expected}");
    }
}

#[tokio::test(start_paused = true)]
async fn each_byte_of_the_network_counts_once() {
    check_net("eth0/device", "lo eth0", 1.0).await;
    let bond = "eth0/device eth1/device eth0/master eth1/master bond0/bonding/slaves=eth0_eth1";
    check_net(bond, "lo eth0 eth1 bond0", 2.0).await;
    check_net("eth0/device eth0.100/lower_eth0", "lo eth0 eth0.100", 1.0).await;
    let taps = "eno1/device eno1/master vmbr0/bridge tap100i0/tun_flags=0x1002";
    check_net(taps, "lo eno1 vmbr0 tap100i0 fwbr100i0 fwln100i0 fwpr100p0", 1.0).await;
    let ends = "eth0/device cali12ab/iflink=2 cali12ab/ifindex=9 cni0/bridge";
    check_net(ends, "lo eth0 cali12ab flannel.1 cni0 wg0", 1.0).await;
    // A switch, whose conduit counts what its ports count.
    let switch = "eth0/device eth0/dsa/tagging=mtk lan1/device wan/device";
    check_net(switch, "lo eth0 lan1 wan br-lan", 2.0).await;
    // Accelerated networking of Azure.
    check_net("eth0/device enP1/device enP1/master/device", "lo eth0 enP1", 1.0).await;
    // A container with a VLAN, and with containers of its own.
    let own = "eth0/ifindex=2 eth0/iflink=9 eth0.5/lower_eth0 docker0/bridge veth1/master";
    check_net(own, "lo eth0 eth0.5 docker0 veth1", 1.0).await;
}

#[tokio::test(start_paused = true)]
async fn each_byte_of_a_disk_counts_once() {
    check_disk("sda/device", "sda sda1 sda2", 1.0).await;
    check_disk(
        "mmcblk0/device mmcblk0boot0/device",
        "mmcblk0 mmcblk0p1 mmcblk0p2 mmcblk0boot0",
        1.0,
    )
    .await;
    let lvm = "sda/device sdb/device md127/slaves/sda1 dm-0/slaves/md127";
    check_disk(lvm, "sda sda1 sdb sdb1 md127 dm-0", 2.0).await;
    check_disk("sda/device zd0", "sda sda1 zd0 zd0p1", 1.0).await;
    check_disk("vda/device drbd0 nbd0 bcache0 rbd0/device", "vda drbd0 nbd0 bcache0 rbd0", 1.0)
        .await;
    check_disk("nvme0n1/device nvme0c0n1/device", "nvme0n1 nvme0n1p1 nvme0c0n1", 1.0).await;
    check_disk("md0/slaves/nbd0 nbd0", "nbd0 md0", 1.0).await;
}

#[tokio::test(start_paused = true)]
async fn an_interface_that_becomes_a_part_of_another_counts_no_more() {
    let files = TestRoot::new();
    files.make_folder("sys/class/net/eth0/device");
    files.make_folder("sys/class/net/enP1/device");
    write_counters(&files, "lo eth0 enP1", "", 0);
    let mut machine = Machine::at_root(&files.root(), &"net".parse().unwrap());
    // The driver connects both some time after the second one has appeared.
    files.make_folder("sys/class/net/enP1/master/device");
    let mut received = Vec::new();
    for second in (2..=14).step_by(2) {
        tokio::time::advance(Duration::from_secs(2)).await;
        write_counters(&files, "lo eth0 enP1", "", second);
        let mut values = Vec::new();
        machine.sample(&mut values);
        received.push(values[PLAIN_COLUMNS.len()] / BYTES as f64);
    }
    assert_eq!(received, [2.0, 2.0, 2.0, 2.0, 2.0, 1.0, 1.0]);
}

#[tokio::test(start_paused = true)]
async fn each_device_has_columns_on_request() {
    let entries = "class/net/eth0/device class/net/eth1/device class/net/bond0/bonding \
                   class/net/veth1/ifindex=9 class/net/veth1/iflink=2 \
                   block/sda/device block/cciss!c0d0/device block/dm-0/slaves/sda";
    let devices = ("lo eth0 bond0 veth1 eth1", "sda sda1 cciss/c0d0 dm-0");
    let found = columns("disk-devices,net-devices", entries, devices).await;
    let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
    let expected = "net_rx_eth0 net_tx_eth0 net_rx_eth1 net_tx_eth1 net_rx_bond0 net_tx_bond0 \
                    disk_read_sda disk_write_sda disk_read_cciss/c0d0 disk_write_cciss/c0d0";
    assert_eq!(names.join(" "), expected);
    assert!(found.iter().all(|(_, value)| (value - BYTES as f64).abs() < 1000.0), "{found:?}");
}

#[tokio::test(start_paused = true)]
async fn the_columns_of_many_devices_fit_a_line() {
    let name = |number: u32| format!("interface-{number:05} ");
    let interfaces: String = (0..900).map(name).collect();
    let disks = interfaces.replace("interface", "disk-with-a-long-name");
    let files = TestRoot::with(&[("sys/devices/system/cpu/present", "0-8191\n")]);
    write_counters(&files, &interfaces, &disks, 0);
    let columns = Machine::at_root(&files.root(), &GroupSet::all()).columns();
    let schema = Schema::new(Stamp::TimeSeq, columns).unwrap();
    let note = Note::Columns(schema).to_string();
    assert!(note.len() <= LINE_MAX && note.contains(" net_rx_interface-00000:B/s "), "{note}");
}

fn names(devices: &[&str], prefixes: &[&str], room: usize) -> String {
    let devices = devices.iter().map(|device| (*device).to_owned()).collect();
    let new = DeviceColumns::new(devices, prefixes, "%", room);
    assert_eq!(new.columns.len(), new.devices.len() * prefixes.len());
    new.columns.iter().map(Column::to_string).collect::<Vec<_>>().join(" ")
}

#[test]
fn names_of_columns_are_valid_and_unique() {
    let prefixes = ["in_", "out_"];
    assert_eq!(
        names(&["eth0", "eth0.5"], &prefixes, 99),
        "in_eth0:% out_eth0:% in_eth0.5:% out_eth0.5:%"
    );
    let points = ["/", "/srv/my data", "/srv/my_data", "/srv/my:data", "/a\u{1b}[2J\u{202e}"];
    assert_eq!(
        names(&points, &["used_"], 999),
        "used_/:% used_/srv/my_data:% used_/srv/my_data_2:% used_/srv/my_data_3:% \
         used_/a\u{fffd}[2J\u{fffd}:%"
    );
    let long = format!("/{}/volumes/pvc-1", "x".repeat(200));
    assert_eq!(names(&[&long], &[""], 99), format!("{}/volumes/pvc-1:%", "x".repeat(34)));
}

#[test]
fn columns_have_a_limit_and_fit_the_line() {
    let all: Vec<String> = (0..100).map(|number| format!("eth{number}")).collect();
    let new = DeviceColumns::new(all.clone(), &["in_"], "B/s", usize::MAX);
    assert_eq!(new.devices, all[..DEVICES_MAX]);
    let bytes = new.columns.iter().map(text_bytes).sum();
    assert_eq!(DeviceColumns::new(all.clone(), &["in_"], "B/s", bytes).devices, new.devices);
    let fewer = DeviceColumns::new(all.clone(), &["in_"], "B/s", bytes - 1);
    assert_eq!(fewer.devices, all[..DEVICES_MAX - 1]);
    assert!(DeviceColumns::new(all, &["in_"], "B/s", 0).devices.is_empty());
}

#[test]
fn a_device_that_is_gone_has_no_rate() {
    let mut rates = DeviceRates::new(vec!["eth0".to_owned(), "usb0".to_owned()]);
    let mut at = Instant::now();
    let mut check = |devices: &[(&str, u64)], expected: [Option<f64>; 2]| {
        at += Duration::from_secs(2);
        for (name, count) in devices {
            rates.add_device(name, [*count, 0]);
        }
        let mut values = Vec::new();
        assert!(rates.finish(at, &mut values));
        let received = [values[0], values[2]].map(|value| Some(value).filter(|it| !it.is_nan()));
        assert_eq!((values.len(), received), (4, expected));
    };
    check(&[("eth0", 100), ("usb0", 7)], [None; 2]);
    check(&[("usb0", 9), ("eth0", 200), ("new", 5)], [Some(50.0), Some(1.0)]);
    check(&[("eth0", 200)], [Some(0.0), None]);
    check(&[("eth0", 300), ("usb0", 1)], [Some(50.0), None]);
    check(&[("eth0", 1), ("usb0", 3)], [None, Some(1.0)]);
    assert!(!DeviceRates::new(Vec::new()).finish(at, &mut Vec::new()));
}
