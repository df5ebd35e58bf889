//! Processes of Linux. Own reader: sysinfo knows neither the CPU time of ended children nor cgroups, and
//! it takes 3.5 times as long for CPU time and memory.

use std::mem;

use loadline_protocol::{Look, Process, SafeText, Top};
use rustix::param::{clock_ticks_per_second, page_size};

use super::children::{ProcessRecord, Used, limit_children, used_between};
use super::listed::{finish, highest};
use super::scan::Scan;
use super::users::UserNames;
use crate::kernel::process_files::ProcessFiles;
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

/// Two scans, and what is known of the time between them.
struct Comparison {
    before: Scan,
    now: Scan,
    cpu: CpuUse,
    /// Bytes at the time of `before`.
    io: Vec<IoCount>,
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
        let now = Scan::read(&files)?;
        let (cpu, io) = (mem::take(&mut self.cpu), mem::take(&mut self.io));
        let Some(before) = self.before.take() else {
            self.before = Some(now);
            return None;
        };
        let scans = Comparison { before, now, cpu, io };
        let look = self.list(&files, &scans);
        self.before = Some(scans.now);
        Some(look)
    }

    fn list(&mut self, files: &ProcessFiles, scans: &Comparison) -> Look {
        let used = scans.used();
        let cpu: Vec<u64> = used.iter().map(|used| used.total()).collect();
        let records = &scans.now.records;
        let memory: Vec<u64> = records.iter().map(|process| process.resident_pages).collect();
        let listed = highest(&cpu, &memory, self.top).into_iter();
        let processes =
            listed.map(|at| self.describe(files, &records[at], used[at], scans)).collect();
        let top = Top {
            over: Some(scans.seconds()),
            processes: scans.now.count,
            cpu: scans.cpu.percent(scans.cpu.busy),
            ..Top::default()
        };
        finish(top, processes)
    }

    /// Reads what is not read of all processes.
    fn describe(
        &mut self,
        files: &ProcessFiles,
        process: &ProcessRecord,
        used: Used,
        scans: &Comparison,
    ) -> Process {
        let (pid, start) = (process.pid, process.start);
        let mut described = Process {
            pid,
            name: scans.now.name(process),
            cpu: scans.cpu.percent(used.total() as f64 / ticks_per_second()),
            mem: process.resident_pages.saturating_mul(page_size() as u64),
            ..Process::default()
        };
        let Some(folder) = files.folder(pid, start) else { return described };
        described.user = folder.user().map(|user| self.users.name(user, scans.now.begun));
        described.unit = folder.unit().map(|unit| SafeText::new(&unit));
        if let Some(bytes) = folder.io_bytes() {
            let count = IoCount { pid, start, bytes };
            described.io = scans.io_rate(&count).filter(|_| !used.had_known_children);
            self.io.push(count);
        }
        described
    }
}

impl Comparison {
    fn seconds(&self) -> f64 {
        self.now.begun.saturating_duration_since(self.before.begun).as_secs_f64()
    }

    /// Returns the CPU time of each process of `now`.
    fn used(&self) -> Vec<Used> {
        let since = self.before.begun_ticks;
        let mut used = used_between(&self.before.records, &self.now.records, since);
        let most = self.cpu.busy + EXCESS_MAX * self.cpu.capacity;
        if most.is_finite() {
            limit_children(&mut used, (most * ticks_per_second()) as u64);
        }
        used
    }

    /// Returns bytes per second. `None` without an earlier count. Like CPU time, the count includes that of
    /// ended children, from before the previous look too.
    fn io_rate(&self, count: &IoCount) -> Option<f64> {
        let is_same = |it: &&IoCount| (it.pid, it.start) == (count.pid, count.start);
        let earlier = match self.io.iter().find(is_same) {
            Some(earlier) => earlier.bytes,
            None if count.start >= self.before.begun_ticks => 0,
            None => return None,
        };
        let passed = Some(self.seconds()).filter(|seconds| *seconds > 0.0)?;
        Some(count.bytes.saturating_sub(earlier) as f64 / passed)
    }
}

fn ticks_per_second() -> f64 {
    clock_ticks_per_second() as f64
}

#[cfg(test)]
mod tests;
