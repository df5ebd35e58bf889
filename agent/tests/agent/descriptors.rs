//! Few file descriptors at the start, and closed standard streams: an error in one line, or an agent that works.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::Instant;

use rustix::process::Signal;

use crate::running_agent::{DEADLINE, RunningAgent, program};

/// Lowest limit with which the system can load the program.
const LIMIT_MIN: u64 = 4;

/// Limit with which the agent starts.
const LIMIT_ENOUGH: u64 = 64;

/// Returns a shell that runs `script`, in which `"$@"` is the agent with these arguments.
fn in_shell(script: &str, arguments: &str) -> Command {
    let agent = program(arguments);
    let mut shell = Command::new("sh");
    shell.args(["-c", script, "sh"]).arg(agent.get_program()).args(agent.get_args());
    for (name, value) in agent.get_envs() {
        if value.is_none() {
            shell.env_remove(name);
        }
    }
    shell.env("LOADLINE_AGENT_RESIDENT", "127.0.0.1:1");
    shell
}

/// Starts an agent with a limit of open files. It works until SIGTERM, or ends with one error.
fn check(limit: u64, arguments: &str) {
    let mut command = in_shell(&format!("ulimit -n {limit}; exec \"$@\""), arguments);
    let mut agent = RunningAgent::start({
        command.stdin(Stdio::piped());
        command
    });
    let mut first = String::new();
    agent.stdout.as_mut().unwrap().read_line(&mut first).unwrap();
    if first.is_empty() {
        let mut stderr = String::new();
        agent.child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        let lines: Vec<_> = stderr.lines().collect();
        assert!(
            matches!(lines[..], [error, hint] if error.starts_with("error: cannot start: ") && hint.starts_with("hint: ")),
            "{limit} {arguments}: {stderr}"
        );
        assert_eq!(agent.wait_exit().0, Some(1), "{limit} {arguments}: {stderr}");
        assert!(limit < LIMIT_ENOUGH, "{limit} {arguments}: {stderr}");
    } else {
        agent.signal(Signal::TERM);
        assert_eq!(agent.wait_exit().0, Some(0), "{limit} {arguments}: {first}");
    }
}

#[test]
fn with_few_file_descriptors_the_agent_works_or_ends_with_one_error() {
    let folder = tempfile::tempdir().unwrap();
    let all = format!(
        "-l 127.0.0.1:0 -l unix:{0}/agent.sock --metrics-listen 127.0.0.1:0 --collect all --state-dir {0}/state",
        folder.path().display()
    );
    for limit in (LIMIT_MIN..=20).chain([30, 34, 35, 36, 37, 40, LIMIT_ENOUGH]) {
        for arguments in [
            "-l 127.0.0.1:0",
            "--stdio -i 250ms",
            if cfg!(feature = "metrics") { &all } else { "-l 127.0.0.1:0 -vv" },
        ] {
            check(limit, arguments);
        }
    }
}

#[test]
fn texts_need_no_file_descriptors() {
    for arguments in ["--help", "--version", "--generate man", "--interval never"] {
        let output = in_shell("ulimit -n 4; exec \"$@\"", arguments).output().unwrap();
        let code = if arguments == "--interval never" { 2 } else { 0 };
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments}: {stderr}");
        assert_eq!(stderr.is_empty(), code == 0, "{arguments}: {stderr}");
    }
}

#[test]
fn with_closed_standard_streams_the_agent_serves() {
    for closed in ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"] {
        // The system has just assigned this port, so it is probably free.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut agent = RunningAgent::start(in_shell(
            &format!("exec \"$@\" {closed}"),
            &format!("-vv -l {address}"),
        ));
        let begin = Instant::now();
        let mut client = loop {
            match TcpStream::connect(address) {
                Ok(client) => break BufReader::new(client),
                Err(_) => {
                    assert!(
                        begin.elapsed() < DEADLINE && agent.child.try_wait().unwrap().is_none()
                    );
                }
            }
        };
        let mut row = String::new();
        client.read_line(&mut row).unwrap();
        assert_eq!(row.split(' ').count(), 6, "{closed}: {row}");
        agent.signal(Signal::TERM);
        assert_eq!(agent.wait_exit().0, Some(0), "{closed}");
    }
}
