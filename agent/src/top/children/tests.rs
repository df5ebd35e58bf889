//! Attribution in single cases, and against a simulated kernel.

use proptest::prelude::*;

use super::*;

/// Ticks since boot at the previous look.
const SINCE: u64 = 1000;

/// Process that started before the previous look.
fn process(pid: u32, parent: u32, own: u64, children: u64) -> ProcessRecord {
    let (name_at, start, resident_pages) = (0, u64::from(pid), 0);
    ProcessRecord { pid, parent, name_at, start, own, children, resident_pages }
}

fn new(pid: u32, parent: u32, own: u64, children: u64) -> ProcessRecord {
    ProcessRecord { start: SINCE, ..process(pid, parent, own, children) }
}

fn check(before: &[ProcessRecord], now: &[ProcessRecord], expected: &[u64]) {
    let used = used_between(before, now, SINCE);
    assert_eq!(used.iter().map(|used| used.total()).collect::<Vec<_>>(), expected);
}

#[test]
fn a_process_has_used_what_its_time_grew_by() {
    check(&[process(1, 0, 50, 9)], &[process(1, 0, 80, 9), new(2, 1, 7, 3)], &[30, 10]);
    check(&[], &[process(1, 0, 80, 9)], &[0]);
    check(&[process(1, 0, 80, 9)], &[process(1, 0, 50, 0)], &[0]);
}

#[test]
fn another_process_with_the_same_pid_has_its_own_time_only() {
    check(
        &[process(1, 0, 0, 0), process(5, 1, 900, 0)],
        &[process(1, 0, 0, 900), new(5, 1, 7, 0)],
        &[0, 7],
    );
}

#[test]
fn short_children_count_for_the_shell_that_waited_for_them() {
    check(&[process(7, 1, 10, 4000)], &[process(7, 1, 20, 4480)], &[490]);
}

#[test]
fn a_child_that_was_seen_brings_along_only_its_time_since_then() {
    let before = [process(7, 1, 10, 0), process(8, 7, 9000, 500)];
    check(&before, &[process(7, 1, 10, 9600)], &[100]);
}

#[test]
fn a_chain_that_ends_counts_for_the_first_that_is_left() {
    // make, sh and cc1: cc1 had used 300 ticks, and 40 more until its end.
    let before = [process(7, 1, 5, 0), process(8, 7, 2, 0), process(9, 8, 300, 0)];
    check(&before, &[process(7, 1, 6, 343)], &[42]);
}

#[test]
fn the_time_of_an_orphan_counts_for_its_adopter() {
    // The parent 8 ended first, so that 1 adopted 9.
    let before =
        [process(1, 0, 0, 0), process(7, 1, 0, 0), process(8, 7, 3, 0), process(9, 8, 300, 0)];
    check(&before, &[process(1, 0, 0, 340), process(7, 1, 0, 4)], &[40, 1]);
}

#[test]
fn a_child_of_a_living_parent_is_subtracted_before_an_orphan() {
    let before = [
        process(1, 0, 0, 0),
        process(7, 1, 0, 0),
        process(8, 7, 0, 0),
        process(9, 8, 90, 0),
        process(10, 7, 50, 0),
    ];
    check(&before, &[process(1, 0, 0, 95), process(7, 1, 0, 100)], &[5, 50]);
}

#[test]
fn time_of_ignored_children_is_nobodys() {
    let before = [process(1, 0, 0, 0), process(7, 1, 10, 0), process(8, 7, 300, 0)];
    check(&before, &[process(1, 0, 0, 400), process(7, 1, 60, 0)], &[400, 50]);
}

#[test]
fn parents_in_a_circle_end_the_search() {
    check(&[process(7, 8, 1, 0), process(8, 7, 1, 0)], &[new(9, 7, 1, 0)], &[1]);
}

#[test]
fn children_are_limited_to_what_the_machine_has_used() {
    let of = |own, children| Used { own, children, had_known_children: false };
    let check = |available, expected: [u64; 2]| {
        let mut used = [of(10, 300), of(20, 100)];
        limit_children(&mut used, available);
        assert_eq!(used.map(|used| used.children), expected, "{available}");
    };
    check(u64::MAX, [300, 100]);
    check(430, [300, 100]);
    check(230, [150, 50]);
    check(30, [0, 0]);
    check(0, [0, 0]);
}

