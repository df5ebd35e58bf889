//! CPU and memory limits of the container. Own reader: sysinfo has no CPU limit, and no CPU use of
//! the container.
//!
//! The limits are the quota, the cpuset and the memory of the cgroup of process 1, as this process sees it: in a container, the
//! container's. On the machine itself there are none, even if the agent's own service has limits.

use loadline_protocol::CpuLimit;
use tokio::time::Instant;

use super::rescan::Rescan;
use super::system;
use crate::kernel::cgroups::{CpuCgroup, MemoryCgroup, cpu_cgroups, memory_cgroups};
use crate::kernel::cpusets::AllowedCores;
use crate::kernel::meminfo::total_bytes;
use crate::kernel::root::Root;
use crate::kernel::stat::core_numbers;

/// Container limits, and the use of the limited cgroups.
pub(super) struct ContainerLimits {
    /// Cgroups from the innermost outwards. Each of them may have a limit.
    cpu: Vec<CpuCgroup>,
    memory: Vec<MemoryCgroup>,
    /// Capacities of the host. A limit above a capacity is no limit.
    cpu_capacity: CpuLimit,
    memory_capacity: u64,
    allowed_cores: AllowedCores,
    refresh: Rescan,
    /// Position of the cgroup with the lowest quota, and the quota.
    cpu_limit: Option<(usize, CpuLimit)>,
    memory_limit: Option<(usize, u64)>,
    /// Numbers of the cores that the container may use, if these are the lowest limit.
    cores: Option<Vec<u32>>,
    /// Time and CPU use of the limited cgroup at the last call: total, user and system, ns.
    last: Option<(Instant, [u64; 3])>,
}

impl ContainerLimits {
    pub(super) fn new(root: &Root) -> ContainerLimits {
        let cores = u32::try_from(core_numbers(root).len()).ok().filter(|cores| *cores > 0);
        let cores = cores.or_else(system::logical_cores).unwrap_or(u32::MAX);
        let memory = total_bytes(root).or_else(system::total_memory).unwrap_or(u64::MAX);
        ContainerLimits::on_host(root, CpuLimit(cores.saturating_mul(1000)), memory)
    }

    /// Returns the limits on a host of these capacities.
    fn on_host(root: &Root, cpu_capacity: CpuLimit, memory_capacity: u64) -> ContainerLimits {
        ContainerLimits {
            cpu: cpu_cgroups(root),
            memory: memory_cgroups(root),
            cpu_capacity,
            memory_capacity,
            allowed_cores: AllowedCores::new(root),
            refresh: Rescan::default(),
            cpu_limit: None,
            memory_limit: None,
            cores: None,
            last: None,
        }
    }

    /// Reads the limits, unless they are recent.
    pub(super) fn refresh(&mut self, at: Instant) {
        if !self.refresh.is_due(at) {
            return;
        }
        self.cores = self.allowed_cores.limit();
        // A quota as high as the number of allowed cores is no limit of its own.
        let capacity = self.cores.as_deref().map_or(self.cpu_capacity, limit_of_cores);
        let cpu_limit = lowest(self.cpu.iter_mut().map(CpuCgroup::limit), capacity);
        if cpu_limit.map(|(group, _)| group) != self.cpu_limit.map(|(group, _)| group) {
            self.last = None;
        }
        self.cpu_limit = cpu_limit;
        self.cores.take_if(|_| cpu_limit.is_some());
        let limits = self.memory.iter_mut().map(MemoryCgroup::limit);
        self.memory_limit = lowest(limits, self.memory_capacity);
    }

    /// Returns the number of cores that the container may use.
    pub(super) fn cpu_limit(&self) -> Option<CpuLimit> {
        self.quota().or_else(|| self.cores.as_deref().map(limit_of_cores))
    }

    /// Returns the number of cores that the quota permits, if it is the lowest limit.
    pub(super) fn quota(&self) -> Option<CpuLimit> {
        self.cpu_limit.map(|(_, limit)| limit)
    }

    /// Returns the numbers of the cores that the container may use. `None` if it may use all, and
    /// if a quota is lower.
    pub(super) fn cores(&self) -> Option<&[u32]> {
        self.cores.as_deref()
    }

    /// Returns the bytes of memory that the container may use.
    pub(super) fn memory_limit(&self) -> Option<u64> {
        self.memory_limit.map(|(_, limit)| limit)
    }

    /// Returns the CPU use since the previous call in % of the quota: total, user and system.
    /// `None` if there is no quota.
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

fn limit_of_cores(cores: &[u32]) -> CpuLimit {
    CpuLimit(u32::try_from(cores.len() * 1000).unwrap_or(u32::MAX))
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
