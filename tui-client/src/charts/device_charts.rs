//! Charts of single interfaces, disks and file systems, for the columns that loadline's agent sends
//! on request.

use loadline_protocol::Column;

use super::{Chart, ChartLine, LINES_MAX};
use crate::units::ValueFormat;

/// Columns of a device: prefix of the name, unit, title of the chart, legend and colour.
type DeviceColumn = (&'static str, &'static str, &'static str, &'static str, usize);

/// Columns with a chart for each device.
const DEVICE_COLUMNS: [DeviceColumn; 4] = [
    ("net_rx_", "B/s", "Network", "in", 3),
    ("net_tx_", "B/s", "Network", "out", 1),
    ("disk_read_", "B/s", "Disk", "read", 4),
    ("disk_write_", "B/s", "Disk", "write", 5),
];

/// Prefix, unit and chart of file systems, which share charts.
const FILESYSTEM_COLUMN: (&str, &str, &str) = ("disk_used_", "%", "File systems");

/// Returns whether the agent sends such a column for a device.
pub(super) fn is_of_device(column: &Column) -> bool {
    device(column).is_some() || filesystem(column).is_some()
}

fn device(column: &Column) -> Option<(DeviceColumn, &str)> {
    DEVICE_COLUMNS.into_iter().find_map(|entry| {
        let (prefix, unit, ..) = entry;
        let name = column.name().strip_prefix(prefix).filter(|name| !name.is_empty())?;
        (column.unit() == unit).then_some((entry, name))
    })
}

fn filesystem(column: &Column) -> Option<&str> {
    let (prefix, unit, _) = FILESYSTEM_COLUMN;
    column.name().strip_prefix(prefix).filter(|name| !name.is_empty() && column.unit() == unit)
}

/// Returns a chart for each interface and disk, and charts of file systems.
pub(super) fn device_charts(columns: &[Column], formats: &[ValueFormat]) -> Vec<Chart> {
    let mut charts: Vec<Chart> = Vec::new();
    let mut filesystems = Vec::new();
    for (at, column) in columns.iter().enumerate() {
        let line =
            |legend: &str, colour| ChartLine { column: at, legend: legend.to_owned(), colour };
        if let Some(((.., kind, legend, colour), name)) = device(column) {
            let title = format!("{kind} {name}");
            let line = line(legend, colour);
            match charts.iter_mut().find(|chart| chart.title == title) {
                Some(chart) => chart.lines.push(line),
                None => charts.push(Chart::new(&title, vec![line], &formats[at])),
            }
        } else if let Some(name) = filesystem(column) {
            filesystems.push(line(name, filesystems.len() % LINES_MAX));
        }
    }
    charts.extend(filesystems.chunks(LINES_MAX).zip(1..).map(|(lines, number)| {
        let (.., title) = FILESYSTEM_COLUMN;
        let title = if number > 1 { format!("{title} {number}") } else { title.to_owned() };
        Chart::new(&title, lines.to_vec(), &formats[lines[0].column])
    }));
    charts
}
