//! Tests with several agents that use one state directory in turn.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::process::Command;
use std::task::Waker;

use loadline_protocol::{Column, History, Look, Process, Schema, Stamp, Time, Top};
use tokio::time::sleep;

use super::folder::{NEWER, OLDER};
use super::*;
use crate::ring::{ReadOutcome, Ring, Selection};
use crate::source::MachineFacts;

/// Returns a ring with one sample per second and a history of `history_s`.
fn ring(names: &[&str], history_s: u64) -> (Ring, Schema) {
    let columns = names.iter().map(|name| Column::new(name, ""));
    let schema = Schema::new(Stamp::TimeSeq, columns.collect()).unwrap();
    let second = Duration::from_secs(1);
    (Ring::new(&schema, second, Duration::from_secs(history_s)), schema)
}

fn info(schema: Schema, top: u16) -> Arc<AgentInfo> {
    let (facts, interval) = (MachineFacts::default(), Duration::from_secs(1));
    Arc::new(AgentInfo { facts, schema, interval, top })
}

/// Time `number` seconds after the Unix epoch.
fn second(number: i64) -> Time {
    Time::from_millis(number * 1000)
}

/// Runs an agent from one second to another; the value of each column is the second. Returns all
/// that a client reads at the end.
async fn run_agent(
    folder: &Path,
    names: &[&str],
    history_s: u64,
    from: i64,
    to: i64,
) -> Vec<String> {
    let mut agent = TestAgent::start(folder, names, history_s, from).await;
    (from + 1..=to).for_each(|at| agent.push(at));
    let read = read(&agent.ring);
    agent.stop().await;
    read
}

/// Running agent with an archive. The value of each column is the second of the sample.
struct TestAgent {
    ring: Ring,
    columns: usize,
    archive: RunningArchive,
}

/// Opens a state directory that an agent has just left. Another test may be starting a program: until that
/// runs, it holds all descriptors of this process, the lock included.
async fn open(folder: &Path) -> Archive {
    for _ in 0..500 {
        match Archive::open(folder).await {
            Err(ArchiveError::InUse { .. }) => sleep(Duration::from_millis(10)).await,
            opened => return opened.unwrap(),
        }
    }
    panic!("{} is still in use", folder.display());
}

impl TestAgent {
    async fn start(folder: &Path, names: &[&str], history_s: u64, from: i64) -> TestAgent {
        TestAgent::start_with_looks(folder, names, history_s, from, 0).await
    }

    /// Starts an agent whose looks have up to `top` processes by CPU, and by memory.
    async fn start_with_looks(
        folder: &Path,
        names: &[&str],
        history_s: u64,
        from: i64,
        top: u16,
    ) -> TestAgent {
        let (mut ring, schema) = ring(names, history_s);
        let columns = names.len();
        ring.begin(second(from), &vec![from as f64; columns]);
        let archive = open(folder).await;
        let archive = archive.start(&ring.handle, info(schema, top)).await;
        TestAgent { ring, columns, archive }
    }

    fn push(&mut self, at: i64) {
        self.ring.push(second(at), &vec![at as f64; self.columns]);
    }

    async fn stop(self) {
        drop(self.ring);
        self.archive.flush().await;
    }
}

/// Waits until the seconds of the rows in a folder are `from` to `to`, each once.
fn wait_for_rows(folder: &Path, from: i64, to: i64) {
    let expected: Vec<_> = (from..=to).map(|second| second.to_string()).collect();
    let begin = Instant::now();
    while seconds(folder) != expected {
        assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", seconds(folder));
        thread::sleep(Duration::from_millis(10));
    }
}

/// Returns the seconds of the rows in both files. Checks that each file begins with a header, and
/// that each row is whole.
fn seconds(folder: &Path) -> Vec<String> {
    let mut seconds = Vec::new();
    for name in [OLDER, NEWER] {
        let text = fs::read_to_string(folder.join(name)).unwrap_or_default();
        // An incomplete line stays in the older file, where nothing is appended.
        let (text, _) = text.rsplit_once('\n').unwrap_or_default();
        assert!(text.is_empty() || text.starts_with("# loadline/1 run="), "{text}");
        for row in text.lines().filter(|line| !line.starts_with('#')) {
            let (time, rest) = row.split_once(".000 ").unwrap_or_else(|| panic!("{row:?}"));
            let value = rest.rsplit(' ').next().unwrap();
            assert_eq!(value.parse::<f64>().unwrap().to_string(), time, "{row}");
            seconds.push(time.to_owned());
        }
    }
    seconds
}

