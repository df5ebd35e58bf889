//! Clients that send what no client should: a healthy one gets its rows meanwhile, each of them is
//! answered or dropped, and nothing is left of them.

use std::io::{self, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::running_agent::{DEADLINE, RunningAgent, line, program};

/// How often each kind comes.
const ROUNDS: usize = 20;

/// How much more memory the agent may have afterwards.
const GROWTH_MAX_KIB: u64 = 4 * 1024;

/// How long a row of the healthy client may take; they are 250 ms apart.
const ROW_TIMEOUT: Duration = Duration::from_secs(2);

/// A hostile client: it checks its own answer.
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

    /// An error says that the agent has had enough of it.
    fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.0.get_mut().write_all(bytes.as_ref())
    }

    fn line(&mut self) -> String {
        line(&mut self.0).trim_end().to_owned()
    }

    /// The first line that is no row of the plain stream, which may come before the answer.
    fn answer(&mut self) -> String {
        loop {
            let line = self.line();
            if !is_plain(&line) {
                return line;
            }
        }
    }

    /// It is no request, but not yet too much: the plain stream goes on.
    fn expect_ignored(&mut self, bytes: impl AsRef<[u8]>) {
        self.send(bytes).unwrap();
        for _ in 0..2 {
            let line = self.line();
            assert!(is_plain(&line), "{line:?}");
        }
    }

    /// It sends this until the agent drops it.
    fn expect_dropped(&mut self, bytes: impl AsRef<[u8]>) {
        let begin = Instant::now();
        while self.send(bytes.as_ref()).is_ok() {
            assert!(begin.elapsed() < DEADLINE, "it may send without an end");
        }
    }

    /// The request is refused in these words, and the connection closed.
    fn expect_refused(&mut self, request: &str, why: &str) {
        self.send(format!("loadline/1 {request}\n")).unwrap();
        let answer = self.answer();
        assert!(answer.starts_with("# error ") && answer.contains(why), "{request:.60}: {answer}");
        assert_eq!(self.line(), "", "{request:.60}");
    }

    /// The request is answered with a header, and rows follow.
    fn expect_served(&mut self, request: &str) {
        self.send(format!("{request}\n")).unwrap();
        let answer = self.answer();
        assert!(answer.starts_with("# loadline/1 run="), "{request:.60}: {answer}");
        assert!(self.line().starts_with("# columns time:s seq "), "{request:.60}");
        while self.line().starts_with('#') {}
    }

    /// Ends the connection as a machine does that knows nothing of it.
    fn reset(self) {
        let stream = self.0.into_inner();
        rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
    }
}

/// Six numbers.
fn is_plain(line: &str) -> bool {
    let numbers = line.split(' ').filter(|word| word.parse::<f64>().is_ok());
    line.split(' ').count() == 6 && numbers.count() == 6
}

