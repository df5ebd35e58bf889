//! CPU use of all cores together.

use loadline_protocol::Column;

use super::Collector;
use super::snapshot::SystemSnapshot;

/// Collector of `cpu`: use of all cores since the previous sample.
pub(super) struct CpuUsageCollector;

impl Collector for CpuUsageCollector {
    fn columns(&self) -> Vec<Column> {
        vec![Column::new("cpu", "%")]
    }

    fn sample(&mut self, now: &SystemSnapshot, values: &mut Vec<f64>) -> bool {
        values.push(now.cpu);
        true
    }
}
