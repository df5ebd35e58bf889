//! CPU use and memory of the machine, read by sysinfo. Own readers on Linux:
//!
//! * for the numbers of the cores and their changes: sysinfo identifies cores by position;
//! * for memory on kernels without `MemAvailable`: sysinfo omits the reserve of the kernel;
//! * for the cache of ZFS: sysinfo counts it as used.

use std::fs::File;
use std::path::PathBuf;

use sysinfo::{Cpu, CpuRefreshKind, MemoryRefreshKind, RefreshKind, System};

use crate::kernel::arcstats::ArcFile;
use crate::kernel::available_memory::AvailableMemory;
use crate::kernel::core_lists::OnlineCores;
use crate::kernel::record_file::Record as _;
use crate::kernel::root::Root;
use crate::kernel::stat::{StatLine, core_numbers};

/// Sizes of memory and swap space, bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MemorySizes {
    pub(super) total: u64,
    pub(super) available: u64,
    pub(super) swap_total: u64,
    pub(super) swap_free: u64,
}

impl MemorySizes {
    // sysinfo's `used_memory()` overflows if more is available than the total.
    pub(super) fn used(self) -> u64 {
        self.total.saturating_sub(self.available)
    }

    /// Counts memory as available, unless there would be more than the total: then it does not
    /// belong to this memory.
    fn add_reclaimable(&mut self, bytes: u64) {
        let available = self.available.checked_add(bytes).filter(|all| *all <= self.total);
        self.available = available.unwrap_or(self.available);
    }

    /// Returns the memory that is not available to programs, in % of the total.
    pub(super) fn used_percent(self) -> Option<f64> {
        (self.total > 0).then(|| self.used() as f64 / self.total as f64 * 100.0)
    }

    /// Returns the used swap space, in % and in bytes. Both are 0 without swap space.
    pub(super) fn swap_use(self) -> [f64; 2] {
        let used = self.swap_total.saturating_sub(self.swap_free) as f64;
        [if self.swap_total > 0 { used / self.swap_total as f64 * 100.0 } else { 0.0 }, used]
    }
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
    /// Numbers of the cores with a column, in ascending order.
    cores: Vec<u32>,
    online: OnlineCores,
    /// `None` if sysinfo is right.
    available: Option<AvailableMemory>,
    arc: ArcFile,
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
    /// Returns a reader for single cores of these numbers, and for all cores together.
    pub(super) fn new(root: &Root, cores: Vec<u32>) -> SystemReader {
        let mut online = OnlineCores::new(root);
        // Before the first refresh, so that no change is missed.
        online.has_changed();
        let usage = RefreshKind::nothing().with_cpu(CpuRefreshKind::nothing().with_usage());
        let available = AvailableMemory::new(root).filter(|_| cfg!(target_os = "linux"));
        let system = System::new_with_specifics(usage).ok();
        SystemReader { system, cores, online, available, arc: ArcFile::new(root) }
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
            warn_of_new_cores(system.cpus(), &self.cores);
            return Some(busy);
        }
        for (position, cpu) in system.cpus().iter().enumerate() {
            if let Ok(column) = self.cores.binary_search(&core_number(position, cpu)) {
                cores[column] = percent(cpu.usage());
            }
        }
        Some(busy)
    }

    /// Returns the number of cores at the newest CPU use.
    pub(super) fn cores(&self) -> usize {
        self.system.as_ref().map_or(0, |system| system.cpus().len())
    }

    pub(super) fn memory(&mut self) -> Option<MemorySizes> {
        let system = self.system.as_mut()?;
        system.refresh_memory_specifics(MemoryRefreshKind::everything());
        let mut memory = MemorySizes {
            total: system.total_memory(),
            available: system.available_memory(),
            swap_total: system.total_swap(),
            swap_free: system.free_swap(),
        };
        let corrected = self.available.as_mut().and_then(AvailableMemory::total_and_available);
        if let Some([total, available]) = corrected {
            (memory.total, memory.available) = (total, available);
        }
        memory.add_reclaimable(self.arc.reclaimable().unwrap_or_default());
        // 0 means unknown.
        (memory.total > 0).then_some(memory)
    }
}

/// Returns the number of a core. If names have numbers, the list omits offline cores.
fn core_number(position: usize, cpu: &Cpu) -> u32 {
    let number = cpu.name().strip_prefix("cpu").and_then(|number| number.parse().ok());
    number.unwrap_or(position as u32)
}

