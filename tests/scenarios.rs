//! End-to-end scenarios with one source, over real sockets.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use loadline::link::{Connector, EVENTS_MAX, Link, LinkOptions, ReadOptions};
use loadline::output::OutputFormat;
use loadline::watched::Watched;
use loadline_agent::Clock;
use loadline_protocol::{History, Note, Schema};
use loadline_tests::{
    ClientOutput, DEADLINE, LoopbackAgent, RawConnection, TcpProxy, collect_output,
};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

const FAST_INTERVAL: Duration = Duration::from_millis(20);

fn link_options(history: History) -> LinkOptions {
    LinkOptions { history, ..LinkOptions::default() }
}

/// Returns the fields of a CSV column by its name.
fn column(csv: &str, name: &str) -> Vec<String> {
    let mut lines = csv.lines();
    let at = lines.next().and_then(|head| head.split(',').position(|column| column == name));
    let at = at.expect("a column of this name");
    lines.map(|line| line.split(',').nth(at).unwrap_or("").to_owned()).collect()
}

fn numbers(fields: &[String]) -> Vec<u64> {
    fields.iter().filter_map(|field| field.parse().ok()).collect()
}

/// Returns `count` rows of a source as CSV.
async fn csv(address: SocketAddr, history: History, count: u64) -> ClientOutput {
    let never = std::future::pending();
    collect_output(address, OutputFormat::Csv, link_options(history), Some(count), never).await
}

/// Waits until an agent has taken `count` samples.
async fn wait_for_samples(server: &LoopbackAgent, count: u64) {
    let mut connection = RawConnection::connect(server.address).await;
    loop {
        let row = connection.next_line().await.unwrap();
        let cpu: f64 = row.split(' ').next().unwrap().parse().unwrap();
        if cpu * 10.0 >= count as f64 {
            return;
        }
    }
}

#[tokio::test]
async fn a_silent_client_gets_the_newest_sample_and_then_every_new_one() {
    let server = LoopbackAgent::start(FAST_INTERVAL).await;
    wait_for_samples(&server, 3).await;
    let mut connection = RawConnection::connect(server.address).await;
    let schema = Schema::plain(6);
    let mut before = 2.0;
    for _ in 0..10 {
        let line = connection.next_line().await.unwrap();
        let row = schema.parse_row(&line).unwrap();
        assert_eq!(row.to_line(&schema), line, "single spaces, decimals of the column");
        let number = (row.values[0] * 10.0).round();
        assert!(number > before, "repeated: {number} after {before}");
        before = number;
    }
    server.stop().await;
    while let Some(line) = connection.next_line().await {
        assert!(!line.starts_with('#'), "a plain stream has no notes: {line}");
    }
}

#[tokio::test]
async fn csv_has_the_whole_history_and_then_new_samples() {
    let server = LoopbackAgent::start(FAST_INTERVAL).await;
    wait_for_samples(&server, 20).await;
    let written = csv(server.address, History::All, 40).await;
    assert_eq!(numbers(&column(&written.text, "seq")), (1..=40).collect::<Vec<u64>>());
    assert_eq!(column(&written.text, "cpu")[11], "1.2");
    assert_eq!(column(&written.text, "load15")[0], "", "a missing value is empty");
    assert_eq!(column(&written.text, "source")[0], "web-1");
    server.stop().await;
}

#[tokio::test]
async fn columns_and_interval_are_requested_from_the_agent() {
    let server = LoopbackAgent::start(FAST_INTERVAL).await;
    let options = LinkOptions {
        looks: false,
        follow: false,
        interval: Some(Duration::from_millis(50)),
        history: History::All,
        read_options: ReadOptions {
            columns: Some(vec!["mem".to_owned(), "cpu".to_owned()]),
            keep_lines: true,
            ..ReadOptions::default()
        },
    };
    let never = std::future::pending();
    let raw = collect_output(server.address, OutputFormat::Raw, options, Some(3), never).await;
    assert!(raw.text.contains("# columns time:s seq mem:% cpu:%\n"), "{}", raw.text);
    assert!(raw.text.contains("interval=60ms"), "rounded up: {}", raw.text);
    let rows: Vec<&str> = raw.text.lines().filter(|line| !line.starts_with('#')).collect();
    let seqs: Vec<_> = rows.iter().map(|row| row.split(' ').nth(1).unwrap()).collect();
    assert_eq!(seqs, ["3", "6", "9"]);
    assert!(rows[0].ends_with(" 43.1 0.3"), "{rows:?}");
    server.stop().await;
}

