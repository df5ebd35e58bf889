//! Values of all processes at one time. Linux only.

use loadline_protocol::SafeText;
use rustix::param::clock_ticks_per_second;
use rustix::time::{ClockId, clock_gettime};
use tokio::time::Instant;

use super::children::ProcessRecord;
use crate::kernel::process_files::ProcessFiles;
use crate::kernel::process_stat::ProcessStat;

/// Highest number of processes that are compared: 4 MiB for each of two looks. Further ones count as
/// `other`.
const PROCESSES_MAX: usize = 65_536;

/// Longest name of a process in bytes: that of a kernel thread has up to 63.
const NAME_BYTES_MAX: usize = 64;

/// Processes at one time.
pub(super) struct Scan {
    pub(super) begun: Instant,
    /// Begin in ticks since boot.
    pub(super) begun_ticks: u64,
    /// Sorted by pid. At most [`PROCESSES_MAX`].
    pub(super) records: Vec<ProcessRecord>,
    /// Names, one after the other, each after its length.
    names: Vec<u8>,
    /// Number of all processes. `None` if some are hidden.
    pub(super) count: Option<u32>,
}

impl Scan {
    /// Reads all processes. `None` if the system cannot open the files.
    pub(super) fn read(files: &ProcessFiles) -> Option<Scan> {
        let begun_ticks = ticks_since_boot();
        let (records, names, count) = (Vec::new(), Vec::new(), None);
        let mut scan = Scan { begun: Instant::now(), begun_ticks, records, names, count };
        let (mut count, mut has_first, mut error) = (0, false, None);
        files.for_each(|pid| {
            count += 1;
            has_first |= pid == 1;
            if error.is_none() && scan.records.len() < PROCESSES_MAX {
                error = files.stat(pid, |stat| scan.push(pid, stat)).err();
            }
        });
        // The kernel lists processes in this order. A simulated kernel may not.
        scan.records.sort_unstable_by_key(|record| record.pid);
        scan.count = has_first.then_some(count);
        (error.is_none() && !scan.records.is_empty()).then_some(scan)
    }

    fn push(&mut self, pid: u32, stat: ProcessStat<'_>) {
        let ProcessStat { parent, own, children, start, resident_pages, name } = stat;
        let name_at = self.names.len() as u32;
        let name = &name[..name.len().min(NAME_BYTES_MAX)];
        self.names.push(name.len() as u8);
        self.names.extend(name);
        self.records.push(ProcessRecord {
            pid,
            parent,
            name_at,
            start,
            own,
            children,
            resident_pages,
        });
    }

    /// Returns the name of a process, `?` if it is empty.
    pub(super) fn name(&self, process: &ProcessRecord) -> SafeText {
        let at = process.name_at as usize;
        let name = &self.names[at + 1..][..usize::from(self.names[at])];
        SafeText::new(
            if name.is_empty() { "?".into() } else { String::from_utf8_lossy(name) }.as_ref(),
        )
    }
}

/// Returns the time since boot, suspension included, as the start of a process counts.
fn ticks_since_boot() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    let per_second = clock_ticks_per_second();
    let nanos = now.tv_nsec as u64;
    now.tv_sec as u64 * per_second + nanos * per_second / 1_000_000_000
}
