//! Tests with several agents that use one state directory in turn.

use std::task::Waker;
use std::time::Duration;

use loadline_protocol::{Column, History, RunId, Seq, Stamp, Time};

use super::*;
use crate::ring::{ReadOutcome, SampleId, Selection};
use crate::source::MachineFacts;

/// Returns a ring with one sample per second and a history of `history_s`.
fn ring(names: &[&str], history_s: u64) -> (Ring, Schema) {
    let columns = names.iter().map(|name| Column::new(name, ""));
    let schema = Schema::new(Stamp::TimeSeq, columns.collect()).unwrap();
    let second = Duration::from_secs(1);
    (Ring::new(&schema, second, Duration::from_secs(history_s)), schema)
}

fn info(schema: Schema) -> Arc<AgentInfo> {
    let (facts, interval) = (MachineFacts::default(), Duration::from_secs(1));
    Arc::new(AgentInfo { facts, schema, interval })
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
    let mut archive = Archive::open(folder).unwrap();
    let (mut ring, schema) = ring(names, history_s);
    archive.restore(&mut ring, &schema);
    let values = |second: i64| vec![second as f64; names.len()];
    ring.begin(second(from), &values(from));
    let archived = archive.spawn_writer(&ring.handle, info(schema)).unwrap();
    (from + 1..=to).for_each(|at| ring.push(second(at), &values(at)));
    let read = read(&ring);
    drop(ring);
    archived.await.unwrap();
    read
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
async fn a_torn_row_is_dropped_and_the_next_one_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    run_agent(folder.path(), &["a"], 3600, 100, 103).await;
    let path = folder.path().join(NEWER);
    let text = fs::read_to_string(&path).unwrap();
    // Up to the whole last row and the line end before it.
    for cut in 1..=17 {
        fs::write(&path, &text[..text.len() - cut]).unwrap();
        let read = run_agent(folder.path(), &["a"], 3600, 110, 110).await;
        assert_eq!(read, ["100", "101", "102", "|", "110"], "without {cut} bytes");
        for line in fs::read_to_string(&path).unwrap().lines() {
            assert!(line.starts_with('#') || line.split(' ').count() == 3, "{line}");
        }
    }
}

#[tokio::test]
async fn columns_are_found_by_their_names() {
    let folder = tempfile::tempdir().unwrap();
    run_agent(folder.path(), &["a", "b"], 3600, 100, 100).await;
    let mut archive = Archive::open(folder.path()).unwrap();
    let (mut ring, schema) = ring(&["b", "c"], 3600);
    archive.restore(&mut ring, &schema);
    ring.begin(second(101), &[1.0, 2.0]);
    let mut cursor = ring.handle.cursor();
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

#[tokio::test]
async fn folder_errors_are_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let archive = Archive::open(&folder.path().join("new/one")).unwrap();
    let error = Archive::open(&folder.path().join("new/one")).unwrap_err().to_string();
    assert!(error.ends_with("in use by another agent; give each its own --state-dir"), "{error}");
    drop(archive);
    Archive::open(&folder.path().join("new/one")).unwrap();
    fs::write(folder.path().join("file"), "mine").unwrap();
    let error = Archive::open(&folder.path().join("file")).unwrap_err().to_string();
    assert!(
        error.starts_with("cannot keep samples in ") && error.contains("--state-dir"),
        "{error}"
    );
}

#[tokio::test]
async fn a_failing_disk_is_retried_without_losing_samples() {
    let folder = tempfile::tempdir().unwrap();
    let archive = Archive::open(folder.path()).unwrap();
    // A directory of that name: the file cannot be opened.
    fs::create_dir(folder.path().join(NEWER)).unwrap();
    let (mut ring, schema) = ring(&["a"], 3600);
    ring.begin(second(100), &[1.0]);
    let archived = archive.spawn_writer(&ring.handle, info(schema)).unwrap();
    ring.push(second(101), &[1.0]);
    std::thread::sleep(Duration::from_millis(100));
    fs::remove_dir(folder.path().join(NEWER)).unwrap();
    let rows = || {
        let text = fs::read_to_string(folder.path().join(NEWER)).unwrap_or_default();
        text.lines().filter(|line| !line.starts_with('#')).count()
    };
    let start = std::time::Instant::now();
    while rows() < 2 {
        assert!(start.elapsed() < Duration::from_secs(20), "{} rows", rows());
        std::thread::sleep(Duration::from_millis(10));
    }
    drop(ring);
    archived.await.unwrap();
}

#[tokio::test]
async fn samples_that_the_disk_missed_are_noted_as_skipped() {
    let folder = tempfile::tempdir().unwrap();
    let (mut ring, schema) = ring(&["a"], 5);
    let id = |seq| SampleId { run: RunId(7), interval: Duration::from_secs(1), seq: Seq(seq) };
    ring.restore_sample(id(1), second(90), &[1.0]);
    ring.begin(second(100), &[1.0]);
    let archive = Archive::open(folder.path()).unwrap();
    let writer =
        ArchiveWriter::new(archive, ring.handle.cursor(), ring.handle.clone(), info(schema));
    (101..=120).for_each(|at| ring.push(second(at), &[1.0]));
    drop(ring);
    writer.run();
    let text = fs::read_to_string(folder.path().join(NEWER)).unwrap();
    assert!(text.contains("# skipped from=1 to=15\n115.000 16 1.00\n"), "{text}");
}
