//! Values that several columns are made of, read once a sample.

use std::time::Instant;

use super::limits::ContainerLimits;
use super::system::{MemorySizes, SystemReader};

/// State of the machine at one sample, and since the previous one.
pub(super) struct SystemSnapshot {
    /// Time of the sample, by a clock that nobody sets.
    pub(super) at: Instant,
    /// CPU use of all cores together since the previous sample, %; in a container with a CPU limit,
    /// of that limit. NaN if unknown.
    pub(super) cpu: f64,
    /// CPU use of each core since the previous sample, %; NaN of a core that is offline.
    pub(super) cores: Vec<f64>,
    /// Memory and swap space; in a container with a memory limit, of that limit.
    pub(super) memory: Option<MemorySizes>,
    /// In a container with a CPU limit, the shares of the limit that programs and the kernel used, %.
    pub(super) container_modes: Option<[f64; 2]>,
    system: SystemReader,
    limits: ContainerLimits,
}

impl SystemSnapshot {
    /// State with so many cores one by one.
    pub(super) fn new(cores: usize) -> SystemSnapshot {
        SystemSnapshot {
            at: Instant::now(),
            cpu: f64::NAN,
            cores: vec![f64::NAN; cores],
            memory: None,
            container_modes: None,
            system: SystemReader::new(),
            limits: ContainerLimits::new(),
        }
    }

    /// Advances to now. sysinfo is asked only if it can open its files, else its values are unknown.
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
