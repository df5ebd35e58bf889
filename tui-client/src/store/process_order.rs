//! Order of the processes of a look.

use std::cmp::Ordering;

use loadline_protocol::{Look, Process};

/// Order of the processes of a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ProcessOrder {
    /// Highest CPU use first.
    #[default]
    Cpu,
    /// Largest memory first.
    Memory,
}

/// CPU use, memory and id of a process: its place in any order. An unknown CPU use is NaN.
pub(super) type Rank = (f64, u64, u32);

impl ProcessOrder {
    /// Returns the processes of a look in this order. Equal ones have the order of their ids.
    pub fn sorted(self, look: &Look) -> Vec<&Process> {
        let rank = |process: &Process| (process.cpu.unwrap_or(f64::NAN), process.mem, process.pid);
        let mut processes: Vec<&Process> = look.processes.iter().collect();
        processes.sort_by(|a, b| self.compare(rank(a), rank(b)));
        processes
    }

    pub(super) fn compare(self, a: Rank, b: Rank) -> Ordering {
        // Unknown is less than nothing.
        let [a_cpu, b_cpu] = [a.0, b.0].map(|cpu| if cpu.is_nan() { -1.0 } else { cpu });
        let (cpu, memory) = (b_cpu.total_cmp(&a_cpu), b.1.cmp(&a.1));
        let unequal = match self {
            ProcessOrder::Cpu => cpu.then(memory),
            ProcessOrder::Memory => memory.then(cpu),
        };
        unequal.then(a.2.cmp(&b.2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_are_in_order_of_cpu_or_memory() {
        let process = |pid, cpu, mem| Process { pid, cpu, mem, ..Process::default() };
        let processes = vec![
            process(3, Some(5.0), 10),
            process(1, Some(5.0), 10),
            process(2, Some(9.0), 1),
            process(4, None, 90),
        ];
        let look = Look { processes, ..Look::default() };
        let pids = |order: ProcessOrder| -> Vec<u32> {
            order.sorted(&look).iter().map(|process| process.pid).collect()
        };
        assert_eq!(pids(ProcessOrder::Cpu), [2, 1, 3, 4]);
        assert_eq!(pids(ProcessOrder::Memory), [4, 1, 3, 2]);
    }
}
