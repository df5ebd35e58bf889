//! Processes of other systems than Linux, by sysinfo. The CPU time of ended children is not known there:
//! it is `other`.

use loadline_protocol::{Look, Process, SafeText, Top};
use sysinfo::{
    Process as SystemProcess, ProcessRefreshKind, ProcessesToUpdate, RefreshKind, System,
    UpdateKind,
};
use tokio::time::Instant;

use super::listed::{finish, highest};
use super::users::UserNames;
use crate::kernel::root::Root;
use crate::source::cpu_use::CpuUse;

/// Reader of the processes.
pub(super) struct OtherProcesses {
    /// Of its own: a refresh of processes would suppress one of the CPU columns. `None` on systems that
    /// sysinfo does not support.
    system: Option<System>,
    top: usize,
    users: UserNames,
    before: Option<Instant>,
}

impl OtherProcesses {
    pub(super) fn new(_: &Root, top: u16) -> OtherProcesses {
        let system = System::new_with_specifics(RefreshKind::nothing()).ok();
        let users = UserNames::default();
        OtherProcesses { system, top: usize::from(top), users, before: None }
    }

    /// Reads the processes. `cpu` is the CPU use of all since the previous call. `None` the first time.
    pub(super) fn look(&mut self, cpu: CpuUse) -> Option<Look> {
        let now = Instant::now();
        let system = self.system.as_mut()?;
        let kind = ProcessRefreshKind::nothing().with_cpu().with_memory().with_disk_usage();
        let kind = kind.with_user(UpdateKind::OnlyIfNotSet).without_tasks();
        system.refresh_processes_specifics(ProcessesToUpdate::All, true, kind);
        let before = self.before.replace(now)?;
        let seconds = now.saturating_duration_since(before).as_secs_f64();
        let all: Vec<&SystemProcess> = system.processes().values().collect();
        // In thousandths of a percent, to be compared.
        let used: Vec<u64> = all.iter().map(|it| (it.cpu_usage() * 1000.0) as u64).collect();
        let memory: Vec<u64> = all.iter().map(|it| it.memory()).collect();
        let listed = highest(&used, &memory, self.top).into_iter();
        let users = &mut self.users;
        let processes: Vec<Process> =
            listed.map(|at| describe(all[at], cpu, seconds, users, now)).collect();
        let count = u32::try_from(all.len()).ok();
        let (over, cpu) = (Some(seconds), cpu.percent(cpu.busy));
        Some(finish(Top { over, processes: count, cpu, ..Top::default() }, processes))
    }
}

fn describe(
    process: &SystemProcess,
    cpu: CpuUse,
    seconds: f64,
    users: &mut UserNames,
    now: Instant,
) -> Process {
    let name = process.name().to_string_lossy();
    let name = if name.is_empty() { "?".into() } else { name };
    let disk = process.disk_usage();
    let bytes = disk.read_bytes.saturating_add(disk.written_bytes) as f64;
    Process {
        pid: process.pid().as_u32(),
        name: SafeText::new(&name),
        user: process.user_id().map(|user| users.name(**user, now)),
        unit: None,
        // In % of one core.
        cpu: cpu.percent(f64::from(process.cpu_usage()) / 100.0 * seconds),
        mem: process.memory(),
        io: (seconds > 0.0).then(|| bytes / seconds),
    }
}
