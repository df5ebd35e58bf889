//! Streams of one agent, under a paused clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use loadline_agent::{Agent, AgentSettings, Ending, MachineFacts, ScriptedSource, Service};
use loadline_protocol::{Column, Line, Note};
use tokio::io::ReadBuf;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

use crate::stage::{AgentStage, FnStream, StreamClient, never};

const HOUR: Duration = Duration::from_hours(1);
const PIPE_BYTES: usize = 64 * 1024;

/// Number of requests without answers after which the agent is at fault.
const FLOOD_MAX: usize = 100_000;

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// Checks the abbreviated lines that answer `request` when the agent has the samples 1 to 10.
async fn check(request: &str, expected: &str) {
    let stage = AgentStage::with_history(HOUR).await;
    sleep(Duration::from_millis(9500)).await;
    let mut client = stage.request(request).await;
    let count = expected.split(", ").count();
    assert_eq!(client.rows(count).await, expected, "{request}");
}

#[tokio::test(start_paused = true)]
async fn a_silent_client_gets_six_numbers_at_once_and_then_a_row_per_sample() {
    let stage = AgentStage::with_history(HOUR).await;
    sleep(Duration::from_millis(4500)).await;
    let begin = Instant::now();
    let mut client = stage.connect(PIPE_BYTES);
    assert_eq!(client.line().await, "5.0 2400.0 43.1 0.52 0.44 0.40");
    assert_eq!(begin.elapsed(), Duration::ZERO);
    assert_eq!(client.line().await, "6.0 2400.0 43.1 0.52 0.44 0.40");
    assert_eq!(begin.elapsed(), Duration::from_millis(500));
    assert_eq!(client.rows(3).await, "7, 8, 9");
    assert_eq!(begin.elapsed(), Duration::from_millis(3500));
}

/// Returns the first `count` writes to a client that never sends.
async fn first_writes(service: &Service, count: usize) -> Vec<String> {
    let (sender, mut writes) = mpsc::unbounded_channel();
    let write = move |bytes: &[u8]| {
        let _ = sender.send(String::from_utf8_lossy(bytes).into_owned());
    };
    let (service, stream) = (service.clone(), FnStream { read: never, write });
    tokio::spawn(async move { service.serve(stream).await });
    let mut first = Vec::new();
    while first.len() < count {
        first.push(writes.recv().await.unwrap());
    }
    first
}

