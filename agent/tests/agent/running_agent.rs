//! The `loadline-agent` program as a child process.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Time limit for anything, on a machine that is busy with other work.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// Raises the limit on open files of this process, if the system permits it. Returns the limit.
pub(crate) fn allow_files(count: usize) -> usize {
    let limit = getrlimit(Resource::Nofile);
    let current = limit.current.unwrap_or(u64::MAX);
    let wanted = (count as u64).clamp(current, limit.maximum.unwrap_or(u64::MAX).max(current));
    let raised = Rlimit { current: limit.current.map(|_| wanted), ..limit };
    let files = if setrlimit(Resource::Nofile, raised).is_ok() { wanted } else { current };
    usize::try_from(files).unwrap_or(usize::MAX)
}

/// Returns a command with these arguments and without the agent's environment variables.
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

/// Running agent. Killed on drop.
pub(crate) struct RunningAgent {
    pub(crate) child: Child,
    /// `None` once a test has closed it.
    pub(crate) stdout: Option<BufReader<ChildStdout>>,
}

impl RunningAgent {
    pub(crate) fn start(mut command: Command) -> RunningAgent {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stdout = child.stdout.take().map(BufReader::new);
        RunningAgent { child, stdout }
    }

    /// Returns the address of the next listener, which the program prints.
    pub(crate) fn address(&mut self) -> String {
        let mut line = String::new();
        self.stdout.as_mut().unwrap().read_line(&mut line).unwrap();
        let address = line.strip_prefix("listening on ").and_then(|line| line.strip_suffix('\n'));
        address.unwrap_or_else(|| panic!("{line:?}")).to_owned()
    }

    /// Kills the agent and returns its log, perhaps without its last lines.
    pub(crate) fn kill(&mut self) -> String {
        // An error only means that the process has ended.
        let _ = self.child.kill();
        let mut log = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        self.child.wait().unwrap();
        log
    }

    /// Ends the agent and returns its whole log.
    pub(crate) fn end(&mut self) -> String {
        self.signal(rustix::process::Signal::TERM);
        let mut log = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        self.child.wait().unwrap();
        log
    }

    /// Reads the log up to the end of the line that contains `part`.
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

    /// Returns the content of a file in the process's `/proc` folder.
    pub(crate) fn proc_file(&self, file: &str) -> String {
        std::fs::read_to_string(format!("/proc/{}/{file}", self.child.id())).unwrap()
    }

    /// Returns the resident memory in KiB.
    pub(crate) fn memory_kib(&self) -> u64 {
        let status = self.proc_file("status");
        let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        memory.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Returns the number of open files.
    pub(crate) fn open_files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count()
    }

    /// Connects a client and returns it with its first line.
    pub(crate) fn connect(&mut self) -> (BufReader<TcpStream>, String) {
        let stream = TcpStream::connect(self.address()).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let mut client = BufReader::new(stream);
        let first = line(&mut client);
        (client, first)
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Waits for the end. Returns the exit code and the time it took.
    pub(crate) fn wait_exit(&mut self) -> (Option<i32>, Duration) {
        let begin = Instant::now();
        (self.child.wait().unwrap().code(), begin.elapsed())
    }
}

impl Drop for RunningAgent {
    fn drop(&mut self) {
        // An error only means that the process has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads a line with its line end. Empty at the end of the stream.
pub(crate) fn line(client: &mut BufReader<TcpStream>) -> String {
    let mut line = String::new();
    client.read_line(&mut line).unwrap();
    line
}
