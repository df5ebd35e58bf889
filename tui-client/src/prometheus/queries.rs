//! `PromQL` queries. Pure.
//!
//! A single query returns all columns of all instances: we label each of its parts with the name
//! of its column. The metrics are those of `node_exporter`.

use std::fmt::Write as _;
use std::time::Duration;

use loadline_protocol::Time;

use super::devices::{DeviceFact, DeviceKind, MANY_PREFIXES};

pub(super) struct ColumnQuery {
    pub(super) name: &'static str,
    pub(super) unit: &'static str,
    /// Metric that shows whether an instance has the column.
    metric: Metric<'static>,
    kind: QueryKind,
}

enum QueryKind {
    /// Part of the query with the column's name, made from its metric.
    Expression(fn(&Scope, Metric<'static>) -> String),
    /// Sum of the rates of the counted devices. The query returns the rate of each device.
    Devices(DeviceKind),
    /// Share of these modes in the time of the cores, in percent.
    CpuModes(&'static [&'static str]),
}

/// Name and label matchers of a metric. Each matcher ends with a comma.
type Metric<'a> = (&'a str, &'a str);

const CPU: &str = "node_cpu_seconds_total";
const MEM_TOTAL: Metric<'static> = ("node_memory_MemTotal_bytes", "");
const MEM_AVAILABLE: Metric<'static> = ("node_memory_MemAvailable_bytes", "");
const SWAP_TOTAL: Metric<'static> = ("node_memory_SwapTotal_bytes", "");
const SWAP_FREE: Metric<'static> = ("node_memory_SwapFree_bytes", "");
const LOAD_1: Metric<'static> = ("node_load1", "");
/// The root of a container, which may be an overlay.
const ROOT: &str = "mountpoint=\"/\",\
    fstype!~\"tmpfs|ramfs|rootfs|aufs|squashfs|erofs|cramfs|romfs|iso9660|udf\",";
/// File systems that can fill up, as on an agent: local, and neither in memory nor an image.
const LOCAL: &str = "fstype!~\"tmpfs|devtmpfs|ramfs|rootfs|overlay|aufs|squashfs|erofs|cramfs|romfs|\
    iso9660|udf|efivarfs|autofs|9p|acfs|afs|beegfs|ceph|cifs|coda|davfs|drvfs|fuse([.].+)?|gfs2|\
    glusterfs|gpfs|lustre|ncpfs|nfs.*|ocfs2|orangefs|panfs|prl_fs|pvfs2|smb.*|vboxsf|virtiofs|vmhgfs|\
    wekafs|ecryptfs|shiftfs|unionfs|wrapfs\",\
    mountpoint!~\"/(boot/efi|boot/EFI|boot/firmware|efi|etc/(hostname|hosts|resolv.conf)|\
    (dev|proc|sys)(/.*)?|run/credentials/.+|var/lib/(docker|containers/storage)/.+)\",";

const fn expression(
    name: &'static str,
    unit: &'static str,
    metric: Metric<'static>,
    query: fn(&Scope, Metric<'static>) -> String,
) -> ColumnQuery {
    ColumnQuery { name, unit, metric, kind: QueryKind::Expression(query) }
}

const fn device_rates(name: &'static str, kind: DeviceKind, metric: &'static str) -> ColumnQuery {
    ColumnQuery { name, unit: "B/s", metric: (metric, ""), kind: QueryKind::Devices(kind) }
}

const fn cpu_share(name: &'static str, modes: &'static [&'static str]) -> ColumnQuery {
    // Idle time of one core: enough to see whether an instance has CPU times.
    let metric = (CPU, "cpu=\"0\",mode=\"idle\",");
    ColumnQuery { name, unit: "%", metric, kind: QueryKind::CpuModes(modes) }
}

/// All supported columns, in order.
pub(super) const COLUMNS: &[ColumnQuery] = &[
    cpu_share("cpu", &["user", "nice", "system", "irq", "softirq", "steal"]),
    cpu_share("user", &["user", "nice"]),
    cpu_share("system", &["system", "irq", "softirq"]),
    cpu_share("iowait", &["iowait"]),
    cpu_share("steal", &["steal"]),
    expression("freq", "MHz", ("node_cpu_scaling_frequency_hertz", ""), |of, hertz| {
        // 0 means unknown.
        format!("avg{}({} > 0) / 1e6", of.by(), of.series(hertz))
    }),
    expression("mem", "%", MEM_AVAILABLE, |of, _| {
        format!("100 * (1 - ({}) / {})", available(of), of.max(MEM_TOTAL))
    }),
    expression("load1", "", LOAD_1, Scope::max),
    expression("load5", "", ("node_load5", ""), Scope::max),
    expression("load15", "", ("node_load15", ""), Scope::max),
    expression("mem_used", "B", MEM_AVAILABLE, |of, _| {
        format!("{} - ({})", of.max(MEM_TOTAL), available(of))
    }),
    expression("mem_available", "B", MEM_AVAILABLE, |of, _| available(of)),
    expression("mem_total", "B", MEM_AVAILABLE, |of, _| of.max(MEM_TOTAL)),
    // Without swap, 0 of 0 bytes are used: 0 %, as an agent says.
    expression("swap", "%", SWAP_FREE, |of, left| {
        let used = used(of, left, SWAP_TOTAL);
        format!("100 * ({used}) / ({} > 0) or {used}", of.max(SWAP_TOTAL))
    }),
    expression("swap_used", "B", SWAP_FREE, |of, left| used(of, left, SWAP_TOTAL)),
    device_rates("net_rx", DeviceKind::Interface, "node_network_receive_bytes_total"),
    device_rates("net_tx", DeviceKind::Interface, "node_network_transmit_bytes_total"),
    device_rates("disk_read", DeviceKind::Disk, "node_disk_read_bytes_total"),
    device_rates("disk_write", DeviceKind::Disk, "node_disk_written_bytes_total"),
    expression("disk_used", "%", ("node_filesystem_avail_bytes", ""), |of, _| {
        let (local, root) = (filled_percent(of, LOCAL), filled_percent(of, ROOT));
        let read_only = of.series(("node_filesystem_readonly", ""));
        format!("max{}(({local} or {root}) unless {read_only} == 1)", of.by())
    }),
    expression("psi_cpu", "%", ("node_pressure_cpu_waiting_seconds_total", ""), pressure),
    expression("psi_mem", "%", ("node_pressure_memory_waiting_seconds_total", ""), pressure),
    expression("psi_io", "%", ("node_pressure_io_waiting_seconds_total", ""), pressure),
];

/// Returns the use of each file system. As in `df`, blocks reserved for root are not free.
fn filled_percent(of: &Scope, which: &str) -> String {
    let [size, free, available] = ["size", "free", "avail"]
        .map(|it| of.series((&format!("node_filesystem_{it}_bytes"), which)));
    format!("100 * ({size} - {free}) / ({size} - {free} + {available})")
}

fn used(of: &Scope, left: Metric<'_>, whole: Metric<'_>) -> String {
    format!("{} - {}", of.max(whole), of.max(left))
}

/// Returns the available memory. As on an agent, the ARC of ZFS above its minimum is available too,
/// unless there would be more than the total: then it is of another memory.
fn available(of: &Scope) -> String {
    let [left, total] = [MEM_AVAILABLE, MEM_TOTAL].map(|metric| of.max(metric));
    let [size, minimum] =
        ["node_zfs_arc_size", "node_zfs_arc_c_min"].map(|metric| of.max((metric, "")));
    format!("{left} + clamp_min({size} - {minimum}, 0) <= {total} or {left}")
}

/// Returns the share of the time in percent, from a counter of seconds.
fn pressure(of: &Scope, metric: Metric<'_>) -> String {
    format!("100 * max{}({})", of.by(), of.rate(metric))
}

/// Name of the part with the sample time of each instance, in seconds since 1970.
pub(super) const SAMPLE_TIME: &str = "sampled";

/// Prefix of the parts with CPU modes.
const MODE_PREFIX: &str = "mode.";

/// Maximum number of values in a row: the sample time, each CPU mode and each column.
pub(super) const PARTS_MAX: usize = 1 + MODES.len() + COLUMNS.len();

/// Time range in which an instance must have a sample to be found.
const PRESENCE_RANGE: &str = "10m";

/// Time range of the samples that give the scrape interval.
const RECENT_RANGE: &str = "5m";

/// Selected instances, the labels that distinguish them, and the time range of rates.
#[derive(Debug, Clone)]
pub(super) struct Scope {
    /// Label matchers, each with a trailing comma.
    matchers: String,
    /// Labels of an instance, separated by commas.
    identity: String,
    window_ms: u128,
}

impl Scope {
    /// Selects the instances that match both regular expressions. `None` matches all.
    pub(super) fn matching(instance: Option<&str>, job: Option<&str>) -> Scope {
        let mut matchers = String::new();
        for (label, regex) in [("instance", instance), ("job", job)] {
            if let Some(regex) = regex {
                // Writing to a String cannot fail.
                let _ = write!(matchers, "{label}=~{},", quote(regex));
            }
        }
        Scope { matchers, identity: "instance, job".to_owned(), window_ms: 0 }
    }

    /// Selects the instances with these names, in the same jobs.
    pub(super) fn named<'a>(names: impl Iterator<Item = &'a str>, job: Option<&str>) -> Scope {
        let names: Vec<String> = names.map(exact_regex).collect();
        Scope::matching(Some(&names.join("|")), job)
    }

    /// Sets the labels that distinguish the instances.
    pub(super) fn with_identity(self, labels: &[String]) -> Scope {
        Scope { identity: labels.join(", "), ..self }
    }

    pub(super) fn with_window(self, window: Duration) -> Scope {
        Scope { window_ms: window.as_millis(), ..self }
    }

    fn series(&self, (name, which): Metric<'_>) -> String {
        format!("{name}{{{which}{}}}", self.matchers)
    }

    /// Returns the grouping by instance.
    fn by(&self) -> String {
        format!(" by ({}) ", self.identity)
    }

    fn max(&self, metric: Metric<'_>) -> String {
        format!("max{}({})", self.by(), self.series(metric))
    }

    fn rate(&self, metric: Metric<'_>) -> String {
        format!("rate({}[{}ms])", self.series(metric), self.window_ms)
    }

    /// Returns the query for the columns, cores and memory of each instance.
    pub(super) fn presence(&self) -> String {
        let count = |metric| format!("count{}({})", self.by(), self.last(metric));
        let columns = COLUMNS.iter().map(|column| labelled(&count(column.metric), column.name));
        let cores = labelled(&count((CPU, "mode=\"idle\",")), CORES);
        let memory = labelled(&format!("max{}({})", self.by(), self.last(MEM_TOTAL)), MEMORY);
        columns.chain([cores, memory]).collect::<Vec<_>>().join(" or ")
    }

    fn last(&self, metric: Metric<'_>) -> String {
        format!("last_over_time({}[{PRESENCE_RANGE}])", self.series(metric))
    }

    /// Returns the query for the recent samples of each instance.
    pub(super) fn recent_samples(&self) -> String {
        format!("{}[{RECENT_RANGE}]", self.series(LOAD_1))
    }

    /// Returns the query for the labels of each instance.
    pub(super) fn labels(&self) -> String {
        self.last(LOAD_1)
    }

    /// Returns the query for what the server knows about each network interface and disk.
    pub(super) fn devices(&self) -> String {
        let which = format!("device!~\"({}).*\",", MANY_PREFIXES.join("|"));
        let part = |fact: &DeviceFact| {
            // A bond is listed under the label `master`.
            let (label, which) = match fact {
                DeviceFact::Bond => ("master", ""),
                DeviceFact::Address => ("device, address", &*which),
                _ => ("device", &*which),
            };
            let series = self.last((fact.metric(), which));
            labelled(&format!("max by ({}, {label}) ({series})", self.identity), fact.metric())
        };
        DeviceFact::ALL.iter().map(part).collect::<Vec<_>>().join(" or ")
    }

    /// Returns the query for the rows. `counted` returns the names of the devices of a kind that
    /// count on at least one instance.
    pub(super) fn values<'a>(&self, counted: impl Fn(DeviceKind) -> Vec<&'a str>) -> String {
        // Not aggregated: instances with the same labels have several times.
        let sampled = format!("timestamp({})", self.series(LOAD_1));
        let modes = format!("sum by ({}, mode) ({})", self.identity, self.rate((CPU, "")));
        let modes =
            format!("label_replace({modes}, \"column\", \"{MODE_PREFIX}$1\", \"mode\", \"(.*)\")");
        let columns = COLUMNS.iter().filter_map(|column| match column.kind {
            QueryKind::Expression(query) => {
                Some(labelled(&query(self, column.metric), column.name))
            }
            QueryKind::Devices(kind) => {
                let names: Vec<String> = counted(kind).into_iter().map(exact_regex).collect();
                let which = format!("device=~{},", quote(&names.join("|")));
                let rates = self.rate((column.metric.0, &which));
                let query = format!("sum by ({}, device) ({rates})", self.identity);
                Some(labelled(&query, column.name))
            }
            QueryKind::CpuModes(_) => None,
        });
        let first = [labelled(&sampled, SAMPLE_TIME), modes];
        first.into_iter().chain(columns).collect::<Vec<_>>().join(" or ")
    }
}

/// Name of the part with the number of cores in [`Scope::presence`].
pub(super) const CORES: &str = "cores";

/// Name of the part with the size of the memory in bytes in [`Scope::presence`].
pub(super) const MEMORY: &str = "memory";

/// Labels an expression as a part of a query.
fn labelled(expression: &str, name: &str) -> String {
    format!("label_replace({expression}, \"column\", \"{name}\", \"\", \"\")")
}

fn quote(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Returns a regular expression that matches only `text`.
fn exact_regex(text: &str) -> String {
    let escape = |c: char| (c.is_ascii_punctuation() || c == ' ').then_some('\\');
    text.chars().flat_map(|c| escape(c).into_iter().chain([c])).collect()
}

/// Values of a row, one per part of the query. A CPU mode is summed over all cores.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct PartValues(Vec<f64>);

impl PartValues {
    pub(super) fn unknown() -> PartValues {
        PartValues(vec![f64::NAN; PARTS_MAX])
    }

    /// Returns the kind of devices that a part sums up, if any.
    pub(super) fn device_kind(name: &str) -> Option<DeviceKind> {
        match COLUMNS.iter().find(|column| column.name == name)?.kind {
            QueryKind::Devices(kind) => Some(kind),
            QueryKind::Expression(_) | QueryKind::CpuModes(_) => None,
        }
    }

    /// Returns the position of a part, or `None` if the name is unknown.
    pub(super) fn position(name: &str) -> Option<usize> {
        let modes = MODES.iter().map(|mode| (MODE_PREFIX, *mode));
        let columns = COLUMNS.iter().map(|column| ("", column.name));
        let mut parts = std::iter::once(("", SAMPLE_TIME)).chain(modes).chain(columns);
        parts.position(|(prefix, rest)| name.strip_prefix(prefix) == Some(rest))
    }

    /// Adds a value to a part. A second sample time makes the time unknown: two instances have the
    /// same labels, and their values are mixed.
    pub(super) fn add(&mut self, position: usize, value: f64) {
        let Some(part) = self.0.get_mut(position) else { return };
        *part = match (position, part.is_nan()) {
            (_, true) => value,
            (0, false) => f64::INFINITY,
            (_, false) => *part + value,
        };
    }

    pub(super) fn sampled(&self) -> Option<Time> {
        let seconds = self.0.first().filter(|seconds| seconds.is_finite())?;
        Some(Time::from_millis((seconds * 1000.0).round() as i64))
    }

    /// Returns the value of a column, NaN if unknown.
    pub(super) fn value(&self, column: &ColumnQuery) -> f64 {
        match column.kind {
            QueryKind::Expression(_) | QueryKind::Devices(_) => {
                PartValues::position(column.name).map_or(f64::NAN, |place| self.0[place])
            }
            QueryKind::CpuModes(modes) => {
                let (mut spent, mut all) = (0.0, 0.0);
                // A mode that the system does not report counts as 0.
                let known =
                    MODES.iter().zip(&self.0[1..]).filter(|(_, seconds)| seconds.is_finite());
                for (mode, seconds) in known {
                    all += seconds;
                    spent += if modes.contains(mode) { *seconds } else { 0.0 };
                }
                if all > 0.0 { 100.0 * spent / all } else { f64::NAN }
            }
        }
    }
}

/// CPU modes. The time of guests is part of `user`.
const MODES: &[&str] = &["idle", "iowait", "irq", "nice", "softirq", "steal", "system", "user"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_regex_stays_inside_its_quotes() {
        let scope = Scope::matching(Some(r#"a\.b"} or vector(1)"#), Some("node"));
        assert_eq!(
            scope.labels(),
            r#"last_over_time(node_load1{instance=~"a\\.b\"} or vector(1)",job=~"node",}[10m])"#
        );
    }

    #[test]
    fn exact_names_match_only_themselves() {
        let scope = Scope::named(["web-1:9100", "a|b"].into_iter(), None);
        assert_eq!(scope.matchers, r#"instance=~"web\\-1\\:9100|a\\|b","#);
    }

    #[test]
    fn one_query_covers_all_columns() {
        let scope = Scope::matching(None, None).with_window(Duration::from_mins(1));
        let query = scope.values(|_| vec!["eth0", "a|b"]);
        assert!(query.contains(
            r#"label_replace(max by (instance, job) (node_load1{}), "column", "load1", "", "")"#
        ));
        assert!(query.contains("rate(node_cpu_seconds_total{}[60000ms])"), "{query}");
        assert!(query.contains(
            r#"sum by (instance, job, device) (rate(node_network_transmit_bytes_total{device=~"eth0|a\\|b",}[60000ms]))"#
        ));
        assert!(!query.contains("label_replace(label_replace"), "{query}");
    }

    #[test]
    fn the_cache_of_zfs_is_available_memory() {
        let metric = |name: &str| format!("max by (instance, job) (node_{name}{{}})");
        let left = metric("memory_MemAvailable_bytes");
        let [size, minimum] = [metric("zfs_arc_size"), metric("zfs_arc_c_min")];
        let total = metric("memory_MemTotal_bytes");
        let available = format!("{left} + clamp_min({size} - {minimum}, 0) <= {total} or {left}");
        let query = Scope::matching(None, None).values(|_| Vec::new());
        for (expression, name) in [
            (format!("100 * (1 - ({available}) / {total})"), "mem"),
            (format!("{total} - ({available})"), "mem_used"),
            (available.clone(), "mem_available"),
        ] {
            let part = format!(r#"label_replace({expression}, "column", "{name}", "", "")"#);
            assert!(query.contains(&part), "{query}");
        }
    }

    #[test]
    fn each_part_has_its_own_position() {
        let modes = MODES.iter().map(|mode| format!("mode.{mode}"));
        let columns = COLUMNS.iter().map(|column| column.name.to_owned());
        let names = ["sampled".to_owned()].into_iter();
        let mut positions: Vec<usize> = names
            .chain(modes)
            .chain(columns)
            .map(|name| PartValues::position(&name).unwrap())
            .collect();
        positions.sort_unstable();
        positions.dedup();
        assert_eq!(positions.len(), 1 + MODES.len() + COLUMNS.len());
        assert!(positions.iter().all(|place| *place < PARTS_MAX));
        assert_eq!(
            (PartValues::position("else"), PartValues::position("mode.guest")),
            (None, None)
        );
    }

    #[test]
    fn cpu_columns_are_shares_of_the_time_in_all_modes() {
        let value = |name: &str, set: &[(&str, f64)]| {
            let mut parts = PartValues::unknown();
            for (name, value) in set {
                parts.add(PartValues::position(name).unwrap(), *value);
            }
            parts.value(COLUMNS.iter().find(|column| column.name == name).unwrap())
        };
        let modes = [("mode.idle", 1.0), ("mode.user", 0.5), ("mode.iowait", 0.5)];
        assert_eq!((value("cpu", &modes), value("iowait", &modes)), (25.0, 25.0));
        assert_eq!(value("steal", &modes).to_string(), "0");
        assert!(value("cpu", &[]).is_nan() && value("cpu", &[("mode.user", f64::NAN)]).is_nan());
        assert_eq!(value("load1", &[("load1", 3.0)]).to_string(), "3");
    }

    #[test]
    fn devices_are_summed_and_a_second_sample_time_makes_the_row_unknown() {
        let mut parts = PartValues::unknown();
        for value in [1.0, 2.0] {
            parts.add(PartValues::position("net_rx").unwrap(), value);
        }
        let net_rx = COLUMNS.iter().find(|column| column.name == "net_rx").unwrap();
        assert_eq!(parts.value(net_rx).to_string(), "3");
        assert_eq!(parts.sampled(), None);
        parts.add(0, 7.0);
        assert_eq!(parts.sampled(), Some(Time::from_millis(7000)));
        for _ in 0..2 {
            parts.add(0, 8.0);
            assert_eq!(parts.sampled(), None);
        }
    }
}
