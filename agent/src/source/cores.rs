//! CPU use of each core.

use loadline_protocol::Column;

use super::Part;
use super::moment::Moment;

/// A column for each core that the machine has, whether it is online or not.
pub(super) struct Cores {
    count: usize,
}

impl Cores {
    pub(super) fn new(count: usize) -> Cores {
        Cores { count }
    }
}

impl Part for Cores {
    fn columns(&self) -> Vec<Column> {
        (0..self.count).map(|core| Column::new(&format!("core{core}"), "%")).collect()
    }

    fn sample(&mut self, now: &Moment, values: &mut Vec<f64>) -> bool {
        values.extend(&now.cores);
        true
    }
}
