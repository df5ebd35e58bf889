//! Looks with fewer processes than the agent lists.

use std::cmp::Reverse;

use loadline_protocol::{Line, Look, Note, Process};

/// Returns the looks of these notes, each with the `top` processes highest by CPU, and by memory.
pub(super) fn limit_notes(notes: &str, top: usize) -> String {
    let mut looks: Vec<Look> = Vec::new();
    for line in notes.lines() {
        match (Line::parse(line), looks.last_mut()) {
            (Ok(Line::Note(Note::Top(top))), _) => looks.push(Look { top, ..Look::default() }),
            (Ok(Line::Note(Note::Process(process))), Some(look)) => look.processes.push(process),
            _ => {}
        }
    }
    looks.into_iter().map(|look| limit_look(look, top).to_string()).collect()
}

/// Returns the look with the `top` processes highest by CPU, and those highest by memory, in their
/// order. The CPU of the others counts as `other`.
pub(crate) fn limit_look(mut look: Look, top: usize) -> Look {
    if look.processes.len() <= top {
        return look;
    }
    let cpu = |process: &Process| process.cpu.unwrap_or(0.0);
    let mut listed = vec![false; look.processes.len()];
    let mut order: Vec<usize> = (0..listed.len()).collect();
    let mut list_first = |order: &[usize]| order.iter().take(top).for_each(|at| listed[*at] = true);
    let processes = &look.processes;
    order.sort_by(|a, b| cpu(&processes[*b]).total_cmp(&cpu(&processes[*a])));
    list_first(&order);
    order.sort_by_key(|at| Reverse(processes[*at].mem));
    list_first(&order);
    let (mut is_listed, mut removed) = (listed.into_iter(), 0.0);
    look.processes.retain(|process| {
        let is_listed = is_listed.next().unwrap_or(false);
        removed += if is_listed { 0.0 } else { cpu(process) };
        is_listed
    });
    // Rounded, because sums of tenths have more decimals.
    look.top.other = look.top.other.map(|other| ((other + removed) * 10.0).round() / 10.0);
    look
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOP: &str = "# top time=5.000 over=5.0 processes=412 cpu=63.2";

    /// Returns the note of a process.
    fn process(pid: u32, cpu: &str, mem: u64) -> String {
        format!("# proc pid={pid} name=p{pid}{cpu} mem={mem}\n")
    }

    #[test]
    fn the_highest_by_cpu_and_by_memory_stay_and_the_others_count_as_other() {
        let processes = [
            process(1, " cpu=44.1", 100),
            process(2, " cpu=15.0", 900),
            process(3, " cpu=0.3", 800),
            process(4, " cpu=0.1", 700),
            // CPU unknown.
            process(5, "", 600),
        ];
        let notes = |other: &str, pids: &[usize]| {
            let listed = pids.iter().map(|pid| processes[*pid - 1].as_str());
            format!("{TOP} other={other}\n") + &listed.collect::<String>()
        };
        let all = notes("3.7", &[1, 2, 3, 4, 5]);
        assert_eq!(limit_notes(&all, 1), notes("4.1", &[1, 2]));
        assert_eq!(limit_notes(&all, 2), notes("3.8", &[1, 2, 3]));
        assert_eq!(limit_notes(&all, 4), all);
        let two = all.clone() + &all;
        assert_eq!(limit_notes(&two, 1), notes("4.1", &[1, 2]).repeat(2));
        assert_eq!(limit_notes(&format!("{TOP}\n"), 1), format!("{TOP}\n"));
    }
}
