//! Servers that send what no server should: the client stays alive, small and quick, and says what
//! is wrong.

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::stage::{DEADLINE, Terminal};

/// What a client may hold, whatever comes.
const MEMORY_MAX_KIB: u64 = 100 * 1024;

/// How long a key may take. What else runs here is not the client's fault: it is pressed again until
/// an answer comes in time, or none did for as long as [`DEADLINE`].
const ANSWER_MAX: Duration = Duration::from_millis(200);

/// One hostile server at a time: two of them leave no core for the clients.
static SERVER: Mutex<()> = Mutex::new(());

/// How long a server goes on, if its client does: longer than anything that a test waits for.
const SERVER_MAX: Duration = Duration::from_mins(1);

/// A sequence that must not reach the terminal: it sets the title.
const PLANTED: &str = "\x1b]0;pwned\x07";

/// What a server sends: `chunk(n)` for n = 0, 1, 2, …, as fast as it is taken.
type Chunk = fn(u64) -> Vec<u8>;

fn serve(chunk: Chunk) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let start = Instant::now();
        for client in listener.incoming().take(100) {
            pour(chunk, client.unwrap(), start);
        }
    });
    address
}

fn pour(chunk: Chunk, mut client: TcpStream, start: Instant) {
    for number in 0.. {
        let bytes = chunk(number);
        if bytes.is_empty() || start.elapsed() > SERVER_MAX || client.write_all(&bytes).is_err() {
            return;
        }
    }
}

/// Watches such a server: the screen shows `sign`, keys are answered, memory is bounded.
fn check(sign: &str, chunk: Chunk) {
    // That another of these tests failed says nothing about this one.
    let _alone = SERVER.lock().unwrap_or_else(PoisonError::into_inner);
    let mut terminal = Terminal::loadline(&[&serve(chunk).to_string()]);
    terminal.wait_for_text(sign);
    let start = Instant::now();
    loop {
        let answer = press_and_wait(&mut terminal);
        if answer < ANSWER_MAX {
            break;
        }
        assert!(start.elapsed() < DEADLINE, "a key is answered after {answer:?}");
    }
    let memory = memory_kib(terminal.child.process_id().unwrap());
    assert!(memory < MEMORY_MAX_KIB, "{memory} KiB");
    terminal.press("q");
    let (status, written) = terminal.wait_for_end();
    assert!(status.success(), "{status:?}");
    assert!(!written.contains(PLANTED) && !written.contains('\u{202e}'), "{sign}");
}

/// How long it takes until a key shows.
fn press_and_wait(terminal: &mut Terminal) -> Duration {
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

const HEADER: &str =
    "# loadline/1 run=0000000a host=web-1 interval=1000ms\n# columns time:s seq a b\n";

fn repeat(line: &str) -> Vec<u8> {
    line.repeat(64 * 1024 / line.len()).into_bytes()
}

#[test]
fn an_endless_line() {
    check("faulty line", |_| vec![b'x'; 64 * 1024]);
}

#[test]
fn noise() {
    check("faulty line", |number| {
        let mut state = number | 1;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as u8
        };
        (0..64 * 1024).map(|_| next()).collect()
    });
}

#[test]
fn rows_of_a_wrong_count_words_infinities_and_sequences_for_the_terminal() {
    check("faulty lines", |_| {
        let escape = format!("{PLANTED}\u{202e}");
        repeat(&format!(
            "1 2 3 4 5 6\n1 2 3\n{escape}\ninf 1 1 1 1 1\n1e999 1 1 1 1 1\n# {escape}\n"
        ))
    });
}

#[test]
fn a_flood_of_plain_rows() {
    check("skipped", |_| repeat("12.5 2400.0 43.1 0.52 0.44 0.40\n"));
}

#[test]
fn nothing_but_missing_values() {
    check("CPU", |_| repeat("nan nan nan nan nan nan\n"));
}

#[test]
fn a_flood_of_rows_a_millisecond_apart() {
    check("LIVE", |number| {
        let header = if number == 0 { HEADER } else { "" };
        let row = |seq: u64| format!("{}.{:03} {seq} 1e300 -1e300\n", seq / 1000, seq % 1000);
        let rows: Vec<String> = (number * 1000 + 1..=number * 1000 + 1000).map(row).collect();
        format!("{header}{}", rows.concat()).into_bytes()
    });
}

#[test]
fn times_that_go_back_and_lie() {
    check("faulty line", |number| {
        let header = if number == 0 { HEADER } else { "" };
        format!("{header}253402300799.999 1 1 2\n1.000 {number} 1 2\n").repeat(100).into_bytes()
    });
}

#[test]
fn columns_that_change_by_the_thousand() {
    check("LIVE", |number| {
        let names: Vec<String> = (0..1000).map(|column| format!("{:x}", column + number)).collect();
        let values = "1 ".repeat(1000);
        format!("# columns time:s seq {}\n{}.0 1 {values}\n", names.join(" "), number + 1)
            .into_bytes()
    });
}

#[test]
fn the_largest_rows_that_there_are() {
    check("LIVE", |number| {
        let names: Vec<String> = (0..2000).map(|column| format!("{column:x}")).collect();
        let head = format!("# columns time:s seq {}\n", names.join(" "));
        let head = if number == 0 { HEADER.to_owned() + &head } else { String::new() };
        format!("{head}{}.0 {} {}\n", number + 1, number + 1, "1 ".repeat(2000)).into_bytes()
    });
}

#[test]
fn another_protocol_that_closes_at_once() {
    check("faulty lines", |number| match number {
        0 => b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n".to_vec(),
        _ => Vec::new(),
    });
}

#[test]
fn a_name_full_of_sequences_for_the_terminal() {
    check("LIVE", |number| {
        if number > 0 {
            std::thread::sleep(Duration::from_millis(20));
            return format!("{number}.0 {number} 5\n").into_bytes();
        }
        let name = format!("{PLANTED}\u{202e}");
        format!(
            "# loadline/1 run=0000000a host=\"{name}\" interval=1000ms os=\"{name}\"\n\
             # columns time:s seq cpu{name}:%{name}\n# error\n"
        )
        .into_bytes()
    });
}
