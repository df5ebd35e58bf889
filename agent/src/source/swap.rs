//! Use of the swap space.

use loadline_protocol::Column;

use super::Collector;
use super::snapshot::SystemSnapshot;
use super::system::MemorySizes;

/// Collector of used swap space, in % and in bytes. Both are 0 without swap space.
pub(super) struct SwapCollector;

impl Collector for SwapCollector {
    fn columns(&self) -> Vec<Column> {
        vec![Column::new("swap", "%"), Column::new("swap_used", "B")]
    }

    fn sample(&mut self, now: &SystemSnapshot, values: &mut Vec<f64>) -> bool {
        values.extend(now.memory.map_or([f64::NAN; 2], used));
        now.memory.is_some()
    }
}

fn used(memory: MemorySizes) -> [f64; 2] {
    let used = memory.swap_total.saturating_sub(memory.swap_free) as f64;
    [if memory.swap_total > 0 { used / memory.swap_total as f64 * 100.0 } else { 0.0 }, used]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn used_swap_is_total_minus_free() {
        let used = |swap_total, swap_free| {
            let memory = MemorySizes { total: 0, available: 0, swap_total, swap_free };
            used(memory).map(|number| number as u32)
        };
        assert_eq!(used(200, 150), [25, 50]);
        assert_eq!(used(0, 0), [0, 0]);
        assert_eq!(used(5, 10), [0, 0]);
    }
}
