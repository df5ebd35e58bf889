//! How full the main memory is.

use loadline_protocol::Column;
use sysinfo::{MemoryRefreshKind, RefreshKind, System};

use super::Source;

/// The part of the memory that programs cannot get any more.
pub(super) struct Memory {
    system: Option<System>,
}

impl Memory {
    pub(super) fn new() -> Memory {
        Memory { system: read() }
    }
}

impl Source for Memory {
    fn columns(&self) -> Vec<Column> {
        vec![Column::new("mem", "%")]
    }

    fn sample(&mut self, values: &mut Vec<f64>) {
        let used = self.system.as_mut().and_then(|system| {
            system.refresh_memory_specifics(ram());
            percent(system.total_memory(), system.available_memory())
        });
        values.push(used.unwrap_or(f64::NAN));
    }
}

/// The size of the main memory in bytes, where the system tells it.
pub(super) fn total() -> Option<u64> {
    read().map(|system| system.total_memory()).filter(|bytes| *bytes > 0)
}

fn read() -> Option<System> {
    System::new_with_specifics(RefreshKind::nothing().with_memory(ram())).ok()
}

fn ram() -> MemoryRefreshKind {
    MemoryRefreshKind::nothing().with_ram()
}

fn percent(total: u64, available: u64) -> Option<f64> {
    (total > 0).then(|| total.saturating_sub(available) as f64 / total as f64 * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_available_is_in_use() {
        assert_eq!(percent(200, 50), Some(75.0));
        assert_eq!(percent(200, 300), Some(0.0));
        assert_eq!(percent(0, 0), None);
    }
}
