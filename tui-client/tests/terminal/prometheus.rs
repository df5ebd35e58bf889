//! Sources from a server with the HTTP API of Prometheus, and harmful answers of such a server.
//! `tests/interop/` tests a real Prometheus.

mod server;

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use loadline::event::Event;
use loadline::link::{Connector, EVENTS_MAX, Link, LinkOptions, TlsClient, TlsClientFiles};
use loadline::prometheus::{Fleet, Secrets};
use loadline::source::{Prometheus, Source};
use loadline_agent::Clock;
use loadline_protocol::History;
use server::{SAMPLE_INTERVAL_MS, now_ms, serve, serve_bytes};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::stage::DEADLINE;

fn source(address: SocketAddr, query: &str) -> Prometheus {
    match format!("prom+http://{address}/{query}").parse() {
        Ok(Source::Prometheus(server)) => *server,
        other => panic!("{other:?}"),
    }
}

async fn find(address: SocketAddr, query: &str, capacity: usize) -> Result<Fleet, String> {
    let (tls, secrets) = (TlsClient::new(TlsClientFiles::default()), Secrets::default());
    let server = source(address, query);
    let found =
        Fleet::find(&server, (&tls, &secrets), None, capacity, |name| name == "web-2").await;
    found.map_err(|error| error.to_string())
}

fn follow(connector: Connector, history: History) -> mpsc::Receiver<Event> {
    let (sender, events) = mpsc::channel(EVENTS_MAX);
    let options = LinkOptions { history, ..LinkOptions::default() };
    tokio::spawn(Link::new(connector, options, Clock::system()).run(sender));
    events
}

/// Returns the next event.
async fn next(events: &mut mpsc::Receiver<Event>) -> Event {
    timeout(DEADLINE, events.recv()).await.expect("an event in time").unwrap()
}

/// Returns the first instance that a query finds.
async fn first(address: SocketAddr, query: &str) -> Connector {
    find(address, query, 1).await.unwrap().connectors.into_iter().next().unwrap()
}

/// Returns the timestamps of the next `count` rows. Checks that each value is the timestamp of its
/// sample.
async fn times(events: &mut mpsc::Receiver<Event>, count: usize) -> Vec<i64> {
    let mut times = Vec::new();
    while times.len() < count {
        match next(events).await {
            Event::Rows(rows) => {
                for row in rows.iter() {
                    // The loads have two decimals, so they hold seconds with 10 ms.
                    assert_eq!((row.values[0] * 1000.0).round() as i64, row.time.as_millis());
                    times.push(row.time.as_millis());
                }
            }
            Event::Faults { first, .. } => panic!("{first}"),
            _ => {}
        }
    }
    times
}

fn assert_no_gaps(times: &[i64]) {
    let pairs = times.windows(2).all(|pair| pair[1] - pair[0] == SAMPLE_INTERVAL_MS);
    assert!(pairs, "missing or repeated samples: {times:?}");
}

