//! A terminal's life: resized, suspended, closed; and the server's, stopped and continued.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use portable_pty::{CommandBuilder, PtySize, native_pty_system};

use crate::stage::{DEADLINE, Server, Terminal, wait_until};

/// Sends a signal to a process.
fn signal(name: &str, process: u32) {
    let kill = Command::new("kill").args(["-s", name, &process.to_string()]).status();
    assert!(kill.unwrap().success(), "{name} to {process}");
}

/// Set for the child that is an agent.
const AGENT: &str = "LOADLINE_TEST_AGENT";

/// An agent in a process of its own, killed when the test is through with it.
struct AgentProcess {
    child: Child,
    address: String,
}

impl AgentProcess {
    fn start() -> AgentProcess {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "--nocapture",
                "life::a_server_that_is_silent_is_stale_until_it_speaks",
            ])
            .env(AGENT, "1")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address =
            lines.find_map(|line| Some(line.unwrap().split_once("agent on ")?.1.to_owned()));
        // Its output stays open for it, and nobody reads it.
        std::thread::spawn(move || lines.for_each(drop));
        AgentProcess { child, address: address.unwrap() }
    }

    /// What the child does, until it is killed.
    #[expect(clippy::print_stdout, reason = "that is how its parent learns the address")]
    fn be() {
        let server = Server::start(0, Duration::from_secs(1));
        println!("agent on {}", server.address);
        std::thread::sleep(2 * DEADLINE);
    }
}

impl Drop for AgentProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_server_that_is_silent_is_stale_until_it_speaks() {
    if std::env::var_os(AGENT).is_some() {
        return AgentProcess::be();
    }
    let agent = AgentProcess::start();
    let mut terminal = Terminal::loadline(&[&agent.address]);
    terminal.wait_for_text(" LIVE ");
    signal("STOP", agent.child.id());
    let screen = terminal.wait_for_text(" STALE ");
    assert!(screen.contains("2400.0") && !screen.contains(" LIVE "), "{screen}");
    signal("CONT", agent.child.id());
    terminal.wait_for("life", |screen| screen.contains(" LIVE ") && !screen.contains("STALE"));
    terminal.press("q");
    assert!(terminal.wait_for_end().0.success());
}

#[test]
fn a_storm_of_sizes_ends_in_a_whole_screen() {
    let server = Server::start(0, Duration::from_millis(20));
    let mut terminal = Terminal::loadline(&[&server.address.to_string()]);
    terminal.wait_for_text("LIVE");
    for step in 0..200_u16 {
        terminal.resize(1 + step * 7 % 60, 1 + step * 13 % 150);
        if step % 20 == 0 {
            terminal.press("f");
        }
    }
    terminal.resize(24, 80);
    terminal.press("\x0c");
    terminal.wait_for("dashboard", |s| s.contains("1  CPU") && s.contains("4  Load"));
    terminal.press("q");
    assert!(terminal.wait_for_end().0.success());
    server.stop();
}

#[test]
fn it_is_suspended_by_the_shell_and_comes_back() {
    let server = Server::start(0, Duration::from_millis(100));
    let mut shell = CommandBuilder::new("bash");
    shell.args(["--norc", "--noprofile", "-i"]);
    shell.env("PS1", "ready> ");
    let mut terminal = Terminal::run(shell);
    terminal.wait_for_text("ready>");
    let program = env!("CARGO_BIN_EXE_loadline");
    terminal.press(&format!("{program} {}\n", server.address));
    terminal.wait_for_text("LIVE");
    terminal.press("\x1a");
    let screen = terminal.wait_for_text("Stopped");
    assert!(!screen.contains("LIVE"), "the shell's own screen is back:\n{screen}");
    // Echo and lines are the shell's again.
    terminal.press("echo $((6 * 7))\n");
    terminal.wait_for_text("42");
    terminal.press("fg\n");
    terminal.wait_for("dashboard", |s| s.contains("LIVE") && s.contains("1  CPU"));
    terminal.press("?");
    terminal.wait_for_text("this help");
    terminal.press("q");
    terminal.wait_for("prompt", |s| !s.contains("this help") && s.contains("ready>"));
    terminal.press("exit\n");
    terminal.wait_for_end();
    server.stop();
}

/// Whether a process is there and is no zombie.
#[cfg(target_os = "linux")]
fn is_running(process: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let state = stat.rsplit(") ").next().and_then(|rest| rest.chars().next());
    state.is_some_and(|state| state != 'Z')
}

/// Closes the terminal of a program that was started by this shell command, in which `$0` is the
/// program, `$1` its source and `$2` a file for its process id.
#[cfg(target_os = "linux")]
fn close_terminal(script: &str) {
    let server = Server::start(0, Duration::from_millis(100));
    let scratch = tempfile::tempdir().unwrap();
    let file = scratch.path().join("process");
    let size = PtySize { rows: 24, cols: 80, pixel_width: 0, pixel_height: 0 };
    let pty = native_pty_system().openpty(size).unwrap();
    let mut command = CommandBuilder::new("sh");
    let program = env!("CARGO_BIN_EXE_loadline");
    command.args(["-c", script, program, &server.address.to_string()]);
    command.arg(&file);
    command.env("TERM", "xterm-256color");
    let mut child = pty.slave.spawn_command(command).unwrap();
    drop(pty.slave);
    let mut reader = pty.master.try_clone_reader().unwrap();
    let mut shown = Vec::new();
    while !String::from_utf8_lossy(&shown).contains("LIVE") {
        let mut bytes = [0; 4096];
        let count = reader.read(&mut bytes).unwrap();
        shown.extend_from_slice(&bytes[..count]);
    }
    let process = wait_until("the process id", || {
        std::fs::read_to_string(&file).ok()?.trim().parse::<u32>().ok()
    });
    assert!(is_running(process));
    drop(reader);
    drop(pty.master);
    wait_until("the end of the program", || (!is_running(process)).then_some(()));
    let _ = child.wait();
    server.stop();
}

#[test]
#[cfg(target_os = "linux")]
fn a_terminal_that_is_closed_ends_it() {
    close_terminal("echo $$ >$2; exec $0 $1");
}

#[test]
#[cfg(target_os = "linux")]
fn a_terminal_that_goes_without_a_signal_ends_it_too() {
    // In a session of its own, the kernel does not tell it.
    close_terminal("setsid -w sh -c 'echo $$ >$2; exec $0 $1' $0 $1 $2");
}
