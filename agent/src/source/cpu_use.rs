//! CPU use over any time, in % of the same as the column `cpu`. Linux only.

use rustix::param::clock_ticks_per_second;
use tokio::time::Instant;

use super::limits::ContainerLimits;
use super::modes::CpuModesReader;
use crate::kernel::root::Root;

/// CPU use since the previous one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct CpuUse {
    /// User, system and steal, in % of the capacity.
    pub(crate) percent: f64,
    /// Ticks that are 100 %: of all cores, of those that the container may use, or of its quota.
    pub(crate) capacity_ticks: f64,
}

/// Reader of the CPU use, with the limits of the container.
pub(crate) struct CpuUseReader {
    modes: CpuModesReader,
    limits: ContainerLimits,
    last: Instant,
}

impl CpuUseReader {
    pub(crate) fn new(root: &Root) -> CpuUseReader {
        let (modes, limits) = (CpuModesReader::new(root), ContainerLimits::new(root));
        CpuUseReader { modes, limits, last: Instant::now() }
    }

    /// Returns the use since the previous call. `None` if it is not known.
    pub(crate) fn read(&mut self, at: Instant) -> Option<CpuUse> {
        let passed = at.saturating_duration_since(std::mem::replace(&mut self.last, at));
        self.limits.refresh(at);
        self.modes.set_cores(self.limits.cores());
        let modes = self.modes.shares_and_ticks();
        if let Some([percent, ..]) = self.limits.cpu_use(at) {
            let cores = self.limits.cpu_limit()?.cores();
            let capacity_ticks = passed.as_secs_f64() * cores * clock_ticks_per_second() as f64;
            return (!percent.is_nan()).then_some(CpuUse { percent, capacity_ticks });
        }
        let ([user, system, _, steal], ticks) = modes?;
        let percent = (user + system + steal).min(100.0);
        Some(CpuUse { percent, capacity_ticks: ticks as f64 })
    }
}
