//! Looks of the program at the processes of this machine.

use std::io::{BufReader, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command};

use loadline_protocol::{Line, Note, Process, Top};

use crate::running_agent::{RunningAgent, line, program};

/// Number of rows, of which the first ones come with a look: it is due after a second.
const ROWS_MAX: usize = 100;

/// Process that keeps a core busy, with a secret in its arguments and in its environment.
struct Hog(Child);

impl Hog {
    fn start() -> Hog {
        let mut command = Command::new("sh");
        command.args(["-c", "while :; do :; done", "secret"]).env("PASSWORD", "secret");
        Hog(command.spawn().unwrap())
    }
}

impl Drop for Hog {
    fn drop(&mut self) {
        // An error only means that the process has ended.
        let _ = (self.0.kill(), self.0.wait());
    }
}

/// Subscribes, and returns the client with the header.
fn subscribe(agent: &mut RunningAgent, request: &str) -> (BufReader<TcpStream>, String) {
    let (mut client, _) = agent.connect();
    client.get_mut().write_all(request.as_bytes()).unwrap();
    loop {
        let text = line(&mut client);
        if text.starts_with("# loadline/1 ") {
            return (client, text);
        }
    }
}

/// Returns the next look, with its text.
fn next_look(client: &mut BufReader<TcpStream>) -> (Top, Vec<Process>, String) {
    let (mut top, mut processes, mut text) = (None, Vec::new(), String::new());
    for _ in 0..ROWS_MAX {
        let line = line(client);
        match (Line::parse(line.trim_end()).unwrap(), &top) {
            (Line::Note(Note::Top(begun)), _) => top = Some(begun),
            (Line::Note(Note::Process(process)), _) => processes.push(process),
            (Line::Row(_), Some(_)) => return (top.unwrap(), processes, text),
            _ => continue,
        }
        text.push_str(&line);
    }
    panic!("no look");
}

#[test]
fn looks_name_the_processes_but_not_their_arguments() {
    let hog = Hog::start();
    let mut agent = RunningAgent::start(program("-l 127.0.0.1:0 -i 250ms --top 50"));
    let (mut client, header) = subscribe(&mut agent, "loadline/1 top=50\n");
    assert!(header.contains(" top=50"), "{header}");
    let (top, processes, text) = next_look(&mut client);
    assert!(top.over.is_some_and(|over| (0.5..60.0).contains(&over)), "{text}");
    assert!(top.processes.is_some_and(|count| count >= 3), "{text}");
    let process = processes.iter().find(|process| process.pid == hog.0.id());
    let process = process.unwrap_or_else(|| panic!("{text}"));
    assert_eq!(process.name.as_str(), "sh");
    assert!(process.cpu.is_some_and(|cpu| cpu > 0.0) && process.user.is_some(), "{text}");
    assert!(!text.contains("secret"), "{text}");
}

#[test]
fn an_agent_lists_as_many_processes_as_it_may() {
    let mut agent = RunningAgent::start(program("-l 127.0.0.1:0 -i 250ms --top 1"));
    let (mut client, header) = subscribe(&mut agent, "loadline/1 top=50\n");
    assert!(header.contains(" top=1"), "{header}");
    let (_, processes, text) = next_look(&mut client);
    assert!((1..=2).contains(&processes.len()), "{text}");
}

#[test]
fn an_agent_without_looks_says_so_and_has_no_thread_for_them() {
    let mut agent = RunningAgent::start(program("-l 127.0.0.1:0 -i 250ms --top 0"));
    let (mut client, header) = subscribe(&mut agent, "loadline/1 top=50\n");
    assert!(!header.contains(" top="), "{header}");
    for _ in 0..8 {
        assert!(!line(&mut client).starts_with("# top "));
    }
    let threads = std::fs::read_dir(format!("/proc/{}/task", agent.child.id())).unwrap();
    let names = threads.map(|it| std::fs::read_to_string(it.unwrap().path().join("comm")).unwrap());
    assert!(!names.into_iter().any(|name| name == "looks\n"));
}
