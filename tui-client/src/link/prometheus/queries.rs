//! What is asked of a server of Prometheus' kind. Pure.
//!
//! All columns of all instances are asked for in one query: each part of it is told apart by a label
//! that we put there. The names are those of `node_exporter`.

use std::fmt::Write as _;
use std::time::Duration;

/// A column: its name and unit, which series tell that an instance has it, and how it is asked for.
pub(super) struct ColumnQuery {
    pub(super) name: &'static str,
    pub(super) unit: &'static str,
    probe: Metric,
    kind: QueryKind,
}

/// How a column comes to its numbers.
enum QueryKind {
    /// By a part of the query that has its name.
    Expression(fn(&Scope) -> String),
    /// As the share of the time that the cores spend in these modes.
    CpuModes(&'static [&'static str]),
}

/// A metric, and which of its series are meant, as matchers with a comma behind.
type Metric = (&'static str, &'static str);

const CPU: Metric = ("node_cpu_seconds_total", "");
/// One core tells as much as all of them.
const CPU_0: Metric = ("node_cpu_seconds_total", "cpu=\"0\",mode=\"idle\",");
const FREQ: Metric = ("node_cpu_scaling_frequency_hertz", "");
const MEM_TOTAL: Metric = ("node_memory_MemTotal_bytes", "");
const MEM_AVAILABLE: Metric = ("node_memory_MemAvailable_bytes", "");
const SWAP_TOTAL: Metric = ("node_memory_SwapTotal_bytes", "");
const SWAP_FREE: Metric = ("node_memory_SwapFree_bytes", "");
const LOAD_1: Metric = ("node_load1", "");
const LOAD_5: Metric = ("node_load5", "");
const LOAD_15: Metric = ("node_load15", "");
// What leads out of the machine, and not from one part of it to another.
const NET_RECEIVED: Metric =
    ("node_network_receive_bytes_total", "device!~\"lo|veth.*|docker.*|br-.*\",");
const NET_SENT: Metric =
    ("node_network_transmit_bytes_total", "device!~\"lo|veth.*|docker.*|br-.*\",");
// A disk that lies in another one would count twice.
const DISK_READ: Metric =
    ("node_disk_read_bytes_total", "device!~\"loop.*|ram.*|zram.*|dm-.*|md.*\",");
const DISK_WRITTEN: Metric =
    ("node_disk_written_bytes_total", "device!~\"loop.*|ram.*|zram.*|dm-.*|md.*\",");
const ROOT_SIZE: Metric = ("node_filesystem_size_bytes", "mountpoint=\"/\",");
const ROOT_FREE: Metric = ("node_filesystem_free_bytes", "mountpoint=\"/\",");
const ROOT_AVAILABLE: Metric = ("node_filesystem_avail_bytes", "mountpoint=\"/\",");
const PSI_CPU: Metric = ("node_pressure_cpu_waiting_seconds_total", "");
const PSI_MEM: Metric = ("node_pressure_memory_waiting_seconds_total", "");
const PSI_IO: Metric = ("node_pressure_io_waiting_seconds_total", "");

const fn expression(
    name: &'static str,
    unit: &'static str,
    probe: Metric,
    query: fn(&Scope) -> String,
) -> ColumnQuery {
    ColumnQuery { name, unit, probe, kind: QueryKind::Expression(query) }
}

