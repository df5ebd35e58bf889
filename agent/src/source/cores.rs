//! CPU use of each core.

use loadline_protocol::Column;

use super::Collector;
use super::snapshot::SystemSnapshot;

/// Collector of `core0 … coreN`: a column for each core of the machine, offline cores included.
pub(super) struct CoresCollector {
    count: usize,
}

impl CoresCollector {
    pub(super) fn new(count: usize) -> CoresCollector {
        CoresCollector { count }
    }
}

impl Collector for CoresCollector {
    fn columns(&self) -> Vec<Column> {
        (0..self.count).map(|core| Column::new(&format!("core{core}"), "%")).collect()
    }

    fn sample(&mut self, now: &SystemSnapshot, values: &mut Vec<f64>) -> bool {
        values.extend(&now.cores);
        true
    }
}
