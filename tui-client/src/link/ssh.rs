//! Transport over the system's ssh, with the user's keys and configuration.
//!
//! ```text
//!  this process ── stdin, stdout ──▶ ssh ═══════▶ sshd ──▶ loadline-agent --stdio
//!       ▲                             │
//!       └──── error reasons ── stderr ┘   prompts: ssh shows them in the terminal itself
//! ```

mod stderr;

use std::io::{self, Cursor};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use loadline_common::without_error_number;
use tokio::io::{AsyncReadExt as _, Chain, Join};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::OnceCell;
use tokio::time::timeout;

use super::reasoned::ReasonedReader;
use super::terminal::TerminalAccess;
use crate::source::Destination;
use stderr::StderrReader;

/// Timeout of `ssh -G`, which prints the configuration: 2 s.
const CONFIGURATION_TIMEOUT: Duration = Duration::from_secs(2);

/// Buffer size of the first read from the agent.
const FIRST_BYTES: usize = 512;

/// Exit code of a shell that does not find a program.
const COMMAND_NOT_FOUND: i32 = 127;

/// Options for settings that the user's configuration leaves unset: the setting, its unset value,
/// the option. With these, ssh detects a dead peer within 20 s; by default, only after hours.
const DEFAULT_OPTIONS: [(&str, &str, &str); 2] = [
    ("serveraliveinterval", "0", "ServerAliveInterval=5"),
    ("connecttimeout", "none", "ConnectTimeout=10"),
];

/// Commands to run on both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshCommand {
    /// Local program, and its options.
    pub(crate) program: String,
    pub(crate) options: Vec<String>,
    /// Command of the remote agent, interpreted by the remote shell.
    pub(crate) agent_command: String,
}

impl Default for SshCommand {
    fn default() -> SshCommand {
        let (program, agent_command) = ("ssh".to_owned(), "loadline-agent".to_owned());
        SshCommand { program, options: Vec::new(), agent_command }
    }
}

/// Byte stream to an agent over ssh.
type SshStream = Join<ReasonedReader<Chain<Cursor<Vec<u8>>, ChildStdout>>, ChildStdin>;

/// Transport to an agent that ssh starts.
#[derive(Debug)]
pub(super) struct SshTransport {
    command: SshCommand,
    destination: Destination,
    /// Options that the configuration leaves unset; empty until the configuration is queried.
    defaults: OnceCell<Vec<&'static str>>,
}

impl SshTransport {
    pub(super) fn new(command: SshCommand, destination: Destination) -> SshTransport {
        SshTransport { command, destination, defaults: OnceCell::new() }
    }

    /// Runs ssh and waits for the agent's first bytes.
    ///
    /// # Errors
    /// In ssh's own words, if ssh printed any.
    pub(super) async fn connect(&self, terminal: TerminalAccess) -> io::Result<SshStream> {
        let defaults = self.defaults.get_or_init(|| self.query_configuration()).await;
        let mut child = self.spawn(terminal, &self.arguments(terminal, defaults))?;
        let piped = "the standard streams of the child are pipes";
        let requests = child.stdin.take().expect(piped);
        let mut rows = child.stdout.take().expect(piped);
        let echo = terminal == TerminalAccess::Lent { echo: true };
        let stderr = StderrReader::start(child.stderr.take().expect(piped), echo);
        let agent_command = self.command.agent_command.clone();
        let mut first = Vec::with_capacity(FIRST_BYTES);
        match rows.read_buf(&mut first).await {
            Ok(1..) => {
                // Earlier output, such as a banner, explains no later error.
                stderr.clear();
                let rows = Cursor::new(first).chain(rows);
                let end = async move { Err(exit_error(child, stderr, &agent_command).await) };
                Ok(tokio::io::join(ReasonedReader::new(rows, end), requests))
            }
            Ok(0) | Err(_) => Err(exit_error(child, stderr, &agent_command).await),
        }
    }

