//! How full the swap space is.

use loadline_protocol::Column;

use super::Collector;
use super::snapshot::SystemSnapshot;
use super::system::MemorySizes;

/// The part of the swap space that is in use, and how much that is. Where there is none, none is in
/// use.
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
    fn what_is_not_free_is_in_use() {
        let used = |swap_total, swap_free| {
            let memory = MemorySizes { total: 0, available: 0, swap_total, swap_free };
            used(memory).map(|number| number as u32)
        };
        assert_eq!(used(200, 150), [25, 50]);
        assert_eq!(used(0, 0), [0, 0]);
        assert_eq!(used(5, 10), [0, 0]);
    }
}
