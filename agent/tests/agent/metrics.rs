//! Metrics over HTTP: formats, connections, limits and TLS.

use std::io::{self, BufRead as _, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::running_agent::{DEADLINE, RunningAgent, program};

/// `Accept` header of Prometheus.
const ACCEPT_OPEN_METRICS: &str = "Accept: application/openmetrics-text;version=1.0.0,\
                    application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5\r\n";

/// Starts an agent. Returns it with the address of its metrics.
fn start(arguments: &str) -> (RunningAgent, String) {
    let listen = "-l 127.0.0.1:0 --metrics-listen 127.0.0.1:0 -i 250ms";
    let mut agent = RunningAgent::start(program(&format!("{listen} {arguments}")));
    agent.address();
    let url = agent.address();
    let (_, address) = url.split_once("://").unwrap();
    let address = address.strip_suffix("/metrics").unwrap().to_owned();
    (agent, address)
}

/// HTTP response.
#[derive(Debug)]
struct HttpResponse {
    status: u16,
    /// Header lines in lower case, each with its line end.
    headers: String,
    body: String,
}

impl HttpResponse {
    #[track_caller]
    fn expect_header(&self, header: &str) {
        assert!(self.headers.contains(&format!("\n{header}\r\n")), "{header}: {}", self.headers);
    }
}

/// HTTP connection to the agent's metrics.
struct MetricsClient<S: Read>(BufReader<S>);

impl MetricsClient<TcpStream> {
    fn connect(address: &str) -> MetricsClient<TcpStream> {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        MetricsClient(BufReader::new(stream))
    }
}

impl<S: Read + Write> MetricsClient<S> {
    fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.get_mut().write_all(bytes.as_ref()).unwrap();
    }

    /// Reads the next response. `None` at the end of the connection.
    fn response(&mut self, has_body: bool) -> Option<HttpResponse> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if is_end(self.0.read_line(&mut head)) {
                assert_eq!(head, "", "truncated response");
                return None;
            }
        }
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let headers = head.to_ascii_lowercase();
        let length = headers.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.map_or(0, |length| length.trim().parse().unwrap());
        let mut body = vec![0; if has_body { length } else { 0 }];
        self.0.read_exact(&mut body).unwrap();
        Some(HttpResponse { status, headers, body: String::from_utf8(body).unwrap() })
    }

    fn get(&mut self, path: &str, headers: &str) -> HttpResponse {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: here\r\n{headers}\r\n"));
        self.response(true).unwrap()
    }

    /// Expects the connection to end without further bytes.
    fn expect_closed(&mut self) {
        assert_eq!(self.rest(), "");
    }

    /// Reads until the agent closes the connection.
    fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        let read = self.0.read_to_end(&mut rest);
        is_end(read.map(|_| 0));
        String::from_utf8_lossy(&rest).into_owned()
    }
}

/// Returns whether a read has met the end of the connection. A reset and an alert of TLS close it, too. A timeout
/// does not.
#[track_caller]
fn is_end(read: io::Result<usize>) -> bool {
    match read {
        Ok(count) => count == 0,
        Err(error) => {
            assert!(
                !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
                "{error}"
            );
            true
        }
    }
}

fn get(address: &str, path: &str, headers: &str) -> HttpResponse {
    MetricsClient::connect(address).get(path, headers)
}

/// Returns the value of a metric without labels.
fn value(text: &str, name: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name} in {text}")).parse().unwrap()
}

#[test]
fn each_client_gets_the_requested_format() {
    let (_agent, address) = start("");
    let classic = get(&address, "/metrics", "");
    assert_eq!(classic.status, 200);
    classic.expect_header("content-type: text/plain; version=0.0.4; charset=utf-8");
    assert!(classic.body.contains("\n# TYPE loadline_agent_samples_total counter\n"));
    assert!(!classic.body.contains("# EOF"));
    let open = get(&address, "/metrics", ACCEPT_OPEN_METRICS);
    open.expect_header("content-type: application/openmetrics-text; version=1.0.0; charset=utf-8");
    assert!(open.body.contains("\n# TYPE loadline_agent_samples counter\n"));
    assert!(open.body.ends_with("\n# EOF\n"));
    for body in [classic.body, open.body] {
        assert!(value(&body, "loadline_agent_samples_total") >= 1.0);
        assert!(body.contains("\nloadline_agent_sample_interval_seconds 0.25\n"));
        assert!(body.contains("\nloadline_agent_build_info{version=\""));
    }
}

