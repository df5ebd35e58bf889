//! Faults: a killed or stopped agent, a loaded machine, no file descriptors, an unusable state directory.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufReader, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::running_agent::{DEADLINE, RunningAgent, line, program};
use rustix::process::{Pid, Resource, Rlimit, Signal, prlimit};

const KILLS: u32 = 50;

/// Clients that are connected while the agent is killed.
const CLIENTS: usize = 8;

/// Returns the timestamp in milliseconds and the sequence number of a subscribed row.
fn parse_stamp(row: &str) -> (i64, u64) {
    let mut fields = row.split(' ');
    let time: f64 = fields.next().unwrap().parse().unwrap();
    ((time * 1000.0).round() as i64, fields.next().unwrap().parse().unwrap())
}

/// Connects a client, sends `request` and reads up to the header. Returns the client and the run.
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
        assert!(!line.is_empty(), "the stream ends before its header");
    }
}

/// Reads the next row. Returns its timestamp in milliseconds and its sequence number.
fn next_stamp(client: &mut BufReader<TcpStream>) -> (i64, u64) {
    loop {
        let line = line(client);
        if !line.starts_with('#') {
            return parse_stamp(line.trim_end());
        }
    }
}

/// Works while other threads keep cores busy.
fn under_load<T>(busy_threads: usize, work: impl FnOnce() -> T) -> T {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..busy_threads {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        // A panic must not wait for the busy threads.
        let result = panic::catch_unwind(AssertUnwindSafe(work));
        is_over.store(true, Ordering::Relaxed);
        result.unwrap_or_else(|fault| panic::resume_unwind(fault))
    })
}

/// Timestamps in milliseconds by sequence number, by run.
type SamplesByRun = BTreeMap<String, BTreeMap<u64, i64>>;

/// Returns all samples that the agent holds.
fn history(address: &str) -> SamplesByRun {
    let (mut client, mut run) = subscribe(address, "history=all");
    let mut samples = SamplesByRun::new();
    let mut newest = i64::MIN;
    loop {
        let line = line(&mut client);
        match line.trim_end() {
            "# live" => return samples,
            note if note.starts_with('#') => {
                assert!(!note.starts_with("# skipped"), "{note}");
                if let Some(next) = note.split(" run=").nth(1) {
                    next[..8].clone_into(&mut run);
                }
            }
            row => {
                let (time, seq) = parse_stamp(row);
                assert!(time > newest, "{row}");
                newest = time;
                let before = samples.entry(run.clone()).or_default().insert(seq, time);
                assert_eq!(before, None, "repeated: {row}");
            }
        }
    }
}

fn start_with_state(folder: &Path) -> RunningAgent {
    let arguments = format!("-l 127.0.0.1:0 -i 250ms --state-dir {}", folder.display());
    RunningAgent::start(program(&arguments))
}

#[test]
fn a_killed_agent_under_load_loses_at_most_its_last_sample() {
    let folder = tempfile::tempdir().unwrap();
    let live = |kill: u32| {
        let mut agent = start_with_state(folder.path());
        let address = agent.address();
        let _others: Vec<_> = (0..CLIENTS).map(|_| subscribe(&address, "")).collect();
        let (mut client, run) = subscribe(&address, "");
        let mut last = 0;
        while last < 2 + u64::from(kill % 3) {
            last = next_stamp(&mut client).1;
        }
        // A different time between two samples in each round.
        thread::sleep(Duration::from_millis(u64::from(kill * 37 % 200)));
        agent.kill();
        (run, last)
    };
    let lives: Vec<_> = under_load(2, || (0..KILLS).map(live).collect());
    let mut agent = start_with_state(folder.path());
    let samples = history(&agent.address());
    assert_eq!(samples.len(), lives.len() + 1, "one run for each start, including the last");
    for (run, last) in lives {
        let numbers: Vec<_> = samples[&run].keys().copied().collect();
        let newest = *numbers.last().unwrap();
        assert_eq!(numbers, (1..=newest).collect::<Vec<_>>(), "{run}");
        assert!(newest + 1 >= last, "{run}: {newest} of {last}");
    }
}

#[test]
fn a_stopped_agent_leaves_one_gap_and_no_burst() {
    let mut agent = RunningAgent::start(program("-l 127.0.0.1:0 -i 250ms"));
    let (mut client, _) = subscribe(&agent.address(), "");
    let mut row = || next_stamp(&mut client);
    row();
    let mut rows = vec![row()];
    agent.signal(Signal::STOP);
    thread::sleep(Duration::from_secs(3));
    agent.signal(Signal::CONT);
    rows.extend((0..10).map(|_| row()));
    let pauses: Vec<_> = rows.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
    assert!(rows.windows(2).all(|pair| pair[1].1 == pair[0].1 + 1), "{rows:?}");
    let gaps = pauses.iter().filter(|pause| **pause > 2000).count();
    assert_eq!(gaps, 1, "{pauses:?}");
    let burst = pauses.iter().filter(|pause| **pause < 100).count();
    assert!(burst <= 1, "{pauses:?}");
    let last = pauses.last().unwrap();
    assert!((100..2000).contains(last), "{pauses:?}");
}

