//! The machine in trouble: killed, stopped, without descriptors, without room on the disk.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufReader, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::running::{DEADLINE, Running, line, program};
use rustix::process::{Pid, Resource, Rlimit, Signal, prlimit};

/// How often the agent is killed.
const KILLS: u32 = 50;

/// The clients that it has when it is.
const CLIENTS: usize = 8;

/// A row of a subscribed stream: its time in milliseconds, its number.
fn stamp(row: &str) -> (i64, u64) {
    let mut fields = row.split(' ');
    let time: f64 = fields.next().unwrap().parse().unwrap();
    ((time * 1000.0).round() as i64, fields.next().unwrap().parse().unwrap())
}

/// A client that asked for this, behind the headers of the answer; and the run that they name.
fn subscribe(address: &str, request: &str) -> (BufReader<TcpStream>, String) {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut client = BufReader::new(stream);
    client.get_mut().write_all(format!("loadline/1 {request}\n").as_bytes()).unwrap();
    loop {
        let line = line(&mut client);
        if let Some(run) = line.split(" run=").nth(1) {
            return (client, run[..8].to_owned());
        }
        assert!(!line.is_empty(), "the stream ends in front of its header");
    }
}

/// What a client has seen, or what is in the history: the numbers of each run, and their times.
type Seen = BTreeMap<String, BTreeMap<u64, i64>>;

/// All that an agent holds.
fn history(address: &str) -> Seen {
    let (mut client, mut run) = subscribe(address, "history=all");
    let mut seen = Seen::new();
    let mut newest = i64::MIN;
    loop {
        let line = line(&mut client);
        match line.trim_end() {
            "# live" => return seen,
            note if note.starts_with('#') => {
                assert!(!note.starts_with("# skipped"), "{note}");
                if let Some(next) = note.split(" run=").nth(1) {
                    next[..8].clone_into(&mut run);
                }
            }
            row => {
                let (time, seq) = stamp(row);
                assert!(time > newest, "{row}");
                newest = time;
                let before = seen.entry(run.clone()).or_default().insert(seq, time);
                assert_eq!(before, None, "each once: {row}");
            }
        }
    }
}

fn keeping(folder: &Path) -> Running {
    let arguments = format!("-l 127.0.0.1:0 -i 250ms --state-dir {}", folder.display());
    Running::start(program(&arguments))
}

#[test]
fn killed_again_and_again_under_load_it_forgets_no_more_than_its_last_sample() {
    let folder = tempfile::tempdir().unwrap();
    let idle = AtomicBool::new(false);
    let mut lives = Vec::new();
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !idle.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        for kill in 0..KILLS {
            let mut agent = keeping(folder.path());
            let address = agent.address();
            let others: Vec<_> = (0..CLIENTS).map(|_| subscribe(&address, "")).collect();
            let (mut client, run) = subscribe(&address, "");
            let mut last = 0;
            while last < 2 + u64::from(kill % 3) {
                let line = line(&mut client);
                if !line.starts_with('#') {
                    last = stamp(line.trim_end()).1;
                }
            }
            // At another moment between two samples each time.
            thread::sleep(Duration::from_millis(u64::from(kill * 37 % 200)));
            agent.kill();
            drop(others);
            lives.push((run, last));
        }
        idle.store(true, Ordering::Relaxed);
    });
    let mut agent = keeping(folder.path());
    let seen = history(&agent.address());
    assert_eq!(seen.len(), lives.len() + 1, "each run is there, and that of the agent that told");
    for (run, last) in lives {
        let numbers: Vec<_> = seen[&run].keys().copied().collect();
        let newest = *numbers.last().unwrap();
        assert_eq!(numbers, (1..=newest).collect::<Vec<_>>(), "{run}");
        assert!(newest + 1 >= last, "{run}: {newest} of {last}");
    }
}

#[test]
fn stopped_for_a_while_it_leaves_one_gap_and_catches_up_with_nothing() {
    let mut agent = Running::start(program("-l 127.0.0.1:0 -i 250ms"));
    let (mut client, _) = subscribe(&agent.address(), "");
    let mut row = || loop {
        let line = line(&mut client);
        if !line.starts_with('#') {
            return stamp(line.trim_end());
        }
    };
    row();
    row();
    agent.signal(Signal::STOP);
    thread::sleep(Duration::from_secs(3));
    agent.signal(Signal::CONT);
    let rows: Vec<_> = (0..10).map(|_| row()).collect();
    let pauses: Vec<_> = rows.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
    assert!(rows.windows(2).all(|pair| pair[1].1 == pair[0].1 + 1), "{rows:?}");
    // The first rows may have been on their way before it stopped.
    let gaps = pauses.iter().filter(|pause| **pause > 2000).count();
    assert!(gaps <= 1, "{pauses:?}");
    let burst = pauses.iter().filter(|pause| **pause < 100).count();
    assert!(burst <= 1, "{pauses:?}");
    let last = pauses.last().unwrap();
    assert!((100..2000).contains(last), "{pauses:?}");
}

