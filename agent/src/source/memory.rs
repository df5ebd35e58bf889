//! Use of the main memory.

use loadline_protocol::Column;

use super::Collector;
use super::snapshot::SystemSnapshot;
use super::system::MemorySizes;

/// Collector of `mem`: memory that is not available to programs, in % of the total.
pub(super) struct MemoryPercentCollector;

/// Collector of used, available and total memory in bytes.
pub(super) struct MemoryBytesCollector;

impl Collector for MemoryPercentCollector {
    fn columns(&self) -> Vec<Column> {
        vec![Column::new("mem", "%")]
    }

    fn sample(&mut self, now: &SystemSnapshot, values: &mut Vec<f64>) -> bool {
        values.push(now.memory.and_then(MemorySizes::percent).unwrap_or(f64::NAN));
        true
    }
}

impl Collector for MemoryBytesCollector {
    fn columns(&self) -> Vec<Column> {
        ["mem_used", "mem_available", "mem_total"].map(|name| Column::new(name, "B")).into()
    }

    fn sample(&mut self, now: &SystemSnapshot, values: &mut Vec<f64>) -> bool {
        let amounts = now.memory.map(|memory| [memory.used(), memory.available, memory.total]);
        values.extend(amounts.map_or([f64::NAN; 3], |amounts| amounts.map(|bytes| bytes as f64)));
        amounts.is_some()
    }
}

impl MemorySizes {
    // sysinfo's `used_memory()` overflows if more is available than the total.
    fn used(self) -> u64 {
        self.total.saturating_sub(self.available)
    }

    fn percent(self) -> Option<f64> {
        (self.total > 0).then(|| self.used() as f64 / self.total as f64 * 100.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn used_memory_is_total_minus_available() {
        let percent = |total, available| {
            MemorySizes { total, available, swap_total: 0, swap_free: 0 }.percent()
        };
        assert_eq!(percent(200, 50), Some(75.0));
        assert_eq!(percent(200, 300), Some(0.0));
        assert_eq!(percent(0, 0), None);
        assert_eq!(percent(u64::MAX, 0), Some(100.0));
        assert_eq!(percent(1, u64::MAX), Some(0.0));
    }
}