/// Returns the rows of a ring, without decimals, and `|` between runs.
fn read(ring: &Ring) -> Vec<String> {
    let mut cursor = ring.handle.cursor();
    cursor.seek(History::All, None, 1);
    let mut read = Vec::new();
    loop {
        let mut bytes = Vec::new();
        match cursor.read(&Selection::ALL, &mut bytes, Waker::noop()) {
            ReadOutcome::Rows | ReadOutcome::LastRows => {
                let text = String::from_utf8(bytes).unwrap();
                read.extend(text.lines().map(|row| row.split_once('.').unwrap().0.to_owned()));
            }
            ReadOutcome::NewRun => read.push("|".into()),
            ReadOutcome::Skipped { from, to } => read.push(format!("lost {from}-{to}")),
            ReadOutcome::Live => {}
            ReadOutcome::Wait | ReadOutcome::Closed => return read,
        }
    }
}

/// Bytes of the rows in both files. Notes are left out: a writer that was late writes more of them.
fn row_bytes(folder: &Path) -> usize {
    let text = |name| fs::read_to_string(folder.join(name)).unwrap_or_default();
    let files = [OLDER, NEWER].map(text);
    let lines = files.iter().flat_map(|text| text.lines());
    lines.filter(|line| !line.starts_with('#')).map(|line| line.len() + 1).sum()
}

#[tokio::test]
async fn samples_of_earlier_agents_come_before_those_of_this_one() {
    let folder = tempfile::tempdir().unwrap();
    let reads = [
        run_agent(folder.path(), &["a", "b"], 3600, 100, 102).await,
        run_agent(folder.path(), &["a", "b"], 3600, 110, 111).await,
        run_agent(folder.path(), &["a", "b"], 3600, 120, 120).await,
    ];
    assert_eq!(reads[2], ["100", "101", "102", "|", "110", "111", "|", "120"]);
    // Samples older than the history are not loaded.
    let last = run_agent(folder.path(), &["a", "b"], 10, 121, 121).await;
    assert_eq!(last, ["111", "|", "120", "|", "121"]);
}

