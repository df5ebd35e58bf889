//! Charts of the columns that loadline's agent sends.

use loadline_protocol::Column;

use super::device_charts::is_of_device;
use crate::store::ProcessOrder;

/// Column of a known name: name, legend, and index of its colour in the theme.
pub(super) type KnownColumn = (&'static str, &'static str, usize);

/// Titles and columns of the known charts, in their order on the screen.
pub(super) const KNOWN_CHARTS: &[(&str, &[KnownColumn])] = &[
    ("CPU", &[("cpu", "", 0)]),
    ("Memory", &[("mem", "", 3)]),
    ("Frequency", &[("freq", "", 4)]),
    ("Load", &[("load1", "1m", 0), ("load5", "5m", 1), ("load15", "15m", 2)]),
    ("Network", &[("net_rx", "in", 3), ("net_tx", "out", 1)]),
    ("Disk", &[("disk_read", "read", 4), ("disk_write", "write", 5)]),
    ("Pressure", &[("psi_cpu", "cpu", 0), ("psi_mem", "mem", 3), ("psi_io", "io", 5)]),
    (
        "CPU time",
        &[
            ("user", "user", 0),
            ("system", "system", 1),
            ("iowait", "iowait", 5),
            ("steal", "steal", 2),
        ],
    ),
    (
        "Memory size",
        &[
            ("mem_used", "used", 3),
            ("mem_available", "available", 4),
            ("mem_total", "total", 1),
            ("swap_used", "swap", 2),
        ],
    ),
    ("Swap", &[("swap", "", 2)]),
    ("Disk space", &[("disk_used", "", 5)]),
    ("Temperature", &[("temp", "", 5)]),
    ("Processes", &[("procs", "", 4)]),
    ("Uptime", &[("uptime", "", 1)]),
];

/// Title of the heat map of all cores.
pub(super) const CORES_TITLE: &str = "Cores";

/// Returns the order of the processes that the title of a known chart names.
pub(super) fn process_order(title: &str) -> Option<ProcessOrder> {
    match title {
        "CPU" => Some(ProcessOrder::Cpu),
        "Memory" => Some(ProcessOrder::Memory),
        _ => None,
    }
}

pub(super) fn known_titles() -> impl Iterator<Item = &'static str> {
    KNOWN_CHARTS.iter().map(|(title, _)| *title).chain([CORES_TITLE])
}

/// Returns whether the agent sends a column of this name. Its values are never negative.
pub(super) fn is_known(column: &Column) -> bool {
    let mut names = KNOWN_CHARTS.iter().flat_map(|(_, members)| *members).map(|(name, ..)| *name);
    is_core(column) || is_of_device(column) || names.any(|name| name == column.name())
}

/// Returns whether a column is the utilization of one core: `core0:%`.
pub(super) fn is_core(column: &Column) -> bool {
    column.unit() == "%" && is_numbered(column, "core")
}

/// Returns whether a column's name is the prefix and a number.
pub(super) fn is_numbered(column: &Column, prefix: &str) -> bool {
    let number = column.name().strip_prefix(prefix);
    number.is_some_and(|it| !it.is_empty() && it.bytes().all(|byte| byte.is_ascii_digit()))
}
