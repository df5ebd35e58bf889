//! Sum of the looks of a span.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use loadline_protocol::{LISTED_MAX, Look, Process, TOP_MAX, Time, Top};

use super::{Looks, Program, StoredLook, StoredProcess, covers};
use crate::store::ProcessOrder;
use crate::store::process_order::Rank;

/// Processes with a sum of their own: those of a day of looks, each with three others. The CPU use of further ones is
/// `other`.
const SUMMED_MAX: usize = 1 << 16;

impl Looks {
    /// Returns the looks that cover a part of a span as one look: CPU use and io as means over their time,
    /// memory as its maximum. `None` without looks.
    ///
    /// A process counts 0 in a look that does not list it: its CPU use is part of `other` there. The sum of a
    /// single look is that look. Of more processes than a look has, those highest by CPU use and by memory are
    /// listed.
    pub fn sum(&self, span: RangeInclusive<Time>) -> Option<Look> {
        let looks = || self.covering(&span);
        let time = looks().last()?.top.time;
        let over = looks().filter_map(|look| look.top.over).reduce(|a, b| a + b);
        let count = looks().count() as f64;
        let mut sum = Sum { top: Top { time, over, ..Top::default() }, ..Sum::default() };
        for look in looks() {
            let share = match over {
                Some(over) if over > 0.0 => look.top.over.unwrap_or(0.0) / over,
                // Without known times, all looks count alike.
                _ => 1.0 / count,
            };
            sum.add(look, share);
        }
        Some(sum.into_look())
    }

    fn covering(&self, span: &RangeInclusive<Time>) -> impl Iterator<Item = &StoredLook> {
        let until = self.stored.partition_point(|look| look.top.time < *span.end());
        // The look after the end covers the end.
        let last = self.stored.get(until).filter(|look| covers(&look.top, *span.end()));
        let until = until + usize::from(last.is_some());
        let from = self.stored.partition_point(|look| look.top.time < *span.start());
        self.stored.range(from.min(until)..until)
    }
}

/// Looks added so far.
#[derive(Default)]
struct Sum<'a> {
    top: Top,
    processes: Vec<ProcessSum<'a>>,
    /// Places of the processes by id and program: another program may take the id of one that ended.
    places: HashMap<(u32, *const Program), usize>,
}

struct ProcessSum<'a> {
    process: &'a StoredProcess,
    cpu: Option<f64>,
    mem: u64,
    io: Option<f64>,
}

impl<'a> Sum<'a> {
    /// Adds a look whose numbers count with this share.
    fn add(&mut self, look: &'a StoredLook, share: f64) {
        add(&mut self.top.cpu, look.top.cpu, share);
        add(&mut self.top.other, look.top.other, share);
        self.top.processes = self.top.processes.max(look.top.processes);
        for process in &look.processes {
            let known = |number: f64| Some(number).filter(|number| !number.is_nan());
            match self.place(process) {
                Some(sum) => {
                    add(&mut sum.cpu, known(process.cpu), share);
                    add(&mut sum.io, known(process.io), share);
                    sum.mem = sum.mem.max(process.mem);
                }
                None => add(&mut self.top.other, known(process.cpu), share),
            }
        }
    }

    /// Returns the sum of a process, or `None` if there is no room for another one.
    fn place(&mut self, process: &'a StoredProcess) -> Option<&mut ProcessSum<'a>> {
        let next = self.processes.len();
        let key = (process.pid, Arc::as_ptr(&process.program));
        let place = match self.places.get(&key) {
            Some(place) => *place,
            None if next < SUMMED_MAX => *self.places.entry(key).or_insert(next),
            None => return None,
        };
        if place == next {
            self.processes.push(ProcessSum { process, cpu: None, mem: 0, io: None });
        }
        self.processes.get_mut(place)
    }

    /// Reduces the processes to as many as a look has. `other` includes the rest.
    fn into_look(mut self) -> Look {
        let mut rest = self.processes;
        let mut listed = Vec::new();
        if rest.len() > LISTED_MAX {
            for order in [ProcessOrder::Cpu, ProcessOrder::Memory] {
                rest.sort_by(|a, b| order.compare(a.rank(), b.rank()));
                listed.extend(rest.drain(..usize::from(TOP_MAX).min(rest.len())));
            }
            for sum in &rest {
                add(&mut self.top.other, sum.cpu, 1.0);
            }
        } else {
            listed = rest;
        }
        let processes = listed.iter().map(ProcessSum::to_process).collect();
        Look { top: self.top, processes }
    }
}

impl ProcessSum<'_> {
    fn rank(&self) -> Rank {
        (self.cpu.unwrap_or(f64::NAN), self.mem, self.process.pid)
    }

    fn to_process(&self) -> Process {
        let ProcessSum { process, cpu, mem, io } = *self;
        Process { cpu, mem, io, ..process.to_process() }
    }
}

