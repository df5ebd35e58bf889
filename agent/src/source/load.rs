//! Load averages.

use loadline_protocol::Column;
use sysinfo::System;

use super::Collector;
use super::snapshot::SystemSnapshot;

/// Collector of the load averages over 1, 5 and 15 minutes.
pub(super) struct LoadCollector;

impl Collector for LoadCollector {
    fn columns(&self) -> Vec<Column> {
        ["load1", "load5", "load15"].map(|name| Column::new(name, "")).into()
    }

    fn sample(&mut self, _: &SystemSnapshot, values: &mut Vec<f64>) -> bool {
        // Windows has no load averages, and sysinfo returns zeros.
        let load = System::load_average().ok();
        values.extend(load.map_or([f64::NAN; 3], |load| [load.one, load.five, load.fifteen]));
        true
    }
}