#[tokio::test]
async fn an_unknown_column_is_an_error_that_names_it() {
    let server = LoopbackAgent::start(FAST_INTERVAL).await;
    let read_options =
        ReadOptions { columns: Some(vec!["disk".to_owned()]), ..ReadOptions::default() };
    let options = LinkOptions { read_options, ..LinkOptions::default() };
    let never = std::future::pending();
    let written = collect_output(server.address, OutputFormat::Csv, options, Some(1), never).await;
    let error = written.end.unwrap_err();
    assert!(error.contains("unknown column disk"), "{error}");
    server.stop().await;
}

/// Cuts the connection 20 times in 60 s. The agent takes a sample every 200 ms.
#[tokio::test]
async fn twenty_cuts_in_a_minute_lose_and_duplicate_nothing() {
    let server = LoopbackAgent::start(Duration::from_millis(200)).await;
    let proxy = TcpProxy::start(server.address).await;
    let cuts = async {
        for _ in 0..20 {
            sleep(Duration::from_millis(2950)).await;
            proxy.cut().await;
        }
        sleep(Duration::from_secs(1)).await;
    };
    let written =
        collect_output(proxy.address, OutputFormat::Csv, link_options(History::All), None, cuts)
            .await;
    let seqs = numbers(&column(&written.text, "seq"));
    assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>());
    assert!(seqs.len() >= 290, "a minute of samples: {}", seqs.len());
    let lost = written.messages.iter().filter(|line| line.contains("connection lost")).count();
    assert_eq!(lost, 20, "{:?}", written.messages);
    assert_eq!(
        written.end.map(|summary| summary.faults),
        Ok(0),
        "a line that is cut in two is not a fault"
    );
    server.stop().await;
}

#[tokio::test]
async fn a_restarted_agent_is_followed_from_the_first_sample_of_its_new_run() {
    for history in [History::All, History::None] {
        follow_into_a_new_run(history).await;
    }
}

async fn follow_into_a_new_run(history: History) {
    let server = LoopbackAgent::start(FAST_INTERVAL).await;
    let address = server.address;
    let (done, stop) = tokio::sync::oneshot::channel::<()>();
    let client = tokio::spawn(async move {
        let stop = async {
            let _ = stop.await;
        };
        collect_output(address, OutputFormat::Csv, link_options(history), None, stop).await
    });
    wait_for_samples(&server, 30).await;
    server.stop().await;
    let server = LoopbackAgent::start_on(address.port(), FAST_INTERVAL).await;
    wait_for_samples(&server, 60).await;
    let _ = done.send(());
    let written = client.await.unwrap();
    let seqs = numbers(&column(&written.text, "seq"));
    let border = seqs.iter().skip(1).position(|seq| *seq == 1).expect("a second run") + 1;
    assert!(seqs[..border].windows(2).all(|pair| pair[1] == pair[0] + 1), "{seqs:?}");
    assert_eq!(seqs[border..], (1..=(seqs.len() - border) as u64).collect::<Vec<_>>());
    assert!(seqs.len() - border >= 40, "{seqs:?}");
    assert!(written.messages[0].contains("the agent stopped"), "{:?}", written.messages);
    server.stop().await;
}

#[tokio::test]
async fn plain_rows_of_a_script_are_read_and_its_faults_are_counted() {
    let lines =
        ["1 2 3 4 5 6\n", "hello\n1 2 3\n", "2 3 4 5 6 nan\n", "inf 1 1 1 1 1\n", "3 4 5 6 7 8\n"];
    let address = serve_connections(vec![lines.map(|line| (20, line)).to_vec()]).await;
    let start = Instant::now();
    let written = csv(address, History::All, 3).await;
    assert_eq!(column(&written.text, "cpu"), ["1.0", "2.0", "3.0"]);
    assert_eq!(column(&written.text, "load15"), ["6.00", "", "8.00"]);
    assert_eq!(column(&written.text, "seq"), ["", "", ""]);
    assert_eq!(written.end.map(|summary| summary.faults), Ok(3));
    assert!(start.elapsed() < Duration::from_secs(15));
    // A row that was held back while waiting for a header keeps the time of its arrival.
    let times = column(&written.text, "timestamp");
    assert!(times.is_sorted() && times[0] < times[1], "{times:?}");
}