#[test]
#[cfg(target_os = "linux")]
fn machine_metrics_have_the_names_of_node_exporter() {
    let (_agent, address) = start("");
    let text = get(&address, "/metrics", "").body;
    for name in [
        "node_cpu_seconds_total{cpu=\"0\",mode=\"idle\"} ",
        "node_load1 ",
        "node_memory_MemAvailable_bytes ",
        "node_network_receive_bytes_total{device=\"lo\"} ",
        "node_context_switches_total ",
        "node_time_seconds ",
        "node_uname_info{domainname=\"",
        "node_vmstat_pgfault ",
        "loadline_agent_collector_success{collector=\"cpu\"} 1",
        "process_resident_memory_bytes ",
    ] {
        assert!(text.contains(&format!("\n{name}")), "{name}");
    }
    // Each metric is described once.
    let mut names: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
}

#[test]
fn counters_increase_and_close_scrapes_get_the_same_text() {
    let (_agent, address) = start("");
    let mut client = MetricsClient::connect(&address);
    let samples = |text: &str| value(text, "loadline_agent_samples_total");
    let first = client.get("/metrics", "").body;
    let begin = Instant::now();
    let mut had_same_text = false;
    let mut last = first.clone();
    // The load of the machine decides whether two scrapes fall into the same 200 ms.
    while !(had_same_text && samples(&last) > samples(&first)) {
        assert!(begin.elapsed() < DEADLINE, "{last}");
        let text = client.get("/metrics", "").body;
        had_same_text |= text == last;
        assert!(samples(&text) >= samples(&last));
        last = text;
    }
}

#[test]
fn a_connection_serves_many_requests_of_all_kinds() {
    let (_agent, address) = start("");
    let mut client = MetricsClient::connect(&address);
    for _ in 0..3 {
        assert_eq!(client.get("/healthz", "").body, "ok\n");
        client.send("HEAD /metrics HTTP/1.1\r\nHost: here\r\n\r\n");
        let head = client.response(false).unwrap();
        assert_eq!(head.status, 200);
        assert!(!head.headers.contains("\ncontent-length: 0\r\n"), "{}", head.headers);
        let front = client.get("/?a=b", "");
        assert!(front.body.contains("/metrics") && front.body.contains("/healthz"));
        assert_eq!(client.get("/metrics/", "").status, 404);
        assert_eq!(client.get("/%00../..", "").status, 404);
        for method in ["POST", "DELETE", "OPTIONS", "BREW"] {
            client.send(format!("{method} /metrics HTTP/1.1\r\nHost: here\r\n\r\n"));
            let refusal = client.response(true).unwrap();
            assert_eq!(refusal.status, 405, "{method}");
            refusal.expect_header("allow: GET, HEAD".to_ascii_lowercase().as_str());
        }
    }
    let last = client.get("/healthz", "Connection: close\r\n");
    last.expect_header("connection: close");
    client.expect_closed();
    client = MetricsClient::connect(&address);
    client.send("GET /healthz HTTP/1.0\r\n\r\n");
    assert_eq!(client.response(true).unwrap().body, "ok\n");
    client.expect_closed();
}

#[test]
fn pipelined_requests_are_answered_in_order_and_junk_closes_the_connection() {
    let (_agent, address) = start("");
    let mut client = MetricsClient::connect(&address);
    let request = "GET /healthz HTTP/1.1\r\nHost: here\r\n\r\n";
    client.send(format!("{}\u{1}\u{2} no request\r\n\r\n{request}", request.repeat(5)));
    for _ in 0..5 {
        assert_eq!(client.response(true).unwrap().status, 200);
    }
    assert_eq!(client.response(true).unwrap().status, 400);
    client.expect_closed();
}

