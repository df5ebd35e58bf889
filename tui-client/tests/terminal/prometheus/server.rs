//! Imitation of a Prometheus server, as far as the client uses it, and servers that are not
//! Prometheus.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::SystemTime;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Scrape interval.
pub(crate) const SAMPLE_INTERVAL_MS: i64 = 200;

/// Time for which the server repeats the last sample of a machine that is down.
const LOOK_BACK_MS: i64 = 300_000;

/// State and behaviour of the server.
#[derive(Default)]
pub(crate) struct FakePrometheus {
    /// Number of accepted connections.
    pub(crate) connections: AtomicU64,
    /// Number of range queries.
    pub(crate) range_queries: AtomicU64,
    /// True if the server closes all connections.
    pub(crate) is_offline: AtomicBool,
    /// Time at which the machines went down, or 0.
    pub(crate) down_ms: AtomicI64,
    /// True if both machines are called `web-1`, each in its own cluster.
    pub(crate) has_clusters: AtomicBool,
}

/// Interfaces of each machine with their rates. The bond is listed as such.
const INTERFACES: [(&str, f64); 3] = [("eth0", 1e6), ("eth1", 1e6), ("uplink", 2e6)];

pub(crate) fn now_ms() -> i64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis() as i64
}

/// Starts a server with two machines, `web-1` and `web-2`. Their load is the time of the sample in
/// seconds.
pub(crate) async fn serve() -> (SocketAddr, Arc<FakePrometheus>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = Arc::new(FakePrometheus::default());
    let shared = server.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if !shared.is_offline.load(Ordering::SeqCst) {
                shared.connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve_connection(stream, shared.clone()));
            }
        }
    });
    (address, server)
}

/// Starts a server that answers with these bytes, followed by endless spaces if `is_endless`. If
/// there are no bytes, it does not answer.
pub(crate) async fn serve_bytes(bytes: &'static [u8], is_endless: bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                if read_request(&mut stream).await.is_none() {
                    return;
                }
                let mut written = stream.write_all(bytes).await;
                while is_endless && written.is_ok() {
                    written = stream.write_all(&[b' '; 4096]).await;
                }
                if bytes.is_empty() {
                    // Until the client closes the connection.
                    let _ = stream.read(&mut [0]).await;
                }
            });
        }
    });
    address
}

async fn serve_connection(mut stream: TcpStream, server: Arc<FakePrometheus>) {
    while let Some((path, form)) = read_request(&mut stream).await {
        if server.is_offline.load(Ordering::SeqCst) {
            return;
        }
        let body = response_body(&path, &form, &server);
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        if stream.write_all((head + &body).as_bytes()).await.is_err() {
            return;
        }
    }
}

/// Reads the path and the form of a request.
async fn read_request(stream: &mut TcpStream) -> Option<(String, Vec<(String, String)>)> {
    let mut bytes = Vec::new();
    loop {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let head = head.to_lowercase();
        let length =
            head.split("content-length: ").nth(1)?.lines().next()?.parse::<usize>().ok()?;
        if body.len() >= length {
            let path = head.split(' ').nth(1)?.to_owned();
            let form = form_urlencoded::parse(body.as_bytes()).into_owned().collect();
            return Some((path, form));
        }
    }
}

fn response_body(path: &str, form: &[(String, String)], server: &FakePrometheus) -> String {
    let field = |key: &str| form.iter().find(|(it, _)| it == key).map_or("", |(_, value)| value);
    let ms = |key: &str| (field(key).parse::<f64>().unwrap() * 1000.0).round() as i64;
    let machines = if server.has_clusters.load(Ordering::SeqCst) {
        [r#""web-1","cluster":"us""#, r#""web-1","cluster":"eu""#]
    } else {
        [r#""web-1""#, r#""web-2""#]
    };
    let both_with = |column: &str, more: &str, value: &str| {
        let one = |instance| {
            format!(
                r#"{{"metric":{{"instance":{instance},"job":"node","column":"{column}"{more}}},{value}}}"#
            )
        };
        machines.map(one).join(",")
    };
    let both = |column: &str, value: &str| both_with(column, "", value);
    let of_interfaces = |column: &str, value: &dyn Fn(f64) -> String| {
        let one = |(name, rate)| both_with(column, &format!(r#","device":"{name}""#), &value(rate));
        INTERFACES.map(one).join(",")
    };
    let result = match (path, field("query")) {
        ("/api/v1/query", "vector(time())") => {
            let now = now_ms() as f64 / 1000.0;
            format!(r#"{{"metric":{{}},"value":[{now},"{now}"]}}"#)
        }
        ("/api/v1/query", query) if query.ends_with("[5m]") => {
            both("", r#""values":[[1,"1"],[1.2,"1"],[1.4,"1"]]"#)
        }
        ("/api/v1/query", query) if query.contains("nobody") => String::new(),
        ("/api/v1/query", query) if query.contains("node_network_iface_id") => {
            let bond =
                both_with("node_bonding_slaves", r#","master":"uplink""#, r#""value":[1,"2"]"#);
            let known = |_| r#""value":[1,"1"]"#.to_owned();
            [of_interfaces("node_network_receive_bytes_total", &known), bond].join(",")
        }
        ("/api/v1/query", _) => [
            both("load1", r#""value":[1,"1"]"#),
            both("net_rx", r#""value":[1,"3"]"#),
            both("cores", r#""value":[1,"8"]"#),
        ]
        .join(","),
        ("/api/v1/query_range", _) => {
            server.range_queries.fetch_add(1, Ordering::SeqCst);
            let times = (ms("start")..=ms("end")).step_by(ms("step") as usize);
            let times: Vec<i64> = times.collect();
            let sampled = times.iter().filter_map(|at| Some((*at, sample_time_ms(*at, server)?)));
            let values = points(sampled.map(|(at, sampled)| (at, sampled as f64 / 1000.0)));
            let constant = |rate| points(times.iter().map(|at| (*at, rate)));
            let rates = of_interfaces("net_rx", &constant);
            [both("sampled", &values), both("load1", &values), rates].join(",")
        }
        (path, _) => panic!("{path}"),
    };
    format!(r#"{{"status":"success","data":{{"resultType":"any","result":[{result}]}}}}"#)
}

/// Returns values with their times in milliseconds, in the form of a response.
fn points(values: impl Iterator<Item = (i64, f64)>) -> String {
    let points: Vec<String> =
        values.map(|(at, value)| format!(r#"[{},"{value}"]"#, at as f64 / 1000.0)).collect();
    format!(r#""values":[{}]"#, points.join(","))
}

/// Returns the time of the sample that is valid at a time.
fn sample_time_ms(at_ms: i64, server: &FakePrometheus) -> Option<i64> {
    let down_ms = match server.down_ms.load(Ordering::SeqCst) {
        0 => i64::MAX,
        down_ms => down_ms,
    };
    let taken = at_ms.min(down_ms).div_euclid(SAMPLE_INTERVAL_MS) * SAMPLE_INTERVAL_MS;
    (at_ms - taken < LOOK_BACK_MS).then_some(taken)
}
