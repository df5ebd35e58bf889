//! Table of the rules: the conditions of each problem, with their levels.

use std::time::Duration;

use super::recent::{MachineFacts, Recent, RuleColumn};
use super::spell::Signal;

/// Problem of a machine, the most important one first: a cause before its effects. Memory that is short keeps
/// disks busy, a hypervisor or a limit that withholds the CPU makes tasks wait for it, and tasks that
/// wait for a disk count as load. A full file system slows nothing down and lasts for days, so it hides no
/// other problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Problem {
    MemoryShort,
    CpuStolen,
    ContainerLimit,
    CpuSaturated,
    DiskSaturated,
    TasksBlocked,
    FileSystemFull,
}

/// Quantity of a condition. NaN if it is not known or does not apply.
type Quantity = fn(&Recent, &MachineFacts) -> f64;

/// Condition: a quantity and its levels.
pub(super) struct Condition {
    quantity: Quantity,
    /// The problem ends below this level.
    ends: f64,
    /// From this level on, the problem begins if it lasts.
    lasting: f64,
    /// From this level on, the problem begins.
    clear: f64,
}

/// Rule: a problem whose conditions all hold.
pub(super) struct Rule {
    pub(super) problem: Problem,
    /// Duration of a clear signal that begins the problem. With the span of the means, 4 s more.
    pub(super) clear_for: Duration,
    conditions: &'static [Condition],
}

/// The problem is certain: found 8 s after its begin.
const AT_ONCE: Duration = Duration::from_secs(4);

/// Two counts of tasks, which are 5 s apart: a single one is by chance.
const COUNTED_TWICE: Duration = Duration::from_secs(6);

/// A build that uses all cores often ends earlier.
const A_WHILE: Duration = Duration::from_mins(1);

/// Level of conditions that never begin a problem because they last.
const NEVER: f64 = f64::INFINITY;

/// Level of conditions that never end a problem.
const ALWAYS: f64 = f64::NEG_INFINITY;

impl Rule {
    pub(super) fn signal(&self, recent: &Recent, facts: &MachineFacts) -> Signal {
        let mut weakest = Signal::Clear;
        for condition in self.conditions {
            weakest = weakest.min(condition.signal(recent, facts));
            if weakest == Signal::Absent {
                break;
            }
        }
        weakest
    }
}

impl Condition {
    fn signal(&self, recent: &Recent, facts: &MachineFacts) -> Signal {
        let value = (self.quantity)(recent, facts);
        // NaN reaches no level.
        if value >= self.clear {
            Signal::Clear
        } else if value >= self.lasting {
            Signal::Lasting
        } else if value >= self.ends {
            Signal::Between
        } else {
            Signal::Absent
        }
    }
}

const fn condition(quantity: Quantity, ends: f64, lasting: f64, clear: f64) -> Condition {
    Condition { quantity, ends, lasting, clear }
}

