//! Finding: a problem as one sentence, from values that are on the screen.

use std::time::Duration;

use loadline_protocol::{Look, Process, Time};
use unicode_width::UnicodeWidthStr as _;

use super::evidence::{OF_TIME, evidence};
use super::recent::{FILE_SYSTEM_PREFIX, MachineFacts, Metric, Recent};
use super::rules::Problem;
use crate::thresholds::Level;
use crate::units::{bytes_text, rate_text, span_text};
use crate::watched::Watched;

/// Maximum age of a look that names a process: 30 s. Looks are 5 s apart, or further if looking costs much.
const LOOK_AGE_MAX: Duration = Duration::from_secs(30);

/// Minimum share of a process that is named: a tenth of the CPU, of the memory, or of what disks read and
/// write. A smaller one does not explain the problem.
const SHARE_MIN: f64 = 0.1;

/// Maximum number of characters of a process's name in a sentence.
const NAME_MAX: usize = 20;

/// Use of a file system from which it is critical, in %.
const FILE_SYSTEM_CRITICAL: f64 = 98.0;

/// Problem at a time, with its evidence.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Finding {
    /// Severity, never normal.
    pub(crate) level: Level,
    /// Resource and problem: `CPU saturated`.
    subject: String,
    /// Duration: `2m 10s`.
    held: String,
    /// Numbers, the most important first.
    evidence: Vec<String>,
    /// Process that takes most, with its share.
    process: Option<String>,
}

/// Time in which a problem holds.
#[derive(Debug, Clone, Copy)]
pub(super) struct HeldTime {
    pub(super) since: Time,
    pub(super) until: Time,
    /// True if the samples do not reach back to the begin.
    pub(super) began_earlier: bool,
}

impl Finding {
    /// Describes a problem at the newest reading.
    pub(super) fn new(
        problem: Problem,
        held: HeldTime,
        recent: &Recent,
        facts: &MachineFacts,
        watched: &Watched,
    ) -> Finding {
        let over = if held.began_earlier { "over " } else { "" };
        let subject = match problem {
            Problem::FileSystemFull => file_system(watched, held.until),
            _ => problem.subject().to_owned(),
        };
        let is_critical = match problem {
            // Without memory, the kernel ends programs.
            Problem::MemoryShort => true,
            Problem::FileSystemFull => recent.newest(Metric::DiskUsed) >= FILE_SYSTEM_CRITICAL,
            _ => false,
        };
        let look = newest_look(watched, held);
        Finding {
            level: if is_critical { Level::Critical } else { Level::Warning },
            subject,
            held: format!("{over}{}", span_text(held.until - held.since)),
            evidence: evidence(problem, recent, facts),
            process: look.and_then(|look| culprit(problem, &look, recent, facts)),
        }
    }

    /// Returns the sentence, in at most `width` columns as far as possible. Shorter sentences lose words
    /// first, then the evidence except the first number, the process, and the duration.
    pub(crate) fn text(&self, width: usize) -> String {
        let counts = (1..=self.evidence.len()).rev();
        let parts = [true, false]
            .into_iter()
            .flat_map(|has_process| counts.clone().map(move |count| (count, has_process)));
        let long = [self.sentence(self.evidence.len(), true)];
        let short =
            parts.map(|(count, process)| self.sentence(count, process).replace(OF_TIME, ""));
        let titles = [format!("{} for {}", self.subject, self.held), self.subject.clone()];
        let mut texts = long.into_iter().chain(short).chain(titles);
        let fitting = texts.find(|text| text.width() <= width);
        fitting.unwrap_or_else(|| self.subject.clone())
    }

    fn sentence(&self, evidence: usize, has_process: bool) -> String {
        let numbers = self.evidence[..evidence].join(", ");
        let process = self.process.as_ref().filter(|_| has_process);
        let process = process.map_or(String::new(), |process| format!("; {process}"));
        format!("{} for {}: {numbers}{process}", self.subject, self.held)
    }
}

impl Problem {
    fn subject(self) -> &'static str {
        match self {
            Problem::MemoryShort => "Memory short",
            Problem::CpuStolen => "CPU stolen by the hypervisor",
            Problem::ContainerLimit => "Container at its CPU limit",
            Problem::CpuSaturated => "CPU saturated",
            Problem::DiskSaturated => "Disk saturated",
            Problem::TasksBlocked => "Load high",
            Problem::FileSystemFull => "File system nearly full",
        }
    }
}

/// Returns the subject of a file system that is full, with its mount point if its column is there.
fn file_system(watched: &Watched, time: Time) -> String {
    let newest = watched.store().count_until(time).checked_sub(1);
    let used = newest.and_then(|newest| watched.store().get(newest));
    let columns = watched.columns().unwrap_or_default().iter().enumerate();
    let mounts = columns.filter_map(|(at, column)| {
        let mount = column.name().strip_prefix(FILE_SYSTEM_PREFIX)?;
        let used = used?.value(at);
        (!used.is_nan()).then_some((mount, used))
    });
    match mounts.max_by(|a, b| a.1.total_cmp(&b.1)) {
        Some((mount, _)) => format!("File system {mount} nearly full"),
        None => Problem::FileSystemFull.subject().to_owned(),
    }
}

/// Returns the newest look that was taken while a problem held.
fn newest_look(watched: &Watched, held: HeldTime) -> Option<Look> {
    let begin = held.since.max(held.until - LOOK_AGE_MAX);
    // The look that covers the time of a sample comes after it.
    let covering = watched.looks.at(held.until);
    covering.or_else(|| watched.looks.between(begin..=held.until).last())
}

/// Describes the process that takes most of a resource: `ffmpeg (812) takes 78 %`.
fn culprit(problem: Problem, look: &Look, recent: &Recent, facts: &MachineFacts) -> Option<String> {
    let highest = |amount: fn(&Process) -> f64| {
        let known = look.processes.iter().filter(|process| !amount(process).is_nan());
        let highest = known.max_by(|a, b| amount(a).total_cmp(&amount(b)))?;
        Some((highest, amount(highest)))
    };
    let (process, amount, whole) = match problem {
        Problem::ContainerLimit | Problem::CpuSaturated => {
            let (process, percent) = highest(|process| process.cpu.unwrap_or(f64::NAN))?;
            (process, format!("takes {percent:.0} %"), percent / 100.0)
        }
        Problem::MemoryShort => {
            let (process, bytes) = highest(|process| process.mem as f64)?;
            (process, format!("has {}", bytes_text(bytes as u64)), bytes / facts.memory?)
        }
        Problem::DiskSaturated => {
            let (process, rate) = highest(|process| process.io.unwrap_or(f64::NAN))?;
            let whole = recent.mean(Metric::DiskRead) + recent.mean(Metric::DiskWrite);
            (process, format!("moves {}", rate_text(rate as u64)), rate / whole)
        }
        Problem::CpuStolen | Problem::TasksBlocked | Problem::FileSystemFull => return None,
    };
    let name = process.name.as_str();
    let end = name.char_indices().nth(NAME_MAX).map_or(name.len(), |(end, _)| end);
    let text = format!("{} ({}) {amount}", &name[..end], process.pid);
    (whole >= SHARE_MIN).then_some(text)
}
