//! Values that several columns share, read once per sample.

use std::mem;

use rustix::param::clock_ticks_per_second;
use tokio::time::Instant;

use super::cpu_use::CpuUse;
use super::limits::ContainerLimits;
use super::modes::CpuModesReader;
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
    /// Time of user, system, iowait and steal since the previous sample, in % of the same as `cpu`.
    pub(super) modes: [f64; 4],
    /// Sum of `cpu` over some samples.
    pub(super) cpu_use: CpuUse,
    modes_reader: CpuModesReader,
    system: SystemReader,
    limits: ContainerLimits,
}

impl SystemSnapshot {
    /// Returns a snapshot without values, for single cores of these numbers.
    pub(super) fn new(root: &Root, cores: Vec<u32>) -> SystemSnapshot {
        SystemSnapshot {
            at: Instant::now(),
            cpu: f64::NAN,
            cores: vec![f64::NAN; cores.len()],
            memory: None,
            modes: [f64::NAN; 4],
            cpu_use: CpuUse::default(),
            modes_reader: CpuModesReader::new(root),
            system: SystemReader::new(root, cores),
            limits: ContainerLimits::new(root),
        }
    }

    /// Reads the current values. Values of sysinfo are unknown if it cannot open its files.
    pub(super) fn advance(&mut self, can_open: bool) {
        let now = Instant::now();
        let passed = now.saturating_duration_since(mem::replace(&mut self.at, now));
        self.cores.fill(f64::NAN);
        let cpu = if can_open { self.system.cpu(&mut self.cores) } else { None };
        self.memory = if can_open { self.system.memory() } else { None };
        self.limits.refresh(self.at);
        self.advance_cpu(cpu, passed.as_secs_f64());
        if let (Some((used, limit)), Some(memory)) = (self.limits.memory_use(), &mut self.memory) {
            memory.total = limit;
            memory.available = memory.available.min(limit.saturating_sub(used));
        }
    }

    /// Sets CPU use and modes from those of the machine, its allowed cores, or the limited cgroup.
    /// `passed` is the time since the previous sample, s.
    fn advance_cpu(&mut self, of_machine: Option<f64>, passed: f64) {
        let cores = self.limits.cores();
        self.modes_reader.set_cores(cores);
        let times = self.modes_reader.shares_and_ticks();
        let modes = times.map(|(shares, _)| shares);
        let busy = |[user, system, _, steal]: [f64; 4]| (user + system + steal).min(100.0);
        let cpu = if cores.is_some() { modes.map(busy) } else { of_machine };
        self.cpu = cpu.unwrap_or(f64::NAN);
        if modes.is_none() && cfg!(target_os = "linux") {
            // A simulated kernel counts no time. sysinfo reports 0 %.
            self.cpu = f64::NAN;
            self.cores.fill(f64::NAN);
        }
        self.modes = modes.unwrap_or([f64::NAN; 4]);
        if let Some([busy, user, system]) = self.limits.cpu_use(self.at) {
            self.cpu = busy;
            self.modes[..2].copy_from_slice(&[user, system]);
        }
        let capacity = self.capacity(times.map(|(_, ticks)| ticks), passed);
        self.cpu_use += CpuUse::new(self.cpu, capacity);
    }

    /// Returns the CPU time in seconds that is 100 %, of all `ticks` that have passed.
    fn capacity(&self, ticks: Option<u64>, passed: f64) -> f64 {
        let quota = self.limits.quota().map(|quota| passed * quota.cores());
        let all = || ticks.map(|ticks| ticks as f64 / clock_ticks_per_second() as f64);
        let cores = || passed * self.system.cores() as f64;
        quota.or_else(all).unwrap_or_else(cores)
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;
    use crate::kernel::tests::TestRoot;

    const CGROUP: &str = "sys/fs/cgroup/cpuset";

    /// Machine with two cores, of which process 1 may use the second.
    fn machine() -> TestRoot {
        let mount = "32 31 0:29 /a /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n";
        TestRoot::with(&[
            ("proc/1/cgroup", "3:cpuset:/a\n"),
            ("proc/self/mountinfo", mount),
            (&format!("{CGROUP}/cpuset.cpus"), "1\n"),
            ("proc/stat", &stat([0, 0], [0, 0])),
        ])
    }

    /// Returns the text of `/proc/stat` with user time and idle time of two cores.
    fn stat(first: [u64; 2], second: [u64; 2]) -> String {
        let times = |[user, idle]: [u64; 2]| format!("{user} 0 0 {idle} 0 0 0 0 0 0");
        let all = [first[0] + second[0], first[1] + second[1]];
        format!("cpu {}\ncpu0 {}\ncpu1 {}\nintr 5\n", times(all), times(first), times(second))
    }

    #[test]
    fn a_container_that_keeps_its_only_core_busy_uses_100_percent() {
        let files = machine();
        let mut snapshot = SystemSnapshot::new(&files.root(), Vec::new());
        snapshot.advance(true);
        assert!(snapshot.cpu.is_nan());
        files.write("proc/stat", &stat([4, 96], [100, 0]));
        snapshot.advance(true);
        assert_eq!((snapshot.cpu, snapshot.modes[0]), (100.0, 100.0));
        files.write("proc/stat", &stat([104, 96], [125, 75]));
        snapshot.advance(true);
        assert_eq!((snapshot.cpu, snapshot.modes[0]), (25.0, 25.0));
    }

    #[test]
    fn a_core_that_goes_offline_makes_a_gap() {
        let files = machine();
        let mut snapshot = SystemSnapshot::new(&files.root(), Vec::new());
        snapshot.advance(true);
        files.write("proc/stat", "cpu 5 0 0 5\ncpu0 5 0 0 5\nintr 5\n");
        snapshot.advance(true);
        assert!(snapshot.cpu.is_nan());
    }

    #[test]
    fn a_kernel_that_counts_no_time_has_no_cpu_use() {
        let files = TestRoot::with(&[("proc/stat", &stat([0, 0], [0, 0]))]);
        let mut snapshot = SystemSnapshot::new(&files.root(), vec![0, 1]);
        for _ in 0..2 {
            snapshot.advance(true);
            assert!(snapshot.cpu.is_nan() && snapshot.cores[0].is_nan());
        }
    }
}