/// Returns the lines of a ring, as a client with all looks reads them.
fn lines(ring: &Ring) -> Vec<String> {
    let mut cursor = ring.handle.cursor();
    cursor.seek(History::All, None, 1);
    let mut bytes = Vec::new();
    while !matches!(
        cursor.read(&Selection::ALL, &mut bytes, Waker::noop()),
        ReadOutcome::Wait | ReadOutcome::Closed
    ) {}
    String::from_utf8(bytes).unwrap().lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn looks_survive_a_restart_with_as_many_processes_as_the_agent_lists() {
    let folder = tempfile::tempdir().unwrap();
    let process = |pid| Process { pid, name: "p".into(), cpu: Some(2.0), ..Process::default() };
    let top = Top { time: second(100), other: Some(1.0), ..Top::default() };
    let look = Look { top, processes: vec![process(1), process(2)] };
    let mut agent = TestAgent::start_with_looks(folder.path(), &["a"], 3600, 100, 2).await;
    agent.ring.add_look(&look);
    agent.push(101);
    agent.push(102);
    let own = lines(&agent.ring);
    let looks = ["# top time=100.000 other=1.0", "# proc pid=1", "# proc pid=2"];
    assert!(looks.iter().zip(&own[1..]).all(|(look, line)| line.starts_with(look)), "{own:?}");
    agent.stop().await;
    for (top, expected) in [
        (2, own.clone()),
        // The CPU of process 2 counts as `other`.
        (1, {
            let mut own = own.clone();
            own.remove(3);
            own[1] = "# top time=100.000 other=3.0".into();
            own
        }),
        (0, own.into_iter().filter(|line| !line.starts_with('#')).collect()),
    ] {
        let copy = tempfile::tempdir().unwrap();
        fs::copy(folder.path().join(NEWER), copy.path().join(NEWER)).unwrap();
        let agent = TestAgent::start_with_looks(copy.path(), &["a"], 3600, 110, top).await;
        let read = lines(&agent.ring);
        assert_eq!(read[..read.len() - 1], expected, "top {top}");
        agent.stop().await;
    }
}

#[tokio::test]
async fn looks_that_no_agent_wrote_are_harmless() {
    let folder = tempfile::tempdir().unwrap();
    let head = "# loadline/1 run=0000000a interval=1000ms\n# columns time:s seq a\n";
    let process = "# proc pid=1 name=\"a\x1b[2J\" cpu=1\n";
    let top = "# top time=9.000\n";
    let text = format!(
        "{head}{process}1.000 1 5\n{top}{top}{}2.000 2 5\n# top time=x\n# proc pid=x\n3.000 3 5\n{top}",
        process.repeat(1000)
    );
    fs::write(folder.path().join(NEWER), text).unwrap();
    let agent = TestAgent::start_with_looks(folder.path(), &["a"], 3600, 100, 50).await;
    let read = lines(&agent.ring);
    let looks: Vec<_> = read.iter().filter(|line| line.starts_with("# ")).collect();
    assert_eq!((looks.len(), looks[0].as_str()), (51, "# top time=9.000"));
    assert!(read.iter().all(|line| !line.contains('\x1b')));
    assert_eq!(read.iter().filter(|line| !line.starts_with('#')).count(), 4);
    agent.stop().await;
}

#[tokio::test]
async fn the_disk_holds_the_whole_ring_and_at_most_twice_as_much() {
    let folder = tempfile::tempdir().unwrap();
    let mut from = 1_000_000;
    for seconds in [1, 10, 300, 700, 40, 2000, 5] {
        let before = run_agent(folder.path(), &["a"], 300, from, from + seconds - 1).await;
        // A row has up to 28 bytes.
        let (ring, disk) = (before.len().min(301) * 28, row_bytes(folder.path()));
        assert!(disk <= 2 * ring.max(4 * 1024), "{disk} bytes for {ring}");
        from += seconds;
        let after = run_agent(folder.path(), &["a"], 300, from, from).await;
        let rows = |read: &[String]| -> Vec<i64> {
            read.iter().filter_map(|row| row.parse().ok()).filter(|at| *at >= from - 300).collect()
        };
        let (expected, found) = (rows(&before), rows(&after[..after.len() - 1]));
        assert_eq!(found, expected, "after {seconds} seconds");
        from += 1;
    }
}

#[tokio::test]
async fn a_file_that_is_cut_anywhere_has_no_invented_number_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    run_agent(folder.path(), &["a"], 3600, 100, 103).await;
    let text = fs::read_to_string(folder.path().join(NEWER)).unwrap();
    for length in 0..text.len() {
        for name in [OLDER, NEWER] {
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join(name), &text[..length]).unwrap();
            let whole = text[..length].matches(".00\n").count() as i64;
            let read = run_agent(folder.path(), &["a"], 3600, 110, 111).await;
            let earlier = (100..100 + whole).map(|second| second.to_string());
            let own = ["|", "110", "111"].map(String::from);
            let expected: Vec<_> = earlier.clone().chain(own).collect();
            assert_eq!(read, expected[usize::from(whole == 0)..], "{length} bytes of {name}");
            let mut rows = seconds(folder.path());
            rows.retain(|second| second != "110" && second != "111");
            assert_eq!(rows, earlier.collect::<Vec<_>>(), "{length} bytes of {name}");
        }
    }
}

#[tokio::test]
async fn columns_are_found_by_their_names() {
    let folder = tempfile::tempdir().unwrap();
    run_agent(folder.path(), &["a", "b"], 3600, 100, 100).await;
    let agent = TestAgent::start(folder.path(), &["b", "c"], 3600, 101).await;
    let mut cursor = agent.ring.handle.cursor();
    cursor.seek(History::All, None, 1);
    let mut bytes = Vec::new();
    cursor.read(&Selection::ALL, &mut bytes, Waker::noop());
    assert_eq!(String::from_utf8(bytes).unwrap(), "100.000 1 100.00 nan\n");
}

#[tokio::test]
async fn setting_the_clock_back_drops_samples_from_the_future() {
    let folder = tempfile::tempdir().unwrap();
    run_agent(folder.path(), &["a"], 3600, 100, 105).await;
    assert_eq!(
        run_agent(folder.path(), &["a"], 3600, 103, 104).await,
        ["100", "101", "102", "|", "103", "104"]
    );
    let last = run_agent(folder.path(), &["a"], 3600, 200, 200).await;
    assert_eq!(last, ["100", "101", "102", "|", "103", "104", "|", "200"]);
}