/// Logs the first core that came online and has no column.
fn warn_of_new_cores(cpus: &[Cpu], with_column: &[u32]) {
    let mut numbers = cpus.iter().enumerate().map(|(position, cpu)| core_number(position, cpu));
    let new = numbers.find(|number| with_column.binary_search(number).is_err());
    if let Some(core) = new.filter(|_| with_column.len() < CORES_MAX) {
        tracing::warn!(core, "came online, has a column after a restart of the agent");
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

/// Highest number of cores with a column. The names of 512 columns fill a line.
const CORES_MAX: usize = 512;

/// Returns the numbers of the online cores that get a column, in ascending order. Present cores may
/// be offline for ever, and a container sees more present cores than it has.
pub(super) fn cores_with_column(root: &Root) -> Vec<u32> {
    let mut cores = core_numbers(root);
    if cores.is_empty() {
        let logical = || (0..logical_cores().unwrap_or(0)).collect();
        cores = OnlineCores::new(root).numbers().unwrap_or_else(logical);
    }
    if cores.len() > CORES_MAX {
        tracing::warn!(
            cores = cores.len(),
            "too many for columns of their own: the group cores has the first {CORES_MAX}"
        );
        cores.truncate(CORES_MAX);
    }
    cores
}

/// Returns the number of online logical cores.
pub(super) fn logical_cores() -> Option<u32> {
    let usage = CpuRefreshKind::nothing().with_usage();
    let system = System::new_with_specifics(RefreshKind::nothing().with_cpu(usage)).ok()?;
    u32::try_from(system.cpus().len()).ok().filter(|cores| *cores > 0)
}

/// Returns the size of the main memory, bytes.
pub(super) fn total_memory() -> Option<u64> {
    let amount = RefreshKind::nothing().with_memory(MemoryRefreshKind::nothing().with_ram());
    let system = System::new_with_specifics(amount).ok()?;
    Some(system.total_memory()).filter(|bytes| *bytes > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn used_memory_is_total_minus_available() {
        let percent = |total, available| {
            MemorySizes { total, available, swap_total: 0, swap_free: 0 }.used_percent()
        };
        assert_eq!(percent(200, 50), Some(75.0));
        assert_eq!(percent(200, 300), Some(0.0));
        assert_eq!(percent(0, 0), None);
        assert_eq!(percent(u64::MAX, 0), Some(100.0));
        assert_eq!(percent(1, u64::MAX), Some(0.0));
    }

    #[test]
    fn reclaimable_memory_is_available_up_to_the_total() {
        let check = |reclaimable, expected| {
            let (total, available) = (100, 40);
            let mut memory = MemorySizes { total, available, swap_total: 0, swap_free: 0 };
            memory.add_reclaimable(reclaimable);
            assert_eq!(memory.available, expected);
        };
        check(0, 40);
        check(50, 90);
        check(61, 40);
        check(u64::MAX, 40);
    }

    #[test]
    fn used_swap_is_total_minus_free() {
        let used = |swap_total, swap_free| {
            let memory = MemorySizes { total: 0, available: 0, swap_total, swap_free };
            memory.swap_use().map(|number| number as u32)
        };
        assert_eq!(used(200, 150), [25, 50]);
        assert_eq!(used(0, 0), [0, 0]);
        assert_eq!(used(5, 10), [0, 0]);
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod linux_tests {
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
        let mut reader = SystemReader::new(&files.root(), vec![0]);
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
    fn only_online_cores_have_a_column() {
        let names = |files: &TestRoot| cores_with_column(&files.root());
        let files = TestRoot::with(&[
            ("sys/devices/system/cpu/present", "0-63\n"),
            ("sys/devices/system/cpu/online", "0-1,3\n"),
        ]);
        assert_eq!(names(&files), [0, 1, 3]);
        files.write("proc/stat", "cpu 1 2 3 4\ncpu0 1 2 3 4\ncpu1 1 2 3 4\nintr 5\n");
        assert_eq!(names(&files), [0, 1]);
    }

    #[test]
    fn cores_beyond_the_highest_number_of_columns_are_left_out() {
        let lines = (0..1024).map(|core| format!("cpu{core} 1 2 3 4\n"));
        let stat = format!("cpu 1 2 3 4\n{}intr 5\n", lines.collect::<String>());
        let files = TestRoot::with(&[("proc/stat", &stat)]);
        assert_eq!(cores_with_column(&files.root()).len(), CORES_MAX);
    }

    #[test]
    fn memory_is_known() {
        let memory = SystemReader::new(&Root::of_this_machine(), Vec::new()).memory().unwrap();
        assert_eq!(Some(memory.total), total_memory());
        assert!((1..=memory.total).contains(&memory.available), "{memory:?}");
        assert!(memory.swap_free <= memory.swap_total, "{memory:?}");
    }
}
