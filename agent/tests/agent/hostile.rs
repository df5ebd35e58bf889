//! Clients that break the protocol. The agent answers or drops each one and keeps nothing of it.
//! Meanwhile a healthy client gets all its rows in time.

use std::io::{self, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::running_agent::{DEADLINE, RunningAgent, line, program};

/// Number of times that every attack runs.
const ROUNDS: usize = 20;

/// Permitted growth of the agent's resident memory over all rounds, in KiB: less than 2 KiB for each
/// client.
const GROWTH_MAX_KIB: u64 = 1024;

/// Permitted time for one row of the healthy client. Rows are 250 ms apart.
const ROW_TIMEOUT: Duration = Duration::from_secs(2);

/// Function that runs a hostile client and checks the agent's answer.
type Attack = fn(HostileClient);

/// A connection to the agent.
struct HostileClient(BufReader<TcpStream>);

impl HostileClient {
    fn new(address: &str) -> HostileClient {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        HostileClient(BufReader::new(stream))
    }

    /// Sends `bytes`. Fails once the agent has closed the connection.
    fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.0.get_mut().write_all(bytes.as_ref())
    }

    fn line(&mut self) -> String {
        line(&mut self.0).trim_end().to_owned()
    }

    /// Returns the first line that is not a plain row. Plain rows may precede the answer.
    fn answer(&mut self) -> String {
        loop {
            let line = self.line();
            if !is_plain(&line) {
                return line;
            }
        }
    }

    /// Expects the plain stream to continue after `bytes`, which are no request and within the
    /// limit for noise.
    fn expect_ignored(&mut self, bytes: impl AsRef<[u8]>) {
        self.send(bytes).unwrap();
        for _ in 0..2 {
            let line = self.line();
            assert!(is_plain(&line), "{line:?}");
        }
    }

    /// Sends `bytes` again and again until the agent drops the connection.
    fn expect_dropped(&mut self, bytes: impl AsRef<[u8]>) {
        let begin = Instant::now();
        while self.send(bytes.as_ref()).is_ok() {
            assert!(begin.elapsed() < DEADLINE, "the agent never drops the connection");
        }
    }

    /// Expects an error that contains `why` in answer to the request, and the end of the
    /// connection.
    fn expect_refused(&mut self, request: &str, why: &str) {
        self.send(format!("loadline/1 {request}\n")).unwrap();
        let answer = self.answer();
        assert!(answer.starts_with("# error ") && answer.contains(why), "{request:.60}: {answer}");
        assert_eq!(self.line(), "", "{request:.60}");
    }

    /// Expects a header and then rows in answer to the request.
    fn expect_served(&mut self, request: &str) {
        self.send(format!("{request}\n")).unwrap();
        let answer = self.answer();
        assert!(answer.starts_with("# loadline/1 run="), "{request:.60}: {answer}");
        assert!(self.line().starts_with("# columns time:s seq "), "{request:.60}");
        while self.line().starts_with('#') {}
    }

    /// Expects a header and three rows after the client has shut down its sending side.
    fn expect_still_served(&mut self) {
        assert!(self.answer().starts_with("# loadline/1 run="));
        let mut rows = 0;
        while rows < 3 {
            let line = self.line();
            assert!(!line.is_empty(), "the stream has ended");
            rows += u32::from(!line.starts_with('#'));
        }
    }

    /// Closes the connection with a TCP reset, as a machine that was restarted does.
    fn reset(self) {
        let stream = self.0.into_inner();
        rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
    }
}

/// Returns whether the line consists of six numbers.
fn is_plain(line: &str) -> bool {
    let words = line.split(' ');
    words.clone().count() == 6 && words.map(str::parse::<f64>).all(|number| number.is_ok())
}

/// Returns the start of a TLS connection: a record header, a `ClientHello` header and 506 bytes of
/// noise.
fn tls_hello() -> Vec<u8> {
    let mut hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec();
    hello.extend((0..506_u32).map(|n| (n * 167 % 251) as u8));
    hello
}

