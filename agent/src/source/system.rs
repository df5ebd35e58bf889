//! CPU use and memory of the machine, read by sysinfo.

use std::fs::File;
use std::path::PathBuf;

use sysinfo::{CpuRefreshKind, MemoryRefreshKind, RefreshKind, System};

use crate::kernel::core_lists::OnlineCores;
use crate::kernel::record_file::Record as _;
use crate::kernel::root::Root;
use crate::kernel::stat::StatLine;

/// Sizes of memory and swap space, bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MemorySizes {
    pub(super) total: u64,
    pub(super) available: u64,
    pub(super) swap_total: u64,
    pub(super) swap_free: u64,
}

/// Reader of CPU use and memory.
///
/// sysinfo computes CPU use between two refreshes, and silently skips a refresh within
/// [`MINIMUM_CPU_UPDATE_INTERVAL`](sysinfo::MINIMUM_CPU_UPDATE_INTERVAL) of another one. Samples
/// are therefore at least [`MIN_INTERVAL`](super::MIN_INTERVAL) apart. Refreshes of frequencies or
/// processes count too, so other collectors have a `System` of their own.
pub(super) struct SystemReader {
    /// `None` on systems that sysinfo does not support.
    system: Option<System>,
    online: OnlineCores,
}

/// Spare file descriptor.
///
/// sysinfo opens its files for each sample. If clients hold all descriptors, opening fails, and
/// sysinfo silently keeps the previous values: a sample would repeat the previous one.
pub(super) struct Reserve {
    file: Option<File>,
    /// Path of a file that sysinfo reads.
    path: PathBuf,
}

impl SystemReader {
    pub(super) fn new(root: &Root) -> SystemReader {
        let mut online = OnlineCores::new(root);
        // Before the first refresh, so that no change is missed.
        online.has_changed();
        let usage = RefreshKind::nothing().with_cpu(CpuRefreshKind::nothing().with_usage());
        SystemReader { system: System::new_with_specifics(usage).ok(), online }
    }

    /// Returns the CPU use of all cores since the previous call, %. Writes each core's to `cores`.
    pub(super) fn cpu(&mut self, cores: &mut [f64]) -> Option<f64> {
        let system = self.system.as_mut()?;
        system.refresh_cpu_usage();
        if system.cpus().is_empty() {
            return None;
        }
        let busy = percent(system.global_cpu_usage());
        if cores.is_empty() {
            return Some(busy);
        }
        if self.online.has_changed() {
            // sysinfo identifies cores by position: with another list, a core would be compared
            // with another core.
            system.refresh_cpu_list(CpuRefreshKind::nothing().with_usage());
            return Some(busy);
        }
        for (position, cpu) in system.cpus().iter().enumerate() {
            // If names have numbers, the list omits offline cores.
            let number = cpu.name().strip_prefix("cpu").and_then(|number| number.parse().ok());
            if let Some(core) = cores.get_mut(number.unwrap_or(position)) {
                *core = percent(cpu.usage());
            }
        }
        Some(busy)
    }

    pub(super) fn memory(&mut self) -> Option<MemorySizes> {
        let system = self.system.as_mut()?;
        system.refresh_memory_specifics(MemoryRefreshKind::everything());
        let memory = MemorySizes {
            total: system.total_memory(),
            available: system.available_memory(),
            swap_total: system.total_swap(),
            swap_free: system.free_swap(),
        };
        // 0 means unknown.
        (memory.total > 0).then_some(memory)
    }
}

fn percent(usage: f32) -> f64 {
    f64::from(usage).clamp(0.0, 100.0)
}

impl Reserve {
    pub(super) fn new(root: &Root) -> Reserve {
        let mut reserve = Reserve { file: None, path: root.path(StatLine::PATH) };
        reserve.renew();
        reserve
    }

    /// Releases the descriptor for the files of a sample. Returns false if none was available. Only
    /// Linux needs the descriptor.
    pub(super) fn release(&mut self) -> bool {
        if self.file.is_none() {
            self.renew();
        }
        self.file.take().is_some() || cfg!(not(target_os = "linux"))
    }

    /// Takes a descriptor again.
    pub(super) fn renew(&mut self) {
        self.file = File::open(&self.path).ok();
    }
}

/// Returns the size of the main memory, bytes.
pub(super) fn total_memory() -> Option<u64> {
    let amount = RefreshKind::nothing().with_memory(MemoryRefreshKind::nothing().with_ram());
    let system = System::new_with_specifics(amount).ok()?;
    Some(system.total_memory()).filter(|bytes| *bytes > 0)
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use sysinfo::MINIMUM_CPU_UPDATE_INTERVAL;

    use super::*;
    use crate::kernel::tests::TestRoot;

    /// Keeps a core busy until sysinfo refreshes again.
    fn wait() {
        let begin = std::time::Instant::now();
        while begin.elapsed() < MINIMUM_CPU_UPDATE_INTERVAL {
            std::hint::spin_loop();
        }
    }

    #[test]
    fn usage_is_not_mixed_up_when_cores_come_or_go() {
        let list = "sys/devices/system/cpu/online";
        let files = TestRoot::with(&[(list, "0-1\n")]);
        let mut reader = SystemReader::new(&files.root());
        let mut use_of_first = || {
            wait();
            let mut cores = [f64::NAN];
            let busy = reader.cpu(&mut cores);
            assert!(busy.is_some_and(|busy| busy > 0.0), "{busy:?}");
            Some(cores[0]).filter(|core| !core.is_nan())
        };
        assert!(use_of_first().is_some());
        files.write(list, "0\n");
        assert!(use_of_first().is_none(), "the list of cores is another one");
        assert!(use_of_first().is_some());
    }

    #[test]
    fn memory_is_known() {
        let memory = SystemReader::new(&Root::of_this_machine()).memory().unwrap();
        assert_eq!(Some(memory.total), total_memory());
        assert!((1..=memory.total).contains(&memory.available), "{memory:?}");
        assert!(memory.swap_free <= memory.swap_total, "{memory:?}");
    }
}