#[tokio::test(start_paused = true)]
async fn the_plain_stream_stays_six_columns_when_the_agent_collects_more() {
    let columns = (1..=8).map(|number| Column::new(&format!("c{number}"), "%")).collect();
    let source = ScriptedSource::new(columns, |_, values| {
        values.extend([1.06, f64::INFINITY, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
    });
    let agent = Agent::start(source, MachineFacts::default(), AgentSettings::default()).await;
    let writes = first_writes(&agent.service(), 1).await;
    assert_eq!(writes, ["1.1 nan 3.0 4.0 5.0 6.0\n"]);
}

#[tokio::test(start_paused = true)]
async fn each_plain_row_is_one_write() {
    let stage = AgentStage::with_history(HOUR).await;
    let writes = first_writes(&stage.service(), 20).await;
    for (at, write) in writes.iter().enumerate() {
        assert_eq!(*write, format!("{}.0 2400.0 43.1 0.52 0.44 0.40\n", at + 1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_subscriber_gets_headers_and_then_rows_with_time_and_number() {
    let stage = AgentStage::with_history(HOUR).await;
    // The answer has the time, which goes on between samples.
    sleep(Duration::from_millis(250)).await;
    let mut client = stage.request("loadline/1").await;
    let header = client.line().await;
    let Ok(Line::Note(Note::Header(read))) = Line::parse(&header) else { panic!("{header}") };
    let version = env!("CARGO_PKG_VERSION");
    let run = read.run.unwrap();
    let expected = format!(
        "# loadline/1 run={run} host=web-1 interval=1000ms cores=4 agent={version} \
         now=1763836800.250 oldest=1763836800.000"
    );
    assert_eq!(header, expected);
    let columns = "# columns time:s seq cpu:% freq:MHz mem:% load1 load5 load15";
    assert_eq!(client.line().await, columns);
    assert_eq!(client.line().await, "# live");
    assert_eq!(client.line().await, "1763836800.000 1 1.0 2400.0 43.1 0.52 0.44 0.40");
    assert_eq!(client.line().await, "1763836801.000 2 2.0 2400.0 43.1 0.52 0.44 0.40");
}

#[tokio::test(start_paused = true)]
async fn history_comes_first_and_is_followed_without_a_gap() {
    check("loadline/1", "# loadline, # columns, # live, #10, #11, #12").await;
    check("loadline/1 history=none", "# loadline, # columns, # live, #10, #11").await;
    check("loadline/1 history=2s", "# loadline, # columns, #8, #9, #10, # live, #11").await;
    let all = "# loadline, # columns, #1, #2, #3, #4, #5, #6, #7, #8, #9, #10, # live, #11";
    check("loadline/1 history=all", all).await;
}

#[tokio::test(start_paused = true)]
async fn a_long_history_arrives_whole() {
    let stage = AgentStage::with_history(HOUR).await;
    sleep(HOUR).await;
    let mut client = stage.request("loadline/1 history=all").await;
    assert_eq!(client.rows(2).await, "# loadline, # columns");
    for seq in 1..=3601 {
        assert_eq!(client.row().await, format!("#{seq}"));
    }
    assert_eq!(client.rows(2).await, "# live, #3602");
}

#[tokio::test(start_paused = true)]
async fn subscribers_get_an_agent_note_once_a_minute() {
    let stage = AgentStage::with_history(HOUR).await;
    let mut plain = stage.connect(64 * 1024);
    let mut client = stage.request("loadline/1").await;
    let notes = async |client: &mut StreamClient, seconds: usize| {
        let mut notes = Vec::new();
        for _ in 0..seconds {
            let line = client.any_line().await;
            let note = line.strip_prefix("# ").map(|note| note.split(' ').next().unwrap());
            notes.extend(note.map(str::to_owned));
        }
        notes.join(" ")
    };
    assert_eq!(notes(&mut client, 3 + 1 + 150).await, "loadline/1 columns live agent agent");
    let mut late = stage.request("loadline/1").await;
    assert_eq!(notes(&mut late, 5).await, "loadline/1 columns live agent");
    assert_eq!(notes(&mut plain, 150).await, "");
}

#[tokio::test(start_paused = true)]
async fn a_client_resumes_after_its_last_row() {
    let stage = AgentStage::with_history(seconds(5)).await;
    let mut client = stage.request("loadline/1").await;
    let header = client.line().await;
    let run = header.split("run=").nth(1).unwrap()[..8].to_owned();
    sleep(Duration::from_millis(9500)).await;
    let resume = async |run: &str, seq, more: &str, expected: &str| {
        let request = format!("loadline/1 resume={run}:{seq}{more}");
        let mut client = stage.request(&request).await;
        let count = expected.split(", ").count();
        assert_eq!(client.rows(count + 2).await, format!("# loadline, # columns, {expected}"));
        client
    };
    resume(&run, 8, "", "#9, #10, # live").await;
    resume(&run, 10, " history=all", "# live").await;
    resume(&run, 1, "", "# skipped from=2 to=4, #5, #6, #7, #8, #9, #10, # live").await;
    let other = if run == "00000000" { "00000001" } else { "00000000" };
    resume(other, 8, " history=1s", "#9, #10, # live").await;
    let mut ahead = resume(&run, 4711, "", "# live").await;
    assert_eq!(ahead.row().await, "#11");
}

#[tokio::test(start_paused = true)]
async fn a_longer_interval_is_rounded_up_to_a_multiple_of_the_agents() {
    let stage = AgentStage::with_history(HOUR).await;
    sleep(Duration::from_millis(9500)).await;
    let mut client = stage.request("loadline/1 interval=2500ms history=all").await;
    assert!(client.line().await.contains(" interval=3000ms "));
    assert_eq!(client.rows(7).await, "# columns, #3, #6, #9, # live, #12, #15");
    let mut client = stage.request("loadline/1 interval=1ms").await;
    assert!(client.line().await.contains(" interval=1000ms "));
}

#[tokio::test(start_paused = true)]
async fn a_client_gets_the_columns_it_chose_in_its_order() {
    let stage = AgentStage::with_history(HOUR).await;
    let mut client = stage.request("loadline/1 columns=load1,cpu").await;
    assert_eq!(client.row().await, "# loadline");
    assert_eq!(client.line().await, "# columns time:s seq load1 cpu:%");
    assert_eq!(client.line().await, "# live");
    assert_eq!(client.line().await, "1763836800.000 1 0.52 1.0");
    assert_eq!(client.line().await, "1763836801.000 2 0.52 2.0");
}

#[tokio::test(start_paused = true)]
async fn a_client_may_send_another_request() {
    let stage = AgentStage::with_history(HOUR).await;
    let mut client = stage.request("loadline/1 columns=cpu").await;
    assert_eq!(client.rows(3).await, "# loadline, # columns, # live");
    assert_eq!(client.line().await, "1763836800.000 1 1.0");
    client.send("loadline/1 interval=2s\n").await;
    assert_eq!(client.rows(5).await, "# loadline, # columns, # live, #2, #4");
    client.send("loadline/1 history=1s\nloadline/1\n").await;
    assert_eq!(client.rows(2).await, "# loadline, # columns");
    assert_eq!(client.rows(5).await, "# loadline, # columns, # live, #4, #5");
}

#[tokio::test(start_paused = true)]
async fn a_request_may_arrive_in_pieces() {
    let stage = AgentStage::with_history(HOUR).await;
    let mut client = stage.connect(PIPE_BYTES);
    for (at, byte) in b"loadline/1 history=all\r\n".iter().enumerate() {
        assert_eq!(client.row().await, (at + 1).to_string());
        client.send_bytes(&[*byte]).await;
    }
    assert_eq!(client.rows(4).await, "# loadline, # columns, #1, #2");
}

#[tokio::test(start_paused = true)]
async fn an_invalid_request_is_refused_with_a_reason() {
    let long = format!("loadline/1 x={}", "x".repeat(1024));
    for (request, error) in [
        (
            "loadline/1 columns=cpu,foo",
            "unknown column foo; available: cpu, freq, mem, load1, load5, load15",
        ),
        (
            "loadline/1 columns=laod1",
            "unknown column laod1; did you mean load1? available: cpu, freq, mem, load1, load5, load15",
        ),
        ("loadline/1 columns=cpu,cpu", r#"duplicate column \"cpu\""#),
        ("loadline/1 history=lots", "history=lots: "),
        (&long, "request longer than 1024 bytes"),
    ] {
        let stage = AgentStage::with_history(HOUR).await;
        let mut client = stage.request(request).await;
        let line = client.line().await;
        assert!(line.starts_with(&format!("# error \"{error}")), "{line}");
        assert_eq!(client.line().await, "");
        client.hang_up().await;
        assert!(matches!(client.ending().await, Ending::Refused(_)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_of_a_later_version_is_answered_in_version_1() {
    let stage = AgentStage::with_history(HOUR).await;
    let mut client = stage.request("loadline/9 sorted=yes").await;
    assert!(client.line().await.starts_with("# loadline/1 "));
}

#[tokio::test(start_paused = true)]
async fn some_noise_is_ignored_and_too_much_closes_the_connection() {
    let stage = AgentStage::with_history(HOUR).await;
    let mut client = stage.connect(PIPE_BYTES);
    client.send(&"\r\nGET / HTTP/1.1\r\n".repeat(4096 / 18)).await;
    assert_eq!(client.rows(3).await, "1, 2, 3");
    client.send("loadline/1\n").await;
    assert_eq!(client.row().await, "# loadline");
    client.send_bytes(&[0xff; 4096]).await;
    assert_eq!(client.ending().await, Ending::Noisy);
}

#[tokio::test(start_paused = true)]
async fn a_ping_is_answered_on_a_subscribed_stream_and_noise_on_a_plain_one() {
    let stage = AgentStage::with_history(HOUR).await;
    let mut plain = stage.connect(PIPE_BYTES);
    plain.send("ping\n").await;
    assert_eq!(plain.rows(3).await, "1, 2, 3");
    plain.send("loadline/1\nping\n").await;
    assert_eq!(plain.rows(5).await, "# loadline, # columns, # pong, # live, #3");
}

#[tokio::test(start_paused = true)]
async fn pings_of_a_day_are_no_noise_and_a_flood_of_pings_is() {
    let stage = AgentStage::with_history(HOUR).await;
    let mut patient = stage.request("loadline/1").await;
    for _ in 0..24 * 60 * 6 {
        patient.send("ping\r\n").await;
        while patient.line().await != "# pong" {}
        sleep(seconds(10)).await;
    }
    let mut flood = stage.request("loadline/1").await;
    flood.send(&"ping\n".repeat(2 * 4096 / 5)).await;
    assert_eq!(flood.rows(4).await, "# loadline, # columns, # pong, # live");
    assert_eq!(flood.ending().await, Ending::Noisy);
}

#[tokio::test(start_paused = true)]
async fn a_half_closed_client_still_gets_rows() {
    let stage = AgentStage::with_history(HOUR).await;
    let mut client = stage.connect(PIPE_BYTES);
    client.hang_up().await;
    for number in 1..=100 {
        assert_eq!(client.row().await, number.to_string());
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_gone_ends_its_session() {
    let stage = AgentStage::with_history(HOUR).await;
    let service = stage.service();
    let (near, far) = tokio::io::duplex(PIPE_BYTES);
    drop(near);
    assert_eq!(service.serve(far).await, Ending::Left);
}

#[tokio::test(start_paused = true)]
async fn a_stuck_client_is_closed_after_30_seconds_and_others_are_not_delayed() {
    let stage = AgentStage::with_history(HOUR).await;
    let begin = Instant::now();
    let stuck = stage.connect(40);
    let mut healthy = stage.connect(PIPE_BYTES);
    for number in 1..=60 {
        assert_eq!(healthy.row().await, number.to_string());
        assert_eq!(begin.elapsed(), seconds(number - 1));
    }
    assert!(begin.elapsed() < seconds(60));
    assert_eq!(stuck.ending().await, Ending::Stuck);
}

#[tokio::test(start_paused = true)]
async fn a_client_is_closed_after_exactly_30_seconds_without_reading_a_byte() {
    let stage = AgentStage::with_history(HOUR).await;
    let begin = Instant::now();
    // Half of the second row still fits into the pipe.
    let stuck = stage.connect(40);
    assert_eq!(stuck.ending().await, Ending::Stuck);
    let stalled = begin.elapsed().checked_sub(seconds(1)).unwrap();
    assert!(stalled >= seconds(30), "{stalled:?}");
    assert!(stalled < seconds(30) + Duration::from_millis(10), "{stalled:?}");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_now_and_then_is_not_stuck() {
    let stage = AgentStage::with_history(HOUR).await;
    let mut client = stage.connect(40);
    for number in 1..=10 {
        sleep(seconds(29)).await;
        assert_eq!(client.row().await, number.to_string());
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_client_gets_a_note_of_the_skipped_samples() {
    let stage = AgentStage::with_history(seconds(5)).await;
    let mut client = stage.connect(160);
    client.send("loadline/1\n").await;
    assert_eq!(client.rows(5).await, "1, # loadline, # columns, # live, #1");
    sleep(Duration::from_millis(20_500)).await;
    let mut last = 1;
    let mut skipped = 0;
    while last < 25 {
        let row = client.row().await;
        let (from, to) = match row.strip_prefix("# skipped from=") {
            Some(range) => {
                skipped += 1;
                range.split_once(" to=").unwrap()
            }
            None => (&row[1..], &row[1..]),
        };
        assert_eq!(from.parse::<u64>().unwrap(), last + 1, "{row}");
        last = to.parse().unwrap();
    }
    assert_eq!(skipped, 1);
}

#[tokio::test(start_paused = true)]
async fn a_slow_client_of_the_plain_stream_gets_numbers_and_nothing_else() {
    let stage = AgentStage::with_history(seconds(5)).await;
    let mut client = stage.connect(40);
    sleep(Duration::from_millis(20_500)).await;
    assert_eq!(client.rows(8).await, "1, 2, 16, 17, 18, 19, 20, 21");
}

#[tokio::test(start_paused = true)]
async fn requests_of_a_client_that_does_not_read_are_answered_within_bounds() {
    let stage = AgentStage::with_history(HOUR).await;
    let mut client = stage.connect(PIPE_BYTES);
    // Once the answers fill the pipe, the agent stops reading requests, and these fill theirs.
    let mut sent = 0;
    while timeout(Duration::from_secs(1), client.send("loadline/1\n")).await.is_ok() {
        sent += 1;
        assert!(sent < FLOOD_MAX, "the agent accepts requests without a limit");
    }
    let mut headers = 0;
    while headers < sent {
        headers += usize::from(client.row().await == "# loadline");
    }
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_requests_does_not_delay_other_clients() {
    let stage = AgentStage::with_history(HOUR).await;
    let service = stage.service();
    let requests_sent = Arc::new(AtomicUsize::new(0));
    let sent = requests_sent.clone();
    let read = move |buffer: &mut ReadBuf<'_>| {
        if sent.fetch_add(1, Ordering::Relaxed) == FLOOD_MAX {
            return Poll::Pending;
        }
        buffer.put_slice(b"loadline/1\n");
        Poll::Ready(())
    };
    let flood = FnStream { read, write: |_: &[u8]| {} };
    tokio::spawn(async move { service.serve(flood).await });
    let mut healthy = stage.connect(PIPE_BYTES);
    assert_eq!(healthy.row().await, "1");
    let requests_sent = requests_sent.load(Ordering::Relaxed);
    assert!((1..FLOOD_MAX).contains(&requests_sent), "{requests_sent}");
}

#[tokio::test(start_paused = true)]
async fn an_agent_that_stops_says_bye_to_its_subscribers() {
    let stage = AgentStage::with_history(HOUR).await;
    let mut plain = stage.connect(PIPE_BYTES);
    assert_eq!(plain.row().await, "1");
    let mut subscribed = stage.request("loadline/1").await;
    assert_eq!(subscribed.rows(4).await, "# loadline, # columns, # live, #1");
    stage.stop().await;
    assert_eq!(subscribed.rows(2).await, "# bye, ");
    assert_eq!(plain.row().await, "");
    assert_eq!(subscribed.ending().await, Ending::Stopped);
    assert_eq!(plain.ending().await, Ending::Stopped);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_back_begins_a_new_run() {
    let stage = AgentStage::with_history(HOUR).await;
    let mut plain = stage.connect(PIPE_BYTES);
    let mut client = stage.request("loadline/1").await;
    let header = client.line().await;
    assert_eq!(client.rows(4).await, "# columns, # live, #1, #2");
    stage.shift_clock(-60_000);
    let new_header = client.line().await;
    assert!(new_header.starts_with("# loadline/1 run="), "{new_header}");
    assert_ne!(new_header, header);
    assert_eq!(client.row().await, "# columns");
    assert_eq!(client.line().await, "1763836742.000 1 3.0 2400.0 43.1 0.52 0.44 0.40");
    assert_eq!(client.row().await, "#2");
    assert_eq!(plain.rows(4).await, "1, 2, 3, 4");
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_ahead_leaves_a_gap_in_the_same_run() {
    let stage = AgentStage::with_history(HOUR).await;
    let mut client = stage.request("loadline/1").await;
    assert_eq!(client.rows(4).await, "# loadline, # columns, # live, #1");
    stage.shift_clock(60_000);
    assert!(client.line().await.starts_with("1763836861.000 2 "));
    assert!(client.line().await.starts_with("1763836862.000 3 "));
    stage.shift_clock(900);
    assert!(client.line().await.starts_with("1763836863.000 4 "));
}

#[tokio::test(start_paused = true)]
async fn an_hour_of_samples_does_not_drift() {
    let stage = AgentStage::with_history(HOUR).await;
    let begin = Instant::now();
    let mut client = stage.request("loadline/1").await;
    assert_eq!(client.rows(4).await, "# loadline, # columns, # live, #1");
    for _ in 2..=3600 {
        client.line().await;
    }
    assert!(client.line().await.starts_with("1763840400.000 3601 "));
    assert_eq!(begin.elapsed(), HOUR);
}