#[test]
fn an_oversized_request_is_refused() {
    let (_agent, address) = start("");
    let many = "A: b\r\n".repeat(101);
    let long = format!("A: {}\r\n", "b".repeat(17 * 1024));
    for headers in [many, long] {
        let mut client = MetricsClient::connect(&address);
        client.send(format!("GET /metrics HTTP/1.1\r\n{headers}\r\n"));
        assert_eq!(client.response(true).unwrap().status, 431);
        client.expect_closed();
    }
    let fits = "A: b\r\n".repeat(98);
    assert_eq!(get(&address, "/healthz", &fits).status, 200);
    // The agent does not wait for the body of a request.
    let mut client = MetricsClient::connect(&address);
    client.send("POST /metrics HTTP/1.1\r\nHost: here\r\nContent-Length: 1000000000\r\n\r\nbegin");
    assert_eq!(client.response(true).unwrap().status, 405);
    client.expect_closed();
}

#[test]
fn invalid_bytes_close_only_their_own_connection() {
    let (_agent, address) = start("");
    let mut healthy = MetricsClient::connect(&address);
    let noise: Vec<u8> = (0..40_000_u32).map(|n| (n * 167 % 251) as u8).collect();
    let refused = "HTTP/1.1 400";
    for (bytes, status) in [
        (&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"[..], refused),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", ""),
        (b"loadline/1\n\n\n\n", refused),
        (b"\0\0\0\0\r\n\r\n", refused),
        (b"GET /metrics HTTP/9.9\r\n\r\n", refused),
        (b"GET /metrics\xff HTTP/1.1\r\n\xff: \xff\r\n\r\n", refused),
        // Answered without its body, which is not a second request.
        (
            b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\nzzzzz\r\n\r\n",
            "HTTP/1.1 200",
        ),
        (&noise, refused),
    ] {
        let mut client = MetricsClient::connect(&address);
        // The agent may close the connection before it has read all bytes.
        let _ = client.0.get_mut().write_all(bytes);
        let _ = client.0.get_mut().shutdown(std::net::Shutdown::Write);
        let answer = client.rest();
        assert_eq!(answer.get(..12).unwrap_or(""), status, "{answer}");
        assert!(answer.matches("HTTP/1.").count() <= 1, "{answer}");
        assert_eq!(healthy.get("/healthz", "").body, "ok\n");
    }
}

/// Limit of connections from one address.
const CONNECTIONS_PER_ADDRESS_MAX: usize = 32;

/// Expects an answer within a second, in one of three rounds: this machine may be busy with other
/// work. While the requests of others are answered, a connection may be refused.
#[track_caller]
fn expect_scrape_in_time(address: &str) {
    let is_in_time = |_| {
        let begin = Instant::now();
        while get(address, "/metrics", "").status != 200 {
            assert!(begin.elapsed() < DEADLINE);
        }
        begin.elapsed() < Duration::from_secs(1)
    };
    assert!((0..3).any(is_in_time));
}

#[test]
fn idle_connections_of_any_number_keep_no_scrape_out() {
    let (_agent, address) = start("");
    let mut idle: Vec<_> = (0..2 * CONNECTIONS_PER_ADDRESS_MAX)
        .map(|number| {
            let mut client = MetricsClient::connect(&address);
            // Every second one has had an answer before.
            if number % 2 == 0 {
                assert_eq!(client.get("/healthz", "").status, 200, "{number}");
            }
            client
        })
        .collect();
    expect_scrape_in_time(&address);
    // The oldest ones keep their places.
    let (stay, go) = idle.split_at_mut(CONNECTIONS_PER_ADDRESS_MAX - 1);
    assert!(stay.iter_mut().all(|client| client.get("/healthz", "").status == 200));
    go.iter_mut().for_each(MetricsClient::expect_closed);
}