const fn cpu_share(name: &'static str, modes: &'static [&'static str]) -> ColumnQuery {
    ColumnQuery { name, unit: "%", probe: CPU_0, kind: QueryKind::CpuModes(modes) }
}

/// The columns that there may be, in their order.
pub(super) const COLUMNS: &[ColumnQuery] = &[
    cpu_share("cpu", &["user", "nice", "system", "irq", "softirq", "steal"]),
    cpu_share("user", &["user", "nice"]),
    cpu_share("system", &["system", "irq", "softirq"]),
    cpu_share("iowait", &["iowait"]),
    cpu_share("steal", &["steal"]),
    expression("freq", "MHz", FREQ, |of| format!("avg{BY}({}) / 1e6", of.series(FREQ))),
    expression("mem", "%", MEM_AVAILABLE, |of| used_percent(of, MEM_AVAILABLE, MEM_TOTAL)),
    expression("load1", "", LOAD_1, |of| of.max(LOAD_1)),
    expression("load5", "", LOAD_5, |of| of.max(LOAD_5)),
    expression("load15", "", LOAD_15, |of| of.max(LOAD_15)),
    expression("mem_used", "B", MEM_AVAILABLE, |of| {
        format!("{} - {}", of.max(MEM_TOTAL), of.max(MEM_AVAILABLE))
    }),
    expression("mem_available", "B", MEM_AVAILABLE, |of| of.max(MEM_AVAILABLE)),
    expression("mem_total", "B", MEM_TOTAL, |of| of.max(MEM_TOTAL)),
    expression("swap", "%", SWAP_FREE, |of| used_percent(of, SWAP_FREE, SWAP_TOTAL)),
    expression("swap_used", "B", SWAP_FREE, |of| {
        format!("{} - {}", of.max(SWAP_TOTAL), of.max(SWAP_FREE))
    }),
    expression("net_rx", "B/s", NET_RECEIVED, |of| format!("sum{BY}({})", of.rate(NET_RECEIVED))),
    expression("net_tx", "B/s", NET_SENT, |of| format!("sum{BY}({})", of.rate(NET_SENT))),
    expression("disk_read", "B/s", DISK_READ, |of| format!("sum{BY}({})", of.rate(DISK_READ))),
    expression("disk_write", "B/s", DISK_WRITTEN, |of| {
        format!("sum{BY}({})", of.rate(DISK_WRITTEN))
    }),
    // As df has it: what is kept for root is not free.
    expression("disk_used", "%", ROOT_AVAILABLE, |of| {
        let used = format!("({} - {})", of.max(ROOT_SIZE), of.max(ROOT_FREE));
        format!("100 * {used} / ({used} + {})", of.max(ROOT_AVAILABLE))
    }),
    expression("psi_cpu", "%", PSI_CPU, |of| format!("100 * max{BY}({})", of.rate(PSI_CPU))),
    expression("psi_mem", "%", PSI_MEM, |of| format!("100 * max{BY}({})", of.rate(PSI_MEM))),
    expression("psi_io", "%", PSI_IO, |of| format!("100 * max{BY}({})", of.rate(PSI_IO))),
];

/// The part that tells when the values of an instance were sampled, seconds since 1970.
pub(super) const SAMPLE_TIME: &str = "sampled";

/// What the parts of the modes begin with.
const MODE_PREFIX: &str = "mode.";

/// How many numbers a row is made of, at most: when it was sampled, each mode and each column.
pub(super) const PARTS_MAX: usize = 1 + MODES.len() + COLUMNS.len();

/// An instance is found if it was seen in so long a time.
const PRESENCE_RANGE: &str = "10m";

/// So much time tells how often an instance is sampled.
const RECENT_RANGE: &str = "5m";

/// An instance is one of a job, whatever other labels there are.
const BY: &str = " by (instance, job) ";

/// Of what there is left of a whole, what is taken, in percent.
fn used_percent(of: &Scope, left: Metric, whole: Metric) -> String {
    format!("100 * (1 - {} / {})", of.max(left), of.max(whole))
}

/// Which instances are meant, and over which time rates are taken.
#[derive(Debug, Clone, Default)]
pub(super) struct Scope {
    /// Matchers, each with a comma behind.
    matchers: String,
    window_ms: u128,
}

impl Scope {
    /// Those that both expressions match; all, where there is none.
    pub(super) fn matching(instance: Option<&str>, job: Option<&str>) -> Scope {
        let mut matchers = String::new();
        for (label, regex) in [("instance", instance), ("job", job)] {
            if let Some(regex) = regex {
                // Writing to a String does not fail.
                let _ = write!(matchers, "{label}=~{},", quote(regex));
            }
        }
        Scope { matchers, window_ms: 0 }
    }

    /// Only those of these names, still of the same jobs.
    pub(super) fn named<'a>(names: impl Iterator<Item = &'a str>, job: Option<&str>) -> Scope {
        let names: Vec<String> = names.map(exact_regex).collect();
        Scope::matching(Some(&names.join("|")), job)
    }

    /// With rates over so long a time.
    pub(super) fn with_window(self, window: Duration) -> Scope {
        Scope { window_ms: window.as_millis(), ..self }
    }

    fn series(&self, (name, which): Metric) -> String {
        format!("{name}{{{which}{}}}", self.matchers)
    }

    fn max(&self, metric: Metric) -> String {
        format!("max{BY}({})", self.series(metric))
    }

    fn rate(&self, metric: Metric) -> String {
        format!("rate({}[{}ms])", self.series(metric), self.window_ms)
    }

    /// What there is of each instance: its columns, and how many cores it has.
    pub(super) fn presence(&self) -> String {
        let count_recent = |metric| {
            format!("count{BY}(last_over_time({}[{PRESENCE_RANGE}]))", self.series(metric))
        };
        let mut parts: Vec<String> = COLUMNS
            .iter()
            .map(|column| labelled(&count_recent(column.probe), column.name))
            .collect();
        let cores = ("node_cpu_seconds_total", "mode=\"idle\",");
        parts.push(labelled(&count_recent(cores), CORES));
        let memory = self.series(MEM_TOTAL);
        let memory = format!("max{BY}(last_over_time({memory}[{PRESENCE_RANGE}]))");
        parts.push(labelled(&memory, MEMORY));
        parts.join(" or ")
    }

    /// When each instance was sampled of late.
    pub(super) fn recent_samples(&self) -> String {
        format!("{}[{RECENT_RANGE}]", self.series(LOAD_1))
    }

    /// Which instances there are at all.
    pub(super) fn names(&self) -> String {
        format!("count{BY}(last_over_time({}[{PRESENCE_RANGE}]))", self.series(LOAD_1))
    }

    /// The values of all columns.
    pub(super) fn values(&self) -> String {
        let sampled = format!("max{BY}(timestamp({}))", self.series(LOAD_1));
        let modes = format!("sum by (instance, job, mode) ({})", self.rate(CPU));
        let mut parts = vec![
            labelled(&sampled, SAMPLE_TIME),
            format!("label_replace({modes}, \"column\", \"{MODE_PREFIX}$1\", \"mode\", \"(.*)\")"),
        ];
        for column in COLUMNS {
            if let QueryKind::Expression(query) = column.kind {
                parts.push(labelled(&query(self), column.name));
            }
        }
        parts.join(" or ")
    }
}