/// Process of the simulated kernel.
#[derive(Debug, Clone)]
struct Simulated {
    record: ProcessRecord,
    has_ended: bool,
    ignores_children: bool,
    /// Time since the previous look, of its own and of children for which it waited.
    recent: u64,
}

/// Kernel with processes that fork, run, end and wait.
#[derive(Debug)]
struct Kernel {
    processes: Vec<Simulated>,
    time: u64,
    next_pid: u32,
    /// True if a process ended before its children.
    has_orphans: bool,
}

impl Kernel {
    fn new() -> Kernel {
        let record = ProcessRecord { start: 0, ..process(1, 0, 0, 0) };
        let init = Simulated { record, has_ended: false, ignores_children: false, recent: 0 };
        Kernel { processes: vec![init], time: 0, next_pid: 2, has_orphans: false }
    }

    /// Does one step with the process that `who` selects.
    fn step(&mut self, (what, who, ticks): (u8, usize, u64)) {
        self.time += 1;
        let living: Vec<usize> =
            (0..self.processes.len()).filter(|at| !self.processes[*at].has_ended).collect();
        let at = living[who % living.len()];
        match what {
            0..3 => self.fork(at, what == 2 && ticks % 3 == 0),
            3..6 => {
                self.processes[at].record.own += ticks;
                self.processes[at].recent += ticks;
            }
            6..8 => self.wait(at),
            _ if at > 0 => self.end(at),
            _ => {}
        }
        // Process 1 waits for all that it adopts.
        self.wait(0);
    }

    fn fork(&mut self, at: usize, ignores_children: bool) {
        let parent = self.processes[at].record.pid;
        let record = ProcessRecord { start: self.time, ..process(self.next_pid, parent, 0, 0) };
        self.processes.push(Simulated { record, has_ended: false, ignores_children, recent: 0 });
        self.next_pid += 1;
    }

    fn end(&mut self, at: usize) {
        let ended = self.processes[at].record;
        self.processes[at].has_ended = true;
        for process in self.processes.iter_mut().filter(|it| it.record.parent == ended.pid) {
            process.record.parent = 1;
            self.has_orphans = true;
        }
        if self.processes.iter().any(|it| it.record.pid == ended.parent && it.ignores_children) {
            self.processes.remove(at);
        }
    }

    /// Lets a process wait for all of its ended children.
    fn wait(&mut self, at: usize) {
        let pid = self.processes[at].record.pid;
        let is_waited = |it: &Simulated| it.has_ended && it.record.parent == pid;
        let ended: Vec<Simulated> =
            self.processes.iter().filter(|it| is_waited(it)).cloned().collect();
        for child in ended {
            self.processes[at].record.children += child.record.total();
            self.processes[at].recent += child.recent;
        }
        self.processes.retain(|it| !is_waited(it));
    }

    fn records(&self) -> Vec<ProcessRecord> {
        self.processes.iter().map(|it| it.record).collect()
    }
}

fn steps() -> impl Strategy<Value = Vec<(u8, usize, u64)>> {
    prop::collection::vec((0..10_u8, any::<usize>(), 0..50_u64), 0..80)
}

proptest! {
    #[test]
    fn each_process_has_used_its_time_and_that_of_its_ended_children(
        earlier in steps(),
        recent in steps(),
    ) {
        let mut kernel = Kernel::new();
        for step in earlier {
            kernel.step(step);
        }
        let (before, since) = (kernel.records(), kernel.time + 1);
        kernel.processes.iter_mut().for_each(|process| process.recent = 0);
        kernel.has_orphans = false;
        for step in recent {
            kernel.step(step);
        }
        let mut used = used_between(&before, &kernel.records(), since);
        if !kernel.has_orphans {
            for (used, process) in used.iter().zip(&kernel.processes) {
                prop_assert_eq!(used.total(), process.recent, "{:?}", process.record);
            }
        }
        // With orphans, who waited is a guess, and the sum of all a limit.
        let all: u64 = kernel.processes.iter().map(|process| process.recent).sum();
        limit_children(&mut used, all);
        prop_assert!(used.iter().map(|used| used.total()).sum::<u64>() <= all);
    }
}