#[test]
fn connections_that_send_or_read_too_little_keep_no_scrape_out() {
    let (_agent, address) = start("");
    let _crowd: Vec<_> = (0..2 * CONNECTIONS_PER_ADDRESS_MAX)
        .map(|number| {
            let mut client = MetricsClient::connect(&address);
            if number % 2 == 0 {
                client.send("GET /metrics HTTP/1.1\r\nHost: ");
            } else {
                client.send("GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n".repeat(200));
            }
            client
        })
        .collect();
    expect_scrape_in_time(&address);
}

#[test]
fn stopping_does_not_wait_for_idle_connections() {
    let (mut agent, address) = start("");
    let mut client = MetricsClient::connect(&address);
    assert_eq!(client.get("/healthz", "").status, 200);
    let begin = Instant::now();
    agent.signal(rustix::process::Signal::TERM);
    client.expect_closed();
    assert_eq!(agent.wait_exit().0, Some(0));
    assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
}

#[test]
fn metrics_are_served_on_a_unix_socket() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("metrics.sock");
    let arguments = format!("-l 127.0.0.1:0 --metrics-listen unix:{}", path.display());
    let mut agent = RunningAgent::start(program(&arguments));
    agent.address();
    assert_eq!(agent.address(), format!("http://unix:{}:/metrics", path.display()));
    let stream = std::os::unix::net::UnixStream::connect(&path).unwrap();
    assert_eq!(MetricsClient(BufReader::new(stream)).get("/healthz", "").body, "ok\n");
}

#[test]
fn metrics_beyond_loopback_need_permission() {
    for (arguments, expected) in [
        ("-l 127.0.0.1:0 --metrics-listen 0.0.0.0:0", "--allow-plaintext"),
        ("--stdio --metrics-listen 127.0.0.1:0", "remove --metrics-listen"),
    ] {
        let output = program(arguments).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.starts_with("error: ") && stderr.contains(expected), "{stderr}");
        assert!(output.stdout.is_empty());
    }
    let mut command = program("-l 127.0.0.1:0 --allow-plaintext");
    command.env("LOADLINE_AGENT_METRICS_LISTEN", "0.0.0.0:0,127.0.0.1:0");
    let mut agent = RunningAgent::start(command);
    agent.address();
    for host in ["0.0.0.0", "127.0.0.1"] {
        assert!(agent.address().starts_with(&format!("http://{host}:")));
    }
}

#[cfg(feature = "tls")]
mod tls {
    use super::*;
    use crate::authority::{Authority, Identity};
    use crate::tls::session;

    fn start_with_tls(server: &Identity, arguments: &str) -> (RunningAgent, String) {
        let (cert, key) = (server.cert.display(), server.key.display());
        start(&format!("--tls-cert {cert} --tls-key {key} {arguments}"))
    }

    #[test]
    fn metrics_use_tls_like_the_stream() {
        let ca = Authority::new("ours");
        let (_agent, address) = start_with_tls(&ca.server(), "");
        let mut client = MetricsClient(BufReader::new(session(&address, &ca, None)));
        for _ in 0..2 {
            let text = client.get("/metrics", ACCEPT_OPEN_METRICS).body;
            assert!(text.ends_with("# EOF\n"), "{text}");
        }
        // A client without TLS gets an error in plain text.
        let mut plain = MetricsClient::connect(&address);
        plain.send("GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n");
        let received = plain.rest();
        assert!(received.contains("this port speaks TLS"), "{received}");
    }

    #[test]
    fn a_client_without_the_required_certificate_reads_nothing() {
        let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
        let client_ca = format!("--tls-client-ca {}", ours.ca.display());
        let (_agent, address) = start_with_tls(&ours.server(), &client_ca);
        let connect = |identity: Option<&Identity>| {
            MetricsClient(BufReader::new(session(&address, &ours, identity)))
        };
        let mut client = connect(Some(&ours.client()));
        assert_eq!(client.get("/healthz", "").body, "ok\n");
        for identity in [None, Some(&theirs.client())] {
            let mut client = connect(identity);
            let request = b"GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n";
            let _ = client.0.get_mut().write_all(request);
            assert!(client.response(true).is_none());
        }
    }
}
