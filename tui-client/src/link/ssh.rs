//! The way by the system's ssh, with the user's own keys and configuration.
//!
//! ```text
//!  this process ── stdin, stdout ──▶ ssh ═══════▶ sshd ──▶ loadline-agent --stdio
//!       ▲                             │
//!       └──── why it failed ── stderr ┘   questions: ssh asks them in the terminal itself
//! ```

mod stderr;
mod stream;

use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::terminal::TerminalAccess;
use crate::source::Destination;
use stderr::StderrReader;
use stream::SshStream;

/// How long ssh has to say what its configuration is.
const CONFIGURATION_TIMEOUT: Duration = Duration::from_secs(2);

/// What may come with the first bytes.
const FIRST_BYTES: usize = 512;

/// The exit code with which a shell says that there is no such program.
const COMMAND_NOT_FOUND: i32 = 127;

/// What is asked of ssh where the user's configuration says nothing: its key there, the value that
/// means nothing, and the option. So a peer that is gone is noticed within 20 seconds; left alone, ssh
/// waits for hours.
const DEFAULT_OPTIONS: [(&str, &str, &str); 2] = [
    ("serveraliveinterval", "0", "ServerAliveInterval=5"),
    ("connecttimeout", "none", "ConnectTimeout=10"),
];

/// What is run on both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshCommand {
    /// The program here and options of its own, at least the program.
    pub program: Vec<String>,
    /// The agent there, as the shell there reads it.
    pub agent_command: String,
}

impl Default for SshCommand {
    fn default() -> SshCommand {
        SshCommand { program: vec!["ssh".to_owned()], agent_command: "loadline-agent".to_owned() }
    }
}

/// Where it leads, and how.
#[derive(Debug)]
pub(super) struct SshTransport {
    command: SshCommand,
    destination: Destination,
    /// Options that the configuration has no opinion about; `None` as long as it was not asked.
    defaults: Option<Vec<&'static str>>,
}

impl SshTransport {
    pub(super) fn new(command: SshCommand, destination: Destination) -> SshTransport {
        SshTransport { command, destination, defaults: None }
    }

    /// Runs ssh until the agent's first bytes come.
    ///
    /// # Errors
    /// In ssh's own words, if it has some.
    pub(super) async fn connect(&mut self, terminal: TerminalAccess) -> io::Result<SshStream> {
        let defaults = match self.defaults.take() {
            Some(defaults) => defaults,
            None => self.query_configuration().await,
        };
        let arguments = self.arguments(terminal, &defaults);
        self.defaults = Some(defaults);
        let mut child = self.spawn(terminal, &arguments)?;
        let piped = "a child whose standard streams are pipes has them";
        let requests = child.stdin.take().expect(piped);
        let mut rows = child.stdout.take().expect(piped);
        let echo = terminal == TerminalAccess::Lent { echo: true };
        let stderr = StderrReader::start(child.stderr.take().expect(piped), echo);
        let process =
            SshProcess { child, stderr, agent_command: self.command.agent_command.clone() };
        let mut first = Vec::with_capacity(FIRST_BYTES);
        match rows.read_buf(&mut first).await {
            Ok(1..) => {
                // What was said until now, such as a banner, is no reason for anything later.
                process.stderr.clear();
                Ok(SshStream::new(first, rows, requests, process))
            }
            Ok(0) | Err(_) => Err(process.exit_error().await),
        }
    }

    fn spawn(&self, terminal: TerminalAccess, arguments: &[String]) -> io::Result<Child> {
        let [program, options @ ..] = &self.command.program[..] else {
            return Err(io::Error::other("no program is given for ssh"));
        };
        let mut command = Command::new(program);
        if terminal == TerminalAccess::Taken {
            // The ssh that leads through a jump host knows nothing of our options. Whatever it has to
            // ask, it asks this program, and not in the terminal.
            command.env("SSH_ASKPASS", "false").env("SSH_ASKPASS_REQUIRE", "force");
        }
        command
            .args(options)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| {
                io::Error::other(format!(
                    "cannot run {program}: {error}; install an ssh client, or name one by --ssh"
                ))
            })
    }

    /// What stands behind the program and the user's own options. The first that says something about
    /// an option counts, so that the user's own win.
    fn arguments(&self, terminal: TerminalAccess, defaults: &[&str]) -> Vec<String> {
        // A forwarding of the configuration belongs to the sessions in which the user works.
        let mut options = vec!["ClearAllForwardings=yes"];
        if terminal == TerminalAccess::Taken {
            options.push("BatchMode=yes");
        }
        options.extend(defaults);
        let mut arguments = vec!["-T".to_owned()];
        for option in options {
            arguments.extend(["-o".to_owned(), option.to_owned()]);
        }
        arguments.extend(self.destination_arguments());
        arguments.push(format!("{} --stdio", self.command.agent_command));
        arguments
    }

    fn destination_arguments(&self) -> Vec<String> {
        let port = self.destination.port().map(|port| ["-p".to_owned(), port.to_string()]);
        let mut arguments: Vec<String> = port.into_iter().flatten().collect();
        arguments.extend(["--".to_owned(), self.destination.name()]);
        arguments
    }

    /// Those of [`DEFAULT_OPTIONS`] that the user's configuration does not set. It is asked, as an option of
    /// the command line would win over it. A program that does not answer gets them all.
    async fn query_configuration(&self) -> Vec<&'static str> {
        let mut command = Command::new(self.command.program.first().map_or("", String::as_str));
        command
            .args(self.command.program.iter().skip(1))
            .arg("-G")
            .args(self.destination_arguments())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        match timeout(CONFIGURATION_TIMEOUT, command.output()).await {
            Ok(Ok(output)) => missing_defaults(&String::from_utf8_lossy(&output.stdout)),
            Ok(Err(_)) | Err(_) => missing_defaults(""),
        }
    }
}

