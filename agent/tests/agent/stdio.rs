//! `loadline-agent --stdio`: one client on standard input and output.

use std::fs::{self, Permissions};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use loadline_agent::{
    Agent, AgentSettings, MachineFacts, PlaintextPolicy, ScriptedSource, serve_stdio,
};
use loadline_common::LocalAgent;
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWriteExt as _, Lines};
use tokio::net::TcpStream;

use crate::loopback::LoopbackAgent;

const DEADLINE: Duration = Duration::from_secs(20);

/// Running `loadline-agent --stdio`. Killed on drop.
struct StdioAgent {
    child: Child,
    requests: Option<ChildStdin>,
    rows: Option<BufReader<ChildStdout>>,
}

impl StdioAgent {
    /// Starts the program on a machine without an agent: nothing listens on a port that was just
    /// free.
    fn without_local_agent(options: &str) -> StdioAgent {
        let unused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        StdioAgent::with_local_agent(&unused, options)
    }

    /// Starts the program on a machine whose agent has this address.
    fn with_local_agent(local_agent: &impl ToString, options: &str) -> StdioAgent {
        let mut child = Command::new(env!("CARGO_BIN_EXE_loadline-agent"))
            .arg("--stdio")
            .args(options.split_whitespace())
            .env("LOADLINE_AGENT_RESIDENT", local_agent.to_string())
            // Must be ignored: the variable configures the machine's resident agent.
            .env("LOADLINE_AGENT_LISTEN", "127.0.0.1:0")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (requests, rows) = (child.stdin.take(), child.stdout.take().map(BufReader::new));
        StdioAgent { child, requests, rows }
    }

    fn send(&mut self, request: &str) {
        self.requests.as_mut().unwrap().write_all(request.as_bytes()).unwrap();
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.rows.as_mut().unwrap().read_line(&mut line).unwrap();
        line
    }

    fn lines_until(&mut self, holds: impl Fn(&str) -> bool) -> Vec<String> {
        let mut lines = vec![self.line()];
        while !holds(lines.last().unwrap()) {
            assert!(!lines.last().unwrap().is_empty(), "the stream ended after {lines:?}");
            lines.push(self.line());
        }
        lines
    }

    /// Waits until the program ends with exit code 0 and without an error message.
    fn assert_ends(self) {
        self.assert_ends_with("");
    }

    /// Waits until the program ends with exit code 0 and this text on standard error.
    fn assert_ends_with(mut self, expected: &str) {
        let begin = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(begin.elapsed() < DEADLINE, "the program does not end");
            std::thread::sleep(Duration::from_millis(5));
        };
        let mut stderr = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        assert_eq!((status.code(), stderr.as_str()), (Some(0), expected));
    }
}

impl Drop for StdioAgent {
    fn drop(&mut self) {
        // An error only means that the process has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts a server that sends `greeting` to its first client and forwards the lines that the client
/// sends.
fn greeting_server(greeting: &'static [u8]) -> (SocketAddr, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let (client, _) = listener.accept().unwrap();
        (&client).write_all(greeting).unwrap();
        for line in BufReader::new(&client).lines() {
            // An error means that the test has ended or that the client was killed.
            let Ok(line) = line else { break };
            let _ = sender.send(line);
        }
        let _ = sender.send("the end".to_owned());
    });
    (address, receiver)
}

#[test]
fn requests_are_answered_until_the_input_ends() {
    let mut agent = StdioAgent::without_local_agent("--interval 250ms");
    assert_eq!(agent.line().split_whitespace().count(), 6);
    agent.send("loadline/1 columns=mem\n");
    let lines = agent.lines_until(|line| line == "# live\n");
    assert!(lines.iter().any(|line| line == "# columns time:s seq mem:%\n"), "{lines:?}");
    assert_eq!(agent.line().split_whitespace().count(), 3);
    agent.requests = None;
    agent.assert_ends();
}

#[test]
fn the_program_ends_when_its_output_is_closed() {
    // The next row is due in an hour.
    let mut agent = StdioAgent::without_local_agent("--interval 1h");
    agent.line();
    agent.rows = None;
    agent.assert_ends();
}

