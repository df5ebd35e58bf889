//! Crowds that try to keep others out: of idle or subscribed clients, and without file descriptors.
//! Each new honest client is served within a second, and honest ones from before stay.

use std::io::{BufReader, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, prlimit};
use tokio::net::TcpSocket;

use crate::running_agent::{DEADLINE, RunningAgent, allow_files, line, program};

/// Time in which a new honest client gets its first row.
const SERVED_WITHIN: Duration = Duration::from_secs(1);

/// Clients of an address that tries to keep others out: the limit for one address.
const CROWD_PER_ADDRESS: usize = 256;

/// Connects from 127.0.0.N.
fn connect(agent: &str, from: u8) -> BufReader<TcpStream> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let stream = runtime.block_on(async {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from(([127, 0, 0, from], 0))).unwrap();
        socket.connect(agent.parse().unwrap()).await.unwrap().into_std().unwrap()
    });
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    BufReader::new(stream)
}

/// Attempts to be served in time: this machine may be busy with other work.
const ATTEMPTS: usize = 3;

/// Connects from 127.0.0.N, and expects a row in time.
#[track_caller]
fn connect_in_time(agent: &str, from: u8) -> BufReader<TcpStream> {
    let mut passed = Duration::MAX;
    for _ in 0..ATTEMPTS {
        let begin = Instant::now();
        let mut client = connect(agent, from);
        assert_eq!(line(&mut client).split(' ').count(), 6, "127.0.0.{from} is not served");
        passed = begin.elapsed();
        if passed < SERVED_WITHIN {
            return client;
        }
    }
    panic!("127.0.0.{from} is served after {passed:?}")
}

fn connect_crowd(agent: &str, addresses: u8, request: &str) -> Vec<BufReader<TcpStream>> {
    allow_files(2 * usize::from(addresses) * CROWD_PER_ADDRESS);
    let addresses = (1..=addresses).flat_map(|from| [from; CROWD_PER_ADDRESS]);
    let connect = |from| {
        let client = connect(agent, from);
        // The agent may have refused it.
        let _ = client.get_ref().write_all(request.as_bytes());
        client
    };
    addresses.map(connect).collect()
}

/// Returns whether the agent has closed a connection.
fn is_closed(client: &mut BufReader<TcpStream>) -> bool {
    client.get_ref().set_nonblocking(true).unwrap();
    let mut bytes = [0; 1024];
    loop {
        match client.read(&mut bytes) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() != ErrorKind::WouldBlock,
        }
    }
}

#[test]
fn an_idle_crowd_of_five_addresses_keeps_nobody_out_and_nobody_known_goes() {
    let mut agent = RunningAgent::start(program("-l 127.0.0.1:0 -i 250ms"));
    let address = agent.address();
    // A reader of plain rows, such as LabPlot, from an address of the crowd, and one of its own.
    let mut readers = [1, 9].map(|from| connect_in_time(&address, from));
    let mut subscribed = connect_in_time(&address, 1);
    subscribed.get_mut().write_all(b"loadline/1\n").unwrap();
    let crowd = connect_crowd(&address, 5, "");
    for from in [1, 5, 6, 9] {
        connect_in_time(&address, from);
    }
    for client in readers.iter_mut().chain([&mut subscribed]) {
        assert!(!is_closed(client), "a client from before the crowd");
    }
    let log = agent.kill();
    assert_eq!(log.matches("too many clients").count(), 1, "{log}");
    drop(crowd);
}

#[test]
fn a_subscribed_crowd_of_five_addresses_gives_way_to_a_sixth_address() {
    let mut agent = RunningAgent::start(program("-l 127.0.0.1:0 -i 250ms"));
    let address = agent.address();
    let mut reader = connect_in_time(&address, 9);
    let crowd = connect_crowd(&address, 5, "loadline/1\n");
    let mut honest: Vec<_> = [6, 7, 8].map(|from| connect_in_time(&address, from)).into();
    // The crowd tries again, and cannot take the places of others.
    let again = connect_crowd(&address, 1, "loadline/1\n");
    honest.push(connect_in_time(&address, 6));
    assert!(honest.iter_mut().chain([&mut reader]).all(|client| !is_closed(client)));
    drop((crowd, again));
}

#[test]
fn an_idle_crowd_without_file_descriptors_keeps_nobody_out() {
    let mut agent = RunningAgent::start(program("-l 127.0.0.1:0 -i 250ms"));
    let address = agent.address();
    let mut reader = connect_in_time(&address, 9);
    let (pid, files) = (rustix::process::Pid::from_child(&agent.child), agent.open_files() + 20);
    // Lower than at its start, when it would adapt the number of clients.
    let limit = Rlimit { current: Some(files as u64), maximum: Some(files as u64) };
    prlimit(Some(pid), Resource::Nofile, limit).unwrap();
    let crowd = connect_crowd(&address, 1, "");
    connect_in_time(&address, 1);
    connect_in_time(&address, 2);
    assert!(!is_closed(&mut reader));
    let log = agent.kill();
    assert_eq!(log.matches("cannot accept clients").count(), 1, "{log}");
    drop(crowd);
}

#[test]
fn an_agent_with_few_file_descriptors_serves_fewer_clients() {
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", "ulimit -n 64; exec \"$0\" -l 127.0.0.1:0 -i 250ms"]);
    shell.arg(program("").get_program());
    let mut agent = RunningAgent::start(shell);
    let address = agent.address();
    let mut reader = connect_in_time(&address, 9);
    let crowd = connect_crowd(&address, 1, "");
    connect_in_time(&address, 2);
    assert!(!is_closed(&mut reader));
    let log = agent.kill();
    assert!(log.contains("allowed=64 clients=32"), "{log}");
    assert!(!log.contains("cannot accept clients"), "{log}");
    drop(crowd);
}
