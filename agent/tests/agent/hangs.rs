//! Files, pipes and sockets that hang: the agent goes on, and a signal ends it.

use std::fs;
use std::io::{BufReader, PipeReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::running_agent::{DEADLINE, RunningAgent, line, program};

/// Bound for the end of the agent: 5 s on a machine that is busy with other work, 2 s otherwise.
const END_MAX: Duration = Duration::from_secs(5);

/// Capacity of a pipe.
const PIPE_BYTES: usize = 64 * 1024;

/// Returns a full pipe whose reader takes nothing, as standard output or error.
fn full_pipe() -> (PipeReader, Stdio) {
    let (reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(&vec![b'.'; PIPE_BYTES]).unwrap();
    (reader, writer.into())
}

fn make_pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// Starts an agent with this standard output and error.
fn start(mut command: Command, stdout: Stdio, stderr: Stdio) -> RunningAgent {
    let mut child = command.stdout(stdout).stderr(stderr).spawn().unwrap();
    let stdout = child.stdout.take().map(BufReader::new);
    RunningAgent { child, stdout }
}

/// Waits until the agent handles SIGTERM itself.
fn wait_for_handlers(agent: &mut RunningAgent) {
    let begin = Instant::now();
    let is_caught = |agent: &RunningAgent| {
        let status = agent.proc_file("status");
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:\t")).unwrap();
        let caught = u64::from_str_radix(caught, 16).unwrap();
        caught & (1 << (Signal::TERM.as_raw() - 1)) != 0
    };
    while agent.child.try_wait().unwrap().is_none() && !is_caught(agent) {
        assert!(begin.elapsed() < DEADLINE, "the agent handles no signals");
        std::thread::sleep(Duration::from_millis(5));
    }
    // Into whatever hangs.
    std::thread::sleep(Duration::from_millis(200));
}

fn check_end(mut agent: RunningAgent, signal: Signal, what: &str) {
    let begin = Instant::now();
    agent.signal(signal);
    while agent.child.try_wait().unwrap().is_none() {
        assert!(begin.elapsed() < END_MAX, "{what}: {signal:?} does not end the agent");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(agent.wait_exit().0, Some(0), "{what}");
}

#[test]
fn a_signal_ends_an_agent_whatever_hangs() {
    let folder = tempfile::tempdir().unwrap();
    // The state directory of a signal, in which one file is a pipe.
    let state = |name: &str, signal: Signal| {
        let state = folder.path().join(format!("{name} {}", signal.as_raw()));
        fs::create_dir(&state).unwrap();
        make_pipe(&state.join(name));
        state
    };
    std::thread::scope(|scope| {
        for signal in [Signal::TERM, Signal::INT] {
            for (what, arguments) in [
                ("standard output", "-l 127.0.0.1:0"),
                ("standard error", "-vv -l 127.0.0.1:0"),
                ("the stream", "--stdio -i 250ms"),
            ] {
                scope.spawn(move || check_hang(what, program(arguments), signal));
            }
            for what in ["newer.load", "older.load", "lock"] {
                let mut command = program("-l 127.0.0.1:0 --state-dir");
                command.arg(state(what, signal));
                scope.spawn(move || check_hang(what, command, signal));
            }
        }
    });
}

/// Starts an agent of which something hangs, and ends it.
fn check_hang(what: &str, mut command: Command, signal: Signal) {
    command.env("LOADLINE_AGENT_RESIDENT", "127.0.0.1:1").stdin(Stdio::piped());
    let (_stdout, full_stdout) = full_pipe();
    let (_stderr, full_stderr) = full_pipe();
    let mut agent = match what {
        "standard output" | "the stream" => start(command, full_stdout, Stdio::null()),
        "standard error" => start(command, Stdio::null(), full_stderr),
        _ => start(command, Stdio::null(), Stdio::null()),
    };
    wait_for_handlers(&mut agent);
    // The agent may have refused the file.
    if agent.child.try_wait().unwrap().is_none() {
        check_end(agent, signal, what);
    }
}

#[test]
fn a_log_that_nobody_reads_stops_neither_samples_nor_clients() {
    let (mut log, full_stderr) = full_pipe();
    // The system has just assigned this port, so it is probably free.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let command = program(&format!("-vv -i 250ms -l {address}"));
    let mut agent = start(command, Stdio::null(), full_stderr);
    for _ in 0..3 {
        let begin = Instant::now();
        let stream = loop {
            match TcpStream::connect(address) {
                Ok(stream) => break stream,
                Err(error) => assert!(begin.elapsed() < DEADLINE, "{error}"),
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let mut client = BufReader::new(stream);
        let rows = [line(&mut client), line(&mut client), line(&mut client)];
        assert!(rows.iter().all(|row| row.split(' ').count() == 6), "{rows:?}");
    }
    // Once the log is read, nothing is missing.
    log.read_exact(&mut vec![0; PIPE_BYTES]).unwrap();
    agent.signal(Signal::TERM);
    let mut text = String::new();
    log.read_to_string(&mut text).unwrap();
    assert!(text.matches("client connected").count() == 3 && text.contains("stopped"), "{text}");
    assert_eq!(agent.wait_exit().0, Some(0));
}

#[test]
fn a_service_manager_that_reads_nothing_stops_no_samples() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let _manager = UnixDatagram::bind(&path).unwrap();
    // Its queue is full.
    let sender = UnixDatagram::unbound().unwrap();
    sender.set_nonblocking(true).unwrap();
    while sender.send_to(b"STATUS=", &path).is_ok() {}
    let mut command = program("-l 127.0.0.1:0 -i 250ms");
    command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "100000");
    let mut agent = RunningAgent::start(command);
    let (mut client, _) = agent.connect();
    let rows: Vec<_> = (0..4).map(|_| line(&mut client)).collect();
    assert!(rows.iter().all(|row| !row.is_empty()), "{rows:?}");
    agent.signal(Signal::TERM);
    let log = agent.log_until("stopped");
    assert_eq!(log.matches("cannot notify the service manager").count(), 1, "{log}");
    assert_eq!(agent.wait_exit().0, Some(0));
}

#[cfg(feature = "tls")]
#[test]
fn a_certificate_that_is_no_regular_file_is_refused_at_the_start_and_at_a_reload() {
    use crate::authority::Authority;

    let ca = Authority::new("CA");
    let identity = ca.server();
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    make_pipe(&pipe);
    let arguments = |cert: &Path, key: &Path, ca: &Path| {
        let [cert, key, ca] = [cert, key, ca].map(Path::display);
        format!("-l 127.0.0.1:0 -i 250ms --tls-cert {cert} --tls-key {key} --tls-client-ca {ca}")
    };
    let (cert, key) = (&identity.cert, &identity.key);
    for wrong in [&pipe, &PathBuf::from("/dev/zero"), &PathBuf::from("/dev/tty")] {
        for arguments in [
            arguments(wrong, key, &ca.ca),
            arguments(cert, wrong, &ca.ca),
            arguments(cert, key, wrong),
        ] {
            let begin = Instant::now();
            let output = program(&arguments).output().unwrap();
            let stderr = String::from_utf8(output.stderr).unwrap();
            let expected = format!("error: cannot read {}: not a regular file\n", wrong.display());
            assert!(stderr.starts_with(&expected), "{stderr}");
            assert_eq!(output.status.code(), Some(1));
            assert!(begin.elapsed() < END_MAX, "{:?}", begin.elapsed());
        }
    }
    // The certificate becomes a pipe while the agent runs, and then a certificate again.
    let link = folder.path().join("link");
    let point_to = |target: &Path| {
        let _ = fs::remove_file(&link);
        std::os::unix::fs::symlink(target, &link).unwrap();
    };
    point_to(cert);
    let mut agent = RunningAgent::start(program(&arguments(&link, key, &ca.ca)));
    agent.address();
    for _ in 0..20 {
        point_to(&pipe);
        agent.signal(Signal::HUP);
        agent.log_until("keeping the previous certificate: cannot read");
        point_to(cert);
        agent.signal(Signal::HUP);
        agent.log_until("reloaded the TLS files");
    }
    check_end(agent, Signal::TERM, "certificate");
}
