//! Collectors: the columns of each group, and where their values come from.

use loadline_protocol::{Column, PLAIN_COLUMNS};
use sysinfo::System;

use super::devices::{DeviceColumns, DeviceRates};
use super::disk::Disks;
use super::filesystems::Filesystems;
use super::frequency::FrequencyReader;
use super::group_set::Group;
use super::net::Interfaces;
use super::processes::ProcessReader;
use super::rates::Rates;
use super::snapshot::SystemSnapshot;
use super::system::MemorySizes;
use super::temperature::TemperatureReader;
use crate::kernel::pressure::pressure_files;
use crate::kernel::root::Root;

/// Columns of one group, and their reader.
pub(super) struct Collector {
    pub(super) columns: Vec<Column>,
    pub(super) read: Box<Read>,
}

/// Appends one value for each column, NaN if unknown. Returns false if the machine does not provide
/// the columns at all; a single missing value does not count.
type Read = dyn FnMut(&SystemSnapshot, &mut Vec<f64>) -> bool + Send;

impl Collector {
    /// Returns the collector of named columns with units. `read` returns `None` if the machine does
    /// not provide the columns at all.
    fn new<const N: usize>(
        columns: [(&str, &str); N],
        mut read: impl FnMut(&SystemSnapshot) -> Option<[f64; N]> + Send + 'static,
    ) -> Collector {
        let columns = columns.map(|(name, unit)| Column::new(name, unit)).into();
        let read = move |now: &SystemSnapshot, values: &mut Vec<f64>| {
            let known = read(now);
            values.extend(known.unwrap_or([f64::NAN; N]));
            known.is_some()
        };
        Collector { columns, read: Box::new(read) }
    }

    /// Returns the collector of the plain stream.
    pub(super) fn plain(root: &Root) -> Collector {
        let mut frequency = FrequencyReader::new(root);
        Collector::new(PLAIN_COLUMNS, move |now| {
            let mhz = frequency.mean_mhz(now.at).unwrap_or(f64::NAN);
            let memory = now.memory.and_then(MemorySizes::used_percent).unwrap_or(f64::NAN);
            let load = System::load_average().ok();
            let load = load.map_or([f64::NAN; 3], |load| [load.one, load.five, load.fifteen]);
            Some([now.cpu, mhz, memory, load[0], load[1], load[2]])
        })
    }

    /// Returns the collector of a group on a machine with cores of these numbers. `None` if all
    /// columns of the group belong to the plain stream. Columns of devices take at most `bytes_left`
    /// bytes in a columns note.
    pub(super) fn of_group(
        group: Group,
        root: &Root,
        cores: &[u32],
        bytes_left: usize,
    ) -> Option<Collector> {
        Some(match group {
            Group::Freq | Group::Load => return None,
            Group::Cpu => Collector::cpu_modes(),
            Group::Mem => {
                let columns = [("mem_used", "B"), ("mem_available", "B"), ("mem_total", "B")];
                Collector::new(columns, |now| {
                    let memory = now.memory?;
                    Some([memory.used(), memory.available, memory.total].map(|it| it as f64))
                })
            }
            Group::Swap => Collector::new([("swap", "%"), ("swap_used", "B")], |now| {
                now.memory.map(MemorySizes::swap_use)
            }),
            Group::Net => Collector::net(root),
            Group::Disk => Collector::disk(root),
            Group::Pressure => Collector::pressure(root),
            Group::Cores => Collector {
                columns: cores
                    .iter()
                    .map(|core| Column::new(&format!("core{core}"), "%"))
                    .collect(),
                read: Box::new(|now, values| {
                    values.extend(&now.cores);
                    true
                }),
            },
            Group::Temp => {
                let mut sensors = TemperatureReader::new(root);
                Collector::new([("temp", "°C")], move |now| Some([sensors.celsius(now.at)?]))
            }
            Group::Procs => {
                let mut processes = ProcessReader::new(root);
                Collector::new([("procs", "")], move |now| Some([processes.count(now.at)?]))
            }
            // Time in suspension is included.
            Group::Uptime => {
                Collector::new([("uptime", "s")], |_| Some([System::uptime().ok()? as f64]))
            }
            Group::NetDevices => Collector::net_devices(root, bytes_left),
            Group::DiskDevices => Collector::disk_devices(root, bytes_left),
            Group::Filesystems => Collector::filesystems(root, bytes_left),
        })
    }

