//! CPU and memory limits of the container. Own reader: sysinfo has no CPU limit, and no CPU use of
//! the container.
//!
//! The limits are those of the cgroup of process 1, as this process sees it: in a container, the
//! container's. On the machine itself there are none, even if the agent's own service has limits.

use std::time::Duration;

use loadline_protocol::CpuLimit;
use tokio::time::Instant;

use super::{system, topology};
use crate::kernel::cgroups::{CpuCgroup, MemoryCgroup, cpu_cgroups, memory_cgroups};
use crate::kernel::root::Root;

/// Limits may change while a container runs, but rarely do.
const REFRESH_INTERVAL: Duration = Duration::from_mins(1);

/// Container limits, and the use of the limited cgroups.
pub(super) struct ContainerLimits {
    /// Cgroups from the innermost outwards. Each of them may have a limit.
    cpu: Vec<CpuCgroup>,
    memory: Vec<MemoryCgroup>,
    /// A limit above the capacity of the host is no limit.
    capacity: HostCapacity,
    refreshed_at: Option<Instant>,
    /// Position of the cgroup with the lowest limit, and the limit.
    cpu_limit: Option<(usize, CpuLimit)>,
    memory_limit: Option<(usize, u64)>,
    /// Time and CPU use of the limited cgroup at the last call: total, user and system, ns.
    last: Option<(Instant, [u64; 3])>,
}

/// Capacity of the host.
#[derive(Debug, Clone, Copy)]
struct HostCapacity {
    cores: u32,
    memory: u64,
}

impl ContainerLimits {
    pub(super) fn new(root: &Root) -> ContainerLimits {
        let memory = system::total_memory().unwrap_or(u64::MAX);
        let cores = topology::logical_cores().unwrap_or(u32::MAX);
        ContainerLimits::of(root, HostCapacity { cores, memory })
    }

    /// Returns the limits on a host of this capacity.
    fn of(root: &Root, capacity: HostCapacity) -> ContainerLimits {
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

    /// Reads the limits, unless they are recent.
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

    /// Returns the number of cores that the container may use.
    pub(super) fn cpu_limit(&self) -> Option<CpuLimit> {
        self.cpu_limit.map(|(_, limit)| limit)
    }

    /// Returns the bytes of memory that the container may use.
    pub(super) fn memory_limit(&self) -> Option<u64> {
        self.memory_limit.map(|(_, limit)| limit)
    }

    /// Returns the CPU use since the previous call in % of the limit: total, user and system.
    /// `None` if there is no limit.
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

    /// Returns the bytes in use, and the limit. `None` if there is no limit.
    pub(super) fn memory_use(&mut self) -> Option<(u64, u64)> {
        let (group, limit) = self.memory_limit?;
        Some((self.memory.get_mut(group)?.used()?, limit))
    }
}

/// `None` if no time has passed, or if a counter went back.
fn percents(
    before: [u64; 3],
    used: [u64; 3],
    passed: Duration,
    limit: CpuLimit,
) -> Option<[f64; 3]> {
    let capacity_ns = passed.as_secs_f64() * limit.cores() * 1e9;
    let mut percents = [f64::NAN; 3];
    for (percent, (used, before)) in percents.iter_mut().zip(used.into_iter().zip(before)) {
        // The rest of one period can be used in the next: use may exceed the limit for a moment.
        *percent = (used.checked_sub(before)? as f64 / capacity_ns * 100.0).min(100.0);
    }
    (capacity_ns > 0.0).then_some(percents)
}

#[cfg(test)]
mod tests;
