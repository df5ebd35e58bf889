//! CPU and memory limits of the container. Own reader: sysinfo has no CPU limit, and no CPU use of
//! the container.
//!
//! The limits are those of the cgroup of process 1, as this process sees it: in a container, the
//! container's. On the machine itself there are none, even if the agent's own service has limits.

use std::time::Duration;

use loadline_protocol::CpuLimit;
use tokio::time::Instant;

use super::system;
use crate::kernel::cgroups::{CpuCgroup, MemoryCgroup, cpu_cgroups, memory_cgroups};
use crate::kernel::root::Root;

/// Limits may change while a container runs, but rarely do.
const REFRESH_INTERVAL: Duration = Duration::from_mins(1);

/// Container limits, and the use of the limited cgroups.
pub(super) struct ContainerLimits {
    /// Cgroups from the innermost outwards. Each of them may have a limit.
    cpu: Vec<CpuCgroup>,
    memory: Vec<MemoryCgroup>,
    /// Capacities of the host. A limit above a capacity is no limit.
    cpu_capacity: CpuLimit,
    memory_capacity: u64,
    refreshed_at: Option<Instant>,
    /// Position of the cgroup with the lowest limit, and the limit.
    cpu_limit: Option<(usize, CpuLimit)>,
    memory_limit: Option<(usize, u64)>,
    /// Time and CPU use of the limited cgroup at the last call: total, user and system, ns.
    last: Option<(Instant, [u64; 3])>,
}

impl ContainerLimits {
    pub(super) fn new(root: &Root) -> ContainerLimits {
        let cores = system::logical_cores().unwrap_or(u32::MAX);
        let memory = system::total_memory().unwrap_or(u64::MAX);
        ContainerLimits::on_host(root, CpuLimit(cores.saturating_mul(1000)), memory)
    }

    /// Returns the limits on a host of these capacities.
    fn on_host(root: &Root, cpu_capacity: CpuLimit, memory_capacity: u64) -> ContainerLimits {
        ContainerLimits {
            cpu: cpu_cgroups(root),
            memory: memory_cgroups(root),
            cpu_capacity,
            memory_capacity,
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
        let cpu_limit = lowest(self.cpu.iter_mut().map(CpuCgroup::limit), self.cpu_capacity);
        if cpu_limit.map(|(group, _)| group) != self.cpu_limit.map(|(group, _)| group) {
            self.last = None;
        }
        self.cpu_limit = cpu_limit;
        let limits = self.memory.iter_mut().map(MemoryCgroup::limit);
        self.memory_limit = lowest(limits, self.memory_capacity);
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
        let last = std::mem::replace(&mut self.last, used.map(|used| (at, used)));
        let percents = last.zip(used).and_then(|((since, before), used)| {
            let passed = at.saturating_duration_since(since);
            percents(before, used, passed.as_secs_f64() * limit.cores() * 1e9)
        });
        Some(percents.unwrap_or([f64::NAN; 3]))
    }

    /// Returns the bytes in use, and the limit. `None` if there is no limit.
    pub(super) fn memory_use(&mut self) -> Option<(u64, u64)> {
        let (group, limit) = self.memory_limit?;
        Some((self.memory.get_mut(group)?.used()?, limit))
    }
}

/// Returns the lowest limit below the capacity of the host, with the position of its cgroup.
fn lowest<L: Ord + Copy>(
    limits: impl Iterator<Item = Option<L>>,
    capacity: L,
) -> Option<(usize, L)> {
    let limits = limits.enumerate().filter_map(|(group, limit)| Some((group, limit?)));
    limits.filter(|(_, limit)| *limit < capacity).min_by_key(|(_, limit)| *limit)
}

/// `None` if no time has passed, or if a counter went back.
fn percents(before: [u64; 3], used: [u64; 3], capacity_ns: f64) -> Option<[f64; 3]> {
    let mut percents = [f64::NAN; 3];
    for (percent, (used, before)) in percents.iter_mut().zip(used.into_iter().zip(before)) {
        // The rest of one period can be used in the next: use may exceed the limit for a moment.
        *percent = (used.checked_sub(before)? as f64 / capacity_ns * 100.0).min(100.0);
    }
    (capacity_ns > 0.0).then_some(percents)
}

#[cfg(test)]
mod tests;