    /// Shares of the time of all cores since the previous sample: `user` (with nice and guests),
    /// `system` (with interrupts), `iowait`, and `steal` (time used by other virtual machines on
    /// the same hardware). `cpu` is the sum of `user`, `system` and `steal`.
    fn cpu_modes() -> Collector {
        let columns = [("user", "%"), ("system", "%"), ("iowait", "%"), ("steal", "%")];
        // Known on other systems too: a warning about missing modes would not help.
        Collector::new(columns, |now| Some(now.modes))
    }

    /// Bytes per second received and sent, summed over the physical interfaces.
    fn net(root: &Root) -> Collector {
        let (mut interfaces, mut rates) = (Interfaces::new(root), Rates::default());
        Collector::new([("net_rx", "B/s"), ("net_tx", "B/s")], move |now| {
            interfaces.for_each(|name, counts| rates.add_device(name, counts));
            rates.finish(now.at, |devices| interfaces.select_counted(devices))
        })
    }

    /// Bytes per second read and written, summed over the physical disks, and the use of the
    /// fullest file system.
    fn disk(root: &Root) -> Collector {
        let (mut disks, mut rates) = (Disks::new(root), Rates::default());
        let mut filesystems = Filesystems::new(root);
        let columns = [("disk_read", "B/s"), ("disk_write", "B/s"), ("disk_used", "%")];
        Collector::new(columns, move |now| {
            disks.for_each(|name, counts| rates.add_device(name, counts));
            let rates = rates.finish(now.at, |devices| disks.select_counted(devices));
            let used = filesystems.fullest_percent();
            let [read, written] = rates.unwrap_or([f64::NAN; 2]);
            let is_known = rates.is_some() || used.is_some();
            is_known.then_some([read, written, used.unwrap_or(f64::NAN)])
        })
    }

    /// Bytes per second received and sent by each interface.
    fn net_devices(root: &Root, bytes_left: usize) -> Collector {
        let mut interfaces = Interfaces::new(root);
        let names = interfaces.lasting_names();
        let new = DeviceColumns::new(names, &["net_rx_", "net_tx_"], "B/s", bytes_left);
        let mut rates = DeviceRates::new(new.devices);
        let read = move |now: &SystemSnapshot, values: &mut Vec<f64>| {
            interfaces.for_each(|name, counts| rates.add_device(name, counts));
            rates.finish(now.at, values)
        };
        Collector { columns: new.columns, read: Box::new(read) }
    }

    /// Bytes per second read from and written to each physical disk.
    fn disk_devices(root: &Root, bytes_left: usize) -> Collector {
        let mut disks = Disks::new(root);
        let names = disks.counted_names();
        let new = DeviceColumns::new(names, &["disk_read_", "disk_write_"], "B/s", bytes_left);
        let mut rates = DeviceRates::new(new.devices);
        let read = move |now: &SystemSnapshot, values: &mut Vec<f64>| {
            disks.for_each(|name, counts| rates.add_device(name, counts));
            rates.finish(now.at, values)
        };
        Collector { columns: new.columns, read: Box::new(read) }
    }

    /// Use of each file system that can fill up.
    fn filesystems(root: &Root, bytes_left: usize) -> Collector {
        let mut filesystems = Filesystems::new(root);
        let new = DeviceColumns::new(filesystems.points(), &["disk_used_"], "%", bytes_left);
        let points = new.devices;
        let read = move |_: &SystemSnapshot, values: &mut Vec<f64>| {
            filesystems.append_percents(&points, values);
            !points.is_empty()
        };
        Collector { columns: new.columns, read: Box::new(read) }
    }

    /// Share of the last ten seconds in which at least one task waited for CPU, memory or disk.
    /// Own reader: sysinfo has none. Linux only.
    fn pressure(root: &Root) -> Collector {
        let mut files = pressure_files(root);
        Collector::new([("psi_cpu", "%"), ("psi_mem", "%"), ("psi_io", "%")], move |_| {
            let percents = files.each_mut().map(|file| {
                let some = file.read().and_then(|stalls| stalls.some);
                some.map_or(f64::NAN, |some| some.avg10)
            });
            percents.iter().any(|percent| !percent.is_nan()).then_some(percents)
        })
    }
}