/// How long the machine has four times more to do than it can.
const BUSY: Duration = Duration::from_secs(5);

#[test]
fn with_four_times_more_to_do_than_it_can_the_beat_stays_and_what_is_missed_is_told() {
    const INTERVAL_MS: u32 = 250;
    let mut agent = Running::start(program("-v -l 127.0.0.1:0 -i 250ms"));
    let (mut client, _) = subscribe(&agent.address(), "");
    let cores = thread::available_parallelism().unwrap().get();
    let idle = AtomicBool::new(false);
    let mut rows = Vec::new();
    thread::scope(|scope| {
        for _ in 0..4 * cores {
            scope.spawn(|| {
                while !idle.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        let begin = Instant::now();
        // What fails in here would wait for the others for ever.
        while begin.elapsed() < BUSY {
            let line = line(&mut client);
            if !line.starts_with('#') {
                rows.push(line);
            }
        }
        idle.store(true, Ordering::Relaxed);
    });
    let rows: Vec<_> = rows.iter().map(|row| stamp(row.trim_end())).collect();
    assert!(rows.windows(2).all(|pair| pair[1].1 == pair[0].1 + 1), "{rows:?}");
    // Each is taken at its beat or somewhat later, and none moves those that follow: the beats that
    // passed are the samples and those missed, give or take one for how late the first and last are.
    let passed_ms = (rows[rows.len() - 1].0 - rows[0].0) as f64;
    let beats = (passed_ms / f64::from(INTERVAL_MS)).round() as i64;
    let missed = beats - (rows.len() as i64 - 1);
    let log = agent.kill();
    let told = log.lines().filter_map(|line| line.split(" missed=").nth(1)?.split(' ').next());
    let told: i64 = told.map(|missed| missed.parse::<i64>().unwrap()).sum();
    println!("{} samples, {missed} missed", rows.len());
    // The program goes on while the last row is on its way.
    assert!((missed - 1..=missed + 10).contains(&told), "{missed} missed, {told} told: {log}");
    assert!(rows.len() as i64 > missed, "most samples are taken: {rows:?}");
}

/// Has a program no more than this of something.
fn limit(agent: &Running, what: Resource, most: u64) {
    let pid = Pid::from_child(&agent.child);
    prlimit(Some(pid), what, Rlimit { current: Some(most), maximum: Some(most) }).unwrap();
}

#[test]
fn without_descriptors_it_goes_on_says_so_once_and_heals() {
    let mut agent = Running::start(program("-l 127.0.0.1:0 -i 250ms"));
    let address = agent.address();
    let (mut early, _) = subscribe(&address, "");
    let open = fs::read_dir(format!("/proc/{}/fd", agent.child.id())).unwrap().count() as u64;
    limit(&agent, Resource::Nofile, open + 3);
    let others: Vec<_> = (0..20).map(|_| TcpStream::connect(&address).unwrap()).collect();
    // Longer than it waits after a failure: it fails several times.
    let begin = Instant::now();
    let mut rows = Vec::new();
    while begin.elapsed() < Duration::from_secs(1) {
        rows.extend(Some(line(&mut early)).filter(|line| !line.starts_with('#')));
    }
    assert!(rows.len() >= 2, "who is in gets rows meanwhile");
    for row in &rows {
        // The time and the number, then cpu, freq, mem and the loads; not every machine has freq.
        let values: Vec<_> = row.split(' ').skip(2).take(6).collect();
        let is_known = |at: usize| values[at] != "nan";
        assert!([0, 2, 3, 4, 5].into_iter().all(is_known), "files can be opened: {row}");
    }
    drop(others);
    let mut late = BufReader::new(TcpStream::connect(&address).unwrap());
    late.get_ref().set_read_timeout(Some(DEADLINE)).unwrap();
    assert_eq!(line(&mut late).split(' ').count(), 6, "and then others come in again");
    let log = agent.kill();
    assert_eq!(log.matches("no client can come in").count(), 1, "{log}");
}

#[test]
fn without_room_on_the_disk_it_serves_on_and_says_so_once() {
    let folder = tempfile::tempdir().unwrap();
    // Each write to it fails as one to a full disk does.
    std::os::unix::fs::symlink("/dev/full", folder.path().join("newer.load")).unwrap();
    let mut agent = keeping(folder.path());
    let (mut client, _) = subscribe(&agent.address(), "");
    let mut rows = 0;
    while rows < 10 {
        rows += u32::from(!line(&mut client).starts_with('#'));
    }
    let log = agent.kill();
    assert_eq!(log.matches("samples cannot be kept").count(), 1, "{log}");
    assert!(log.contains("No space left on device"), "{log}");
}
