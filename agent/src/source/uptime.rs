//! How long the machine has been running.

use loadline_protocol::Column;
use sysinfo::System;

use super::Part;
use super::moment::Moment;

/// Whole seconds since the machine was started, the time that it slept included.
pub(super) struct Uptime;

impl Part for Uptime {
    fn columns(&self) -> Vec<Column> {
        vec![Column::new("uptime", "s")]
    }

    fn sample(&mut self, _: &Moment, values: &mut Vec<f64>) -> bool {
        let seconds = System::uptime().ok();
        values.push(seconds.map_or(f64::NAN, |seconds| seconds as f64));
        seconds.is_some()
    }
}
