//! Processes of Linux. Own reader: sysinfo knows neither the CPU time of ended children nor cgroups, and
//! it takes 3.5 times as long for CPU time and memory.

use std::mem;

use loadline_protocol::{Look, Process, SafeText, Top};
use rustix::param::{clock_ticks_per_second, page_size};

use super::children::{ProcessRecord, Used, limit_children, used_between};
use super::listed::{finish, highest};
use super::scan::Scan;
use super::users::UserNames;
use crate::kernel::process_files::{ProcessFiles, ProcessFolder};
use crate::kernel::root::Root;
use crate::source::cpu_use::CpuUse;

/// Share of the capacity by which all processes together may have used more than the machine: 1 %. The
/// kernel counts the time of processes exactly, and that of the machine by ticks.
const EXCESS_MAX: f64 = 0.01;

/// Reader of the processes.
pub(super) struct LinuxProcesses {
    root: Root,
    /// Number of processes to list by CPU, and by memory.
    top: usize,
    users: UserNames,
    /// CPU use of all since the previous scan.
    cpu: CpuUse,
    /// The previous scan.
    before: Option<Scan>,
    /// Bytes that the listed processes of the previous look had read and written.
    io: Vec<IoCount>,
}

/// Bytes that a process has read and written since its start.
struct IoCount {
    pid: u32,
    start: u64,
    bytes: u64,
}

/// Time between two scans.
struct Passed {
    seconds: f64,
    /// Begin in ticks since boot.
    since: u64,
    cpu: CpuUse,
}

impl LinuxProcesses {
    pub(super) fn new(root: &Root, top: u16) -> LinuxProcesses {
        LinuxProcesses {
            root: root.clone(),
            top: usize::from(top),
            users: UserNames::default(),
            cpu: CpuUse::default(),
            before: None,
            io: Vec::new(),
        }
    }

    /// Reads the processes. `cpu` is the CPU use of all since the previous call. `None` the first time,
    /// and if the system cannot open the files.
    pub(super) fn look(&mut self, cpu: CpuUse) -> Option<Look> {
        self.cpu += cpu;
        let files = ProcessFiles::open(&self.root)?;
        let scan = Scan::read(&files)?;
        let cpu = mem::take(&mut self.cpu);
        let look = self.before.take().map(|before| {
            let seconds = scan.begun.saturating_duration_since(before.begun).as_secs_f64();
            let passed = Passed { seconds, since: before.begun_ticks, cpu };
            self.compare(&files, &before, &scan, &passed)
        });
        self.before = Some(scan);
        look
    }

    fn compare(
        &mut self,
        files: &ProcessFiles,
        before: &Scan,
        now: &Scan,
        passed: &Passed,
    ) -> Look {
        let mut used = used_between(&before.records, &now.records, passed.since);
        let most = passed.cpu.busy + EXCESS_MAX * passed.cpu.capacity;
        if most.is_finite() {
            limit_children(&mut used, (most * ticks_per_second()) as u64);
        }
        let cpu: Vec<u64> = used.iter().map(|used| used.total()).collect();
        let memory: Vec<u64> = now.records.iter().map(|process| process.resident_pages).collect();
        let io_before = mem::take(&mut self.io);
        let listed = highest(&cpu, &memory, self.top)
            .into_iter()
            .map(|at| self.describe(files, now, &now.records[at], used[at], passed, &io_before));
        let processes: Vec<Process> = listed.collect();
        let top = Top {
            over: Some(passed.seconds),
            processes: now.count,
            cpu: passed.cpu.percent(passed.cpu.busy),
            ..Top::default()
        };
        finish(top, processes)
    }

    fn describe(
        &mut self,
        files: &ProcessFiles,
        scan: &Scan,
        process: &ProcessRecord,
        used: Used,
        passed: &Passed,
        io_before: &[IoCount],
    ) -> Process {
        let mut described = Process {
            pid: process.pid,
            name: scan.name(process),
            cpu: passed.cpu.percent(used.total() as f64 / ticks_per_second()),
            mem: process.resident_pages.saturating_mul(page_size() as u64),
            ..Process::default()
        };
        if let Some(folder) = files.folder(process.pid, process.start) {
            described.user = folder.user().map(|user| self.users.name(user, scan.begun));
            described.unit = folder.unit().map(|unit| SafeText::new(&unit));
            described.io = self.io_rate(&folder, process, used, passed, io_before);
        }
        described
    }

    /// Returns bytes per second. `None` without the count of the previous look. Like CPU time, the count
    /// of a process grows by that of its ended children, and includes what they did before the previous
    /// look, which is not known.
    fn io_rate(
        &mut self,
        folder: &ProcessFolder,
        process: &ProcessRecord,
        used: Used,
        passed: &Passed,
        before: &[IoCount],
    ) -> Option<f64> {
        let (pid, start, bytes) = (process.pid, process.start, folder.io_bytes()?);
        self.io.push(IoCount { pid, start, bytes });
        let earlier = before.iter().find(|count| (count.pid, count.start) == (pid, start));
        let earlier = match earlier {
            Some(count) => count.bytes,
            None if start >= passed.since => 0,
            None => return None,
        };
        let is_known = !used.had_known_children && passed.seconds > 0.0;
        is_known.then(|| bytes.saturating_sub(earlier) as f64 / passed.seconds)
    }
}

fn ticks_per_second() -> f64 {
    clock_ticks_per_second() as f64
}

#[cfg(test)]
mod tests;