const ATTACKS: &[(&str, Attack)] = &[
    ("closed at once", drop),
    ("reset at once", HostileClient::reset),
    ("a browser", |mut client| {
        client.expect_ignored("GET / HTTP/1.1\r\nHost: localhost:1027\r\nUser-Agent: none\r\n\r\n");
    }),
    ("TLS", |mut client| client.expect_ignored(tls_hello())),
    ("ssh", |mut client| client.expect_ignored("SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n")),
    ("noise", |mut client| client.expect_dropped(tls_hello().repeat(16))),
    ("zeros", |mut client| client.expect_dropped([0; 4096])),
    ("line ends", |mut client| client.expect_dropped("\n".repeat(4096))),
    ("an endless line", |mut client| client.expect_dropped("x".repeat(4096))),
    ("a flood of pings", |mut client| {
        client.send("loadline/1\n").unwrap();
        client.expect_dropped("ping\n".repeat(1000));
    }),
    ("an endless request", |mut client| {
        client.send(format!("loadline/1 history={}", "9".repeat(2000))).unwrap();
        assert_eq!(client.answer(), "# error \"request longer than 1024 bytes\"");
        assert_eq!(client.line(), "");
    }),
    ("a byte at a time", |mut client| {
        client.0.get_ref().set_nodelay(true).unwrap();
        for byte in b"loadline/1 history=all" {
            client.send([*byte]).unwrap();
        }
        client.expect_served("");
    }),
    ("half a request", |mut client| client.expect_ignored("loadline/1 history=")),
    ("a thousand requests", |mut client| {
        for _ in 0..100 {
            client.send("loadline/1 history=all\n".repeat(10)).unwrap();
            for _ in 0..10 {
                while !client.line().starts_with("# columns") {}
            }
        }
    }),
    ("requests whose answers are not read", |mut client| {
        // The agent stops reading requests while it has no room for an answer.
        client.0.get_ref().set_write_timeout(Some(Duration::from_millis(200))).unwrap();
        let requests = "loadline/1 history=all\n".repeat(1000);
        let sent = (0..1000).take_while(|_| client.send(&requests).is_ok()).count();
        assert!(sent < 1000, "the agent accepts requests without a limit");
        client.reset();
    }),
    ("a history of a century", |mut client| client.expect_served("loadline/1 history=36500d")),
    ("a history beyond the range of numbers", |mut client| {
        client.expect_refused("history=99999999999999999999d", "history");
    }),
    ("a negative history", |mut client| client.expect_refused("history=-1s", "history")),
    ("a history of zero seconds", |mut client| client.expect_served("loadline/1 history=0s")),
    ("a history of NaN", |mut client| client.expect_refused("history=nan", "history")),
    ("an unknown run", |mut client| {
        client.expect_served("loadline/1 resume=ffffffff:18446744073709551615");
    }),
    ("a sequence number above 64 bits", |mut client| {
        client.expect_refused("resume=00000001:18446744073709551616", "resume");
    }),
    ("an empty run", |mut client| client.expect_refused("resume=:-1", "resume")),
    ("an interval of zero", |mut client| client.expect_refused("interval=0s", "interval")),
    ("an interval of a century", |mut client| {
        client.send("loadline/1 interval=36500d\n").unwrap();
        assert!(client.answer().starts_with("# loadline/1 run="));
        // Without the reset, the agent would notice only at the next health note that the client is
        // gone.
        client.reset();
    }),
    ("an unknown column", |mut client| client.expect_refused("columns=nope", "nope")),
    ("a column twice", |mut client| client.expect_refused("columns=cpu,cpu", "cpu")),
    ("no column", |mut client| client.expect_refused("columns=", "column")),
    ("200 unknown columns", |mut client| {
        let names: Vec<_> = (0..200).map(|number| format!("c{number}")).collect();
        client.expect_refused(&format!("columns={}", names.join(",")), "c0");
    }),
    ("unknown keys", |mut client| client.expect_served("loadline/1 from=-1 to=99999999999 x")),
    ("a future version", |mut client| client.expect_served("loadline/99 history=none")),
    ("half closed", |mut client| {
        client.send("loadline/1\n").unwrap();
        client.0.get_ref().shutdown(Shutdown::Write).unwrap();
        client.expect_still_served();
    }),
    ("reset in the middle of an answer", |mut client| {
        client.send("loadline/1 history=all\n").unwrap();
        client.0.get_mut().read_exact(&mut [0; 50]).unwrap();
        client.reset();
    }),
];

/// Reads rows until `is_over`, checks that none is missing, repeated or late, and returns their
/// number.
fn run_healthy_client(mut client: HostileClient, is_over: &AtomicBool) -> usize {
    client.expect_served("loadline/1");
    let mut last: Option<u64> = None;
    let mut rows = 0;
    while !is_over.load(Ordering::Relaxed) {
        let begin = Instant::now();
        let line = client.line();
        assert!(begin.elapsed() < ROW_TIMEOUT, "{:?} after {last:?}", begin.elapsed());
        if line.starts_with('#') {
            continue;
        }
        let seq = line.split(' ').nth(1).unwrap().parse().unwrap();
        assert!(last.is_none_or(|last| seq == last + 1), "{seq} after {last:?}");
        last = Some(seq);
        rows += 1;
    }
    rows
}

#[test]
fn hostile_clients_do_not_disturb_a_healthy_one_and_leave_nothing_behind() {
    let mut agent = RunningAgent::start(program("-l 127.0.0.1:0 -i 250ms"));
    let address = &agent.address();
    let is_over = &AtomicBool::new(false);
    thread::scope(|scope| {
        let healthy = scope.spawn(move || run_healthy_client(HostileClient::new(address), is_over));
        // The first round fills buffers and caches; that growth is not a leak.
        for (_, attack) in ATTACKS {
            attack(HostileClient::new(address));
        }
        let before = wait_until_settled(&agent, usize::MAX);
        let rounds = (0..ROUNDS).map(|_| {
            scope.spawn(move || {
                for (name, attack) in ATTACKS {
                    let run = || attack(HostileClient::new(address));
                    assert!(std::panic::catch_unwind(run).is_ok(), "{name}");
                }
            })
        });
        let rounds: Vec<_> = rounds.collect();
        let ends: Vec<_> = rounds.into_iter().map(thread::ScopedJoinHandle::join).collect();
        is_over.store(true, Ordering::Relaxed);
        let rows = healthy.join().unwrap();
        assert!(ends.iter().all(Result::is_ok), "every client is answered or dropped");
        let after = wait_until_settled(&agent, before.1);
        println!(
            "healthy client: {rows} rows; agent (KiB, files): {before:?} before, {after:?} after"
        );
        assert!(after.0 < before.0 + GROWTH_MAX_KIB, "{} KiB, then {}", before.0, after.0);
    });
}

/// Waits until at most `files_max` files are open and their number is stable. Returns the agent's
/// memory in KiB and its open files. The agent notices within two rows that a client is gone.
fn wait_until_settled(agent: &RunningAgent, files_max: usize) -> (u64, usize) {
    let begin = Instant::now();
    let mut last = agent.open_files();
    loop {
        thread::sleep(Duration::from_millis(500));
        let files = agent.open_files();
        if files == last && files <= files_max {
            return (agent.memory_kib(), files);
        }
        assert!(begin.elapsed() < DEADLINE, "{files} files are open");
        last = files;
    }
}
