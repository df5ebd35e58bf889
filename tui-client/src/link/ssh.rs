//! Transport over the system's ssh, with the user's keys and configuration.
//!
//! ```text
//!  this process ── stdin, stdout ──▶ ssh ═══════▶ sshd ──▶ loadline-agent --stdio
//!       ▲                             │
//!       └──── error reasons ── stderr ┘   prompts: ssh shows them in the terminal itself
//! ```

mod agent_failure;
mod exit;
mod login_text;
mod process;
mod stderr;

use std::fmt;
use std::io::{self, Cursor};
use std::process::Stdio;
use std::time::Duration;

use loadline_common::without_error_number;
use tokio::io::{AsyncReadExt as _, Chain, Join};
use tokio::process::{ChildStdin, ChildStdout};
use tokio::sync::OnceCell;
use tokio::time::timeout;

use super::logins::{Login, LoginError};
use super::reasoned::ReasonedReader;
use super::terminal::TerminalAccess;
use crate::redact::redact;
use crate::source::Destination;
use agent_failure::file_probe;
use exit::SshExit;
use login_text::{Greeting, read_greeting};
use process::{SshProcess, command_without_secrets};
use stderr::{Echo, StderrReader};

/// Timeout of `ssh -G`, which prints the configuration: 2 s.
const CONFIGURATION_TIMEOUT: Duration = Duration::from_secs(2);

/// Maximum size of that output: 64 KiB, ten times a usual one.
const CONFIGURATION_MAX: u64 = 64 * 1024;

/// Timeout of the second login that looks for the agent's file: 10 s.
const PROBE_TIMEOUT: Duration = Duration::from_secs(10);

/// Maximum output of that login: 4 KiB, some lines for each folder of a `PATH`.
const PROBE_MAX: u64 = 4096;

/// Options for settings that the user's configuration leaves unset: the setting, its unset value,
/// the option. With these, ssh detects a dead peer within 20 s; by default, only after hours.
const DEFAULT_OPTIONS: [(&str, &str, &str); 2] = [
    ("serveraliveinterval", "0", "ServerAliveInterval=5"),
    ("connecttimeout", "none", "ConnectTimeout=10"),
];

/// Commands to run on both sides.
#[derive(Clone, PartialEq, Eq)]
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

impl fmt::Debug for SshCommand {
    /// Writes the program only: options may have secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SshCommand({})", self.program)
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

    /// Runs ssh and waits for the agent's first row.
    ///
    /// # Errors
    /// A [`LoginError`], in the words of the login or of ssh, if there are any.
    pub(super) async fn connect(&self, terminal: TerminalAccess) -> io::Result<SshStream> {
        let defaults = self.defaults.get_or_init(|| self.missing_defaults()).await;
        let agent = &self.command.agent_command;
        let mut ssh =
            self.spawn(terminal, &self.arguments(terminal, defaults, agent_call(agent)))?;
        let child = ssh.child();
        let piped = "the standard streams of the child are pipes";
        let requests = child.stdin.take().expect(piped);
        let mut rows = child.stdout.take().expect(piped);
        let echo = match terminal {
            TerminalAccess::Taken => Echo::Nothing,
            TerminalAccess::Missing | TerminalAccess::Lent { echo: false } => {
                Echo::Warnings(self.destination.name())
            }
            TerminalAccess::Lent { echo: true } => Echo::All,
        };
        let stderr = StderrReader::start(child.stderr.take().expect(piped), echo);
        match read_greeting(&mut rows).await {
            Greeting::Rows(first) => {
                // Earlier output, such as a banner, explains no later error.
                stderr.clear();
                let (agent, to) = (agent.clone(), self.destination.name());
                let end = async move {
                    let exit = wait_for_exit(ssh, stderr, "").await;
                    let failure = exit.agent_failure(&agent).map(|it| it.to_reason(&agent));
                    Err(login_error(&exit, failure, &to))
                };
                let rows = ReasonedReader::new(Cursor::new(first).chain(rows), end);
                Ok(tokio::io::join(rows, requests))
            }
            Greeting::Text(text) => {
                let exit = wait_for_exit(ssh, stderr, &String::from_utf8_lossy(&text)).await;
                let failure = self.explain_failure(&exit, defaults).await;
                Err(login_error(&exit, failure, &self.destination.name()))
            }
        }
    }

