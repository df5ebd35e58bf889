//! Numbers that show a problem.

use super::recent::{MachineFacts, Metric, Recent};
use super::rules::{Problem, busy_cores};
use crate::units::{bytes_text, cores_text, number_text, rate_text};

/// End of a share of time, left out where there is no room.
pub(super) const OF_TIME: &str = " of the time";

/// Growth of swap from which it is mentioned: 100 KiB/s.
const SWAP_GROWTH_SHOWN: f64 = 100.0 * 1024.0;

/// Returns the numbers that show a problem at the newest reading, the most important first.
pub(super) fn evidence(problem: Problem, recent: &Recent, facts: &MachineFacts) -> Vec<String> {
    let percent = |value: f64, of: &str| (!value.is_nan()).then(|| format!("{value:.0} %{of}"));
    let mean = |metric, of| percent(recent.mean(metric), of);
    let waiting = |pressure| {
        let share = percent(recent.newest(pressure), OF_TIME)?;
        Some(format!("tasks wait {share}"))
    };
    let busy = mean(Metric::Cpu, " busy");
    let numbers = match problem {
        Problem::MemoryShort => {
            let is_waited_for = recent.newest(Metric::PsiMem) >= 1.0;
            let waiting = waiting(Metric::PsiMem).filter(|_| is_waited_for);
            vec![waiting, mean(Metric::Mem, " used"), swap_growth(recent), available(recent, facts)]
        }
        Problem::CpuStolen => vec![mean(Metric::Steal, OF_TIME), busy],
        Problem::ContainerLimit => {
            let limit = facts.cpu_limit.map_or(String::new(), |limit| cores_text(limit.cores()));
            vec![mean(Metric::Cpu, &format!(" of {limit}"))]
        }
        Problem::CpuSaturated => {
            vec![busy, waiting(Metric::PsiCpu).or_else(|| Some(load(recent, facts)))]
        }
        Problem::DiskSaturated => vec![
            waiting(Metric::PsiIo),
            traffic(recent),
            mean(Metric::Iowait, "").map(|share| format!("iowait {share}")),
        ],
        Problem::TasksBlocked => {
            let blocked = recent.newest(Metric::Load) - busy_cores(recent, facts);
            let tasks = format!("about {blocked:.0} tasks blocked");
            vec![Some(tasks), Some(load(recent, facts)), busy.map(|busy| format!("CPU {busy}"))]
        }
        Problem::FileSystemFull => vec![percent(recent.newest(Metric::DiskUsed), " used")],
    };
    numbers.into_iter().flatten().collect()
}

/// Describes the load: `load 8.12 on 2 cores`.
fn load(recent: &Recent, facts: &MachineFacts) -> String {
    let load = number_text(recent.newest(Metric::Load), 2);
    facts
        .cores
        .map_or(format!("load {load}"), |cores| format!("load {load} on {}", cores_text(cores)))
}

fn swap_growth(recent: &Recent) -> Option<String> {
    let growth = recent.growth(Metric::SwapUsed);
    (growth >= SWAP_GROWTH_SHOWN).then(|| format!("swap grows {}", rate_text(growth as u64)))
}

fn available(recent: &Recent, facts: &MachineFacts) -> Option<String> {
    let bytes = recent.available(facts);
    (!bytes.is_nan()).then(|| format!("{} available", bytes_text(bytes as u64)))
}

/// Describes what the disks do most: `writes 120.0 MiB/s`.
fn traffic(recent: &Recent) -> Option<String> {
    let rates = [("reads", Metric::DiskRead), ("writes", Metric::DiskWrite)];
    let rates = rates.map(|(word, metric)| (word, recent.mean(metric)));
    let known = rates.into_iter().filter(|(_, rate)| !rate.is_nan());
    let (word, rate) = known.max_by(|a, b| a.1.total_cmp(&b.1))?;
    Some(format!("{word} {}", rate_text(rate as u64)))
}
