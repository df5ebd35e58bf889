//! Terminals that are resized and suspended, and a server that stops and continues.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use portable_pty::CommandBuilder;

use crate::stage::{DEADLINE, PtyTerminal, TestAgent};

pub(crate) fn signal(name: &str, process: u32) {
    let kill = Command::new("kill").args(["-s", name, &process.to_string()]).status();
    assert!(kill.unwrap().success(), "{name} to {process}");
}

/// Environment variable that turns the test program into an agent.
const AGENT: &str = "LOADLINE_TEST_AGENT";

/// Agent in a process of its own. Killed on drop.
struct AgentProcess {
    child: Child,
    address: String,
}

impl AgentProcess {
    fn start() -> AgentProcess {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture", "life::a_silent_server_is_stale_until_it_sends_again"])
            .env(AGENT, "1")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address =
            lines.find_map(|line| Some(line.unwrap().split_once("agent on ")?.1.to_owned()));
        // Drains the output, so that it does not block.
        std::thread::spawn(move || lines.for_each(drop));
        AgentProcess { child, address: address.unwrap() }
    }

    /// Runs the agent in the child process until it is killed.
    #[expect(clippy::print_stdout, reason = "the parent reads the address")]
    fn run_child() {
        let server = TestAgent::start(0, Duration::from_secs(1));
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
fn a_silent_server_is_stale_until_it_sends_again() {
    if std::env::var_os(AGENT).is_some() {
        return AgentProcess::run_child();
    }
    let agent = AgentProcess::start();
    let terminal = PtyTerminal::run_loadline(&[&agent.address]);
    terminal.wait_for_text(" LIVE ");
    signal("STOP", agent.child.id());
    let screen = terminal.wait_for_text(" STALE ");
    assert!(screen.contains("2400.0") && !screen.contains(" LIVE "), "{screen}");
    signal("CONT", agent.child.id());
    terminal.wait_for("life", |screen| screen.contains(" LIVE ") && !screen.contains("STALE"));
    terminal.quit();
}

/// Bytes that a slow link carries in a second: a few times as many as the agent sends.
const SLOW_BYTES_PER_SECOND: usize = 1500;

/// Relays one connection to an agent, whose bytes arrive slowly. Returns the address.
fn relay_slowly(agent: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let agent = agent.to_owned();
    std::thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let mut server = TcpStream::connect(agent).unwrap();
        let (mut requests, mut forward) =
            (client.try_clone().unwrap(), server.try_clone().unwrap());
        std::thread::spawn(move || std::io::copy(&mut requests, &mut forward));
        let mut bytes = [0; SLOW_BYTES_PER_SECOND / 20];
        // Either end closes at the end of the test.
        while let Ok(count @ 1..) = server.read(&mut bytes)
            && client.write_all(&bytes[..count]).is_ok()
        {
            std::thread::sleep(
                Duration::from_secs(1) * count as u32 / SLOW_BYTES_PER_SECOND as u32,
            );
        }
    });
    address
}

#[test]
fn a_history_over_a_slow_link_is_loading_until_it_is_through() {
    let server = TestAgent::start(0, Duration::from_millis(100));
    // Longer than the newest sample of a live source may be old.
    std::thread::sleep(Duration::from_secs(6));
    let address = relay_slowly(&server.address.to_string());
    let terminal = PtyTerminal::run_loadline(&[&address]);
    let screen = terminal.wait_for("progress", |s| s.contains(" LOADING ") && s.contains(" % "));
    assert!(screen.contains("age ") && !screen.contains(" LIVE "), "{screen}");
    terminal.wait_for("life", |s| s.contains(" LIVE ") && !s.contains("LOADING"));
    terminal.quit();
}

#[test]
fn after_many_resizes_the_screen_is_complete() {
    let server = TestAgent::start(0, Duration::from_millis(20));
    let mut terminal = PtyTerminal::run_loadline(&[&server.address.to_string()]);
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
    terminal.quit();
}

#[test]
fn the_shell_suspends_and_resumes_the_program() {
    let server = TestAgent::start(0, Duration::from_millis(100));
    let mut shell = CommandBuilder::new("bash");
    shell.args(["--norc", "--noprofile", "-i"]);
    shell.env("PS1", "ready> ");
    let mut terminal = PtyTerminal::run(shell);
    terminal.wait_for_text("ready>");
    let program = env!("CARGO_BIN_EXE_loadline");
    terminal.press(&format!("{program} {}\n", server.address));
    terminal.wait_for_text("LIVE");
    terminal.press("\x1a");
    let screen = terminal.wait_for_text("Stopped");
    assert!(!screen.contains("LIVE"), "the screen is not the shell's:\n{screen}");
    // The shell has echo and line editing again.
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
}

#[test]
fn the_shell_ends_a_suspended_program() {
    let server = TestAgent::start(0, Duration::from_millis(100));
    for before in ["", "bg; sleep 1\n"] {
        let mut shell = CommandBuilder::new("bash");
        shell.args(["--norc", "--noprofile", "-i"]);
        let mut terminal = PtyTerminal::run(shell);
        terminal.press(&format!("{} {}\n", env!("CARGO_BIN_EXE_loadline"), server.address));
        terminal.wait_for_text("LIVE");
        terminal.press("\x1a");
        terminal.wait_for_text("Stopped");
        terminal.press(&format!("{before}kill %1\n"));
        terminal.press("wait; echo $((6 * 7))\n");
        terminal.wait_for_text("42");
        // The shell knows no job any more.
        terminal.press("fg; echo $((6 * 8))\n");
        let is_ended = |s: &str| s.contains("no such job") || s.contains("job has terminated");
        terminal.wait_for("end", |s| s.contains("48") && is_ended(s));
        terminal.press("exit\n");
        terminal.wait_for_end();
    }
}

#[test]
fn a_program_that_was_stopped_draws_at_the_new_size() {
    let server = TestAgent::start(0, Duration::from_millis(100));
    let terminal = PtyTerminal::run_loadline(&[&server.address.to_string()]);
    terminal.wait_for_text("LIVE");
    let process = terminal.child.process_id().unwrap();
    signal("STOP", process);
    terminal.resize(40, 120);
    terminal.garble();
    signal("CONT", process);
    terminal.wait_for("dashboard", |screen| {
        let last = screen.lines().nth(39).unwrap_or_default();
        screen.contains("4  Load") && last.contains("q quit") && !screen.contains("going down")
    });
    terminal.quit();
}
