//! Requests for earlier samples, under a paused clock.

use std::time::Duration;

use loadline_agent::Ending;
use tokio::time::sleep;

use crate::looks::{expect, shorten, stage_with_looks};
use crate::stage::{AgentStage, StreamClient};

const HOUR: Duration = Duration::from_hours(1);

/// Returns a client of an agent with the samples 1 to 10, which has the row of sample 10, and its run.
async fn live_client(stage: &AgentStage, request: &str) -> (StreamClient, String) {
    let mut client = stage.request(&format!("loadline/1 {request}")).await;
    let header = client.line().await;
    expect(&mut client, "columns, live, #10").await;
    (client, header.split("run=").nth(1).unwrap()[..8].to_owned())
}

/// Returns `before=` with the time of a sample.
fn before(seq: i64) -> String {
    format!("before={}", 1_763_836_799 + seq)
}

/// Checks the lines that answer a live client's request for earlier samples.
async fn check(request: &str, expected: &str) {
    let stage = stage_with_looks(HOUR).await;
    let (mut client, run) = live_client(&stage, "").await;
    client.send(&format!("loadline/1 resume={run}:10 {request}\n")).await;
    expect(&mut client, &format!("header, columns, live, past header, past columns, {expected}"))
        .await;
}

#[tokio::test(start_paused = true)]
async fn earlier_samples_come_beside_the_stream_which_goes_on() {
    let last_3s = "past #7, past #8, past live, #11, #12";
    check(&format!("history=3s {}", before(9)), last_3s).await;
    let all = "past #1, past #2, past #3, past #4, past live, #11";
    check(&format!("history=all {}", before(5)), all).await;
    check(&format!("history=1h {}", before(3)), "past #1, past #2, past live, #11").await;
    check(&format!("history=all interval=3s {}", before(9)), "past #3, past #6, past live, #12")
        .await;
    let of_two =
        "past #3, past top 4, past proc 1, past proc 3, past #6, past live, top 10, proc 1";
    let of_two = of_two.replace("past #3, ", "past top 2, past proc 1, past proc 3, past #3, ");
    check(&format!("history=all interval=3s top=1 {}", before(7)), &of_two).await;
}