#[tokio::test]
async fn all_instances_share_one_connection() {
    let (address, server) = serve().await;
    let fleet = find(address, "?instance=web-.+", 256).await.unwrap();
    let names: Vec<String> = fleet.connectors.iter().map(ToString::to_string).collect();
    assert_eq!(names, ["web-1".to_owned(), format!("web-2 at {address}")]);
    assert_eq!(fleet.left_out, 0);
    let history = History::Last(Duration::from_mins(1));
    let mut followed: Vec<_> =
        fleet.connectors.into_iter().map(|connector| follow(connector, history)).collect();
    for events in &mut followed {
        let times = times(events, 310).await;
        assert_no_gaps(&times);
    }
    assert_eq!(server.connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn the_header_describes_the_machine_and_its_interval() {
    let (address, _) = serve().await;
    let fleet = find(address, "", 1).await.unwrap();
    assert_eq!(fleet.left_out, 1);
    let mut events = follow(fleet.connectors.into_iter().next().unwrap(), History::None);
    let header = loop {
        let event = next(&mut events).await;
        if let Event::Stream(stream) = event {
            assert_eq!(stream.schema.to_string(), "time:s load1 net_rx:B/s");
            break stream.header.clone().unwrap();
        }
    };
    assert_eq!(header.host.unwrap().as_str(), "web-1");
    assert_eq!((header.cores, header.interval), (Some(8), Some(Duration::from_millis(200))));
}

#[tokio::test]
async fn each_byte_of_a_bond_counts_once() {
    let (address, _) = serve().await;
    let mut events = follow(first(address, "").await, History::None);
    let rates = loop {
        if let Event::Rows(rows) = next(&mut events).await {
            break rows.iter().map(|row| row.values[1] as u64).collect::<Vec<_>>();
        }
    };
    assert!(rates.iter().all(|rate| *rate == 2_000_000), "{rates:?}");
}

#[tokio::test]
async fn machines_of_one_name_in_two_clusters_are_two_sources() {
    let (address, server) = serve().await;
    server.has_clusters.store(true, Ordering::SeqCst);
    let fleet = find(address, "", 256).await.unwrap();
    let names: Vec<String> = fleet.connectors.iter().map(ToString::to_string).collect();
    assert_eq!(names, ["web-1 (eu)", "web-1 (us)"]);
    for connector in fleet.connectors {
        let mut events = follow(connector, History::Last(Duration::from_secs(10)));
        assert_no_gaps(&times(&mut events, 20).await);
    }
}

#[tokio::test]
async fn another_interval_is_a_multiple_of_the_scrape_interval() {
    let (address, _) = serve().await;
    let connector = first(address, "?instance=web-1").await;
    let link = Link::new(connector, LinkOptions::default(), Clock::system());
    let (interval, (sender, mut events)) =
        (link.interval_sender.clone(), mpsc::channel(EVENTS_MAX));
    tokio::spawn(link.run(sender));
    times(&mut events, 2).await;
    interval.send(Some(Duration::from_millis(500))).unwrap();
    loop {
        let event = next(&mut events).await;
        if let Event::Stream(stream) = event {
            let interval = stream.header.as_ref().and_then(|header| header.interval);
            assert_eq!(interval, Some(Duration::from_millis(600)));
            break;
        }
    }
    // The first row may be anywhere in its interval.
    let times = times(&mut events, 4).await;
    assert!(times[1..].windows(2).all(|pair| pair[1] - pair[0] == 600), "{times:?}");
}

#[tokio::test]
async fn after_an_outage_the_gap_is_filled() {
    let (address, server) = serve().await;
    let mut events = follow(first(address, "?instance=web-1").await, History::None);
    let mut received = times(&mut events, 3).await;
    for _ in 0..2 {
        server.is_offline.store(true, Ordering::SeqCst);
        loop {
            match next(&mut events).await {
                Event::Disconnected { reason, .. } => {
                    assert_eq!(reason.as_str(), "closed by the server");
                    break;
                }
                Event::Rows(rows) => received.extend(rows.iter().map(|row| row.time.as_millis())),
                _ => {}
            }
        }
        server.is_offline.store(false, Ordering::SeqCst);
        received.extend(times(&mut events, 5).await);
    }
    assert_no_gaps(&received);
}

#[tokio::test]
async fn a_machine_that_is_down_gets_no_rows_although_the_server_repeats_its_last_sample() {
    let (address, server) = serve().await;
    let mut events = follow(first(address, "?instance=web-1").await, History::None);
    times(&mut events, 2).await;
    let down = now_ms();
    server.down_ms.store(down, Ordering::SeqCst);
    let ranges = server.range_queries.load(Ordering::SeqCst);
    while server.range_queries.load(Ordering::SeqCst) < ranges + 5 {
        let event = tokio::select! {
            event = events.recv() => event.unwrap(),
            () = tokio::time::sleep(Duration::from_millis(20)) => continue,
        };
        if let Event::Rows(rows) = event {
            assert!(rows.iter().all(|row| row.time.as_millis() <= down), "{rows:?}");
        }
    }
}

#[tokio::test]
async fn an_unknown_instance_is_reported_with_the_known_ones() {
    let (address, _) = serve().await;
    let error = find(address, "?instance=nobody", 256).await.unwrap_err();
    assert!(error.ends_with("no instance matches; available: web-1, web-2"), "{error}");
}

#[tokio::test]
async fn an_unusable_answer_is_reported_in_one_line() {
    let answers: &[(&str, bool, &str)] = &[
        ("HTTP/1.1 200 OK\r\n\r\n", true, "exceeds 16 MiB"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", true, "exceeds 16 MiB"),
        ("HTTP/1.1 200 OK\r\nX: ", true, "not an HTTP server"),
        ("SSH-2.0-OpenSSH_9.2p1\r\n", false, "not an HTTP server"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", false, "closed by the server"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", false, "not a Prometheus server"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n[[[", false, "not a Prometheus server"),
        (
            "HTTP/1.1 302 Found\r\nLocation: https://else\x01where/\r\nContent-Length: 0\r\n\r\n",
            false,
            "not an HTTP server",
        ),
        (
            "HTTP/1.1 302 Found\r\nLocation: https://elsewhere/\r\nContent-Length: 0\r\n\r\n",
            false,
            "redirected to https://elsewhere/; use that address",
        ),
        ("HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n", false, "LOADLINE_PROM_TOKEN"),
        ("HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n", false, "(403)"),
        ("HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", false, "/api/v1/query not found (404)"),
        ("HTTP/1.1 502 No\r\nContent-Length: 0\r\n\r\n", false, "502 Bad Gateway"),
        (
            "HTTP/1.1 503 No\r\nContent-Length: 46\r\n\r\n{\"status\":\"error\",\"error\":\"a\\u001b[2Jb\\u202e\"}",
            false,
            "a\u{fffd}[2Jb\u{fffd}",
        ),
    ];
    for (bytes, is_endless, part) in answers {
        let address = serve_bytes(bytes.as_bytes(), *is_endless).await;
        let error = find(address, "", 256).await.unwrap_err();
        assert!(error.contains(part), "{bytes:?}: {error}");
        assert!(!error.contains(char::is_control) && error.len() < 400, "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_times_out() {
    let address = serve_bytes(b"", false).await;
    let error = find(address, "", 256).await.unwrap_err();
    assert!(error.ends_with("timed out"), "{error}");
}
