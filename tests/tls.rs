//! Source over TLS: cut connections lose no samples.

use std::time::Duration;

use crate::authority::{Authority, Identity};
use loadline::event::Event;
use loadline::link::{Connector, EVENTS_MAX, Link, LinkOptions, SshCommand, TlsClientFiles};
use loadline::source::{Address, Source};
use loadline_agent::{Clock, PlaintextPolicy, ServerTlsFiles as ServerFiles};
use loadline_protocol::History;
use loadline_tests::{DEADLINE, LoopbackAgent, TcpProxy};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Rows to read from each connection before it is cut.
const ROWS_PER_CONNECTION: usize = 20;

/// Collects sequence numbers until a new connection has delivered [`ROWS_PER_CONNECTION`] rows.
async fn numbers(events: &mut mpsc::Receiver<Event>) -> Vec<u64> {
    let mut numbers = Vec::new();
    let mut missing = None;
    while missing != Some(0) {
        match timeout(DEADLINE, events.recv()).await.expect("events in time").unwrap() {
            Event::Connected => missing = Some(ROWS_PER_CONNECTION),
            Event::Rows(rows) => {
                numbers.extend(rows.iter().filter_map(|sample| sample.seq).map(|seq| seq.0));
                missing = missing.map(|missing| missing.saturating_sub(rows.iter().count()));
            }
            _ => {}
        }
    }
    numbers
}

#[tokio::test]
async fn a_broken_tls_connection_resumes_without_lost_or_duplicate_samples() {
    let ca = Authority::new("ours");
    let Identity { cert, key } = ca.server();
    let files = ServerFiles { cert, key, client_ca: Some(ca.ca.clone()) };
    let tls = loadline_agent::ServerTls::open(files).unwrap();
    let server = LoopbackAgent::start_with(
        0,
        PlaintextPolicy::Never(tls.clone()),
        Duration::from_millis(20),
    )
    .await;
    let proxy = TcpProxy::start(server.address).await;

    let Identity { cert, key } = ca.client();
    let files = TlsClientFiles { ca: Some(ca.ca.clone()), identity: Some((cert, key)) };
    let port = proxy.address.port();
    let source = Source::Tls(Address { host: "localhost".to_owned(), port });
    let trust = loadline::link::TlsClient::new(files);
    let connector = Connector::open(&source, None, &SshCommand::default(), &trust).await.unwrap();
    assert_eq!(connector.to_string(), format!("tls://localhost:{port}"));
    let (sender, mut events) = mpsc::channel(EVENTS_MAX);
    let options = LinkOptions { history: History::All, ..LinkOptions::default() };
    tokio::spawn(Link::new(connector, options, Clock::system()).run(sender));

    let mut received = numbers(&mut events).await;
    for _ in 0..3 {
        proxy.cut().await;
        // New connections get another certificate.
        ca.server();
        tls.reload().unwrap();
        received.extend(numbers(&mut events).await);
    }
    server.stop().await;
    let first = received[0];
    assert_eq!(received, (first..first + received.len() as u64).collect::<Vec<_>>());
}
