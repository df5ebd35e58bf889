//! Memory available to programs on kernels without `MemAvailable` in `/proc/meminfo`: Linux before
//! 3.14, WSL 1, and some containers.

use super::meminfo::{Amount, MeminfoFile};
use super::open_file::OpenFile;
use super::root::Root;

/// Estimate of the available memory, by the formula of later kernels.
pub(crate) struct AvailableMemory {
    meminfo: MeminfoFile,
    min_free_kbytes: OpenFile,
}

/// Amounts of `/proc/meminfo`, bytes. 0 if the kernel does not report one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Amounts {
    total: u64,
    free: u64,
    buffers: u64,
    /// Page cache, shared memory included.
    cached: u64,
    /// Shared memory and tmpfs. The kernel cannot reclaim them.
    shmem: u64,
    /// Page cache in use, and not in recent use. Without shared memory.
    files: [u64; 2],
    slab_reclaimable: u64,
}

impl AvailableMemory {
    /// Returns `None` if the kernel reports `MemAvailable` itself.
    pub(crate) fn new(root: &Root) -> Option<AvailableMemory> {
        let mut meminfo = MeminfoFile::new(root);
        let mut has_mem_available = false;
        let is_readable = meminfo.for_each(|(name, _)| has_mem_available |= name == "MemAvailable");
        let min_free_kbytes = OpenFile::new(root.path("proc/sys/vm/min_free_kbytes"));
        let memory = AvailableMemory { meminfo, min_free_kbytes };
        (is_readable && !has_mem_available).then_some(memory)
    }

    /// Returns the size of the memory and the available part, bytes.
    pub(crate) fn total_and_available(&mut self) -> Option<[u64; 2]> {
        let mut amounts = Amounts::default();
        self.meminfo.for_each(|(name, amount)| amounts.set(name, amount));
        let min_free_kb = self.min_free_kbytes.read_number();
        let min_free_kb = min_free_kb.unwrap_or_else(|| default_min_free_kb(amounts.total / 1024));
        (amounts.total > 0).then(|| [amounts.total, amounts.available(min_free_kb)])
    }
}

impl Amounts {
    fn set(&mut self, name: &str, amount: Amount) {
        let Amount::Bytes(bytes) = amount else { return };
        let field = match name {
            "MemTotal" => &mut self.total,
            "MemFree" => &mut self.free,
            "Buffers" => &mut self.buffers,
            "Cached" => &mut self.cached,
            "Shmem" => &mut self.shmem,
            "Active(file)" => &mut self.files[0],
            "Inactive(file)" => &mut self.files[1],
            "SReclaimable" => &mut self.slab_reclaimable,
            _ => return,
        };
        *field = bytes;
    }

    /// Returns the free memory, and the reclaimable page cache and slab. The kernel keeps a reserve
    /// of each.
    fn available(self, min_free_kb: u64) -> u64 {
        let reserve = min_free_kb.saturating_mul(1024) / 4 * 5;
        let reclaimable = |bytes: u64| bytes - (bytes / 2).min(reserve);
        let parts = [
            self.free.saturating_sub(reserve),
            reclaimable(self.page_cache()),
            reclaimable(self.slab_reclaimable),
        ];
        parts.into_iter().fold(0, u64::saturating_add).min(self.total)
    }

    /// Returns the page cache without shared memory.
    fn page_cache(self) -> u64 {
        match self.files[0].saturating_add(self.files[1]) {
            0 => self.buffers.saturating_add(self.cached).saturating_sub(self.shmem),
            files => files,
        }
    }
}

