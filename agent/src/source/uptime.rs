//! Uptime of the machine.

use loadline_protocol::Column;
use sysinfo::System;

use super::Collector;
use super::snapshot::SystemSnapshot;

/// Collector of `uptime`: whole seconds since boot, time in suspension included.
pub(super) struct UptimeCollector;

impl Collector for UptimeCollector {
    fn columns(&self) -> Vec<Column> {
        vec![Column::new("uptime", "s")]
    }

    fn sample(&mut self, _: &SystemSnapshot, values: &mut Vec<f64>) -> bool {
        let seconds = System::uptime().ok();
        values.push(seconds.map_or(f64::NAN, |seconds| seconds as f64));
        seconds.is_some()
    }
}
