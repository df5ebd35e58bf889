//! Sockets that another program opens for the agent.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::process::Output;
use std::time::Duration;

use rustix::io::{FdFlags, fcntl_setfd};
use rustix::net::{AddressFamily, SocketType, bind, socket};

use crate::running_agent::{DEADLINE, RunningAgent, program};

/// Number of the first descriptor that the agent inherits. The files of the test have lower ones.
const FIRST: i32 = 100;

/// Makes children inherit a file as number [`FIRST`] + `at`.
fn pass(file: impl Into<OwnedFd>, at: i32) -> OwnedFd {
    let file = rustix::io::fcntl_dupfd_cloexec(file.into(), FIRST + at).unwrap();
    assert_eq!(file.as_raw_fd(), FIRST + at);
    fcntl_setfd(&file, FdFlags::empty()).unwrap();
    file
}

fn command(count: &str) -> std::process::Command {
    let mut command = program("-i 250ms");
    command.env("LISTEN_FDS", count).env("LISTEN_FDS_FIRST_FD", FIRST.to_string());
    command
}

/// Checks the error of an agent that inherits these files.
fn check(what: &str, count: &str, files: Vec<OwnedFd>, expected: &str) {
    let files: Vec<_> = files.into_iter().zip(0..).map(|(file, at)| pass(file, at)).collect();
    let mut agent = RunningAgent::start(command(count));
    let begin = std::time::Instant::now();
    while agent.child.try_wait().unwrap().is_none() {
        assert!(begin.elapsed() < DEADLINE, "{what}: the agent starts");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(agent.wait_exit().0, Some(1), "{what}");
    let log = agent.kill();
    let hint = "hint: pass a listening stream socket: ListenStream= and Accept=no in systemd\n";
    assert_eq!(
        log,
        format!("error: cannot listen on an inherited socket: {expected}\n{hint}"),
        "{what}"
    );
    drop(files);
}

#[test]
fn what_does_not_listen_is_refused_with_a_hint() {
    let folder = tempfile::tempdir().unwrap();
    let listener = || TcpListener::bind("127.0.0.1:0").unwrap();
    let bound = || {
        let bound = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        bind(&bound, &"127.0.0.1:0".parse::<std::net::SocketAddr>().unwrap()).unwrap();
        bound
    };
    let connected = TcpStream::connect(listener().local_addr().unwrap());
    let peer = listener();
    let connected = connected.or_else(|_| TcpStream::connect(peer.local_addr().unwrap())).unwrap();
    let (pair, _other) = UnixStream::pair().unwrap();
    let (datagrams, _other) = UnixDatagram::pair().unwrap();
    let file = File::create(folder.path().join("file")).unwrap();
    let (no_socket, deaf) = ("number 1 of 1 is no stream socket", "number 1 of 1 does not listen");
    check("UDP", "1", vec![UdpSocket::bind("127.0.0.1:0").unwrap().into()], no_socket);
    check("Unix datagrams", "1", vec![datagrams.into()], no_socket);
    check("file", "1", vec![file.into()], no_socket);
    check("device", "1", vec![File::open("/dev/null").unwrap().into()], no_socket);
    check("directory", "1", vec![File::open(folder.path()).unwrap().into()], no_socket);
    check("connection", "1", vec![connected.into()], deaf);
    check("bound", "1", vec![bound()], deaf);
    check("Unix connection", "1", vec![pair.into()], deaf);
    check("closed", "1", vec![], no_socket);
    check("one too many", "2", vec![listener().into()], "number 2 of 2 is no stream socket");
    check("wrong number", "40", vec![listener().into()], "number 2 of 40 is no stream socket");
    check("huge number", "65535", vec![], "number 1 of 65535 is no stream socket");
    check("mixed", "2", vec![listener().into(), bound()], "number 2 of 2 does not listen");
}

#[test]
fn listening_sockets_are_served() {
    let folder = tempfile::tempdir().unwrap();
    let (tcp, unix) = (
        TcpListener::bind("127.0.0.1:0").unwrap(),
        UnixListener::bind(folder.path().join("s")).unwrap(),
    );
    let address = tcp.local_addr().unwrap();
    let _files = [pass(tcp, 0), pass(unix, 1)];
    let mut agent = RunningAgent::start(command("2"));
    assert_eq!(agent.address(), address.to_string());
    let row = |client: &mut dyn std::io::Read| {
        let mut row = String::new();
        BufReader::new(client).read_line(&mut row).unwrap();
        row.split(' ').count()
    };
    assert_eq!(row(&mut TcpStream::connect(address).unwrap()), 6);
    assert_eq!(row(&mut UnixStream::connect(folder.path().join("s")).unwrap()), 6);
}

#[test]
fn sockets_of_another_process_are_left_alone() {
    let _file = pass(TcpListener::bind("127.0.0.1:0").unwrap(), 0);
    for (count, process) in [("1", "1"), ("99999999999", "1"), ("99999999999", "")] {
        let mut command = command(count);
        command.env("LISTEN_PID", process).arg("-l=127.0.0.1:0");
        let mut agent = RunningAgent::start(command);
        agent.address();
        let log = agent.end();
        assert!(log.starts_with("warning: LISTEN_"), "{log}");
    }
    let Output { status, .. } = command("1").arg("--version").output().unwrap();
    assert!(status.success());
}
