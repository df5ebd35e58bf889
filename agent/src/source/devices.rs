//! Columns of single devices, on request: names, and rates of their counters.
//!
//! A stream has the same columns for the whole run. Devices found at its start keep their columns,
//! and are NaN while they are gone.

use std::collections::HashSet;

use loadline_protocol::Column;
use tokio::time::Instant;

/// Maximum number of devices of a kind with columns. More do not fit a screen, and interfaces of
/// containers come by the hundred.
const DEVICES_MAX: usize = 32;

/// Maximum length of a device name in a column name. Mount points may have thousands of characters.
const NAME_CHARS_MAX: usize = 48;

/// Devices with their columns.
#[derive(Debug, Default)]
pub(super) struct DeviceColumns {
    pub(super) columns: Vec<Column>,
    /// Names of the devices, as the system writes them.
    pub(super) devices: Vec<String>,
}

impl DeviceColumns {
    /// Returns a column for each device and prefix: `net_rx_eth0`. Names of columns are unique. The
    /// first devices have precedence: the columns need at most `room` bytes in a columns note.
    /// Devices without a column are logged.
    pub(super) fn new(
        devices: Vec<String>,
        prefixes: &[&str],
        unit: &str,
        mut room: usize,
    ) -> DeviceColumns {
        let (mut new, mut taken, mut left_out) =
            (DeviceColumns::default(), HashSet::new(), Vec::new());
        for device in devices {
            let name = unique_name(&device, &mut taken);
            let columns =
                prefixes.iter().map(|prefix| Column::new(&format!("{prefix}{name}"), unit));
            let columns: Vec<Column> = columns.collect();
            let bytes = columns.iter().map(text_bytes).sum();
            match room.checked_sub(bytes).filter(|_| new.devices.len() < DEVICES_MAX) {
                Some(rest) => {
                    room = rest;
                    new.columns.extend(columns);
                    new.devices.push(device);
                }
                None => left_out.push(name),
            }
        }
        if !left_out.is_empty() {
            let (count, names) = (left_out.len(), left_out[..left_out.len().min(8)].join(" "));
            let prefix = prefixes.first().unwrap_or(&"");
            tracing::warn!(count, names, "too many devices: these have no column {prefix}…");
        }
        new
    }
}

/// Returns the number of bytes of a column in a columns note.
pub(super) fn text_bytes(column: &Column) -> usize {
    column.to_string().len() + 1
}

/// Returns the end of a device's name as a part of a column name, with a number if it is taken.
fn unique_name(device: &str, taken: &mut HashSet<String>) -> String {
    let start = device.chars().count().saturating_sub(NAME_CHARS_MAX);
    let end: String = device.chars().skip(start).collect();
    let safe = Column::new(&end, "").name().to_owned();
    let numbered = (2..).map(|number| format!("{safe}_{number}"));
    let mut names = std::iter::once(safe.clone()).chain(numbered);
    names.find(|name| taken.insert(name.clone())).unwrap_or(safe)
}

/// Rates of two counters of each device.
#[derive(Debug)]
pub(super) struct DeviceRates {
    devices: Vec<ColumnCounters>,
    last: Option<Instant>,
}

#[derive(Debug)]
struct ColumnCounters {
    name: String,
    /// Counters at the previous sample. `None` if the device was gone.
    last: Option<[u64; 2]>,
    /// Counters at this sample.
    now: Option<[u64; 2]>,
}

impl DeviceRates {
    pub(super) fn new(devices: Vec<String>) -> DeviceRates {
        let device = |name| ColumnCounters { name, last: None, now: None };
        DeviceRates { devices: devices.into_iter().map(device).collect(), last: None }
    }

    /// Adds the counters of a device. Call once for each device and sample.
    pub(super) fn add_device(&mut self, name: &str, counts: [u64; 2]) {
        if let Some(device) = self.devices.iter_mut().find(|device| device.name == name) {
            device.now = Some(counts);
        }
    }

    /// Ends a sample, and appends the increases per second since the previous one. NaN for a device
    /// that is new, gone or has counted back. Returns whether there is any device.
    pub(super) fn finish(&mut self, at: Instant, values: &mut Vec<f64>) -> bool {
        let passed = self.last.replace(at).map(|last| at.saturating_duration_since(last));
        let seconds = passed.map_or(0.0, |passed| passed.as_secs_f64());
        for device in &mut self.devices {
            let now = device.now.take();
            let before = std::mem::replace(&mut device.last, now);
            let counts = before.zip(now).filter(|_| seconds > 0.0);
            values.extend([0, 1].map(|at| {
                let increase = counts.and_then(|(before, now)| now[at].checked_sub(before[at]));
                increase.map_or(f64::NAN, |increase| increase as f64 / seconds)
            }));
        }
        !self.devices.is_empty()
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests;
