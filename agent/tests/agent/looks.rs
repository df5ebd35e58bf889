//! Looks at the processes in the streams of an agent, under a paused clock.

use std::time::Duration;

use loadline_agent::AgentSettings;
use loadline_protocol::{Line, Look, Note, Process, Time, Top};
use tokio::time::sleep;

use crate::stage::{AgentStage, StreamClient, counting_source};

/// Returns the look after an even sample: processes 1 to 3, the highest by CPU first, and the lowest by
/// memory.
fn look(number: u64, time: Time) -> Option<Look> {
    let process = |pid: u32| Process {
        pid,
        name: "p".into(),
        cpu: Some(f64::from(40 - 10 * pid)),
        mem: u64::from(pid) * 1000,
        ..Process::default()
    };
    let top = Top { time, processes: Some(number as u32), other: Some(1.5), ..Top::default() };
    let processes = (1..=3).map(process).collect();
    number.is_multiple_of(2).then_some(Look { top, processes })
}

/// Starts an agent that has the samples 1 to 10, with looks of up to two processes by CPU and by
/// memory after the samples with an even number.
pub(crate) async fn stage_with_looks(history: Duration) -> AgentStage {
    let settings = AgentSettings { history, ..AgentSettings::default() };
    let stage = AgentStage::start_with(settings, counting_source().with_looks(2, look)).await;
    sleep(Duration::from_millis(9500)).await;
    stage
}

/// Abbreviates a line: `#7` for sample 7, `top 6` for the look after sample 6, `proc 1` for process 1,
/// and `live`.
pub(crate) fn shorten(line: &str) -> String {
    match Line::parse(line).unwrap() {
        Line::Row(row) => format!("#{}", row.split(' ').nth(1).unwrap()),
        Line::Past(line) => format!("past {}", shorten(line)),
        Line::Note(Note::Top(top)) => format!("top {}", top.processes.unwrap()),
        Line::Note(Note::Process(process)) => format!("proc {}", process.pid),
        Line::Note(Note::Header(_)) => "header".into(),
        Line::Note(Note::Columns(_)) => "columns".into(),
        Line::Note(note) => note.to_string().trim_start_matches("# ").to_owned(),
        Line::Blank => String::new(),
    }
}

/// Reads as many abbreviated lines as `expected` has, and compares them.
pub(crate) async fn expect(client: &mut StreamClient, expected: &str) {
    let mut lines = Vec::new();
    for _ in expected.split(", ") {
        lines.push(shorten(&client.line().await));
    }
    assert_eq!(lines.join(", "), expected);
}

/// Checks the lines that answer a request.
async fn check(request: &str, expected: &str) {
    let stage = stage_with_looks(Duration::from_secs(3)).await;
    let mut client = stage.request(&format!("loadline/1 {request}")).await;
    expect(&mut client, &format!("header, columns, {expected}")).await;
}

#[tokio::test(start_paused = true)]
async fn a_look_stands_in_front_of_the_row_that_follows_it() {
    let look = |number: u32| format!("top {number}, proc 1, proc 2, proc 3");
    let (six, eight, ten) = (look(6), look(8), look(10));
    check("history=all top=2", &format!("{six}, #7, #8, {eight}, #9, #10, live, {ten}, #11")).await;
    check("history=1s top=5", &format!("{eight}, #9, #10, live, {ten}, #11")).await;
    check("top=2", &format!("live, #10, {ten}, #11")).await;
    check("history=all columns=cpu top=9", &format!("{six}, #7, #8, {eight}, #9")).await;
    // Longer intervals leave out rows, and no looks.
    let of_threes =
        format!("{six}, {eight}, #9, live, {ten}, #12, {}, {}, #15", look(12), look(14));
    check("history=all interval=3s top=2", &of_threes).await;
}

#[tokio::test(start_paused = true)]
async fn looks_are_sent_only_if_asked_for_and_with_as_many_processes() {
    check("history=all", "#7, #8, #9, #10, live, #11, #12, #13").await;
    check("history=all top=0", "#7, #8, #9, #10, live, #11").await;
    check(
        "history=2s top=1",
        "#8, top 8, proc 1, proc 3, #9, #10, live, top 10, proc 1, proc 3, #11",
    )
    .await;
    let stage = stage_with_looks(Duration::from_secs(3)).await;
    let mut client = stage.request("loadline/1 top=1").await;
    expect(&mut client, "header, columns, live, #10").await;
    // The CPU of process 2 counts as `other`.
    assert_eq!(client.line().await, "# top time=1763836809.000 processes=10 other=21.5");
    let mut plain = stage.connect(64 * 1024);
    assert_eq!(plain.rows(5).await, "11, 12, 13, 14, 15");
}

#[tokio::test(start_paused = true)]
async fn resume_continues_with_the_look_after_the_last_row() {
    let stage = stage_with_looks(Duration::from_secs(9)).await;
    let mut client = stage.request("loadline/1").await;
    let header = client.line().await;
    let run = &header.split("run=").nth(1).unwrap()[..8];
    for (seq, expected) in [
        (8, "top 8, proc 1, proc 2, proc 3, #9, #10, live"),
        (9, "#10, live, top 10"),
        (10, "top 10, proc 1, proc 2, proc 3, #11, live"),
    ] {
        let stage = &stage;
        let mut client = stage.request(&format!("loadline/1 resume={run}:{seq} top=2")).await;
        expect(&mut client, &format!("header, columns, {expected}")).await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_looks_of_evicted_samples_are_gone_with_them() {
    let stage = stage_with_looks(Duration::from_secs(3)).await;
    let mut client = stage.connect(400);
    assert_eq!(client.row().await, "10");
    client.send("loadline/1 top=2\n").await;
    expect(&mut client, "header, columns, live, #10").await;
    sleep(Duration::from_secs(20)).await;
    let mut lines = Vec::new();
    while lines.last().is_none_or(|line| line != "#31") {
        lines.push(shorten(&client.line().await));
    }
    let skipped = lines.iter().position(|line| line.starts_with("skipped")).unwrap();
    let after = ["top 26", "proc 1", "proc 2", "proc 3", "#27", "#28", "top 28"];
    assert_eq!(lines[skipped + 1..][..7], after, "{lines:?}");
}
