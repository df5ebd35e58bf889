//! CPU use of all cores together.

use loadline_protocol::Column;

use super::Part;
use super::moment::Moment;

/// CPU use of all cores since the previous sample.
pub(super) struct Busy;

impl Part for Busy {
    fn columns(&self) -> Vec<Column> {
        vec![Column::new("cpu", "%")]
    }

    fn sample(&mut self, now: &Moment, values: &mut Vec<f64>) -> bool {
        values.push(now.cpu);
        true
    }
}