/// Time with four busy threads for each core.
const LOAD_DURATION: Duration = Duration::from_secs(5);

#[test]
fn under_fourfold_load_ticks_stay_on_time_and_missed_samples_are_logged() {
    const INTERVAL_MS: u32 = 250;
    let mut agent = RunningAgent::start(program("-v -l 127.0.0.1:0 -i 250ms"));
    let (mut client, _) = subscribe(&agent.address(), "");
    let cores = thread::available_parallelism().unwrap().get();
    let rows: Vec<_> = under_load(4 * cores, || {
        let begin = Instant::now();
        let rows = std::iter::repeat_with(|| next_stamp(&mut client));
        rows.take_while(|_| begin.elapsed() < LOAD_DURATION).collect()
    });
    assert!(rows.windows(2).all(|pair| pair[1].1 == pair[0].1 + 1), "{rows:?}");
    // A sample may be late, but does not shift the next ones. So the ticks between the first and
    // the last row are the rows plus the missed samples, give or take one for the delay of both
    // rows.
    let passed_ms = (rows[rows.len() - 1].0 - rows[0].0) as f64;
    let ticks = (passed_ms / f64::from(INTERVAL_MS)).round() as i64;
    let missed = ticks - (rows.len() as i64 - 1);
    let log = agent.end();
    let logged = log.lines().filter_map(|line| line.split(" missed=").nth(1)?.split(' ').next());
    let logged: i64 = logged.map(|missed| missed.parse::<i64>().unwrap()).sum();
    println!("{} samples, {missed} missed", rows.len());
    // The agent continues while the last row is in transit.
    assert!(
        (missed - 1..=missed + 10).contains(&logged),
        "{missed} missed, {logged} logged: {log}"
    );
    assert!(rows.len() as i64 > missed, "most samples are taken: {rows:?}");
}

/// Limits a resource of the agent to `max`.
fn limit(agent: &RunningAgent, resource: Resource, max: u64) {
    let pid = Pid::from_child(&agent.child);
    prlimit(Some(pid), resource, Rlimit { current: Some(max), maximum: Some(max) }).unwrap();
}

#[test]
fn an_agent_without_file_descriptors_logs_once_and_recovers() {
    let mut agent = RunningAgent::start(program("-l 127.0.0.1:0 -i 250ms"));
    let address = agent.address();
    let (mut early, _) = subscribe(&address, "");
    limit(&agent, Resource::Nofile, agent.open_files() as u64 + 3);
    let others: Vec<_> = (0..20).map(|_| TcpStream::connect(&address).unwrap()).collect();
    // Longer than the pause after a failed accept, so several fail.
    let begin = Instant::now();
    let mut rows = Vec::new();
    while begin.elapsed() < Duration::from_secs(1) {
        rows.extend(Some(line(&mut early)).filter(|line| !line.starts_with('#')));
    }
    assert!(rows.len() >= 2, "connected clients still get rows");
    for row in &rows {
        // Skips time and sequence number. `freq` (index 1) is not known on every machine.
        let values: Vec<_> = row.split(' ').skip(2).take(6).collect();
        let is_known = |at: usize| values[at] != "nan";
        assert!([0, 2, 3, 4, 5].into_iter().all(is_known), "files of /proc are still read: {row}");
    }
    drop(others);
    let mut late = BufReader::new(TcpStream::connect(&address).unwrap());
    late.get_ref().set_read_timeout(Some(DEADLINE)).unwrap();
    assert_eq!(line(&mut late).split(' ').count(), 6, "new clients are accepted again");
    let log = agent.end();
    assert_eq!(log.matches("cannot accept clients").count(), 1, "{log}");
}

#[test]
fn files_are_for_the_owner_to_write_and_the_group_to_read_whatever_the_umask() {
    for umask in ["000", "002", "077", "777"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/one");
        let mut shell = Command::new("sh");
        let script = r#"umask "$1"; exec "$0" -l 127.0.0.1:0 --state-dir "$2""#;
        let agent = env!("CARGO_BIN_EXE_loadline-agent");
        shell.args(["-c", script, agent, umask]).arg(&path).stdin(Stdio::null());
        let mut agent = RunningAgent::start(shell);
        agent.address();
        agent.signal(Signal::TERM);
        agent.wait_exit();
        let mode = |name: &str| fs::metadata(path.join(name)).unwrap().mode() & 0o7777;
        let modes = [".", "..", "newer.load", "lock"].map(mode);
        assert_eq!(modes, [0o750, 0o750, 0o640, 0o640], "umask {umask}");
    }
}

/// Checks that an agent with this state directory serves, samples, logs the error once and ends in
/// time.
fn check_serves_on(folder: &Path, error: &str) {
    let mut agent = start_with_state(folder);
    let (mut client, _) = subscribe(&agent.address(), "");
    (0..10).for_each(|_| assert!(next_stamp(&mut client).1 > 0));
    agent.signal(Signal::TERM);
    let (code, duration) = agent.wait_exit();
    assert_eq!(code, Some(0));
    assert!(duration < Duration::from_secs(2), "{duration:?}");
    let log = agent.kill();
    assert_eq!(log.matches("cannot keep samples").count(), 1, "{log}");
    assert_eq!(log.matches("samples are lost: the agent ends").count(), 1, "{log}");
    assert!(log.contains(error), "{log}");
}

