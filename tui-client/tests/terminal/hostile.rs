//! Servers that send what no server should: the client stays alive, small and quick, says what is
//! wrong, and nothing of it reaches the terminal.

mod peer;
mod servers;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use peer::HostilePeer;
use servers::{HOSTILE_SERVERS, HostileServer};
use unicode_width::UnicodeWidthChar as _;

use crate::stage::{DEADLINE, PtyTerminal};

/// What a client may hold, whatever comes.
const MEMORY_MAX_KIB: u64 = 100 * 1024;

/// How long a key may take. What else runs here is not the client's fault: it is pressed again until
/// an answer comes in time, or none did for as long as [`DEADLINE`].
const KEY_RESPONSE_MAX: Duration = Duration::from_millis(200);

/// So many at once: each has a server and a client that may take a core.
const PARALLEL_CHECKS_MAX: usize = 3;

/// How long a server goes on, if its client does: longer than anything that a test waits for.
const SERVER_LIFETIME_MAX: Duration = Duration::from_mins(1);

/// Connections that a server takes.
const CONNECTIONS_MAX: u64 = 1000;

/// Beginnings of sequences for the terminal that the client has no use for: titles, clipboards,
/// device control and its like, questions to which the terminal would type an answer, and what
/// [`INJECTED`] contains.
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

/// What is planted wherever text may stand: a title, the clipboard, device control, an application's
/// command, colours, a jump of the cursor, a question, a reset, the same in eight bits, and a bell.
const INJECTED: &str = "\x1b]0;pwned\x07\x1b]52;c;cHduZWQ=\x07\x1bPpwned\x1b\\\x1b_pwned\x1b\\\
                       \x1b[31337m\x1b[13;37H\x1b[6n\x1bc\u{9b}31337m\u{9d}0;pwned\u{9c}\x07\0\x7f";

/// Writing directions, zero-width characters, separators, a soft hyphen, tags.
const INVISIBLE: &str = "\u{202e}\u{2066}\u{200f}\u{200b}\u{200d}\u{feff}\u{2028}\u{ad}\u{e0041}";

/// Listens, and treats each client as its kind does.
fn serve(server: &'static HostileServer) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let end = Instant::now() + SERVER_LIFETIME_MAX;
        for number in 0..CONNECTIONS_MAX {
            let Ok((stream, _)) = listener.accept() else { return };
            // An error says that the client is gone, which comes back or is through.
            let _ = (server.serve)(&mut HostilePeer::new(stream, number, end));
        }
    });
    address
}

/// Watches such a server: the screen shows its sign, keys are answered, memory is bounded.
fn check(server: &'static HostileServer) -> ClientCost {
    let mut terminal = PtyTerminal::run_loadline(&[&serve(server).to_string()]);
    let what = format!("{:?} for {}", server.expected_texts, server.name);
    let has_signs = |screen: &str| {
        // A reason may be broken into lines.
        let screen = screen.split_whitespace().collect::<Vec<_>>().join(" ");
        server.expected_texts.iter().all(|sign| screen.contains(sign))
    };
    terminal.wait_for(&what, has_signs);
    let start = Instant::now();
    let answer = loop {
        let answer = press_and_wait(&mut terminal);
        if answer < KEY_RESPONSE_MAX {
            break answer;
        }
        assert!(start.elapsed() < DEADLINE, "{}: a key is answered after {answer:?}", server.name);
    };
    let memory_kib = memory_kib(terminal.child.process_id().unwrap());
    assert!(memory_kib < MEMORY_MAX_KIB, "{}: {memory_kib} KiB", server.name);
    let output = terminal.output.clone();
    terminal.press("q");
    let (status, _) = terminal.wait_for_end();
    assert!(status.success(), "{}: {status:?}", server.name);
    let bytes = std::mem::take(&mut output.lock().unwrap().bytes);
    check_bytes(server.name, &bytes);
    ClientCost { answer, memory_kib }
}

/// What the client cost while it watched such a server.
struct ClientCost {
    answer: Duration,
    memory_kib: u64,
}

/// Nothing reached the terminal but what the client has to say to it.
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
        assert!(marks <= 4, "{name}: a heap of accents reached the terminal");
    }
}

/// How long it takes until a key shows.
fn press_and_wait(terminal: &mut PtyTerminal) -> Duration {
    let start = Instant::now();
    terminal.press("?");
    terminal.wait_for_text("this help");
    let answer = start.elapsed();
    terminal.press("?");
    terminal.wait_for("end of the help", |screen| !screen.contains("this help"));
    answer
}

/// The most that a process has held so far.
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
fn whatever_a_server_sends_the_client_stays_alive_small_and_quick_and_says_what_is_wrong() {
    let names: std::collections::HashSet<_> =
        HOSTILE_SERVERS.iter().map(|kind| kind.name).collect();
    assert_eq!(names.len(), HOSTILE_SERVERS.len(), "each kind has a name of its own");
    // One of them may be looked for by its name.
    let only = std::env::var("LOADLINE_HOSTILE").unwrap_or_default();
    let waiting = Mutex::new(HOSTILE_SERVERS.iter().filter(|kind| kind.name.contains(&only)));
    let failed = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..PARALLEL_CHECKS_MAX {
            scope.spawn(|| {
                loop {
                    let Some(server) = waiting.lock().unwrap().next() else { return };
                    match std::panic::catch_unwind(|| check(server)) {
                        Ok(ClientCost { answer, memory_kib }) => {
                            println!(
                                "{:7} KiB  {:4} ms  {}",
                                memory_kib,
                                answer.as_millis(),
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
fn no_sequence_reaches_a_terminal_by_way_of_another_output() {
    for server in HOSTILE_SERVERS.iter().filter(|kind| kind.name.starts_with("sequences")) {
        let address = serve(server).to_string();
        for form in ["table", "csv", "json", "raw"] {
            let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_loadline"));
            command.args([&address, "-o", form, "-n", "3"]).stdin(std::process::Stdio::null());
            command.env("LOADLINE_CONFIG", "");
            let output = command.output().unwrap();
            let name = format!("{}, {form}", server.name);
            assert!(!output.stdout.is_empty() || !output.stderr.is_empty(), "{name}");
            check_bytes(&name, &output.stdout);
            check_bytes(&name, &output.stderr);
        }
    }
}
