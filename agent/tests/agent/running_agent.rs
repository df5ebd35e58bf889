//! The program, run as its users do.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// How long anything may take on a machine that is busy with something else.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// The program with these arguments, and nothing in its environment that it looks at.
pub(crate) fn program(arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadline-agent"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("LOADLINE_AGENT_") {
            command.env_remove(name);
        }
    }
    command.args(arguments.split_whitespace()).stdin(Stdio::null());
    command
}

/// A running program; killed when a test is through with it.
pub(crate) struct RunningAgent {
    pub(crate) child: Child,
    /// Until a test closes it.
    pub(crate) stdout: Option<BufReader<ChildStdout>>,
}

impl RunningAgent {
    pub(crate) fn start(mut command: Command) -> RunningAgent {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stdout = child.stdout.take().map(BufReader::new);
        RunningAgent { child, stdout }
    }

    /// The address of the next listener, from what the program prints.
    pub(crate) fn address(&mut self) -> String {
        let mut line = String::new();
        self.stdout.as_mut().unwrap().read_line(&mut line).unwrap();
        let address = line.strip_prefix("listening on ").and_then(|line| line.strip_suffix('\n'));
        address.unwrap_or_else(|| panic!("{line:?}")).to_owned()
    }

    /// Kills it, and gives what it wrote to its log.
    pub(crate) fn kill(&mut self) -> String {
        // An error only means that it has ended.
        let _ = self.child.kill();
        let mut log = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        self.child.wait().unwrap();
        log
    }

    /// Its log, up to the line that has this in it.
    pub(crate) fn log_until(&mut self, part: &str) -> String {
        let stderr = self.child.stderr.as_mut().unwrap();
        let mut log = Vec::new();
        let mut byte = [0];
        while !(log.ends_with(b"\n") && String::from_utf8_lossy(&log).contains(part)) {
            assert_eq!(stderr.read(&mut byte).unwrap(), 1, "{}", String::from_utf8_lossy(&log));
            log.push(byte[0]);
        }
        String::from_utf8(log).unwrap()
    }

    /// What Linux tells of it, in this file of `/proc`.
    pub(crate) fn proc_file(&self, file: &str) -> String {
        std::fs::read_to_string(format!("/proc/{}/{file}", self.child.id())).unwrap()
    }

    /// A client, and the first line that it gets.
    pub(crate) fn connect(&mut self) -> (BufReader<TcpStream>, String) {
        let stream = TcpStream::connect(self.address()).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let mut client = BufReader::new(stream);
        let first = line(&mut client);
        (client, first)
    }

    #[cfg(unix)]
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// The exit code, and how long it took.
    #[cfg(unix)]
    pub(crate) fn wait_exit(&mut self) -> (Option<i32>, Duration) {
        let begin = Instant::now();
        (self.child.wait().unwrap().code(), begin.elapsed())
    }
}

impl Drop for RunningAgent {
    fn drop(&mut self) {
        // An error only means that it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The next line, with its end; empty at the end of the stream.
pub(crate) fn line(client: &mut BufReader<TcpStream>) -> String {
    let mut line = String::new();
    client.read_line(&mut line).unwrap();
    line
}
