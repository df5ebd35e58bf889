//! Processes of looks: their order, and their sums over several looks.

use std::cmp::Ordering;
use std::collections::HashMap;

use loadline_protocol::{LISTED_MAX, Look, Process, TOP_MAX, Top};

/// Distinct processes that a sum tells apart: a day of looks, each with three others. The CPU of further ones is
/// `other`.
const SUMMED_MAX: usize = 1 << 16;

/// Order of the processes of a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ProcessOrder {
    /// Highest CPU use first.
    #[default]
    Cpu,
    /// Largest memory first.
    Memory,
}

impl ProcessOrder {
    /// Returns the processes of a look in this order. Equal ones have the order of their ids.
    pub fn sorted(self, look: &Look) -> Vec<&Process> {
        let mut processes: Vec<&Process> = look.processes.iter().collect();
        processes.sort_by(|a, b| self.compare(a, b));
        processes
    }

    fn compare(self, a: &Process, b: &Process) -> Ordering {
        let cpu = || b.cpu.unwrap_or(-1.0).total_cmp(&a.cpu.unwrap_or(-1.0));
        let memory = || b.mem.cmp(&a.mem);
        let unequal = match self {
            ProcessOrder::Cpu => cpu().then_with(memory),
            ProcessOrder::Memory => memory().then_with(cpu),
        };
        unequal.then(a.pid.cmp(&b.pid))
    }
}

/// Returns several looks as one: CPU and io as means over their time, memory as its maximum. `None` without looks.
///
/// A process counts 0 in a look that does not list it: its CPU is part of `other` there. The sum of a single look
/// is that look. Of more processes than a look has, those with the most CPU and the most memory are listed.
pub fn sum_of_looks<'a>(looks: impl Iterator<Item = &'a Look> + Clone) -> Option<Look> {
    let newest = looks.clone().last()?;
    let over = looks.clone().filter_map(|look| look.top.over).reduce(|a, b| a + b);
    let count = looks.clone().count() as f64;
    let mut top = Top { time: newest.top.time, over, ..Top::default() };
    let mut sums = Sums::default();
    for look in looks {
        let share = match over {
            Some(over) if over > 0.0 => look.top.over.unwrap_or(0.0) / over,
            // Without known times, all looks count alike.
            _ => 1.0 / count,
        };
        add(&mut top.cpu, look.top.cpu, share);
        add(&mut top.other, look.top.other, share);
        top.processes = top.processes.max(look.top.processes);
        for process in &look.processes {
            if !sums.add(process, share) {
                add(&mut top.other, process.cpu, share);
            }
        }
    }
    let mut look = Look { top, processes: sums.sums };
    list_highest(&mut look);
    Some(look)
}

/// Processes with their sums so far, and their places by id and name: another program may take the id of one that
/// ended.
#[derive(Default)]
struct Sums<'a> {
    sums: Vec<Process>,
    places: HashMap<(u32, &'a str), usize>,
}

impl<'a> Sums<'a> {
    /// Adds a share of a process. Returns false if there is no room for it.
    fn add(&mut self, process: &'a Process, share: f64) -> bool {
        let key = (process.pid, process.name.as_str());
        let known = self.places.get(&key).copied();
        if known.is_none() && self.sums.len() >= SUMMED_MAX {
            return false;
        }
        let place = known.unwrap_or_else(|| {
            self.sums.push(Process { cpu: None, io: None, ..process.clone() });
            self.places.insert(key, self.sums.len() - 1);
            self.sums.len() - 1
        });
        let sum = &mut self.sums[place];
        add(&mut sum.cpu, process.cpu, share);
        add(&mut sum.io, process.io, share);
        sum.mem = sum.mem.max(process.mem);
        true
    }
}

fn add(sum: &mut Option<f64>, value: Option<f64>, share: f64) {
    if let Some(value) = value {
        *sum = Some(sum.unwrap_or(0.0) + value * share);
    }
}

/// Reduces the processes to those highest by CPU and by memory, as in any look. `other` has the CPU of the rest.
fn list_highest(look: &mut Look) {
    if look.processes.len() <= LISTED_MAX {
        return;
    }
    let mut rest = std::mem::take(&mut look.processes);
    for order in [ProcessOrder::Cpu, ProcessOrder::Memory] {
        rest.sort_by(|a, b| order.compare(a, b));
        let highest = usize::from(TOP_MAX).min(rest.len());
        look.processes.extend(rest.drain(..highest));
    }
    rest.iter().for_each(|process| add(&mut look.top.other, process.cpu, 1.0));
}

#[cfg(test)]
mod tests {
    use loadline_protocol::{SafeText, Time};
    use proptest::prelude::*;

    use super::*;

    fn process(pid: u32, name: &str, cpu: f64, mem: u64) -> Process {
        let name = SafeText::new(name);
        Process { pid, name, cpu: Some(cpu), mem, io: Some(cpu * 100.0), ..Process::default() }
    }

    /// Look in which `cpu` is the sum of all shares.
    fn look(second: i64, over: f64, other: f64, processes: Vec<Process>) -> Look {
        let listed: f64 = processes.iter().filter_map(|process| process.cpu).sum();
        let top = Top {
            time: Time::from_millis(second * 1000),
            over: Some(over),
            processes: Some(processes.len() as u32),
            cpu: Some(listed + other),
            other: Some(other),
        };
        Look { top, processes }
    }