#[tokio::test]
async fn an_agent_starts_whatever_the_files_contain() {
    let folder = tempfile::tempdir().unwrap();
    let head = "# loadline/1 run=0000000a interval=1000ms\n# columns time:s seq a\n";
    let rows =
        "1.000 1 5\n0.500 2 5\nx y z\n2.000 18446744073709551615 5\n3.000 7 1e999\n4.000 8 6\n";
    for bytes in [
        b"\xff\xfe\x00\n".to_vec(),
        vec![0; 100_000],
        b"1.000 1 5\n".to_vec(),
        b"# columns time:s seq a a\n1.000 1 5 5\n".to_vec(),
        format!("{head}{rows}").into_bytes(),
    ] {
        for name in [OLDER, NEWER] {
            fs::write(folder.path().join(name), &bytes).unwrap();
        }
        let read = run_agent(folder.path(), &["a"], 3600, 100, 101).await;
        assert_eq!(read[read.len() - 2..], ["100", "101"]);
    }
}

/// Checks that a directory is refused at the start, with this error.
async fn check_refused(folder: &Path, expected: &str) {
    let error = Archive::open(folder).await.err().map(|error| error.to_string());
    let error = error.unwrap_or_else(|| panic!("{} is accepted", folder.display()));
    let error = error.replace(" (os error 20)", "").replace("Not a", "not a");
    assert_eq!(error.replace(&folder.display().to_string(), "DIR"), expected);
}

#[tokio::test]
async fn only_mistakes_that_no_waiting_heals_are_refused_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let new = folder.path().join("new/one");
    let agent = TestAgent::start(&new, &["a"], 3600, 100).await;
    let in_use =
        "cannot keep samples in DIR: in use by another agent; give each its own --state-dir";
    check_refused(&new, in_use).await;
    agent.stop().await;
    run_agent(&new, &["a"], 3600, 101, 101).await;

    let file = folder.path().join("file");
    fs::write(&file, "mine").unwrap();
    let no_folder = "cannot keep samples in DIR: not a directory; give --state-dir a directory";
    check_refused(&file, no_folder).await;
    check_refused(&file.join("below"), no_folder).await;
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
}

#[tokio::test]
async fn a_directory_that_heals_has_earlier_and_new_samples() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    run_agent(&path, &["a"], 3600, 100, 102).await;
    // A file that cannot be opened, as on a disk with errors.
    let lock = path.join("lock");
    fs::remove_file(&lock).unwrap();
    fs::create_dir(&lock).unwrap();
    let mut agent = TestAgent::start(&path, &["a"], 3600, 110).await;
    agent.push(111);
    assert_eq!(read(&agent.ring), ["110", "111"]);
    fs::remove_dir(&lock).unwrap();
    let begin = Instant::now();
    while seconds(&path) != ["100", "101", "102", "110", "111"] {
        assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", seconds(&path));
        thread::sleep(Duration::from_millis(10));
    }
    agent.push(112);
    assert_eq!(read(&agent.ring), ["100", "101", "102", "|", "110", "111", "112"]);
    agent.stop().await;
    assert_eq!(seconds(&path), ["100", "101", "102", "110", "111", "112"]);
}

#[tokio::test]
async fn after_a_failure_all_samples_that_the_ring_holds_are_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let mut agent = TestAgent::start(folder.path(), &["a"], 3600, 100).await;
    wait_for_rows(folder.path(), 100, 100);
    let newer = folder.path().join(NEWER);
    fs::remove_file(&newer).unwrap();
    fs::create_dir(&newer).unwrap();
    // Samples come before, while and after the writer rests.
    for at in 101..=160 {
        agent.push(at);
        thread::sleep(Duration::from_millis(40));
    }
    fs::remove_dir(&newer).unwrap();
    wait_for_rows(folder.path(), 100, 160);
    agent.push(161);
    wait_for_rows(folder.path(), 100, 161);
    agent.stop().await;
}

#[tokio::test]
async fn an_agent_that_ends_during_a_failure_tries_once_more() {
    let folder = tempfile::tempdir().unwrap();
    let newer = folder.path().join(NEWER);
    fs::create_dir(&newer).unwrap();
    let mut agent = TestAgent::start(folder.path(), &["a"], 3600, 100).await;
    agent.push(101);
    fs::remove_dir(&newer).unwrap();
    agent.stop().await;
    assert_eq!(seconds(folder.path()), ["100", "101"]);
}