    fn spawn(&self, terminal: TerminalAccess, arguments: &[String]) -> io::Result<Child> {
        let SshCommand { program, options, .. } = &self.command;
        let mut command = Command::new(program);
        if terminal == TerminalAccess::Taken {
            // The ssh of a jump host does not get our options. `SSH_ASKPASS` keeps its prompts off
            // the terminal.
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
                let error = without_error_number(&error.to_string());
                io::Error::other(format!(
                    "cannot run {program}: {error}; install an ssh client, or name one with --ssh"
                ))
            })
    }

    /// Returns the arguments after the program and the user's own options. ssh uses the first value
    /// of an option, so the user's options win.
    fn arguments(&self, terminal: TerminalAccess, defaults: &[&str]) -> Vec<String> {
        // Configured port forwardings are for the user's interactive sessions.
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
        let port = self.destination.port.map(|port| ["-p".to_owned(), port.to_string()]);
        let mut arguments: Vec<String> = port.into_iter().flatten().collect();
        arguments.extend(["--".to_owned(), self.destination.name()]);
        arguments
    }

    /// Returns the [`DEFAULT_OPTIONS`] that the user's configuration does not set, as command-line
    /// options would override the configuration. A program that does not answer gets all of them.
    async fn query_configuration(&self) -> Vec<&'static str> {
        let output = Command::new(&self.command.program)
            .args(&self.command.options)
            .arg("-G")
            .args(self.destination_arguments())
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        match timeout(CONFIGURATION_TIMEOUT, output).await {
            Ok(Ok(output)) => missing_defaults(&String::from_utf8_lossy(&output.stdout)),
            Ok(Err(_)) | Err(_) => missing_defaults(""),
        }
    }
}

/// Returns the [`DEFAULT_OPTIONS`] that `configuration`, the output of `ssh -G`, does not set.
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

/// Timeout for ssh to exit after it closed its output: 2 s.
const EXIT_TIMEOUT: Duration = Duration::from_secs(2);

/// Waits for ssh to exit, after its output ended, and returns the reason. Dropping the future kills
/// ssh; the remote agent exits because its input ends.
async fn exit_error(mut ssh: Child, stderr: StderrReader, agent_command: &str) -> io::Error {
    let status = timeout(EXIT_TIMEOUT, ssh.wait()).await.ok().and_then(Result::ok);
    io::Error::other(exit_reason(status, &stderr.last_line().await, agent_command))
}

/// Returns why ssh ended, in words that fit a header line.
fn exit_reason(status: Option<ExitStatus>, last_line: &str, agent: &str) -> String {
    match status.map(|status| status.code()) {
        Some(Some(COMMAND_NOT_FOUND)) => {
            format!("{agent} not found on the server; install it or give --agent-command PATH")
        }
        _ if !last_line.is_empty() => last_line.trim_end_matches('.').to_owned(),
        Some(Some(0)) => "closed by the server".to_owned(),
        Some(Some(code)) => format!("ssh exited with code {code}"),
        Some(None) => "ssh was killed by a signal".to_owned(),
        None => "ssh closed its output but did not exit".to_owned(),
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
    fn ssh_does_not_prompt_while_the_terminal_is_taken() {
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
        assert_eq!(exit_reason(exit(255), "", "x"), "ssh exited with code 255");
        assert_eq!(exit_reason(exit(0), "", "x"), "closed by the server");
        assert_eq!(
            exit_reason(Some(ExitStatus::from_raw(9)), "", "x"),
            "ssh was killed by a signal"
        );
        let missing = exit_reason(exit(127), "bash: line 1: x: command not found", "x");
        assert!(missing.starts_with("x not found") && missing.contains("--agent-command"));
    }

    #[tokio::test]
    async fn a_missing_ssh_program_is_reported_with_a_hint() {
        let Ok(Source::Ssh(to)) = "me@web-1".parse() else { panic!("not an ssh source") };
        let program = "/nowhere/ssh".to_owned();
        let ssh = SshTransport::new(SshCommand { program, ..SshCommand::default() }, to);
        let error = ssh.connect(TerminalAccess::Taken).await.err().unwrap().to_string();
        assert!(error.contains("/nowhere/ssh") && error.contains("--ssh"), "{error}");
    }
}