/// The beginning of a TLS connection: a record, a hello, and many bytes of anything.
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
    ("a line without an end", |mut client| client.expect_dropped("x".repeat(4096))),
    ("a request without an end", |mut client| {
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
    ("half a request, and no more", |mut client| client.expect_ignored("loadline/1 history=")),
    ("requests without an end", |mut client| {
        for _ in 0..100 {
            client.send("loadline/1 history=all\n".repeat(10)).unwrap();
            for _ in 0..10 {
                while !client.line().starts_with("# columns") {}
            }
        }
    }),
    ("requests whose answers nobody reads", |mut client| {
        // The agent takes no more of them once it has no room for an answer.
        client.0.get_ref().set_write_timeout(Some(Duration::from_millis(200))).unwrap();
        let requests = "loadline/1 history=all\n".repeat(1000);
        let sent = (0..1000).take_while(|_| client.send(&requests).is_ok()).count();
        assert!(sent < 1000, "it takes requests without an end");
        client.reset();
    }),
    ("a history of all times", |mut client| client.expect_served("loadline/1 history=36500d")),
    ("a history of more than that", |mut client| {
        client.expect_refused("history=99999999999999999999d", "history");
    }),
    ("a history before the beginning", |mut client| {
        client.expect_refused("history=-1s", "history")
    }),
    ("a history of nothing", |mut client| client.expect_served("loadline/1 history=0s")),
    ("a history that is no number", |mut client| client.expect_refused("history=nan", "history")),
    ("a run of somebody else", |mut client| {
        client.expect_served("loadline/1 resume=ffffffff:18446744073709551615");
    }),
    ("a row that cannot be", |mut client| {
        client.expect_refused("resume=00000001:18446744073709551616", "resume");
    }),
    ("no run", |mut client| client.expect_refused("resume=:-1", "resume")),
    ("an interval of nothing", |mut client| client.expect_refused("interval=0s", "interval")),
    ("an interval of a century", |mut client| {
        client.send("loadline/1 interval=36500d\n").unwrap();
        assert!(client.answer().starts_with("# loadline/1 run="));
        // Else the agent would notice only at the next health note that it is gone.
        client.reset();
    }),
    ("a column that is not there", |mut client| client.expect_refused("columns=nope", "nope")),
    ("a column twice", |mut client| client.expect_refused("columns=cpu,cpu", "cpu")),
    ("no column", |mut client| client.expect_refused("columns=", "column")),
    ("columns by the hundred", |mut client| {
        let names: Vec<_> = (0..200).map(|number| format!("c{number}")).collect();
        client.expect_refused(&format!("columns={}", names.join(",")), "c0");
    }),
    ("a key of the future", |mut client| {
        client.expect_served("loadline/1 from=-1 to=99999999999 x")
    }),
    ("a version of the future", |mut client| client.expect_served("loadline/99 history=none")),
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

impl HostileClient {
    /// It has said all, and still gets its rows.
    fn expect_still_served(&mut self) {
        assert!(self.answer().starts_with("# loadline/1 run="));
        let mut rows = 0;
        while rows < 3 {
            let line = self.line();
            assert!(!line.is_empty(), "the stream has ended");
            rows += u32::from(!line.starts_with('#'));
        }
    }
}

/// Reads rows until there is trouble no more: each number once, each in time. Gives how many.
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

/// The memory of the agent, and the files that it has open.
fn memory_and_files(agent: &RunningAgent) -> (u64, usize) {
    let status = agent.proc_file("status");
    let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let memory_kib = memory.trim().trim_end_matches(" kB").parse().unwrap();
    let files = std::fs::read_dir(format!("/proc/{}/fd", agent.child.id())).unwrap().count();
    (memory_kib, files)
}

#[test]
fn hostile_clients_cost_a_healthy_one_nothing_and_leave_nothing_behind() {
    let mut agent = RunningAgent::start(program("-l 127.0.0.1:0 -i 250ms"));
    let address = &agent.address();
    let is_over = &AtomicBool::new(false);
    thread::scope(|scope| {
        let healthy = scope.spawn(move || run_healthy_client(HostileClient::new(address), is_over));
        // What a first time takes is no leak.
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
        assert!(ends.iter().all(Result::is_ok), "each of them is answered or dropped");
        let after = wait_until_settled(&agent, before.1);
        println!("{rows} rows for the healthy client; {before:?}, then {after:?} KiB and files");
        assert!(after.0 < before.0 + GROWTH_MAX_KIB, "{} KiB, then {}", before.0, after.0);
    });
}

/// What the agent holds when it has noticed who is gone, which it does at the next row or two: no
/// more than so many files.
fn wait_until_settled(agent: &RunningAgent, files_max: usize) -> (u64, usize) {
    let begin = Instant::now();
    let mut last = memory_and_files(agent);
    loop {
        thread::sleep(Duration::from_millis(500));
        let now = memory_and_files(agent);
        if now.1 == last.1 && now.1 <= files_max {
            return now;
        }
        assert!(begin.elapsed() < DEADLINE, "{} files are open", now.1);
        last = now;
    }
}
