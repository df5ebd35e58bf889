//! Servers that break the protocol. The client stays responsive and within its memory limit and
//! names the problem, and no control sequence reaches the terminal.

mod peer;
mod servers;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use peer::HostilePeer;
use servers::{HOSTILE_SERVERS, HostileServer};
use unicode_width::UnicodeWidthChar as _;

use crate::stage::{DEADLINE, PtyTerminal};

/// Memory limit of the client for any input.
const MEMORY_MAX_KIB: u64 = 100 * 1024;

/// Permitted response time of a key. Other load on the machine may exceed it, so the key is pressed
/// again until a response comes in time, for at most [`DEADLINE`].
const KEY_RESPONSE_MAX: Duration = Duration::from_millis(200);

/// Number of checks at a time. The server and the client of each may use a core.
const PARALLEL_CHECKS_MAX: usize = 3;

/// Lifetime of a server whose client stays. Longer than any test waits.
const SERVER_LIFETIME_MAX: Duration = Duration::from_mins(1);

/// Maximum number of connections to a server.
const CONNECTIONS_MAX: u64 = 1000;

/// Starts of control sequences that the client never sends: titles, clipboard, device control and
/// the like, queries that the terminal would response as input, and the contents of [`INJECTED`].
const FORBIDDEN: &[&str] = &[
    "\x1b]",
    "\x1bP",
    "\x1b_",
    "\x1b^",
    "\x1bX",
    "\x1b[6n",
    "\x1b[c",
    "\x1bc",
    "\x1b[31337",
    "\x1b[13;37H",
    "\x07",
    "\0",
];

/// Control sequences for every place that takes text: title, clipboard, device control, application
/// command, colours, cursor movement, query, reset, 8-bit forms of these, and a bell.
const INJECTED: &str = "\x1b]0;pwned\x07\x1b]52;c;cHduZWQ=\x07\x1bPpwned\x1b\\\x1b_pwned\x1b\\\
                       \x1b[31337m\x1b[13;37H\x1b[6n\x1bc\u{9b}31337m\u{9d}0;pwned\u{9c}\x07\0\x7f";

/// Bidirectional controls, zero-width characters, separators, a soft hyphen, and a tag character.
const INVISIBLE: &str = "\u{202e}\u{2066}\u{200f}\u{200b}\u{200d}\u{feff}\u{2028}\u{ad}\u{e0041}";

/// Starts a server. Each connection runs `server.serve`.
fn serve(server: &'static HostileServer) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let end = Instant::now() + SERVER_LIFETIME_MAX;
        for number in 0..CONNECTIONS_MAX {
            let Ok((stream, _)) = listener.accept() else { return };
            // An error means that the client has closed the connection.
            let _ = (server.serve)(&mut HostilePeer::new(stream, number, end));
        }
    });
    address
}

/// Runs a client against a server: the expected texts appear, keys respond, and memory is bounded.
fn check(server: &'static HostileServer) -> ClientCost {
    let mut terminal = PtyTerminal::run_loadline(&[&serve(server).to_string()]);
    let expected = format!("{:?} for {}", server.expected_texts, server.name);
    let has_texts = |screen: &str| {
        // A reason may be wrapped.
        let screen = screen.split_whitespace().collect::<Vec<_>>().join(" ");
        server.expected_texts.iter().all(|text| screen.contains(text))
    };
    terminal.wait_for(&expected, has_texts);
    let start = Instant::now();
    let response = loop {
        let response = press_and_wait(&mut terminal);
        if response < KEY_RESPONSE_MAX {
            break response;
        }
        assert!(start.elapsed() < DEADLINE, "{}: a key responds after {response:?}", server.name);
    };
    let memory_kib = memory_kib(terminal.child.process_id().unwrap());
    assert!(memory_kib < MEMORY_MAX_KIB, "{}: {memory_kib} KiB", server.name);
    let output = terminal.output.clone();
    terminal.press("q");
    let (status, _) = terminal.wait_for_end();
    assert!(status.success(), "{}: {status:?}", server.name);
    let bytes = std::mem::take(&mut output.lock().unwrap().bytes);
    check_bytes(server.name, &bytes);
    ClientCost { response, memory_kib }
}

/// Response time of a key, and peak memory.
struct ClientCost {
    response: Duration,
    memory_kib: u64,
}

/// Checks that only the client's own control sequences reached the terminal.
fn check_bytes(name: &str, bytes: &[u8]) {
    let text = std::str::from_utf8(bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
    for forbidden in FORBIDDEN {
        assert!(!text.contains(forbidden), "{name}: {forbidden:?} reached the terminal");
    }
    let is_hidden = |c: &char| INVISIBLE.contains(*c) || ('\u{7f}'..='\u{9f}').contains(c);
    let hidden = text.chars().find(is_hidden);
    assert_eq!(hidden, None, "{name}");
    let mut marks = 0;
    for c in text.chars() {
        marks = if c.width() == Some(0) { marks + 1 } else { 0 };
        assert!(marks <= 4, "{name}: a pile of accents reached the terminal");
    }
}

/// Returns the time until a key takes effect.
fn press_and_wait(terminal: &mut PtyTerminal) -> Duration {
    let start = Instant::now();
    terminal.press("?");
    terminal.wait_for_text("this help");
    let response = start.elapsed();
    terminal.press("?");
    terminal.wait_for("end of the help", |screen| !screen.contains("this help"));
    response
}

/// Returns the peak resident memory of a process.
#[cfg(target_os = "linux")]
fn memory_kib(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    peak.trim().trim_end_matches(" kB").parse().unwrap()
}

#[cfg(not(target_os = "linux"))]
fn memory_kib(_: u32) -> u64 {
    0
}

#[test]
fn against_every_hostile_server_the_client_stays_small_and_responsive_and_names_the_problem() {
    let names: std::collections::HashSet<_> =
        HOSTILE_SERVERS.iter().map(|server| server.name).collect();
    assert_eq!(names.len(), HOSTILE_SERVERS.len(), "names are unique");
    // `LOADLINE_HOSTILE` selects servers by a part of their names.
    let only = std::env::var("LOADLINE_HOSTILE").unwrap_or_default();
    let remaining = Mutex::new(HOSTILE_SERVERS.iter().filter(|server| server.name.contains(&only)));
    let failed = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..PARALLEL_CHECKS_MAX {
            scope.spawn(|| {
                loop {
                    let Some(server) = remaining.lock().unwrap().next() else { return };
                    match std::panic::catch_unwind(|| check(server)) {
                        Ok(ClientCost { response, memory_kib }) => {
                            println!(
                                "{:7} KiB  {:4} ms  {}",
                                memory_kib,
                                response.as_millis(),
                                server.name
                            );
                        }
                        Err(_) => failed.lock().unwrap().push(server.name),
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "{failed:?}");
}

#[test]
fn no_control_sequence_reaches_a_terminal_through_another_output() {
    let sequences: Vec<_> =
        HOSTILE_SERVERS.iter().filter(|server| server.name.starts_with("sequences")).collect();
    assert!(!sequences.is_empty());
    for server in sequences {
        let address = serve(server).to_string();
        for format in ["table", "csv", "json", "raw"] {
            let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_loadline"));
            command.args([&address, "-o", format, "-n", "3"]).stdin(std::process::Stdio::null());
            command.env("LOADLINE_CONFIG", "");
            let output = command.output().unwrap();
            let name = format!("{}, {format}", server.name);
            assert!(!output.stdout.is_empty() || !output.stderr.is_empty(), "{name}");
            check_bytes(&name, &output.stdout);
            check_bytes(&name, &output.stderr);
        }
    }
}
