//! Tests of timeouts and shutdown, with paused time.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::time::Instant;

use super::timeout::{IDLE_TIMEOUT, REQUEST_TIMEOUT};
use super::*;
use crate::kernel::tests::TestRoot;
use crate::serve::origin::Origin;
use crate::serve::places::SharedPlaces;
use crate::serve::server::STOP_TIMEOUT;
use crate::{Agent, AgentSettings, MachineFacts, ScriptedSource};

/// Returns an agent that started but does not run, its metrics, and a sender whose drop stops them.
async fn metrics() -> (Agent, Metrics, watch::Sender<()>) {
    let source = ScriptedSource::plain(|_, values| values.extend([1.0; 6]));
    let agent = Agent::start(source, MachineFacts::default(), AgentSettings::default()).await;
    let (stop, stopped) = watch::channel(());
    let metrics = Metrics::start(agent.agent_metrics(), &GroupSet::plain(), stopped).unwrap();
    (agent, metrics, stop)
}

fn connect(metrics: &Metrics) -> DuplexStream {
    let (client, server) = duplex(64 * 1024);
    let metrics = metrics.clone();
    let (place, _) = SharedPlaces::new(1, 1).enter(Origin::Unknown, false).unwrap();
    tokio::spawn(async move { metrics.serve_http(Box::new(server), place).await });
    client
}

/// Reads until the end of the stream.
async fn rest(client: &mut DuplexStream) -> String {
    let mut rest = String::new();
    client.read_to_string(&mut rest).await.unwrap();
    rest
}

#[tokio::test(start_paused = true)]
async fn the_agent_is_healthy_while_samples_are_taken() {
    let (_agent, metrics, _stop) = metrics().await;
    tokio::time::advance(Duration::from_secs(3)).await;
    assert_eq!(metrics.health_error(), None);
    tokio::time::advance(Duration::from_millis(1)).await;
    let fault = metrics.health_error().unwrap();
    assert_eq!(fault, "the newest sample is 3001ms old, expected one every 1s");
    let mut client = connect(&metrics);
    client.write_all(b"GET /healthz HTTP/1.0\r\n\r\n").await.unwrap();
    let answer = rest(&mut client).await;
    assert!(answer.starts_with("HTTP/1.0 503 "), "{answer}");
    assert!(answer.ends_with("\r\n\r\nthe newest sample is 3001ms old, expected one every 1s\n"));
}

#[tokio::test(start_paused = true)]
async fn unfinished_requests_and_idle_connections_time_out() {
    let (_agent, metrics, _stop) = metrics().await;
    for (sent, expected) in [
        ("", REQUEST_TIMEOUT),
        ("GET / HTTP/1.1\r\nHost", REQUEST_TIMEOUT),
        ("GET / HTTP/1.1\r\nHost: here\r\n\r\n", IDLE_TIMEOUT),
        ("GET / HTTP/1.1\r\nHost: here\r\n\r\nGET / HT", IDLE_TIMEOUT),
    ] {
        let mut client = connect(&metrics);
        let begin = Instant::now();
        client.write_all(sent.as_bytes()).await.unwrap();
        rest(&mut client).await;
        assert_eq!(begin.elapsed().as_secs(), expected.as_secs(), "{sent}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_ends_with_the_agent() {
    let (_agent, metrics, stop) = metrics().await;
    let mut client = connect(&metrics);
    client.write_all(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n").await.unwrap();
    let mut first = [0; 12];
    client.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    let begin = Instant::now();
    drop(stop);
    rest(&mut client).await;
    assert!(begin.elapsed() < STOP_TIMEOUT);
}

/// Golden file: the page of a machine whose kernel files are in `tests/fixtures`. Hidden are values
/// of this test's machine and process: time, kernel name, sizes of file systems, and the cost of the
/// agent.
#[tokio::test]
#[cfg(target_os = "linux")]
async fn the_golden_page_of_a_server_is_unchanged() {
    let (agent, ..) = metrics().await;
    let files = TestRoot::fixture("server");
    let agent = Arc::new(agent.agent_metrics());
    let mut scraper = Scraper::new(agent, &files.root(), &GroupSet::all());
    let page = scraper.page(ExpositionFormat::PlainText);
    let hidden = [
        (r"(?m)^((?:node_time|loadline_agent_scrape_duration)_seconds) .*", "$1 [hidden]"),
        (r"(?m)^(loadline_agent_history_bytes|process_\w+) .*", "$1 [hidden]"),
        (
            r"(?m)^(node_filesystem_(?:size_bytes|free_bytes|avail_bytes|files|files_free)\{.*\}) .*",
            "$1 [hidden]",
        ),
        (r"(node_uname_info|loadline_agent_build_info)\{.*\}", "$1{[hidden]}"),
    ];
    insta::with_settings!({
        filters => hidden,
        snapshot_path => "../../tests/golden",
        prepend_module_to_snapshot => false,
        omit_expression => true,
    }, {
        insta::assert_snapshot!("metrics_of_a_server", std::str::from_utf8(&page).unwrap());
    });
}