/// What [`Scope::presence`] calls the number of cores.
pub(super) const CORES: &str = "cores";

/// What it calls the size of the memory.
pub(super) const MEMORY: &str = "memory";

/// A part of a query that is told apart from the others.
fn labelled(expression: &str, name: &str) -> String {
    format!("label_replace({expression}, \"column\", \"{name}\", \"\", \"\")")
}

/// A text as a query has it.
fn quote(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// An expression that matches this text and no other.
fn exact_regex(text: &str) -> String {
    let mut expression = String::new();
    for c in text.chars() {
        if c.is_ascii() && !c.is_ascii_alphanumeric() && !c.is_ascii_control() {
            expression.push('\\');
        }
        expression.push(c);
    }
    expression
}

/// Where the numbers of a row stand by the name of their part; the modes of the cores as one.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct PartValues(Vec<f64>);

impl PartValues {
    /// None of them known.
    pub(super) fn unknown() -> PartValues {
        PartValues(vec![f64::NAN; PARTS_MAX])
    }

    /// The place of a part, if it is one of ours.
    pub(super) fn position(name: &str) -> Option<usize> {
        if name == SAMPLE_TIME {
            return Some(0);
        }
        if let Some(mode) = name.strip_prefix(MODE_PREFIX) {
            return MODES.iter().position(|known| *known == mode).map(|at| 1 + at);
        }
        let at = COLUMNS.iter().position(|column| column.name == name)?;
        Some(1 + MODES.len() + at)
    }

    pub(super) fn set(&mut self, position: usize, value: f64) {
        if let Some(part) = self.0.get_mut(position) {
            *part = value;
        }
    }

    /// When the values were sampled, milliseconds.
    pub(super) fn sampled_ms(&self) -> Option<i64> {
        self.0.first().filter(|seconds| seconds.is_finite()).map(|it| (it * 1000.0).round() as i64)
    }

    /// The value of a column.
    pub(super) fn value(&self, column: &ColumnQuery) -> f64 {
        match column.kind {
            QueryKind::Expression(_) => {
                PartValues::position(column.name).map_or(f64::NAN, |place| self.0[place])
            }
            QueryKind::CpuModes(modes) => {
                // A mode that the system does not tell takes no time.
                let sum = |modes: &[&str]| -> f64 {
                    let known = |mode: &&str| PartValues::position(&format!("{MODE_PREFIX}{mode}"));
                    let spent = modes.iter().filter_map(known).map(|position| self.0[position]);
                    spent
                        .filter(|seconds| seconds.is_finite())
                        .fold(0.0, |all, seconds| all + seconds)
                };
                let all = sum(MODES);
                if all > 0.0 { 100.0 * sum(modes) / all } else { f64::NAN }
            }
        }
    }
}

/// What a core spends its time with. The time of guests is in that of users.
const MODES: &[&str] = &["idle", "iowait", "irq", "nice", "softirq", "steal", "system", "user"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_stays_inside_its_quotes() {
        let scope = Scope::matching(Some(r#"a\.b"} or vector(1)"#), Some("node"));
        assert_eq!(
            scope.names(),
            r#"count by (instance, job) (last_over_time(node_load1{instance=~"a\\.b\"} or vector(1)",job=~"node",}[10m]))"#
        );
    }

    #[test]
    fn names_match_themselves_only() {
        let scope = Scope::named(["web-1:9100", "a|b"].into_iter(), None);
        assert_eq!(scope.matchers, r#"instance=~"web\\-1\\:9100|a\\|b","#);
    }

    #[test]
    fn all_columns_are_asked_for_at_once() {
        let scope = Scope::matching(None, None).with_window(Duration::from_mins(1));
        let query = scope.values();
        assert!(query.contains(
            r#"label_replace(100 * (1 - max by (instance, job) (node_memory_MemAvailable_bytes{}) / max by (instance, job) (node_memory_MemTotal_bytes{})), "column", "mem", "", "")"#
        ));
        assert!(query.contains("rate(node_cpu_seconds_total{}[60000ms])"), "{query}");
        assert!(!query.contains("label_replace(label_replace"), "{query}");
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
    fn a_share_is_that_of_all_time_that_was_spent() {
        let value = |name: &str, set: &[(&str, f64)]| {
            let mut parts = PartValues::unknown();
            for (name, value) in set {
                parts.set(PartValues::position(name).unwrap(), *value);
            }
            parts.value(COLUMNS.iter().find(|column| column.name == name).unwrap())
        };
        let modes = [("mode.idle", 1.0), ("mode.user", 0.5), ("mode.iowait", 0.5)];
        assert_eq!((value("cpu", &modes), value("iowait", &modes)), (25.0, 25.0));
        assert_eq!(value("steal", &modes).to_string(), "0");
        assert!(value("cpu", &[]).is_nan() && value("cpu", &[("mode.user", f64::NAN)]).is_nan());
        assert_eq!(value("load1", &[("load1", 3.0)]).to_string(), "3");
    }
}