    /// Returns why the server cannot run the agent. Looks for the agent's file in a second login, if
    /// the words of the shell are ambiguous.
    async fn explain_failure(&self, exit: &SshExit, defaults: &[&str]) -> Option<String> {
        let agent = &self.command.agent_command;
        let failure = exit.agent_failure(agent)?;
        let probe = file_probe(agent).filter(|_| failure.needs_findings());
        let findings = match probe {
            Some(probe) => self.run_probe(defaults, probe).await.unwrap_or_default(),
            None => String::new(),
        };
        Some(failure.with_findings(&findings).to_reason(agent))
    }

    /// Runs a command on the server without prompts, and returns its output.
    async fn run_probe(&self, defaults: &[&str], command: String) -> io::Result<String> {
        let terminal = TerminalAccess::Taken;
        let ssh = self.spawn(terminal, &self.arguments(terminal, defaults, command))?;
        Ok(ssh.output(PROBE_MAX, PROBE_TIMEOUT).await)
    }

    fn spawn(&self, terminal: TerminalAccess, arguments: &[String]) -> io::Result<SshProcess> {
        let SshCommand { program, options, .. } = &self.command;
        let mut command = command_without_secrets(program);
        if terminal == TerminalAccess::Taken {
            // The ssh of a jump host does not get our options. `SSH_ASKPASS` keeps its prompts off
            // the terminal.
            command.env("SSH_ASKPASS", "false").env("SSH_ASKPASS_REQUIRE", "force");
        }
        command
            // The server's shell may get this setting, and then says in English why it fails.
            .env("LC_MESSAGES", "C")
            .args(options)
            .args(arguments)
            .stdin(Stdio::piped())
            .stderr(Stdio::piped());
        SshProcess::spawn(command, terminal.has_person()).map_err(|error| {
            let error = without_error_number(&error.to_string());
            io::Error::other(format!(
                "cannot run {program}: {error}; install an ssh client, or name one with --ssh"
            ))
        })
    }

    /// Returns the arguments after the program and the user's own options. ssh uses the first value
    /// of an option, so the user's options win.
    fn arguments(
        &self,
        terminal: TerminalAccess,
        defaults: &[&str],
        command: String,
    ) -> Vec<String> {
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
        arguments.push(command);
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
    async fn missing_defaults(&self) -> Vec<&'static str> {
        missing_defaults(&query_configuration(&self.command, self.destination_arguments()).await)
    }
}

/// Returns the configuration of a destination as `ssh -G` prints it; empty if the program does not answer.
pub(super) async fn query_configuration(ssh: &SshCommand, destination: Vec<String>) -> String {
    let mut command = command_without_secrets(&ssh.program);
    command.args(&ssh.options).arg("-G").args(destination).stderr(Stdio::null());
    match SshProcess::spawn(command, false) {
        Ok(ssh) => ssh.output(CONFIGURATION_MAX, CONFIGURATION_TIMEOUT).await,
        Err(_) => String::new(),
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

fn agent_call(agent: &str) -> String {
    format!("{agent} --stdio")
}

/// Waits for ssh to exit, after its output ended. Dropping the future ends ssh; the remote agent exits
/// because its input ends.
async fn wait_for_exit(mut ssh: SshProcess, stderr: StderrReader, text: &str) -> SshExit {
    let status = timeout(EXIT_TIMEOUT, ssh.child().wait()).await.ok().and_then(Result::ok);
    SshExit { status, text: text.to_owned(), errors: stderr.last_lines().await }
}

/// Returns the error of an attempt that has ended with `exit`. ssh begins some messages with the
/// destination, which stands in front of the reason already.
fn login_error(exit: &SshExit, agent_failure: Option<String>, destination: &str) -> io::Error {
    let login = if agent_failure.is_some() { Login::Accepted } else { exit.login() };
    let reason = agent_failure.unwrap_or_else(|| exit.reason());
    let reason = redact(reason.strip_prefix(&format!("{destination}: ")).unwrap_or(&reason));
    io::Error::other(LoginError { reason, login })
}

#[cfg(test)]
mod tests {
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
        let arguments = |terminal| {
            let command = agent_call("loadline-agent");
            ssh("me@web-1").arguments(terminal, &["A=1"], command).join(" ")
        };
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

    #[tokio::test]
    async fn a_missing_ssh_program_is_reported_with_a_hint() {
        let Ok(Source::Ssh(to)) = "me@web-1".parse() else { panic!("not an ssh source") };
        let program = "/nowhere/ssh".to_owned();
        let ssh = SshTransport::new(SshCommand { program, ..SshCommand::default() }, to);
        let error = ssh.connect(TerminalAccess::Taken).await.err().unwrap().to_string();
        assert!(error.contains("/nowhere/ssh") && error.contains("--ssh"), "{error}");
    }
}