#[test]
fn with_a_directory_that_cannot_be_used_the_agent_serves_on_and_logs_once() {
    let folder = tempfile::tempdir().unwrap();
    let newer = folder.path().join("newer.load");
    // Neither the device nor the fifo is opened: both might block.
    std::os::unix::fs::symlink("/dev/full", &newer).unwrap();
    check_serves_on(folder.path(), "newer.load is a symbolic link; remove it");
    fs::remove_file(&newer).unwrap();
    assert!(Command::new("mkfifo").arg(&newer).status().unwrap().success());
    check_serves_on(folder.path(), "newer.load is a fifo; remove it");
    fs::remove_file(&newer).unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    check_serves_on(folder.path(), "all users can write to");
}

#[test]
fn a_directory_that_another_program_replaced_is_refused_with_a_reason() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("state");
    let mut agent = start_with_state(&folder);
    let (mut client, _) = subscribe(&agent.address(), "");
    (0..3).for_each(|_| assert!(next_stamp(&mut client).1 > 0));
    fs::rename(&folder, parent.path().join("old")).unwrap();
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
    let log = agent.log_until("all users can write to");
    assert!(log.contains("rewriting the samples"), "{log}");
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0, "nothing is written there");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
    agent.log_until("keeping samples again");
    agent.signal(Signal::TERM);
    agent.wait_exit();
    assert_eq!(seqs_on_disk(&folder)[0], 1);
}

/// Returns the sequence numbers on disk. Checks that each row is whole.
fn seqs_on_disk(folder: &Path) -> Vec<u64> {
    let text = fs::read_to_string(folder.join("newer.load")).unwrap();
    assert!(text.starts_with("# loadline/1 ") && text.ends_with('\n'), "{text}");
    let columns = text.lines().find(|line| line.starts_with("# columns")).unwrap();
    let fields = columns.split(' ').count() - 2;
    let rows = text.lines().filter(|line| !line.starts_with('#'));
    rows.inspect(|row| assert_eq!(row.split(' ').count(), fields, "{row}"))
        .map(|row| parse_stamp(row).1)
        .collect()
}

#[test]
fn after_failed_writes_the_disk_has_every_sample_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut agent = start_with_state(folder.path());
    let address = agent.address();
    let (mut client, _) = subscribe(&address, "");
    let mut wait_for = |seq| while next_stamp(&mut client).1 < seq {};
    wait_for(3);
    // Each time, the limit cuts a row in two.
    for step in 1..=3 {
        let bytes = fs::metadata(folder.path().join("newer.load")).unwrap().len();
        let current = Some(bytes + 100);
        let pid = Pid::from_child(&agent.child);
        let limit = Rlimit { current, maximum: None };
        prlimit(Some(pid), Resource::Fsize, limit).unwrap();
        wait_for(step * 20 - 2);
        prlimit(Some(pid), Resource::Fsize, Rlimit { current: None, maximum: None }).unwrap();
        wait_for(step * 20 + 8);
        let seqs = seqs_on_disk(folder.path());
        assert!(seqs.len() as u64 >= step * 20 + 6, "after failure {step}: {seqs:?}");
    }
    agent.signal(Signal::TERM);
    agent.wait_exit();
    let seqs = seqs_on_disk(folder.path());
    assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>());
    let log = agent.kill();
    assert_eq!(
        log.matches("cannot keep samples, retrying error=File too large").count(),
        3,
        "{log}"
    );
    assert_eq!(log.matches("keeping samples again").count(), 3, "{log}");
    assert!(!log.contains("rewriting") && !log.contains("lost"), "{log}");
}

#[test]
fn samples_that_no_longer_fit_in_memory_while_the_disk_fails_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let newer = folder.path().join("newer.load");
    fs::create_dir(&newer).unwrap();
    let arguments = "-l 127.0.0.1:0 -i 250ms --history 2s --state-dir";
    let command = program(&format!("{arguments} {}", folder.path().display()));
    let mut agent = RunningAgent::start(command);
    let (mut client, _) = subscribe(&agent.address(), "");
    while next_stamp(&mut client).1 < 20 {}
    fs::remove_dir(&newer).unwrap();
    let log = agent.log_until("keeping samples again");
    let lost = log.split("samples are lost: older than --history").nth(1).expect(&log);
    let lost = lost.split(" lost=").nth(1).unwrap().split(' ').next().unwrap();
    agent.signal(Signal::TERM);
    agent.wait_exit();
    let text = fs::read_to_string(&newer).unwrap();
    assert!(text.contains(&format!("# skipped from=1 to={lost}\n")), "{lost}: {text}");
    assert_eq!(seqs_on_disk(folder.path())[0], lost.parse::<u64>().unwrap() + 1);
}