/// Checks that a running agent notices what `damage` does to its directory and files, by its next
/// sample, and writes all samples again.
async fn check_damage(name: &str, damage: impl FnOnce(&Path, &Path)) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    run_agent(&path, &["a"], 3600, 90, 99).await;
    let mut agent = TestAgent::start(&path, &["a"], 3600, 100).await;
    (101..=150).for_each(|at| agent.push(at));
    wait_for_rows(&path, 90, 150);
    damage(&path, &path.join(NEWER));
    agent.push(151);
    println!("{name}");
    wait_for_rows(&path, 90, 151);
    agent.push(152);
    wait_for_rows(&path, 90, 152);
    agent.stop().await;
    let read = run_agent(&path, &["a"], 3600, 160, 160).await;
    assert_eq!(read.iter().filter(|row| *row != "|").count(), 152 - 90 + 2, "{name}: {read:?}");
}

#[tokio::test]
async fn files_that_another_program_changes_are_rewritten() {
    check_damage("file removed", |_, newer| fs::remove_file(newer).unwrap()).await;
    check_damage("file emptied", |_, newer| fs::write(newer, "").unwrap()).await;
    check_damage("file shortened", |_, newer| {
        let file = fs::File::options().write(true).open(newer).unwrap();
        file.set_len(700).unwrap();
    })
    .await;
    check_damage("half a number appended", |_, newer| {
        let text = fs::read_to_string(newer).unwrap();
        fs::write(newer, text + "17").unwrap();
    })
    .await;
    check_damage("file replaced by a copy", |folder, newer| {
        fs::copy(newer, folder.join("copy")).unwrap();
        fs::rename(folder.join("copy"), newer).unwrap();
    })
    .await;
    check_damage("file renamed", |folder, newer| {
        fs::rename(newer, folder.join("mine.load")).unwrap();
    })
    .await;
    check_damage("folder removed", |folder, _| fs::remove_dir_all(folder).unwrap()).await;
    check_damage("folder replaced", |folder, _| {
        fs::rename(folder, folder.with_extension("old")).unwrap();
        fs::create_dir(folder).unwrap();
    })
    .await;
    check_damage("parent removed", |folder, _| {
        fs::remove_dir_all(folder.parent().unwrap()).unwrap();
    })
    .await;
}

#[tokio::test]
async fn files_of_older_agents_become_the_owners_to_write() {
    let folder = tempfile::tempdir().unwrap();
    let newer = folder.path().join(NEWER);
    run_agent(folder.path(), &["a"], 3600, 100, 101).await;
    fs::set_permissions(&newer, Permissions::from_mode(0o666)).unwrap();
    run_agent(folder.path(), &["a"], 3600, 110, 111).await;
    assert_eq!(fs::metadata(&newer).unwrap().mode() & 0o7777, 0o644);
}

/// Checks the error, or `none`, of a directory that `prepare` has changed, and that the agent runs
/// with it.
async fn check_folder(prepare: impl FnOnce(&Path, &Path), expected: &str) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    fs::create_dir(&path).unwrap();
    prepare(&path, &path.join(NEWER));
    let result = folder::StateFolder::open(&path);
    let error = result.err().map_or_else(|| "none".to_owned(), |error| error.to_string());
    let error = error.replace(&path.canonicalize().unwrap().display().to_string(), "DIR");
    assert_eq!(error.replace(&folder.path().display().to_string(), "PARENT"), expected);
    let mut agent = TestAgent::start(&path, &["a"], 3600, 100).await;
    agent.push(101);
    assert_eq!(read(&agent.ring), ["100", "101"]);
    agent.stop().await;
}

#[tokio::test]
async fn what_is_no_regular_file_is_not_opened() {
    check_folder(
        |_, newer| {
            assert!(Command::new("mkfifo").arg(newer).status().unwrap().success());
        },
        "DIR/newer.load is a fifo; remove it",
    )
    .await;
    check_folder(
        |_, newer| drop(UnixListener::bind(newer).unwrap()),
        "DIR/newer.load is a socket; remove it",
    )
    .await;
    check_folder(
        |_, newer| fs::create_dir(newer).unwrap(),
        "DIR/newer.load is a directory; remove it",
    )
    .await;
    check_folder(
        |_, newer| symlink("/dev/full", newer).unwrap(),
        "DIR/newer.load is a symbolic link; remove it",
    )
    .await;
    let victim = tempfile::NamedTempFile::new().unwrap();
    fs::write(victim.path(), "precious").unwrap();
    for name in [OLDER, NEWER, folder::NEXT, "lock"] {
        let link = |path: &Path, _: &Path| symlink(victim.path(), path.join(name)).unwrap();
        check_folder(link, &format!("DIR/{name} is a symbolic link; remove it")).await;
        assert_eq!(fs::read_to_string(victim.path()).unwrap(), "precious");
    }
}

