//! Values that several columns share, read once per sample.

use tokio::time::Instant;

use super::limits::ContainerLimits;
use super::system::{MemorySizes, SystemReader};
use crate::kernel::root::Root;

/// State of the machine at one sample, and changes since the previous one.
pub(super) struct SystemSnapshot {
    /// Time of the sample, by the monotonic clock.
    pub(super) at: Instant,
    /// CPU use of all cores since the previous sample, in % of all cores, or of the container's CPU
    /// limit. NaN if unknown.
    pub(super) cpu: f64,
    /// CPU use of each core since the previous sample, %. NaN if the core is offline.
    pub(super) cores: Vec<f64>,
    /// Memory and swap space. A container's memory limit replaces the total.
    pub(super) memory: Option<MemorySizes>,
    /// User and system time in % of the container's CPU limit. `None` without a limit.
    pub(super) container_modes: Option<[f64; 2]>,
    system: SystemReader,
    limits: ContainerLimits,
}

impl SystemSnapshot {
    /// Returns a snapshot without values, for `cores` single cores.
    pub(super) fn new(root: &Root, cores: usize) -> SystemSnapshot {
        SystemSnapshot {
            at: Instant::now(),
            cpu: f64::NAN,
            cores: vec![f64::NAN; cores],
            memory: None,
            container_modes: None,
            system: SystemReader::new(root),
            limits: ContainerLimits::new(root),
        }
    }

    /// Reads the current values. Values of sysinfo are unknown if it cannot open its files.
    pub(super) fn advance(&mut self, can_open: bool) {
        self.at = Instant::now();
        self.cores.fill(f64::NAN);
        let cpu = if can_open { self.system.cpu(&mut self.cores) } else { None };
        self.memory = if can_open { self.system.memory() } else { None };
        self.limits.refresh(self.at);
        let container_use = self.limits.cpu_use(self.at);
        self.cpu = container_use.map(|[busy, _, _]| busy).or(cpu).unwrap_or(f64::NAN);
        self.container_modes = container_use.map(|[_, user, system]| [user, system]);
        if let (Some((used, limit)), Some(memory)) = (self.limits.memory_use(), &mut self.memory) {
            memory.total = limit;
            memory.available = memory.available.min(limit.saturating_sub(used));
        }
    }
}