#[tokio::test(start_paused = true)]
async fn without_earlier_samples_their_end_follows_at_once() {
    for (history, end) in [("all", 1), ("all", -1000), ("none", 5), ("", 5), ("2s", 8), ("2s", 3)] {
        check(
            &format!("history={history} {}", before(end)).replace("history= ", ""),
            "past live, #11",
        )
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn lines_of_the_past_are_whole_lines_with_a_prefix() {
    let stage = stage_with_looks(HOUR).await;
    let (mut client, run) = live_client(&stage, "").await;
    client
        .send(&format!("loadline/1 resume={run}:10 history=all columns=cpu {}\n", before(2)))
        .await;
    expect(&mut client, "header, columns, live").await;
    let header = client.line().await;
    assert!(header.starts_with(&format!("# past # loadline/1 run={run} ")), "{header}");
    assert!(!header.contains("now=") && !header.contains("oldest="), "{header}");
    assert_eq!(client.line().await, "# past # columns time:s seq cpu:%");
    assert_eq!(client.line().await, "# past 1763836800.000 1 1.0");
    assert_eq!(client.line().await, "# past # live");
    assert_eq!(client.line().await, "1763836810.000 11 11.0");
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_cannot_be_resumed_goes_on_with_the_newest_sample() {
    for resume in ["", "resume=00000000:3 "] {
        let stage = stage_with_looks(HOUR).await;
        let (mut client, _) = live_client(&stage, "").await;
        client.send(&format!("loadline/1 {resume}history=all {}\n", before(2))).await;
        expect(&mut client, "header, columns, live, #10, past header").await;
        expect(&mut client, "past columns, past #1, past live, #11").await;
    }
}

/// Reads up to a line of this abbreviation. Returns the abbreviated lines before it.
async fn read_to(client: &mut StreamClient, last: &str) -> Vec<String> {
    let mut lines = Vec::new();
    loop {
        match shorten(&client.line().await) {
            line if line == last => return lines,
            line => lines.push(line),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_replaces_earlier_samples_only_if_it_asks_for_others() {
    let stage = stage_with_looks(2 * HOUR).await;
    sleep(HOUR).await;
    let mut client = stage.connect(5000);
    client.send(&format!("loadline/1 history=all {}\n", before(3600))).await;
    read_to(&mut client, "past #50").await;
    client.send("loadline/1\n").await;
    read_to(&mut client, "header").await;
    let more = read_to(&mut client, "past #2000").await;
    assert!(more.len() > 1800, "{}", more.len());
    client.send(&format!("loadline/1 history=all {}\n", before(3))).await;
    let rest = read_to(&mut client, "past header").await;
    assert!(rest.len() < 400, "{}", rest.len());
    expect(&mut client, "past columns, past #1, past #2, past live").await;
}

#[tokio::test(start_paused = true)]
async fn rows_do_not_wait_behind_earlier_samples() {
    let stage = stage_with_looks(2 * HOUR).await;
    sleep(HOUR).await;
    // The pipe and the agent's buffer hold about 200 rows.
    let mut client = stage.connect(5000);
    client.send(&format!("loadline/1 history=all {}\n", before(3600))).await;
    assert_eq!(client.row().await, "3610");
    let (mut waiting, mut newest) = (0, 3609);
    for _ in 0..3599 {
        let line = shorten(&client.line().await);
        waiting += 1;
        if let Some(seq) = line.strip_prefix('#') {
            assert_eq!(seq, (newest + 1).to_string());
            assert!(waiting < 300, "{waiting}");
            (waiting, newest) = (0, newest + 1);
        }
        sleep(Duration::from_millis(10)).await;
    }
    assert!(newest > 3640, "{newest}");
}

#[tokio::test(start_paused = true)]
async fn earlier_samples_that_are_evicted_meanwhile_are_noted_or_end() {
    for (end, expected) in [(3600, "past skipped from="), (400, "past live")] {
        let stage = stage_with_looks(HOUR).await;
        sleep(HOUR).await;
        let mut client = stage.connect(2000);
        client.send(&format!("loadline/1 history=all {}\n", before(end))).await;
        read_to(&mut client, "past #50").await;
        // Less than the write timeout at a time.
        for _ in 0..50 {
            sleep(Duration::from_secs(20)).await;
            client.any_line().await;
        }
        let mut line = String::new();
        while !line.starts_with("past skipped") && line != "past live" {
            line = shorten(&client.line().await);
        }
        assert!(line.starts_with(expected), "{line}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_run_ends_the_earlier_samples() {
    let stage = stage_with_looks(2 * HOUR).await;
    sleep(HOUR).await;
    let mut client = stage.connect(5000);
    client.send(&format!("loadline/1 history=all {}\n", before(3600))).await;
    read_to(&mut client, "past #50").await;
    stage.shift_clock(-60_000);
    sleep(Duration::from_secs(2)).await;
    let rest = read_to(&mut client, "past live").await;
    assert!(rest.len() < 400, "{}", rest.len());
    read_to(&mut client, "#4").await;
}

#[tokio::test(start_paused = true)]
async fn clients_that_leave_or_read_nothing_end_with_their_earlier_samples() {
    let stage = stage_with_looks(2 * HOUR).await;
    sleep(HOUR).await;
    let stuck = stage.connect(1000);
    let mut stuck = stuck;
    stuck.send(&format!("loadline/1 history=all {}\n", before(3600))).await;
    assert_eq!(stuck.ending().await, Ending::Stuck);
    let mut stopped = stage.connect(1000);
    stopped.send(&format!("loadline/1 history=all {}\n", before(3600))).await;
    read_to(&mut stopped, "past #50").await;
    let stop = tokio::spawn(stage.stop());
    read_to(&mut stopped, "bye").await;
    assert_eq!(stopped.ending().await, Ending::Stopped);
    stop.await.unwrap();
}
