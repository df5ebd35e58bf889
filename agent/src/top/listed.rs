//! Choice of the processes that a look lists, and the sums of the others.

use loadline_protocol::{Look, Process, Top};

/// Returns the positions of the `top` highest by CPU, then those of the `top` highest by memory that are
/// not among them, each from the highest down. What uses nothing is left out.
pub(super) fn highest(cpu: &[u64], memory: &[u64], top: usize) -> Vec<usize> {
    let mut listed = highest_of(cpu, top);
    let by_memory = highest_of(memory, top);
    let others: Vec<usize> = by_memory.into_iter().filter(|at| !listed.contains(at)).collect();
    listed.extend(others);
    listed
}

fn highest_of(amounts: &[u64], top: usize) -> Vec<usize> {
    let mut positions: Vec<usize> = (0..amounts.len()).filter(|at| amounts[*at] > 0).collect();
    let order = |at: &usize| (std::cmp::Reverse(amounts[*at]), *at);
    if positions.len() > top {
        positions.select_nth_unstable_by_key(top, order);
        positions.truncate(top);
    }
    positions.sort_unstable_by_key(order);
    positions
}

/// Returns the look with what the listed processes leave of `cpu`. Rounds to a tenth of a percent, a
/// hundredth of a second and a byte per second. The system counts its own time and that of processes in
/// different ways, so that the processes may exceed `cpu` by a little: then nothing is left.
pub(super) fn finish(mut top: Top, mut processes: Vec<Process>) -> Look {
    let rounded = |number: Option<f64>, steps: f64| number.map(|it| (it * steps).round() / steps);
    for process in &mut processes {
        process.cpu = rounded(process.cpu, 10.0);
        process.io = rounded(process.io, 1.0);
    }
    let listed: f64 = processes.iter().filter_map(|process| process.cpu).sum();
    top.cpu = rounded(top.cpu, 10.0);
    top.other = rounded(top.cpu.map(|cpu| (cpu - listed).max(0.0)), 10.0);
    top.over = rounded(top.over, 100.0);
    Look { top, processes }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_by_cpu_come_before_the_highest_by_memory() {
        let cpu = [0, 5, 9, 5, 1];
        let memory = [70, 0, 90, 10, 80];
        assert_eq!(highest(&cpu, &memory, 0), [0; 0]);
        assert_eq!(highest(&cpu, &memory, 1), [2]);
        assert_eq!(highest(&cpu, &memory, 2), [2, 1, 4]);
        assert_eq!(highest(&cpu, &memory, 3), [2, 1, 3, 4, 0]);
        assert_eq!(highest(&cpu, &memory, 50), [2, 1, 3, 4, 0]);
        assert_eq!(highest(&[0; 3], &[0; 3], 5), [0; 0]);
    }

    #[test]
    fn what_is_listed_and_other_are_all_of_the_cpu() {
        let check = |cpu: f64, shares: [f64; 2], expected: f64| {
            let top = Top { cpu: Some(cpu), over: Some(5.0036), ..Top::default() };
            let process = |cpu| Process { cpu: Some(cpu), io: Some(0.6), ..Process::default() };
            let look = finish(top, shares.map(process).into());
            assert_eq!(look.top.other, Some(expected), "{cpu} {shares:?}");
            assert_eq!((look.top.over, look.processes[0].io), (Some(5.0), Some(1.0)));
        };
        check(63.21, [44.11, 15.04], 4.1);
        check(0.04, [0.04, 0.0], 0.0);
        check(50.0, [30.0, 20.4], 0.0);
        let unknown = finish(Top::default(), vec![Process::default()]);
        assert_eq!(unknown.top, Top::default());
    }
}