#[tokio::test]
async fn a_subscribed_stream_begins_with_its_headers_and_ends_with_bye() {
    let server = LoopbackAgent::start(FAST_INTERVAL).await;
    let mut connection = RawConnection::connect(server.address).await;
    connection.send("loadline/1 resume=00000000:1 history=none\n").await;
    let mut notes = Vec::new();
    for _ in 0..4 {
        let line = connection.next_line().await.unwrap();
        if let Some(note) = line.strip_prefix('#') {
            notes.push(Note::parse(note).unwrap());
        }
    }
    assert!(matches!(notes[..], [Note::Header(_), Note::Columns(_), Note::Live, ..]), "{notes:?}");
    server.stop().await;
    let mut last = String::new();
    while let Some(line) = connection.next_line().await {
        last = line;
    }
    assert_eq!(last, "# bye");
}

/// Serves one connection after another: writes each text after its pause, then closes.
async fn serve_connections(connections: Vec<Vec<(u64, &'static str)>>) -> SocketAddr {
    use tokio::io::AsyncWriteExt as _;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        for connection in connections {
            let (mut client, _) = listener.accept().await.unwrap();
            for (pause_ms, text) in connection {
                sleep(Duration::from_millis(pause_ms)).await;
                client.write_all(text.as_bytes()).await.unwrap();
            }
        }
    });
    address
}

#[tokio::test]
async fn a_late_header_after_a_reconnect_duplicates_nothing() {
    const HEAD: &str = "# loadline/1 run=0000000a interval=1000ms\n# columns time:s seq a\n";
    let address = serve_connections(vec![
        vec![(0, HEAD), (0, "1.000 1 5\n")],
        // A plain row at once, as an agent sends it, and the header much later.
        vec![(0, "6\n"), (2500, HEAD), (0, "2.000 2 6\n3.000 3 7\n")],
    ])
    .await;
    let written = csv(address, History::None, 3).await;
    assert_eq!(column(&written.text, "seq"), ["1", "2", "3"]);
    assert_eq!(column(&written.text, "a"), ["5.00", "6.00", "7.00"]);
}

/// Starts an agent with an archive and waits until it has taken `samples` samples.
async fn start_with_samples(folder: &Path, samples: u64) -> LoopbackAgent {
    let server = LoopbackAgent::start_with_archive(folder, FAST_INTERVAL).await;
    wait_for_samples(&server, samples).await;
    server
}

#[tokio::test]
async fn after_a_restart_the_history_has_the_old_run_a_gap_and_the_new_run() {
    let folder = tempfile::tempdir().unwrap();
    let first = start_with_samples(folder.path(), 20).await;
    first.stop().await;
    // Long enough to count as a gap.
    sleep(FAST_INTERVAL * 10).await;
    let second = start_with_samples(folder.path(), 10).await;
    let written = csv(second.address, History::All, 30).await;
    let seqs = numbers(&column(&written.text, "seq"));
    let border = seqs.iter().rposition(|seq| *seq == 1).expect("the first sample of the new run");
    let (old, new) = seqs.split_at(border);
    assert_eq!(old, (1..=old.len() as u64).collect::<Vec<_>>());
    assert_eq!(new, (1..=new.len() as u64).collect::<Vec<_>>());
    assert!(old.len() >= 20, "{seqs:?}");

    let connector = Connector::tcp("127.0.0.1", second.address.port());
    let (sender, mut events) = mpsc::channel(EVENTS_MAX);
    tokio::spawn(Link::new(connector, link_options(History::All), Clock::system()).run(sender));
    let mut watched = Watched::new("web-1", false, Duration::MAX);
    while watched.store().len() < seqs.len() {
        let event = timeout(DEADLINE, events.recv()).await.expect("in time").unwrap();
        watched.apply(Clock::system().now(), event);
    }
    let gaps: Vec<usize> = (0..watched.store().len())
        .filter(|at| watched.store().get(*at).unwrap().gap_before().is_some())
        .collect();
    assert_eq!(gaps, [border], "the charts show one gap");
    second.stop().await;
}
