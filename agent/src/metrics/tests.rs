//! Tests of timeouts and shutdown, with paused time.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::time::Instant;

use super::timeout::{IDLE_TIMEOUT, REQUEST_TIMEOUT};
use super::*;
use crate::{Agent, AgentSettings, MachineFacts, ScriptedSource};

/// Returns an agent that started but does not run, and its metrics.
async fn metrics() -> (Agent, Metrics) {
    let source = ScriptedSource::plain(|_, values| values.extend([1.0; 6]));
    let agent = Agent::start(source, MachineFacts::default(), AgentSettings::default()).await;
    let metrics = Metrics::start(agent.agent_metrics(), &GroupSet::plain()).unwrap();
    (agent, metrics)
}

/// Connects a client. Dropping the sender stops the connection.
fn connect(metrics: &Metrics) -> (DuplexStream, watch::Sender<()>) {
    let (client, server) = duplex(64 * 1024);
    let (stop, stopped) = watch::channel(());
    let metrics = metrics.clone();
    tokio::spawn(async move { metrics.serve(server, stopped).await });
    (client, stop)
}

/// Reads until the end of the stream.
async fn rest(client: &mut DuplexStream) -> String {
    let mut rest = String::new();
    client.read_to_string(&mut rest).await.unwrap();
    rest
}

#[tokio::test(start_paused = true)]
async fn the_agent_is_healthy_while_samples_are_taken() {
    let (_agent, metrics) = metrics().await;
    tokio::time::advance(Duration::from_secs(3)).await;
    assert_eq!(metrics.health_error(), None);
    tokio::time::advance(Duration::from_millis(1)).await;
    let fault = metrics.health_error().unwrap();
    assert_eq!(fault, "the newest sample is 3001ms old, expected one every 1s");
    let (mut client, _stop) = connect(&metrics);
    client.write_all(b"GET /healthz HTTP/1.0\r\n\r\n").await.unwrap();
    let answer = rest(&mut client).await;
    assert!(answer.starts_with("HTTP/1.0 503 "), "{answer}");
    assert!(answer.ends_with("\r\n\r\nthe newest sample is 3001ms old, expected one every 1s\n"));
}

#[tokio::test(start_paused = true)]
async fn unfinished_requests_and_idle_connections_time_out() {
    let (_agent, metrics) = metrics().await;
    for (sent, expected) in [
        ("", REQUEST_TIMEOUT),
        ("GET / HTTP/1.1\r\nHost", REQUEST_TIMEOUT),
        ("GET / HTTP/1.1\r\nHost: here\r\n\r\n", IDLE_TIMEOUT),
        ("GET / HTTP/1.1\r\nHost: here\r\n\r\nGET / HT", IDLE_TIMEOUT),
    ] {
        let (mut client, _stop) = connect(&metrics);
        let begin = Instant::now();
        client.write_all(sent.as_bytes()).await.unwrap();
        rest(&mut client).await;
        assert_eq!(begin.elapsed().as_secs(), expected.as_secs(), "{sent}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_ends_with_the_agent() {
    let (_agent, metrics) = metrics().await;
    let (mut client, stop) = connect(&metrics);
    client.write_all(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n").await.unwrap();
    let mut first = [0; 12];
    client.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    let begin = Instant::now();
    drop(stop);
    rest(&mut client).await;
    assert!(begin.elapsed() < STOP_TIMEOUT);
}
