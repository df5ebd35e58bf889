//! A thousand clients on real sockets, some stuck, some sending noise. The others get their rows in
//! time, and the agent's memory stays small.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "test helpers fail by panicking")]

#[expect(dead_code, reason = "other tests use the rest")]
#[path = "agent/running_agent.rs"]
mod running_agent;

use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use running_agent::{RunningAgent, allow_files, program};

const CLIENTS: usize = 1000;
const STUCK: usize = 200;
const NOISY: usize = 200;

/// Rows that each healthy client reads, 250 ms apart.
const ROWS: u64 = 20;

/// Permitted delay of a row to a healthy client: the median of the best of [`ROUNDS_MAX`] rounds.
/// Includes the work of the clients and of everything else on this machine.
const LATE_MAX_MS: i64 = 50;

const ROUNDS_MAX: usize = 5;

/// Permitted memory of the agent for each client.
const CLIENT_BYTES_MAX: u64 = 8 * 1024;

const DEADLINE: Duration = Duration::from_mins(2);

#[tokio::test]
async fn stuck_and_noisy_clients_do_not_disturb_a_thousand_others() {
    let clients = CLIENTS.min(allow_files(CLIENTS + 100).saturating_sub(100));
    let mut agent = RunningAgent::start(program(
        "-l 127.0.0.1:0 -i 250ms --max-clients 2000 --max-clients-per-address 2000",
    ));
    let address = agent.address();
    let before_kib = agent.memory_kib();

    let mut others = JoinSet::new();
    let settled = Arc::new(Semaphore::new(0));
    for _ in 0..clients * STUCK / CLIENTS {
        others.spawn(run_stuck_client(address.clone(), settled.clone()));
    }
    for _ in 0..clients * NOISY / CLIENTS {
        others.spawn(run_noisy_client(address.clone(), settled.clone()));
    }
    let troublemakers = others.len();
    let all_settled = settled.acquire_many(troublemakers as u32);
    drop(timeout(DEADLINE, all_settled).await.expect("all troublemakers start in time"));

    let healthy = clients - troublemakers;
    let mut late_ms = i64::MAX;
    for _ in 0..ROUNDS_MAX {
        let (round_ms, memory_kib) = read_rows(&agent, &address, healthy).await;
        late_ms = late_ms.min(round_ms);
        let client_bytes = memory_kib.saturating_sub(before_kib) * 1024 / clients as u64;
        println!("{clients} clients: {client_bytes} bytes each, rows {round_ms} ms late");
        assert!(client_bytes < CLIENT_BYTES_MAX, "{client_bytes} bytes a client");
        if late_ms < LATE_MAX_MS {
            break;
        }
    }
    others.shutdown().await;
    assert!(late_ms < LATE_MAX_MS, "{late_ms} ms");
}

/// Lets `healthy` clients read their rows. Returns the median delay in milliseconds and the agent's
/// memory in KiB while the last clients are still connected.
async fn read_rows(agent: &RunningAgent, address: &str, healthy: usize) -> (i64, u64) {
    let mut readers = JoinSet::new();
    for number in 0..healthy {
        let address = address.to_owned();
        if number % 2 == 0 {
            readers.spawn(read_plain(address));
        } else {
            readers.spawn(read_subscribed(address));
        }
    }
    let mut late_ms = Vec::new();
    let mut memory_kib = 0;
    while let Some(read) = timeout(DEADLINE, readers.join_next()).await.expect("rows in time") {
        // When the first client ends, the others are still connected.
        if memory_kib == 0 {
            memory_kib = agent.memory_kib();
        }
        late_ms.extend(read.unwrap());
    }
    late_ms.sort_unstable();
    (late_ms[late_ms.len() / 2], memory_kib)
}

/// Requests more than the socket buffers hold, and reads nothing.
async fn run_stuck_client(address: String, settled: Arc<Semaphore>) -> io::Result<()> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(1024)?;
    let mut stream = socket.connect(address.parse().unwrap()).await?;
    let requests = "loadline/1 history=all\n".repeat(1000);
    // The agent stops reading requests while it has no room for an answer.
    let _ = timeout(Duration::from_secs(2), stream.write_all(requests.as_bytes())).await;
    settled.add_permits(1);
    std::future::pending().await
}

/// Sends noise until the agent closes the connection, then reconnects.
async fn run_noisy_client(address: String, settled: Arc<Semaphore>) -> io::Result<()> {
    settled.add_permits(1);
    loop {
        let mut stream = TcpStream::connect(&address).await?;
        while stream.write_all(&[b'\xff'; 100]).await.is_ok() {
            let mut row = [0; 64];
            if !matches!(stream.read(&mut row).await, Ok(1..)) {
                break;
            }
        }
    }
}

/// Reads plain rows. Returns no delays, because plain rows have no timestamps.
async fn read_plain(address: String) -> Vec<i64> {
    let mut lines =
        BufReader::with_capacity(256, TcpStream::connect(address).await.unwrap()).lines();
    for _ in 0..ROWS {
        let line = lines.next_line().await.unwrap().unwrap();
        assert_eq!(line.split(' ').count(), 6, "{line}");
    }
    Vec::new()
}

/// Reads subscribed rows and checks that none is missing or repeated. Returns their delays in
/// milliseconds.
async fn read_subscribed(address: String) -> Vec<i64> {
    let mut stream = BufReader::with_capacity(256, TcpStream::connect(address).await.unwrap());
    stream.write_all(b"loadline/1\n").await.unwrap();
    let mut lines = stream.lines();
    while lines.next_line().await.unwrap().unwrap() != "# live" {}
    let mut last_seq = None;
    let mut late_ms = Vec::new();
    for _ in 0..ROWS {
        let line = lines.next_line().await.unwrap().unwrap();
        let (time, rest) = line.split_once(' ').unwrap();
        let seq: u64 = rest.split_once(' ').unwrap().0.parse().unwrap();
        if let Some(last) = last_seq.replace(seq) {
            assert_eq!(seq, last + 1, "{line}");
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64;
            late_ms.push(now - (time.parse::<f64>().unwrap() * 1000.0).round() as i64);
        }
    }
    late_ms
}