/// All rules. Several rules of one problem are alternatives: for example without pressure, on old kernels
/// and other systems.
pub(super) const RULES: [Rule; 12] = [
    Rule {
        problem: Problem::MemoryShort,
        clear_for: AT_ONCE,
        conditions: &[condition(waiting_for_memory, 5.0, 10.0, 25.0)],
    },
    Rule {
        problem: Problem::MemoryShort,
        clear_for: AT_ONCE,
        conditions: &[
            condition(memory_used, 94.0, 96.0, 98.0),
            condition(gib_per_available, 0.5, 1.0, 1.0),
        ],
    },
    Rule {
        problem: Problem::MemoryShort,
        clear_for: AT_ONCE,
        conditions: &[
            condition(swap_growth_mib, 0.1, 0.5, 2.0),
            condition(memory_used, 85.0, 90.0, 90.0),
        ],
    },
    Rule {
        problem: Problem::CpuStolen,
        clear_for: AT_ONCE,
        conditions: &[condition(|recent, _| recent.mean(RuleColumn::Steal), 5.0, 8.0, 15.0)],
    },
    Rule {
        problem: Problem::ContainerLimit,
        clear_for: AT_ONCE,
        conditions: &[condition(limit_used, 90.0, 95.0, 97.0)],
    },
    // A build makes tasks wait as well. It ends soon, and has few tasks for each core.
    Rule {
        problem: Problem::CpuSaturated,
        clear_for: COUNTED_TWICE,
        conditions: &[
            condition(machine_busy, 85.0, 95.0, 95.0),
            condition(waiting_for_cpu_if_known, 5.0, NEVER, 90.0),
            condition(tasks_per_core, ALWAYS, NEVER, 3.5),
        ],
    },
    Rule {
        problem: Problem::CpuSaturated,
        clear_for: A_WHILE,
        conditions: &[
            condition(machine_busy, 85.0, 95.0, 95.0),
            condition(waiting_for_cpu, 5.0, 10.0, 70.0),
        ],
    },
    Rule {
        problem: Problem::CpuSaturated,
        clear_for: A_WHILE,
        conditions: &[
            condition(machine_busy, 85.0, 95.0, 95.0),
            condition(load_without_pressure, ALWAYS, 1.4, 2.0),
            condition(tasks_per_core, 1.1, 1.4, 1.4),
        ],
    },
    Rule {
        problem: Problem::DiskSaturated,
        clear_for: AT_ONCE,
        conditions: &[
            condition(waiting_for_disk, 30.0, 50.0, 80.0),
            // Tasks that wait for a disk which does nothing are blocked.
            condition(disk_rate, 1024.0, 4096.0, 4096.0),
        ],
    },
    Rule {
        problem: Problem::DiskSaturated,
        clear_for: AT_ONCE,
        conditions: &[
            condition(idle_for_disk_without_pressure, 0.3, 0.5, 0.8),
            condition(disk_rate, 1024.0, 4096.0, 4096.0),
        ],
    },
    Rule {
        problem: Problem::TasksBlocked,
        // One count may be that of tasks which woke up together.
        clear_for: COUNTED_TWICE,
        conditions: &[
            condition(blocked_load, ALWAYS, 1.0, 1.5),
            condition(blocked_tasks, 0.5, 0.8, 0.8),
            condition(idle, 40.0, 50.0, 50.0),
            condition(not_waiting_for_cpu, 60.0, 80.0, 80.0),
        ],
    },
    Rule {
        problem: Problem::FileSystemFull,
        clear_for: AT_ONCE,
        conditions: &[condition(|recent, _| recent.newest(RuleColumn::DiskUsed), 94.0, 95.0, 97.0)],
    },
];

const MIB: f64 = (1u64 << 20) as f64;
const GIB: f64 = (1u64 << 30) as f64;

/// Span of the number of tasks: the kernel counts them every 5 s.
const TASKS_SPAN: Duration = Duration::from_secs(5);

/// Minimum number of cores against which blocked tasks count. One blocked task of a small machine is normal.
const BLOCKED_PER_CORES_MIN: f64 = 2.0;

/// Returns `value` if `unknown` is NaN.
fn without(unknown: f64, value: f64) -> f64 {
    if unknown.is_nan() { value } else { f64::NAN }
}

fn waiting_for_memory(recent: &Recent, facts: &MachineFacts) -> f64 {
    recent.waiting(RuleColumn::PsiMem, facts)
}

fn memory_used(recent: &Recent, _: &MachineFacts) -> f64 {
    recent.mean(RuleColumn::Mem)
}

/// Returns 1 if 1 GiB is available, 2 for half of it. Infinite if that is not known.
fn gib_per_available(recent: &Recent, facts: &MachineFacts) -> f64 {
    let available = recent.available(facts);
    if available.is_nan() { f64::INFINITY } else { GIB / available.max(1.0) }
}

