//! How long the machine has been running.

use loadline_protocol::Column;

use super::Part;
use super::moment::Moment;

/// Since the machine was started, the time that it slept included.
pub(super) struct Uptime;

impl Part for Uptime {
    fn columns(&self) -> Vec<Column> {
        vec![Column::new("uptime", "s")]
    }

    fn sample(&mut self, _: &Moment, values: &mut Vec<f64>) -> bool {
        let seconds = seconds();
        values.push(seconds.unwrap_or(f64::NAN));
        seconds.is_some()
    }
}

#[cfg(target_os = "linux")]
#[expect(clippy::unnecessary_wraps, reason = "elsewhere it may not be known")]
fn seconds() -> Option<f64> {
    use rustix::time::{ClockId, clock_gettime};

    let since = clock_gettime(ClockId::Boottime);
    Some(since.tv_sec as f64 + since.tv_nsec as f64 / 1e9)
}

#[cfg(not(target_os = "linux"))]
fn seconds() -> Option<f64> {
    sysinfo::System::uptime().ok().map(|seconds| seconds as f64)
}
