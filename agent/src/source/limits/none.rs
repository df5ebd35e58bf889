//! Container limits of systems without cgroups: none.

use std::time::Instant;

use loadline_protocol::CpuLimit;

pub(super) struct ContainerLimits;

#[expect(clippy::unused_self, reason = "same interface as on Linux")]
impl ContainerLimits {
    pub(super) fn new() -> ContainerLimits {
        ContainerLimits
    }

    pub(super) fn refresh(&mut self, _: Instant) {}

    pub(super) fn cpu_limit(&self) -> Option<CpuLimit> {
        None
    }

    pub(super) fn memory_limit(&self) -> Option<u64> {
        None
    }

    pub(super) fn cpu_use(&mut self, _: Instant) -> Option<[f64; 3]> {
        None
    }

    pub(super) fn memory_use(&mut self) -> Option<(u64, u64)> {
        None
    }
}