/// Those of [`DEFAULT_OPTIONS`] that a configuration, as `ssh -G` prints it, does not set.
fn missing_defaults(configuration: &str) -> Vec<&'static str> {
    let is_set = |key: &str, nothing: &str| {
        let words = configuration.lines().filter_map(|line| line.split_once(' '));
        words.into_iter().any(|(name, value)| name == key && value != nothing)
    };
    DEFAULT_OPTIONS
        .into_iter()
        .filter(|(key, nothing, _)| !is_set(key, nothing))
        .map(|(_, _, option)| option)
        .collect()
}

/// An ssh that runs. Dropping it ends it, and with it the agent on the other side, whose input ends.
#[derive(Debug)]
struct SshProcess {
    child: Child,
    stderr: StderrReader,
    agent_command: String,
}

/// How long an ssh that has closed its output may take to exit.
const EXIT_TIMEOUT: Duration = Duration::from_secs(2);

impl SshProcess {
    /// Why an ssh has ended that sends nothing more.
    async fn exit_error(mut self) -> io::Error {
        let status = timeout(EXIT_TIMEOUT, self.child.wait()).await.ok().and_then(Result::ok);
        io::Error::other(exit_reason(status, &self.stderr.last_line().await, &self.agent_command))
    }
}

/// Why ssh has ended, in words that fit a header line.
fn exit_reason(status: Option<ExitStatus>, last_line: &str, agent: &str) -> String {
    match status.map(|status| status.code()) {
        Some(Some(COMMAND_NOT_FOUND)) => {
            format!("{agent} is not there: copy it to the server, or give --agent-command PATH")
        }
        _ if !last_line.is_empty() => last_line.trim_end_matches('.').to_owned(),
        Some(Some(0)) => "closed by the server".to_owned(),
        Some(Some(code)) => format!("ssh ended with exit code {code}"),
        Some(None) => "ssh was killed".to_owned(),
        None => "ssh sends nothing more".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;
    use crate::source::Source;

    fn ssh(source: &str) -> SshTransport {
        match source.parse() {
            Ok(Source::Ssh(to)) => SshTransport::new(SshCommand::default(), to),
            other => panic!("{source}: {other:?}"),
        }
    }

    #[test]
    fn ssh_asks_nobody_when_the_terminal_is_taken() {
        let arguments = |terminal| ssh("me@web-1").arguments(terminal, &["A=1"]).join(" ");
        assert_eq!(
            arguments(TerminalAccess::Lent { echo: true }),
            "-T -o ClearAllForwardings=yes -o A=1 -- me@web-1 loadline-agent --stdio"
        );
        assert!(arguments(TerminalAccess::Taken).contains("-o BatchMode=yes"));
    }

    #[test]
    fn a_port_is_left_to_ssh_unless_it_is_given() {
        let destination = |source| ssh(source).destination_arguments().join(" ");
        assert_eq!(destination("ssh://me@web-1:2222"), "-p 2222 -- me@web-1");
        assert_eq!(destination("ssh://web-1"), "-- web-1");
    }

    #[test]
    fn options_that_the_user_configured_are_not_overridden() {
        let ours = ["ServerAliveInterval=5", "ConnectTimeout=10"];
        assert_eq!(missing_defaults(""), ours);
        assert_eq!(
            missing_defaults("host web-1\nserveraliveinterval 0\nconnecttimeout none\n"),
            ours
        );
        assert_eq!(missing_defaults("serveraliveinterval 30\nconnecttimeout none\n"), ours[1..]);
        assert_eq!(missing_defaults("connecttimeout 3\nserveraliveinterval 60\n"), [""; 0]);
    }

    #[test]
    fn the_exit_reason_is_the_last_line_of_ssh_or_its_exit_code() {
        let exit = |code: i32| Some(ExitStatus::from_raw(code << 8));
        let refused = "me@web-1: Permission denied (publickey).";
        assert_eq!(exit_reason(exit(255), refused, "x"), "me@web-1: Permission denied (publickey)");
        assert_eq!(exit_reason(exit(255), "", "x"), "ssh ended with exit code 255");
        assert_eq!(exit_reason(exit(0), "", "x"), "closed by the server");
        assert_eq!(exit_reason(Some(ExitStatus::from_raw(9)), "", "x"), "ssh was killed");
        let missing = exit_reason(exit(127), "bash: line 1: x: command not found", "x");
        assert!(missing.starts_with("x is not there") && missing.contains("--agent-command"));
    }

    #[tokio::test]
    async fn a_missing_ssh_program_is_reported_with_a_hint() {
        let Ok(Source::Ssh(to)) = "me@web-1".parse() else { panic!("it is by ssh") };
        let program = vec!["/nowhere/ssh".to_owned()];
        let mut ssh = SshTransport::new(SshCommand { program, ..SshCommand::default() }, to);
        let error = ssh.connect(TerminalAccess::Taken).await.unwrap_err().to_string();
        assert!(error.contains("/nowhere/ssh") && error.contains("--ssh"), "{error}");
    }
}