/// Returns the kernel's default for `min_free_kbytes` on a machine with this memory.
fn default_min_free_kb(total_kb: u64) -> u64 {
    total_kb.saturating_mul(16).isqrt().clamp(128, 64 * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::tests::TestRoot;

    /// Returns the used memory, %.
    fn used(files: &TestRoot) -> Option<f64> {
        let [total, available] = AvailableMemory::new(&files.root())?.total_and_available()?;
        Some((total - available) as f64 / total as f64 * 100.0)
    }

    fn check(meminfo: &str, expected: Option<f64>) {
        let files =
            TestRoot::with(&[("proc/meminfo", meminfo), ("proc/sys/vm/min_free_kbytes", "0\n")]);
        assert_eq!(used(&files), expected, "{meminfo}");
    }

    #[test]
    fn shared_memory_is_not_available_on_an_old_kernel() {
        let files = TestRoot::fixture("old-kernel");
        assert!((77.0..78.0).contains(&used(&files).unwrap()), "{:?}", used(&files));
        files.write("proc/sys/vm/min_free_kbytes", "270336\n");
        assert!((78.0..79.0).contains(&used(&files).unwrap()), "{:?}", used(&files));
    }

    #[test]
    fn page_cache_and_reclaimable_slab_are_available() {
        let total = "MemTotal: 100 kB\nMemFree: 10 kB\n";
        check(total, Some(90.0));
        check(&format!("{total}Buffers: 5 kB\nCached: 45 kB\nShmem: 20 kB\n"), Some(60.0));
        check(&format!("{total}Cached: 45 kB\nSReclaimable: 15 kB\n"), Some(30.0));
        // Of kernels that count ramfs as cache.
        let files = "Active(file): 10 kB\nInactive(file): 5 kB\n";
        check(&format!("{total}Cached: 60 kB\n{files}"), Some(75.0));
        check(&format!("{total}Cached: 5 kB\nShmem: 20 kB\n"), Some(90.0));
        let most = "18014398509481983 kB\n";
        check(&format!("{total}Cached: {most}SReclaimable: {most}"), Some(0.0));
    }

    #[test]
    fn huge_pages_are_used_and_old_kernels_report_fewer_amounts() {
        // Linux 2.6.32 with 64 of 128 GiB in huge pages, which are neither free nor cache.
        let huge_pages = "MemTotal: 134217728 kB\nMemFree: 33554432 kB\nBuffers: 1048576 kB\n\
            Cached: 27262976 kB\nSwapCached: 0 kB\nActive: 9437184 kB\nInactive: 25165824 kB\n\
            Active(anon): 6291456 kB\nInactive(anon): 0 kB\nActive(file): 3145728 kB\n\
            Inactive(file): 25165824 kB\nUnevictable: 0 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n\
            Shmem: 0 kB\nSlab: 6291456 kB\nSReclaimable: 5242880 kB\nSUnreclaim: 1048576 kB\n\
            HugePages_Total:   32768\nHugePages_Free:    32768\nHugepagesize:       2048 kB\n";
        check(huge_pages, Some(50.0));
        // Linux 2.6.18 lists neither pages of files nor shared memory and reclaimable slab.
        let older = "MemTotal: 2097152 kB\nMemFree: 524288 kB\nBuffers: 131072 kB\n\
            Cached: 393216 kB\nSwapCached: 0 kB\nActive: 262144 kB\nInactive: 262144 kB\n\
            HighTotal: 0 kB\nSlab: 131072 kB\nSwapTotal: 1048576 kB\nSwapFree: 1048576 kB\n";
        check(older, Some(50.0));
    }

    #[test]
    fn there_is_no_estimate_if_the_kernel_has_one() {
        check("MemTotal: 100 kB\nMemFree: 10 kB\nMemAvailable: 0 kB\n", None);
        check("MemFree: 10 kB\n", None);
        check("", None);
    }

    #[test]
    fn the_default_reserve_grows_with_the_square_root_of_the_memory() {
        assert_eq!(default_min_free_kb(16 * 1024 * 1024), 16384);
        assert_eq!(default_min_free_kb(u64::MAX), 65536);
        assert_eq!(default_min_free_kb(0), 128);
    }
}