fn swap_growth_mib(recent: &Recent, _: &MachineFacts) -> f64 {
    recent.growth(RuleColumn::SwapUsed) / MIB
}

fn limit_used(recent: &Recent, facts: &MachineFacts) -> f64 {
    facts.cpu_limit.map_or(f64::NAN, |_| recent.mean(RuleColumn::Cpu))
}

/// Returns the CPU use of the machine. In a container with a limit, it is not known, unlike pressure and load.
fn machine_busy(recent: &Recent, facts: &MachineFacts) -> f64 {
    facts.cpu_limit.map_or_else(|| recent.mean(RuleColumn::Cpu), |_| f64::NAN)
}

fn idle(recent: &Recent, facts: &MachineFacts) -> f64 {
    100.0 - machine_busy(recent, facts)
}

fn waiting_for_cpu(recent: &Recent, facts: &MachineFacts) -> f64 {
    recent.waiting(RuleColumn::PsiCpu, facts)
}

/// Returns the share of time in which tasks wait for the CPU. Infinite if it is not known.
fn waiting_for_cpu_if_known(recent: &Recent, facts: &MachineFacts) -> f64 {
    let waiting = waiting_for_cpu(recent, facts);
    if waiting.is_nan() { f64::INFINITY } else { waiting }
}

/// Returns the share of time without tasks that wait for the CPU. Without pressure, at least the idle time.
fn not_waiting_for_cpu(recent: &Recent, facts: &MachineFacts) -> f64 {
    let waiting = waiting_for_cpu(recent, facts);
    if waiting.is_nan() { idle(recent, facts) } else { 100.0 - waiting }
}

fn cores(facts: &MachineFacts) -> f64 {
    facts.cores.unwrap_or(f64::NAN)
}

/// Returns the load for each core, if pressure is not known.
fn load_without_pressure(recent: &Recent, facts: &MachineFacts) -> f64 {
    without(recent.newest(RuleColumn::PsiCpu), recent.newest(RuleColumn::Load) / cores(facts))
}

/// Returns the tasks of the last seconds for each core.
fn tasks_per_core(recent: &Recent, facts: &MachineFacts) -> f64 {
    recent.tasks(TASKS_SPAN) / cores(facts)
}

fn waiting_for_disk(recent: &Recent, facts: &MachineFacts) -> f64 {
    recent.waiting(RuleColumn::PsiIo, facts)
}

/// Returns the number of cores that are idle only because of a disk.
fn idle_for_disk_without_pressure(recent: &Recent, facts: &MachineFacts) -> f64 {
    let idle = recent.mean(RuleColumn::Iowait) / 100.0 * facts.cores.unwrap_or(1.0);
    without(recent.newest(RuleColumn::PsiIo), idle)
}

/// Returns the bytes read and written per second. Infinite if they are not known.
fn disk_rate(recent: &Recent, _: &MachineFacts) -> f64 {
    let rate = recent.mean(RuleColumn::DiskRead) + recent.mean(RuleColumn::DiskWrite);
    if rate.is_nan() { f64::INFINITY } else { rate }
}

/// Returns the load that is not CPU use, for each core.
fn blocked_load(recent: &Recent, facts: &MachineFacts) -> f64 {
    blocked(recent.newest(RuleColumn::Load), recent, facts)
}

/// Returns the tasks of the last seconds that did not use the CPU, for each core.
fn blocked_tasks(recent: &Recent, facts: &MachineFacts) -> f64 {
    blocked(recent.tasks(TASKS_SPAN), recent, facts)
}

fn blocked(tasks: f64, recent: &Recent, facts: &MachineFacts) -> f64 {
    (tasks - busy_cores(recent, facts)) / cores(facts).max(BLOCKED_PER_CORES_MIN)
}

/// Returns the number of busy cores.
pub(super) fn busy_cores(recent: &Recent, facts: &MachineFacts) -> f64 {
    machine_busy(recent, facts) / 100.0 * cores(facts)
}