fn add(sum: &mut Option<f64>, value: Option<f64>, share: f64) {
    if let Some(value) = value {
        *sum = Some(sum.unwrap_or(0.0) + value * share);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use loadline_protocol::SafeText;
    use proptest::prelude::*;

    use super::*;

    fn s(seconds: i64) -> Time {
        Time::from_millis(seconds * 1000)
    }

    fn process(pid: u32, name: &str, cpu: f64, mem: u64) -> Process {
        let name = SafeText::new(name);
        Process { pid, name, cpu: Some(cpu), mem, io: Some(cpu * 100.0), ..Process::default() }
    }

    /// Look in which `cpu` is the sum of all shares.
    fn look(seconds: i64, over: f64, other: f64, processes: Vec<Process>) -> Look {
        let listed: f64 = processes.iter().filter_map(|process| process.cpu).sum();
        let top = Top {
            time: s(seconds),
            over: Some(over),
            processes: Some(processes.len() as u32),
            cpu: Some(listed + other),
            other: Some(other),
        };
        Look { top, processes }
    }

    fn stored(looks: impl IntoIterator<Item = Look>) -> Looks {
        let mut all = Looks::new(Duration::from_hours(24));
        looks.into_iter().for_each(|look| all.push(Arc::new(look)));
        all
    }

    fn sum(looks: impl IntoIterator<Item = Look>) -> Look {
        stored(looks).sum(s(0)..=s(100_000)).unwrap()
    }

    #[test]
    fn shares_are_averaged_over_the_time_and_memory_is_its_maximum() {
        let sum = sum([
            look(5, 5.0, 2.0, vec![process(1, "a", 40.0, 10), process(2, "a", 10.0, 30)]),
            look(20, 15.0, 6.0, vec![process(1, "a", 20.0, 20), process(3, "b", 4.0, 5)]),
        ]);
        let rows = sum.processes.iter().map(|it| (it.pid, it.cpu, it.io, it.mem));
        let expected = [
            (1, Some(25.0), Some(2500.0), 20),
            (2, Some(2.5), Some(250.0), 30),
            (3, Some(3.0), Some(300.0), 5),
        ];
        assert_eq!(rows.collect::<Vec<_>>(), expected);
        let Top { time, over, cpu, other, processes } = sum.top;
        assert_eq!((time, over, processes), (s(20), Some(20.0), Some(2)));
        assert_eq!((cpu, other), (Some(35.5), Some(5.0)));
    }

    #[test]
    fn every_look_counts_that_covers_a_part_of_the_span() {
        let looks = stored([105, 110, 115, 130].map(|time| look(time, 5.0, 1.0, Vec::new())));
        let over = |from, to| looks.sum(s(from)..=s(to)).and_then(|look| look.top.over);
        assert_eq!(over(106, 107), Some(5.0));
        assert_eq!(over(106, 111), Some(10.0));
        assert_eq!(over(105, 110), Some(10.0));
        assert_eq!(over(0, 1000), Some(20.0));
        assert_eq!((over(116, 120), over(131, 140), over(0, 50)), (None, None, None));
    }

    #[test]
    fn another_program_with_the_id_of_an_ended_one_has_a_row_of_its_own() {
        let sum = sum([
            look(5, 5.0, 0.0, vec![process(1, "sh", 8.0, 1)]),
            look(10, 5.0, 0.0, vec![process(1, "make", 4.0, 1)]),
        ]);
        let rows = sum.processes.iter().map(|it| (it.name.as_str(), it.cpu)).collect::<Vec<_>>();
        assert_eq!(rows, [("sh", Some(4.0)), ("make", Some(2.0))]);
    }

    #[test]
    fn looks_without_their_times_count_alike() {
        let untimed = |seconds, cpu| {
            let mut look = look(seconds, 5.0, 0.0, vec![process(1, "a", cpu, 1)]);
            look.top.over = None;
            look
        };
        let sum = sum([untimed(5, 10.0), untimed(10, 20.0)]);
        assert_eq!((sum.top.cpu, sum.processes[0].cpu), (Some(15.0), Some(15.0)));
    }

    #[test]
    fn a_long_span_lists_as_many_processes_as_a_look_and_counts_the_rest_as_other() {
        let one = |at: i64| look(at, 1.0, 0.0, vec![process(at as u32, "cc1", 50.0, at as u64)]);
        let sum = sum((0..1000).map(one));
        assert_eq!(sum.processes.len(), LISTED_MAX);
        let shares: f64 = sum.processes.iter().filter_map(|process| process.cpu).sum();
        let other = sum.top.other.unwrap();
        assert!((shares + other - 50.0).abs() < 1e-9 && (other - 45.0).abs() < 1e-9, "{other}");
    }

    fn any_look() -> impl Strategy<Value = Look> {
        let numbers = (0..1000_u32, 0.0..100.0, any::<u64>());
        let processes = prop::collection::hash_map(0..40_u32, numbers, 0..30);
        (1..600_i64, 0.1..60.0, 0.0..50.0, processes).prop_map(
            |(seconds, over, other, processes)| {
                let row =
                    |(pid, (name, cpu, mem))| process(pid, &format!("p{}", name % 3), cpu, mem);
                look(seconds, over, other, processes.into_iter().map(row).collect())
            },
        )
    }

    proptest! {
        #[test]
        fn the_sum_of_one_look_is_that_look(look in any_look()) {
            prop_assert_eq!(sum([look.clone()]), look);
        }

        #[test]
        fn all_shares_and_other_are_the_cpu(looks in prop::collection::vec(any_look(), 1..20)) {
            let sum = sum(looks);
            let shares: f64 = sum.processes.iter().filter_map(|process| process.cpu).sum();
            let (cpu, other) = (sum.top.cpu.unwrap(), sum.top.other.unwrap());
            prop_assert!((shares + other - cpu).abs() < 1e-6, "{shares} + {other} = {cpu}");
            prop_assert!(sum.processes.len() <= LISTED_MAX);
        }
    }
}
