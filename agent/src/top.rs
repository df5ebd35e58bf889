//! Looks at the processes: which of them used most of the machine.
//!
//! A thread of its own looks. A look at 30,000 processes takes hundreds of milliseconds, and the
//! directory of users may be on the network: neither holds up samples or clients.
//!
//! The thread begins with a sample, and its look stands in front of the next one. Looking costs at most
//! 0.3 % of one core: the pause after a look that costs more is longer.

#[cfg(target_os = "linux")]
mod children;
#[cfg(target_os = "linux")]
mod linux;
mod listed;
#[cfg(not(target_os = "linux"))]
mod other;
#[cfg(target_os = "linux")]
mod scan;
mod schedule;
mod users;

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use loadline_protocol::{Column, Look, TOP_MAX, Time};
use tokio::time::Instant;

#[cfg(target_os = "linux")]
use self::linux::LinuxProcesses as Processes;
#[cfg(not(target_os = "linux"))]
use self::other::OtherProcesses as Processes;
use self::schedule::Schedule;
use crate::kernel::root::Root;
use crate::source::cpu_use::CpuUse;
use crate::source::{Machine, MetricSource};
use crate::vitals::thread_cpu_time;

/// Machine that this program runs on, with looks at its processes.
pub struct MachineWithLooks {
    machine: Machine,
    top: u16,
    /// `None` without looks.
    looker: Option<Looker>,
}

/// Thread that looks on request.
struct Looker {
    requests: SyncSender<CpuUse>,
    looks: Receiver<Finished>,
    schedule: Schedule,
    /// Time of the sample with which the look in progress began.
    begun: Option<Instant>,
}

/// Look that the thread has finished.
struct Finished {
    /// `None` for the first one, and if the processes cannot be read.
    look: Option<Look>,
    /// CPU time that it took.
    cost: Duration,
}

impl Machine {
    /// Returns the machine with looks at the `top` processes highest by CPU, and by memory, at most
    /// [`TOP_MAX`]. 0 is without looks.
    pub fn with_top(self, top: u16) -> MachineWithLooks {
        let root = Root::of_this_machine();
        let top = top.min(TOP_MAX);
        let start = || Looker::start(Processes::new(&root, top));
        let looker = (top > 0).then(start).transpose().unwrap_or_else(|error| {
            tracing::warn!("cannot look at the processes: {error}");
            None
        });
        let top = if looker.is_some() { top } else { 0 };
        MachineWithLooks { machine: self, top, looker }
    }
}

impl MetricSource for MachineWithLooks {
    fn columns(&self) -> Vec<Column> {
        self.machine.columns()
    }

    fn sample(&mut self, values: &mut Vec<f64>) {
        self.machine.sample(values);
        let now = self.machine.sampled_at();
        if let Some(looker) = self.looker.as_mut().filter(|looker| looker.is_due(now)) {
            looker.begin(now, self.machine.take_cpu_use());
        }
    }

    fn top(&self) -> u16 {
        self.top
    }

    fn look(&mut self, time: Time) -> Option<Look> {
        self.looker.as_mut()?.take(self.machine.sampled_at(), time)
    }

    fn min_interval(&self) -> Duration {
        self.machine.min_interval()
    }
}

impl Looker {
    /// Starts the thread, and a first look for later ones to compare with.
    ///
    /// # Errors
    /// If the system has no thread left.
    fn start(processes: Processes) -> io::Result<Looker> {
        let ((requests, requested), (finished, looks)) = (sync_channel(1), sync_channel(1));
        let thread = thread::Builder::new().name("looks".to_owned());
        thread.spawn(move || run(processes, &requested, &finished))?;
        let mut looker = Looker { requests, looks, schedule: Schedule::default(), begun: None };
        looker.begin(Instant::now(), CpuUse::default());
        Ok(looker)
    }

    fn is_due(&self, now: Instant) -> bool {
        self.begun.is_none() && self.schedule.is_due(now)
    }

    /// Begins a look with a sample. `cpu` is the CPU use since the previous begin.
    fn begin(&mut self, now: Instant, cpu: CpuUse) {
        // The thread takes requests until this value is dropped, and there is one at a time.
        self.begun = self.requests.try_send(cpu).ok().map(|()| now);
    }

    /// Returns the look that has finished since the last call, if there is one. `sampled_at` and `time`
    /// are those of the newest sample.
    fn take(&mut self, sampled_at: Instant, time: Time) -> Option<Look> {
        let begun = self.begun?;
        let Finished { look, cost } = self.looks.try_recv().ok()?;
        self.begun = None;
        self.schedule.record(begun, cost);
        let mut look = look?;
        let age = sampled_at.saturating_duration_since(begun);
        look.top.time = time.shifted_ms(-(age.as_millis() as i64));
        Some(look)
    }
}

fn run(mut processes: Processes, requests: &Receiver<CpuUse>, finished: &SyncSender<Finished>) {
    while let Ok(cpu) = requests.recv() {
        let (before, begun) = (thread_cpu_time(), Instant::now());
        let look = processes.look(cpu);
        let used = thread_cpu_time().zip(before).map(|(now, before)| now.saturating_sub(before));
        let cost = used.unwrap_or_else(|| begun.elapsed());
        if finished.send(Finished { look, cost }).is_err() {
            return;
        }
    }
}