#[test]
fn a_signal_ends_the_program_with_a_bye() {
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        let mut agent = StdioAgent::without_local_agent("--interval 1h");
        agent.line();
        agent.send("loadline/1\n");
        agent.lines_until(|line| line == "# live\n");
        kill_process(Pid::from_child(&agent.child), signal).unwrap();
        agent.lines_until(|line| line == "# bye\n");
        assert_eq!(agent.line(), "");
        agent.assert_ends();
    }
}

#[test]
fn the_stream_of_a_local_agent_is_proxied() {
    let (local_agent, received) = greeting_server(b"1 2 3 any bytes \xff\n");
    let mut agent = StdioAgent::with_local_agent(&local_agent, "");
    let mut bytes = Vec::new();
    agent.rows.as_mut().unwrap().read_until(b'\n', &mut bytes).unwrap();
    assert_eq!(bytes, b"1 2 3 any bytes \xff\n");
    agent.send("any request\n");
    assert_eq!(received.recv_timeout(DEADLINE).unwrap(), "any request");
    agent.requests = None;
    agent.assert_ends();
    assert_eq!(received.recv_timeout(DEADLINE).unwrap(), "the end");
}

#[test]
fn a_proxied_stream_ends_when_the_output_is_closed() {
    let (local_agent, received) = greeting_server(b"1 2 3\n");
    let mut agent = StdioAgent::with_local_agent(&local_agent, "");
    agent.line();
    agent.rows = None;
    agent.assert_ends();
    assert_eq!(received.recv_timeout(DEADLINE).unwrap(), "the end");
}

#[test]
fn a_server_that_is_no_agent_is_not_proxied() {
    let (local_agent, received) = greeting_server(b"SSH-2.0-other\r\n");
    let mut agent = StdioAgent::with_local_agent(&local_agent, "");
    assert_eq!(agent.line().split_whitespace().count(), 6);
    assert_eq!(received.recv_timeout(DEADLINE).unwrap(), "the end");
    agent.requests = None;
    agent.assert_ends();
}

#[test]
fn a_socket_is_proxied_unless_another_user_can_have_put_it_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("agent.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let server = std::thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        client.write_all(b"1 2 3\n").unwrap();
        client.read_to_string(&mut String::new()).unwrap();
        listener
    });
    let address = format!("unix:{}", path.display());
    let mut agent = StdioAgent::with_local_agent(&address, "");
    assert_eq!(agent.line(), "1 2 3\n");
    agent.requests = None;
    agent.assert_ends();

    let _listener = server.join().unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).unwrap();
    let mut agent = StdioAgent::with_local_agent(&address, "");
    assert_eq!(agent.line().split_whitespace().count(), 6);
    agent.requests = None;
    agent.assert_ends_with(&format!(
        "warning: {address} is in a folder to which other users can write, sampling this machine \
         instead\n"
    ));
}

#[tokio::test]
async fn the_client_gets_the_history_of_the_local_agent() {
    let source = ScriptedSource::plain(|number, values| values.extend([number as f64; 6]));
    let settings =
        AgentSettings { interval: Duration::from_millis(10), ..AgentSettings::default() };
    let agent = Agent::start(source, MachineFacts::default(), settings).await;
    let local = LoopbackAgent::run(agent, 0, PlaintextPolicy::LoopbackOnly).await;
    // Let the history grow to 20 rows.
    let mut other = lines(TcpStream::connect(local.address).await.unwrap());
    for _ in 0..20 {
        other.next_line().await.unwrap();
    }

    let (client, server) = tokio::io::duplex(64 * 1024);
    let (input, output) = tokio::io::split(server);
    let search = LocalAgent::search(&[LocalAgent::Port(local.address)]).await;
    let start_agent = async { panic!("a second agent was started") };
    tokio::spawn(serve_stdio(
        search.found.map(|it| it.1),
        start_agent,
        input,
        output,
        std::future::pending(),
    ));
    let (rows, mut requests) = tokio::io::split(client);
    requests.write_all(b"loadline/1 history=all\n").await.unwrap();
    let mut rows = lines(rows);
    while !rows.next_line().await.unwrap().unwrap().starts_with("# columns") {}
    for number in 1..=20 {
        let row = rows.next_line().await.unwrap().unwrap();
        assert_eq!(row.split(' ').nth(1), Some(number.to_string().as_str()), "{row}");
    }
}

fn lines<R: AsyncRead + Unpin>(stream: R) -> Lines<tokio::io::BufReader<R>> {
    tokio::io::BufReader::new(stream).lines()
}