#[tokio::test]
async fn directories_that_other_users_can_replace_are_refused() {
    let open_to = |mode| {
        move |path: &Path, _: &Path| {
            fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        }
    };
    check_folder(open_to(0o700), "none").await;
    check_folder(open_to(0o755), "none").await;
    check_folder(open_to(0o777), "all users can write to DIR; run chmod go-w DIR").await;
    check_folder(open_to(0o1777), "all users can write to DIR; run chmod go-w DIR").await;
    let parent_open_to = |mode| {
        move |path: &Path, _: &Path| {
            fs::set_permissions(path.parent().unwrap(), Permissions::from_mode(mode)).unwrap();
        }
    };
    check_folder(parent_open_to(0o1777), "none").await;
    check_folder(parent_open_to(0o777), "all users can write to PARENT; run chmod go-w PARENT")
        .await;
}

#[tokio::test]
async fn samples_that_the_disk_missed_are_noted_as_skipped() {
    let folder = tempfile::tempdir().unwrap();
    let newer = folder.path().join(NEWER);
    fs::create_dir(&newer).unwrap();
    let mut agent = TestAgent::start(folder.path(), &["a"], 5, 100).await;
    (101..=120).for_each(|at| agent.push(at));
    fs::remove_dir(&newer).unwrap();
    agent.stop().await;
    let text = fs::read_to_string(&newer).unwrap();
    assert!(text.contains("# skipped from=1 to=15\n115.000 16 115.00\n"), "{text}");
}

#[tokio::test]
async fn a_file_that_no_agent_wrote_is_not_read_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let newer = folder.path().join(NEWER);
    // A hole of a terabyte takes no space.
    fs::File::create(&newer).unwrap().set_len(1 << 40).unwrap();
    let begin = Instant::now();
    let read = run_agent(folder.path(), &["a"], 3600, 100, 101).await;
    assert_eq!(read, ["100", "101"]);
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    assert_eq!(fs::metadata(folder.path().join(OLDER)).unwrap().len(), 1 << 40);
}

#[tokio::test]
async fn one_row_from_a_wrong_time_costs_no_other() {
    let folder = tempfile::tempdir().unwrap();
    run_agent(folder.path(), &["a"], 3600, 100, 103).await;
    let newer = folder.path().join(NEWER);
    let text = fs::read_to_string(&newer).unwrap();
    fs::write(&newer, text + "99999999999.000 7 1.00\n0.001 8 1.00\n").unwrap();
    let read = run_agent(folder.path(), &["a"], 50, 110, 110).await;
    assert_eq!(read, ["100", "101", "102", "103", "|", "110"]);
}

#[tokio::test]
async fn files_that_are_changed_again_and_again_are_rewritten_at_the_end_at_the_latest() {
    let folder = tempfile::tempdir().unwrap();
    let newer = folder.path().join(NEWER);
    let mut agent = TestAgent::start(folder.path(), &["a"], 3600, 100).await;
    wait_for_rows(folder.path(), 100, 100);
    fs::remove_file(&newer).unwrap();
    agent.push(101);
    wait_for_rows(folder.path(), 100, 101);
    fs::write(&newer, "mine").unwrap();
    agent.push(102);
    thread::sleep(Duration::from_millis(300));
    assert_eq!(fs::read_to_string(&newer).unwrap(), "mine");
    agent.stop().await;
    assert_eq!(seconds(folder.path()), ["100", "101", "102"]);
}

#[tokio::test]
async fn a_directory_that_others_can_write_to_is_not_used_during_a_rewrite_either() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("state");
    let newer = folder.join(NEWER);
    let mut agent = TestAgent::start(&folder, &["a"], 3600, 100).await;
    wait_for_rows(&folder, 100, 100);
    fs::remove_file(&newer).unwrap();
    agent.push(101);
    wait_for_rows(&folder, 100, 101);
    // The second rewrite waits.
    fs::write(&newer, "mine").unwrap();
    agent.push(102);
    thread::sleep(Duration::from_millis(300));
    fs::rename(&folder, parent.path().join("old")).unwrap();
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, Permissions::from_mode(0o777)).unwrap();
    agent.push(103);
    thread::sleep(Duration::from_millis(1500));
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
    fs::set_permissions(&folder, Permissions::from_mode(0o700)).unwrap();
    thread::sleep(Duration::from_millis(1500));
    agent.stop().await;
    assert_eq!(seconds(&folder), ["100", "101", "102", "103"]);
}