    fn pids(look: &Look, order: ProcessOrder) -> Vec<u32> {
        order.sorted(look).iter().map(|process| process.pid).collect()
    }

    #[test]
    fn shares_are_averaged_over_the_time_and_memory_is_its_maximum() {
        let looks = [
            look(5, 5.0, 2.0, vec![process(1, "a", 40.0, 10), process(2, "a", 10.0, 30)]),
            look(20, 15.0, 6.0, vec![process(1, "a", 20.0, 20), process(3, "b", 4.0, 5)]),
        ];
        let sum = sum_of_looks(looks.iter()).unwrap();
        let rows = sum.processes.iter().map(|it| (it.pid, it.cpu, it.io, it.mem));
        let expected = [
            (1, Some(25.0), Some(2500.0), 20),
            (2, Some(2.5), Some(250.0), 30),
            (3, Some(3.0), Some(300.0), 5),
        ];
        assert_eq!(rows.collect::<Vec<_>>(), expected);
        let Top { time, over, cpu, other, processes } = sum.top;
        assert_eq!((time, over, processes), (looks[1].top.time, Some(20.0), Some(2)));
        assert_eq!((cpu, other), (Some(35.5), Some(5.0)));
        assert_eq!(sum_of_looks([].iter()), None);
    }

    #[test]
    fn processes_are_in_order_of_cpu_or_memory() {
        let unknown = Process { cpu: None, ..process(4, "d", 0.0, 90) };
        let processes = vec![
            process(3, "c", 5.0, 10),
            process(1, "a", 5.0, 10),
            process(2, "b", 9.0, 1),
            unknown,
        ];
        let look = look(5, 5.0, 0.0, processes);
        assert_eq!(pids(&look, ProcessOrder::Cpu), [2, 1, 3, 4]);
        assert_eq!(pids(&look, ProcessOrder::Memory), [4, 1, 3, 2]);
    }

    #[test]
    fn another_program_with_the_id_of_an_ended_one_has_a_row_of_its_own() {
        let looks = [
            look(5, 5.0, 0.0, vec![process(1, "sh", 8.0, 1)]),
            look(10, 5.0, 0.0, vec![process(1, "make", 4.0, 1)]),
        ];
        let sum = sum_of_looks(looks.iter()).unwrap();
        let rows = sum.processes.iter().map(|it| (it.name.as_str(), it.cpu)).collect::<Vec<_>>();
        assert_eq!(rows, [("sh", Some(4.0)), ("make", Some(2.0))]);
    }

    #[test]
    fn looks_without_their_times_count_alike() {
        let untimed = |second, cpu| {
            let mut look = look(second, 5.0, 0.0, vec![process(1, "a", cpu, 1)]);
            look.top.over = None;
            look
        };
        let looks = [untimed(5, 10.0), untimed(10, 20.0)];
        let sum = sum_of_looks(looks.iter()).unwrap();
        assert_eq!((sum.top.cpu, sum.processes[0].cpu), (Some(15.0), Some(15.0)));
    }

    #[test]
    fn a_long_span_lists_as_many_processes_as_a_look_and_counts_the_rest_as_other() {
        let looks: Vec<Look> = (0..1000)
            .map(|at| look(at, 1.0, 0.0, vec![process(at as u32, "cc1", 50.0, 1000 - at as u64)]))
            .collect();
        let sum = sum_of_looks(looks.iter()).unwrap();
        assert_eq!(sum.processes.len(), LISTED_MAX);
        let shares: f64 = sum.processes.iter().filter_map(|process| process.cpu).sum();
        let other = sum.top.other.unwrap();
        assert!((shares + other - 50.0).abs() < 1e-9 && (other - 45.0).abs() < 1e-9, "{other}");
    }

    fn any_look() -> impl Strategy<Value = Look> {
        let numbers = (0..1000_u32, 0.0..100.0, any::<u64>());
        let processes = prop::collection::hash_map(0..40_u32, numbers, 0..30);
        (1..600_i64, 0.1..60.0, 0.0..50.0, processes).prop_map(
            |(second, over, other, processes)| {
                let row =
                    |(pid, (name, cpu, mem))| process(pid, &format!("p{}", name % 3), cpu, mem);
                look(second, over, other, processes.into_iter().map(row).collect())
            },
        )
    }

    proptest! {
        #[test]
        fn the_sum_of_one_look_is_that_look(look in any_look()) {
            prop_assert_eq!(sum_of_looks([look.clone()].iter()), Some(look));
        }

        #[test]
        fn all_shares_and_other_are_the_cpu(looks in prop::collection::vec(any_look(), 1..20)) {
            let sum = sum_of_looks(looks.iter()).unwrap();
            let shares: f64 = sum.processes.iter().filter_map(|process| process.cpu).sum();
            let (cpu, other) = (sum.top.cpu.unwrap(), sum.top.other.unwrap());
            prop_assert!((shares + other - cpu).abs() < 1e-6, "{shares} + {other} = {cpu}");
            prop_assert!(sum.processes.len() <= LISTED_MAX);
        }
    }
}
