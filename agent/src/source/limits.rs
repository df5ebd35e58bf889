//! What a container may have: the limits of its control group. Own reader: sysinfo has no CPU limit, and
//! no use of it.
//!
//! They are those of process 1 as this one sees it. In a container, that is the container. On the
//! machine itself it is the machine, whatever the service that runs the agent may have.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use loadline_protocol::CpuLimit;

use self::cgroups::{CpuCgroup, MemoryCgroup, cpu_cgroups, memory_cgroups};
use super::{system, topology};

mod cgroups;

/// Limits are changed while a container runs, but seldom.
const REFRESH_INTERVAL: Duration = Duration::from_mins(1);

/// What is used of limits, where there are any.
pub(super) struct ContainerLimits {
    /// From the innermost group outwards: each of them may limit.
    cpu: Vec<CpuCgroup>,
    memory: Vec<MemoryCgroup>,
    /// What there is: more than that is no limit.
    capacity: HostCapacity,
    refreshed_at: Option<Instant>,
    /// Which group limits, and to what.
    cpu_limit: Option<(usize, CpuLimit)>,
    memory_limit: Option<(usize, u64)>,
    /// When the limited group had used how much: in all, by programs, and by the kernel for them, ns.
    last: Option<(Instant, [u64; 3])>,
}

/// What a machine has.
#[derive(Debug, Clone, Copy)]
pub(super) struct HostCapacity {
    pub(super) cores: u32,
    pub(super) memory: u64,
}

impl ContainerLimits {
    pub(super) fn new() -> ContainerLimits {
        let memory = system::total_memory().unwrap_or(u64::MAX);
        let cores = topology::logical_cores().unwrap_or(u32::MAX);
        ContainerLimits::of(Path::new("/"), HostCapacity { cores, memory })
    }

    /// Of a machine whose files are below this folder.
    pub(super) fn of(root: &Path, capacity: HostCapacity) -> ContainerLimits {
        ContainerLimits {
            cpu: cpu_cgroups(root),
            memory: memory_cgroups(root),
            capacity,
            refreshed_at: None,
            cpu_limit: None,
            memory_limit: None,
            last: None,
        }
    }

    /// Sees what the limits are, if that was long ago.
    pub(super) fn refresh(&mut self, at: Instant) {
        let is_fresh = |refreshed_at| at.saturating_duration_since(refreshed_at) < REFRESH_INTERVAL;
        if self.refreshed_at.is_some_and(is_fresh) {
            return;
        }
        self.refreshed_at = Some(at);
        let all = self.capacity.cores.saturating_mul(1000);
        let cpu = self.cpu.iter_mut().map(CpuCgroup::limit).enumerate();
        let cpu = cpu.filter_map(|(group, limit)| Some((group, limit.filter(|it| it.0 < all)?)));
        let cpu = cpu.min_by_key(|(_, limit)| limit.0);
        if cpu.map(|(group, _)| group) != self.cpu_limit.map(|(group, _)| group) {
            self.last = None;
        }
        self.cpu_limit = cpu;
        let memory = self.memory.iter_mut().map(MemoryCgroup::limit).enumerate();
        let is_less = |bytes: &u64| *bytes < self.capacity.memory;
        let memory = memory.filter_map(|(group, limit)| Some((group, limit.filter(is_less)?)));
        self.memory_limit = memory.min_by_key(|(_, limit)| *limit);
    }

    /// How many cores there are to be had.
    pub(super) fn cpu_limit(&self) -> Option<CpuLimit> {
        self.cpu_limit.map(|(_, limit)| limit)
    }

    /// How many bytes there are to be had.
    pub(super) fn memory_limit(&self) -> Option<u64> {
        self.memory_limit.map(|(_, limit)| limit)
    }

    /// If there is a limit: how much of it was used since this was asked the last time, %: in all, by
    /// programs, and by the kernel for them.
    pub(super) fn cpu_use(&mut self, at: Instant) -> Option<[f64; 3]> {
        let (group, limit) = self.cpu_limit?;
        let used = self.cpu.get_mut(group)?.used();
        let last = self.last.take();
        self.last = used.map(|used| (at, used));
        let percents = last.zip(used).and_then(|((since, before), used)| {
            percents(before, used, at.saturating_duration_since(since), limit)
        });
        Some(percents.unwrap_or([f64::NAN; 3]))
    }

    /// If there is a limit: the bytes in use, and the limit.
    pub(super) fn memory_use(&mut self) -> Option<(u64, u64)> {
        let (group, limit) = self.memory_limit?;
        Some((self.memory.get_mut(group)?.used()?, limit))
    }
}

/// `None` if no time has passed, or a counter went back.
fn percents(
    before: [u64; 3],
    used: [u64; 3],
    passed: Duration,
    limit: CpuLimit,
) -> Option<[f64; 3]> {
    let capacity_ns = passed.as_secs_f64() * limit.cores() * 1e9;
    let mut percents = [f64::NAN; 3];
    for (percent, (used, before)) in percents.iter_mut().zip(used.into_iter().zip(before)) {
        // What is left of one period may be used in the next: for a moment it can be more than all.
        *percent = (used.checked_sub(before)? as f64 / capacity_ns * 100.0).min(100.0);
    }
    (capacity_ns > 0.0).then_some(percents)
}

#[cfg(test)]
mod tests;
