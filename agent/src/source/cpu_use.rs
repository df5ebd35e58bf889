//! CPU use over several samples.

use std::ops::AddAssign;

/// CPU time in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct CpuUse {
    /// Time in use: of programs, of the kernel, and stolen by other virtual machines.
    pub(crate) busy: f64,
    /// Time that is 100 % in the column `cpu`: of all cores, of those that the container may use, or its
    /// quota.
    pub(crate) capacity: f64,
}

impl CpuUse {
    /// Returns the use that is `percent` of `capacity`.
    pub(super) fn new(percent: f64, capacity: f64) -> CpuUse {
        CpuUse { busy: percent / 100.0 * capacity, capacity }
    }

    /// Returns CPU time in % of the capacity. `None` if it is not known.
    pub(crate) fn percent(self, seconds: f64) -> Option<f64> {
        let is_known = self.busy.is_finite() && self.capacity > 0.0;
        is_known.then(|| (seconds / self.capacity * 100.0).clamp(0.0, 100.0))
    }
}

impl AddAssign for CpuUse {
    /// Adds the use of another time.
    fn add_assign(&mut self, other: CpuUse) {
        self.busy += other.busy;
        self.capacity += other.capacity;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn use_is_the_mean_of_the_samples() {
        let mut cpu_use = CpuUse::default();
        assert_eq!(cpu_use.percent(1.0), None);
        cpu_use += CpuUse::new(100.0, 2.0);
        cpu_use += CpuUse::new(25.0, 4.0);
        assert_eq!(cpu_use, CpuUse { busy: 3.0, capacity: 6.0 });
        assert_eq!(cpu_use.percent(cpu_use.busy), Some(50.0));
        assert_eq!(cpu_use.percent(7.0), Some(100.0));
        cpu_use += CpuUse::new(f64::NAN, 2.0);
        assert_eq!(cpu_use.percent(1.0), None, "an unknown sample");
    }
}
