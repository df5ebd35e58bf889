//! Recordings on real files and pipes.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;

use loadline_protocol::{Header, Look, Process, RunId, Schema, Seq, Stamp, Time, Top, VERSION};

use super::recording_file::RecordingFile;
use super::*;
use crate::event::{Rows, Sample, StreamInfo};
use crate::link::reader::StreamReader;
use crate::link::{EVENTS_MAX, ReadOptions};

/// Time limit for anything, on a machine that is busy with other work.
const DEADLINE: Duration = Duration::from_secs(20);

/// Value with the longest text.
const WIDE: f64 = -1.234_567_890_123_456_7e-300;

fn stream(run: Option<u32>, columns: usize) -> Event {
    let header = run.map(|run| Header {
        run: Some(RunId(run)),
        version: VERSION,
        interval: Some(Duration::from_secs(1)),
        ..Header::default()
    });
    let stamp = if run.is_some() { Stamp::TimeSeq } else { Stamp::None };
    Event::Stream(Arc::new(StreamInfo { header, schema: Schema::plain(columns).with_stamp(stamp) }))
}

fn row(second: i64, seq: Option<u64>, values: &[f64]) -> Event {
    let time = Time::from_millis(1000 * second);
    let sample = Sample { time, seq: seq.map(Seq), received: time, values, line: None };
    Event::Rows(Rows::one(sample))
}

/// Returns a look at two processes.
fn look(second: i64) -> Event {
    let process = |pid, name: &str| Process {
        pid,
        name: name.into(),
        user: Some("www data".into()),
        cpu: Some(12.5),
        mem: 1 << 20,
        ..Process::default()
    };
    let time = Time::from_millis(1000 * second);
    let top = Top { time, over: Some(5.0), processes: Some(2), ..Top::default() };
    Event::Look(Arc::new(Look { top, processes: vec![process(1, "init"), process(77, "a \"b\"")] }))
}

/// Returns the recorded text of events.
fn recorded(events: &[Event]) -> String {
    let (mut recorder, mut text) = (Recorder::new(None), String::new());
    for event in events {
        recorder.record(event, &mut text);
    }
    text
}

fn row_lines(text: &str) -> Vec<&str> {
    text.lines().filter(|line| !line.starts_with('#')).collect()
}

/// Returns the lines of the rows that a reader delivers.
fn read(text: &[u8]) -> Vec<String> {
    let options = ReadOptions { keep_lines: true, ..ReadOptions::default() };
    let second = Duration::from_secs(1);
    let mut reader = StreamReader::for_recording(options, Time::default(), second);
    reader.feed(text, Time::default());
    reader.finish();
    let mut lines = Vec::new();
    for event in reader.drain_events() {
        if let Event::Rows(rows) = event {
            lines.extend(rows.iter().filter_map(|row| row.line.map(str::to_owned)));
        }
    }
    lines
}

/// Records `text` to a file, as one program does from its start to its end.
fn record_to(path: &Path, text: &str) {
    let mut file = RecordingFile::open(path, None).unwrap();
    write_all(&mut file, text);
}

fn write_all(file: &mut RecordingFile, text: &str) {
    let (taken, result) = file.write(text.as_bytes());
    result.unwrap();
    assert_eq!(taken, text.len());
}

fn text_of(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

/// Recordings with and without sequence numbers, of several runs, with numbers of many digits, and with
/// a look.
fn recordings() -> [String; 3] {
    let numbered = |run: u32| {
        let mut events = vec![stream(Some(run), 2)];
        events.extend((10..14).map(|at| row(at, Some(at as u64), &[1.5 * at as f64, 123_456.789])));
        events.push(Event::Skipped { count: 3 });
        events.push(row(20, Some(20), &[f64::NAN, 1.0]));
        if run == 3 {
            events.insert(2, look(10));
        }
        recorded(&events)
    };
    let plain: Vec<Event> = [stream(None, 6)]
        .into_iter()
        .chain((30..33).map(|at| row(at, None, &[12.5, 2400.0, 43.25, 0.52, 0.44, 0.475])))
        .collect();
    [numbered(1) + &numbered(2), recorded(&plain), numbered(3)]
}

#[test]
fn each_row_behind_a_cut_at_any_byte_is_one_that_was_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.load");
    let texts = recordings();
    // Nothing, or the zeros that a crash of the machine leaves.
    for (first, zeros) in texts.iter().flat_map(|text| [(text, 0), (text, 5000)]) {
        for second in &texts {
            let recorded: HashSet<&str> =
                [first, second].into_iter().flat_map(|it| row_lines(it)).collect();
            for cut in 0..=first.len() {
                let mut bytes = first.as_bytes()[..cut].to_vec();
                bytes.resize(cut + zeros, 0);
                fs::write(&path, &bytes).unwrap();
                for line in read(&bytes) {
                    assert!(recorded.contains(&*line), "read at {cut}: {line}");
                }
                record_to(&path, second);
                let text = text_of(&path);
                let whole = &first[..first[..cut].rfind('\n').map_or(0, |at| at + 1)];
                assert_eq!(text, whole.to_owned() + second, "cut at {cut}");
                let lines = read(text.as_bytes());
                let missing = |line: &&&str| !lines.iter().any(|it| it == **line);
                let mut expected: Vec<&str> = row_lines(whole);
                expected.extend(row_lines(second));
                assert_eq!(expected.iter().filter(missing).count(), 0, "cut at {cut}: {text}");
                for line in &lines {
                    assert!(recorded.contains(&**line), "cut at {cut}: {line}");
                }
            }
        }
    }
}

/// Returns the looks that a reader delivers.
fn read_looks(text: &str) -> Vec<Event> {
    let second = Duration::from_secs(1);
    let mut reader = StreamReader::for_recording(ReadOptions::default(), Time::default(), second);
    reader.feed(text.as_bytes(), Time::default());
    reader.finish();
    reader.drain_events().filter(|event| matches!(event, Event::Look(_))).collect()
}

#[test]
fn looks_are_recorded_before_their_rows_and_read_as_they_were() {
    let events =
        [stream(Some(1), 1), look(1), row(2, Some(2), &[1.0]), look(2), row(3, Some(3), &[1.0])];
    let text = recorded(&events);
    let lines: Vec<&str> = text.lines().skip(2).collect();
    let look_lines = |second| {
        let proc = "user=\"www data\" cpu=12.5 mem=1048576";
        [
            format!("# top time={second}.000 over=5.0 processes=2"),
            format!("# proc pid=1 name=init {proc}"),
            format!("# proc pid=77 name=\"a \\\"b\\\"\" {proc}"),
        ]
    };
    let expected = [&look_lines(1)[..], &["2.000 2 1.00".to_owned()], &look_lines(2)].concat();
    assert_eq!(lines, [&expected[..], &["3.000 3 1.00".to_owned()]].concat());
    assert_eq!(read_looks(&text), [look(1), look(2)]);
    assert_eq!(read_looks(&(text.clone() + &text)), [look(1), look(2)]);
}

#[test]
fn a_look_behind_a_cut_is_the_beginning_of_one_that_was_recorded() {
    let events = [stream(Some(1), 1), row(1, Some(1), &[1.0]), look(1), row(2, Some(2), &[1.0])];
    let text = recorded(&events);
    let Event::Look(whole) = look(1) else { panic!() };
    for cut in 0..=text.len() {
        for event in read_looks(&text[..cut]) {
            let Event::Look(found) = event else { panic!() };
            assert_eq!(found.top, whole.top, "{cut}");
            assert!(whole.processes.starts_with(&found.processes), "{cut}: {found:?}");
        }
    }
}

#[test]
fn a_look_is_recorded_only_with_rows() {
    let rows = [stream(Some(1), 1), row(1, Some(1), &[1.0]), look(1), row(2, Some(2), &[1.0])];
    let (mut recorder, mut text) = (Recorder::new(Some(1)), String::new());
    for event in &rows {
        recorder.record(event, &mut text);
    }
    assert_eq!(text.lines().count(), 3, "{text}");
    // The file had no room meanwhile.
    let (mut recorder, mut text) = (Recorder::new(None), String::new());
    let [stream, first, left_out, row] = rows;
    recorder.record(&stream, &mut text);
    recorder.leave_out(&first);
    recorder.leave_out(&left_out);
    recorder.record(&look(3), &mut text);
    recorder.record(&row, &mut text);
    let lines: Vec<&str> = text.lines().skip(2).collect();
    assert_eq!(lines[..2], ["# skipped from=1 to=1", "# top time=3.000 over=5.0 processes=2"]);
    assert_eq!((lines.len(), lines[4]), (5, "2.000 2 1.00"));
    // The header is too long for the file.
    assert_eq!(recorded(&[self::stream(None, 4000), look(1)]), "");
}

#[test]
fn the_file_of_another_program_is_neither_cut_nor_appended_to() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    for text in
        ["name;value\na;1\nb;2", "#!/bin/sh\nexit", "remember the milk", "[Unit]\nWants=a\n"]
    {
        fs::write(&path, text).unwrap();
        let error = RecordingFile::open(&path, None).unwrap_err().to_string();
        assert!(error.contains("no recording") && error.contains("; give"), "{error}");
        assert_eq!(text_of(&path), text);
    }
    // netcat was interrupted.
    fs::write(&path, "1 2\n3 4").unwrap();
    record_to(&path, "# loadline/1\n");
    assert_eq!(text_of(&path), "1 2\n# loadline/1\n");
}

#[test]
fn a_file_is_recorded_to_by_one_program_and_read_by_others() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.load");
    let link = folder.path().join("link.load");
    symlink(&path, &link).unwrap();
    let [first, ..] = recordings();
    // The link points to a file that does not exist yet.
    let mut file = RecordingFile::open(&link, None).unwrap();
    write_all(&mut file, &first);
    for other in [&path, &link] {
        let error = RecordingFile::open(other, None).unwrap_err().to_string();
        assert_eq!(error, "another program records to this file; give --record another file");
    }
    assert_eq!(text_of(&path), first);
    drop(file);
    RecordingFile::open(&path, None).unwrap();
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o002, 0, "others cannot write: {mode:o}");
}

#[test]
fn a_recording_is_a_regular_file_of_its_own_or_the_null_device() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let made = std::process::Command::new("mkfifo").arg(path("fifo")).status().unwrap();
    assert!(made.success());
    let _socket = std::os::unix::net::UnixListener::bind(path("socket")).unwrap();
    symlink(path("fifo"), path("link")).unwrap();
    fs::write(path("source"), "1 2\n3").unwrap();
    fs::hard_link(path("source"), path("same")).unwrap();
    for (name, expected) in [
        ("fifo", "is a pipe; use -o raw"),
        ("link", "is a pipe; use -o raw"),
        ("socket", "is a socket; give a file"),
        ("", "is a directory; give a file in it"),
        ("source", "this file is the source; give --record another file"),
        ("same", "this file is the source; give --record another file"),
        ("missing/a.load", "No such file"),
        ("source/a.load", "Not a directory"),
        ("/dev/zero", "is a device; give a file"),
        ("/dev/tty", "is a device; give a file"),
    ] {
        let source = path("source");
        let error = RecordingFile::open(&path(name), Some(&source)).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{name}: {error}");
    }
    let error = RecordingFile::open(Path::new("-"), None).unwrap_err().to_string();
    assert_eq!(error, "is standard output; use -o raw");
    assert_eq!(text_of(&path("source")), "1 2\n3");
    for mut null in [0, 1].map(|_| RecordingFile::open(Path::new("/dev/null"), None).unwrap()) {
        write_all(&mut null, "# loadline/1\n");
    }
}

/// Records rows to a file, changes the file as another program does, and records more. Asserts that
/// the file has `kept` and then a header with the later rows, and that a message has `word`.
fn check_change(word: &str, change: impl FnOnce(&Path), kept: impl FnOnce(&str) -> String) {
    let [_, _, text] = recordings();
    let head = &text[..=text.find("\n10.000").unwrap()];
    let more = |seq: u64| format!("{seq}.000 {seq} 1.00 2.00\n");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.load");
    let mut file = RecordingFile::open(&path, None).unwrap();
    write_all(&mut file, &text);
    change(&path);
    write_all(&mut file, &more(30));
    write_all(&mut file, &more(31));
    let expected = format!("{}{head}{}{}", kept(&text), more(30), more(31));
    assert_eq!(text_of(&path), expected, "{word}");
    let notices = &file.notices;
    assert!(notices.iter().any(|notice| notice.contains(word)), "{word}: {notices:?}");
    // The new file is locked as well.
    RecordingFile::open(&path, None).unwrap_err();
}

#[test]
fn a_file_that_another_program_changes_is_begun_with_a_header() {
    let append = |path: &Path, text: &str| {
        let mut file = File::options().append(true).open(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    };
    let nothing = |_: &str| String::new();
    check_change("was removed", |path| fs::remove_file(path).unwrap(), nothing);
    check_change(
        "was removed",
        |path| fs::rename(path, path.with_extension("1")).unwrap(),
        nothing,
    );
    let replace = |path: &Path| {
        fs::rename(path, path.with_extension("1")).unwrap();
        fs::write(path, "").unwrap();
    };
    check_change("was replaced", replace, nothing);
    check_change("was truncated", |path| drop(File::create(path).unwrap()), nothing);
    let written = "was written by another program";
    check_change(written, |path| append(path, "9 9 9 9\n"), |text| format!("{text}9 9 9 9\n"));
    check_change(written, |path| append(path, "9 9 9 9"), str::to_owned);
    check_change("is cut off", |path| append(path, "9 9 9 9"), str::to_owned);
}

#[test]
fn a_file_in_a_folder_that_is_gone_is_written_once_the_folder_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("inner");
    fs::create_dir(&inner).unwrap();
    let path = inner.join("a.load");
    let [_, _, text] = recordings();
    let mut file = RecordingFile::open(&path, None).unwrap();
    write_all(&mut file, &text);
    fs::remove_dir_all(&inner).unwrap();
    for _ in 0..2 {
        assert!(file.write(b"30.000 30 1.00 2.00\n").1.is_err());
    }
    fs::create_dir(&inner).unwrap();
    write_all(&mut file, "30.000 30 1.00 2.00\n");
    let head = &text[..=text.find("\n10.000").unwrap()];
    assert_eq!(text_of(&path), format!("{head}30.000 30 1.00 2.00\n"));
    assert_eq!(file.notices.len(), 1, "{:?}", file.notices);
}

/// Recording to a pipe that nobody reads, so that its writes block.
struct Blocked {
    recording: FileRecorder,
    reader: std::io::PipeReader,
    /// Text that the pipe took before it was full.
    filler: usize,
}

impl Blocked {
    fn new() -> Blocked {
        let (reader, writer) = std::io::pipe().unwrap();
        let mut file = File::from(std::os::fd::OwnedFd::from(writer));
        let flags = rustix::fs::fcntl_getfl(&file).unwrap();
        rustix::fs::fcntl_setfl(&file, flags | rustix::fs::OFlags::NONBLOCK).unwrap();
        let mut filler = 0;
        while let Ok(count) = file.write(&[b'#'; 4096]) {
            filler += count;
        }
        rustix::fs::fcntl_setfl(&file, flags).unwrap();
        let queue = RecordingQueue::with_file(RecordingFile::device(file));
        Blocked { recording: FileRecorder { queue, name: "a.load".to_owned() }, reader, filler }
    }

    /// Reads the pipe until it has `end`. Returns the recorded text.
    fn text_until(&mut self, end: &str) -> String {
        let mut bytes = Vec::new();
        while !bytes.ends_with(end.as_bytes()) {
            let mut piece = [0; 4096];
            let count = self.reader.read(&mut piece).unwrap();
            bytes.extend_from_slice(&piece[..count]);
        }
        String::from_utf8(bytes.split_off(self.filler)).unwrap()
    }
}

/// Returns the next event that is no state of the recording, and adds the others to `states`.
async fn next(events: &mut mpsc::Receiver<Event>, states: &mut Vec<Event>) -> Event {
    loop {
        match tokio::time::timeout(DEADLINE, events.recv()).await.unwrap().unwrap() {
            event @ (Event::Recording(_) | Event::Warning(_)) => states.push(event),
            event => return event,
        }
    }
}

fn words(states: &[Event]) -> String {
    let word = |event: &Event| match event {
        Event::Recording(RecordingState::On) => "on".to_owned(),
        Event::Recording(RecordingState::Stalled(_)) => "stalled".to_owned(),
        Event::Warning(text) => format!("<{text}>"),
        other => format!("{other:?}"),
    };
    let mut words: Vec<String> = states.iter().map(word).collect();
    words.dedup();
    words.join(" ")
}

#[tokio::test]
async fn rows_pass_while_the_file_is_stalled_and_are_written_later() {
    let mut blocked = Blocked::new();
    let (sender, mut events) = mpsc::channel(EVENTS_MAX);
    let recording = blocked.recording.spawn(Recorder::new(None), false, sender);
    recording.send(stream(Some(1), 1)).await.unwrap();
    let mut states = Vec::new();
    assert_eq!(next(&mut events, &mut states).await, stream(Some(1), 1));
    let start = Instant::now();
    let mut seq = 0;
    while start.elapsed() < STALL_AFTER + Duration::from_millis(2500) {
        seq += 1;
        let sent = Instant::now();
        recording.send(row(seq, Some(seq as u64), &[1.0])).await.unwrap();
        assert_eq!(next(&mut events, &mut states).await, row(seq, Some(seq as u64), &[1.0]));
        assert!(sent.elapsed() < Duration::from_secs(2), "a row was held up");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let stalled = "recording to a.load stalled: its file system does not answer; check its disk, rows \
                   wait in memory";
    assert_eq!(words(&states), format!("on stalled <{stalled}> stalled"));
    let seconds: Vec<u64> = states
        .iter()
        .filter_map(|event| match event {
            Event::Recording(RecordingState::Stalled(since)) => Some(since.as_secs()),
            _ => None,
        })
        .collect();
    assert_eq!(seconds[..2], [3, 4], "{seconds:?}");
    let last = format!("{seq}.000 {seq} 1.00\n");
    let (text, blocked) =
        tokio::task::spawn_blocking(move || (blocked.text_until(&last), blocked)).await.unwrap();
    assert_eq!(row_lines(&text).len(), seq as usize);
    states.clear();
    recording.send(Event::Live).await.unwrap();
    while !words(&states).contains("continues") {
        recording.send(Event::Live).await.unwrap();
        next(&mut events, &mut states).await;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(
        words(&states).trim_start_matches("stalled "),
        "on <recording to a.load continues, no row is missing>"
    );
    assert_eq!(blocked.recording.finish(), None);
}

#[tokio::test]
async fn rows_beyond_the_queue_are_counted_in_the_recording_and_on_the_display() {
    const COLUMNS: usize = 300;
    let mut blocked = Blocked::new();
    let (sender, mut events) = mpsc::channel(EVENTS_MAX);
    let recording = blocked.recording.spawn(Recorder::new(None), false, sender);
    recording.send(stream(Some(1), COLUMNS)).await.unwrap();
    let mut states = Vec::new();
    next(&mut events, &mut states).await;
    let (mut seq, mut lost_at) = (0, None);
    // Rows of 7 KiB fill the queue of 8 MiB.
    while lost_at.is_none_or(|at| seq < at + 10) {
        seq += 1;
        recording.send(row(seq, Some(seq as u64), &[WIDE; COLUMNS])).await.unwrap();
        next(&mut events, &mut states).await;
        if words(&states).contains("rows are lost") {
            lost_at.get_or_insert(seq);
        }
    }
    // Another run begins while rows are lost.
    recording.send(stream(Some(2), 1)).await.unwrap();
    recording.send(row(90_000, Some(7), &[1.0])).await.unwrap();
    next(&mut events, &mut states).await;
    next(&mut events, &mut states).await;
    let before = lost_at.unwrap() - 1;
    let lost = seq - before + 1;
    let last_row = format!("{before}.000 {before} ");
    let reading = std::thread::spawn(move || {
        let text = blocked.text_until("90001.000 8 1.00\n");
        (text, blocked)
    });
    while !words(&states).contains("continues") {
        recording.send(Event::Live).await.unwrap();
        next(&mut events, &mut states).await;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let missing = format!("<recording to a.load continues, {lost} rows are missing>");
    assert!(words(&states).ends_with(&missing), "{}", words(&states));
    recording.send(row(90_001, Some(8), &[1.0])).await.unwrap();
    let (text, _blocked) = tokio::task::spawn_blocking(|| reading.join().unwrap()).await.unwrap();
    let note =
        format!("# skipped from={} to={}\n# loadline/1 run=00000002", before + 1, before + lost);
    assert!(text.contains(&note), "{}", &text[text.len() - 300..]);
    let rows = row_lines(&text);
    assert_eq!(rows.len() as i64, before + 1);
    assert!(rows[rows.len() - 2].starts_with(&last_row));
}

#[tokio::test]
async fn a_source_that_can_wait_loses_no_row_to_a_stalled_file() {
    const COLUMNS: usize = 300;
    const ROWS: i64 = 3000;
    let mut blocked = Blocked::new();
    let (sender, mut events) = mpsc::channel(EVENTS_MAX);
    let recording = blocked.recording.spawn(Recorder::new(None), true, sender);
    tokio::spawn(async move {
        recording.send(stream(Some(1), COLUMNS)).await.unwrap();
        for seq in 1..=ROWS {
            recording.send(row(seq, Some(seq as u64), &[WIDE; COLUMNS])).await.unwrap();
        }
    });
    let mut states = Vec::new();
    while !words(&states).ends_with("stalled") {
        let event = tokio::time::timeout(DEADLINE, events.recv()).await.unwrap().unwrap();
        if matches!(event, Event::Recording(_)) {
            states.push(event);
        }
    }
    let reading = tokio::task::spawn_blocking(move || {
        let mut text = String::new();
        while row_lines(&text).len() < ROWS as usize {
            text += &blocked.text_until("\n");
            blocked.filler = 0;
        }
        text
    });
    while events.recv().await.is_some() {}
    let text = reading.await.unwrap();
    assert!(!text.contains("skipped"));
    assert_eq!(row_lines(&text).len(), ROWS as usize);
}

#[tokio::test]
async fn a_row_too_long_for_a_line_is_skipped_and_reported_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wide.load");
    let (sender, mut events) = mpsc::channel(EVENTS_MAX);
    let recording = FileRecorder::open(path.clone(), None).await.unwrap();
    let recorded = recording.spawn(Recorder::new(None), false, sender);
    recorded.send(stream(None, 1000)).await.unwrap();
    for (second, value) in [(1, WIDE), (2, WIDE), (3, 1.0)] {
        recorded.send(row(second, None, &[value; 1000])).await.unwrap();
    }
    drop(recorded);
    let (mut states, mut passed) = (Vec::new(), 0);
    while let Some(event) = events.recv().await {
        match event {
            Event::Warning(_) | Event::Recording(_) => states.push(event),
            _ => passed += 1,
        }
    }
    assert_eq!(
        words(&states),
        "on <rows over 8192 bytes are not recorded in wide.load>"
            .replace("wide.load", &path.display().to_string())
    );
    assert_eq!(passed, 4, "all events are forwarded");
    assert_eq!(recording.finish(), None);
    let text = text_of(&path);
    let rows = row_lines(&text);
    assert_eq!(rows.len(), 1);
    assert!(rows[0].starts_with("3.000 1.00 "), "{text}");
}

#[tokio::test]
async fn a_file_that_another_program_keeps_writing_is_reported_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.load");
    let (sender, mut events) = mpsc::channel(EVENTS_MAX);
    let recording = FileRecorder::open(path.clone(), None).await.unwrap();
    let recorded = recording.spawn(Recorder::new(None), false, sender);
    let mut states = Vec::new();
    recorded.send(stream(Some(1), 1)).await.unwrap();
    next(&mut events, &mut states).await;
    for seq in 1..=5 {
        recorded.send(row(seq, Some(seq as u64), &[1.0])).await.unwrap();
        next(&mut events, &mut states).await;
        let start = Instant::now();
        while !text_of(&path).ends_with(&format!("{seq}.000 {seq} 1.00\n")) {
            assert!(start.elapsed() < DEADLINE, "{}", text_of(&path));
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        File::options().append(true).open(&path).unwrap().write_all(b"9 9 9\n").unwrap();
    }
    drop(recorded);
    while let Some(event) = events.recv().await {
        states.push(event);
    }
    assert_eq!(words(&states).matches("was written by another program").count(), 1);
    assert_eq!(recording.finish(), None);
    assert_eq!(text_of(&path).matches("# columns").count(), 5);
}

#[tokio::test]
async fn the_end_waits_a_limited_time_and_says_what_is_not_written() {
    let blocked = Blocked::new();
    let (sender, mut events) = mpsc::channel(EVENTS_MAX);
    let recording = blocked.recording.spawn(Recorder::new(None), false, sender);
    let mut states = Vec::new();
    for event in [stream(Some(1), 1), row(1, Some(1), &[1.0]), row(2, Some(2), &[1.0])] {
        recording.send(event).await.unwrap();
        next(&mut events, &mut states).await;
    }
    let start = Instant::now();
    let warning = blocked.recording.finish().unwrap();
    assert_eq!(warning, "2 rows not recorded to a.load: its file system does not answer");
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_file_that_fails_is_reported_and_the_end_does_not_wait_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.load");
    fs::write(&path, "").unwrap();
    // A file that is open for reading only takes no rows, as a full disk does.
    let queue = RecordingQueue::with_file(RecordingFile::device(File::open(&path).unwrap()));
    let recording = FileRecorder { queue, name: "a.load".to_owned() };
    let (sender, mut events) = mpsc::channel(EVENTS_MAX);
    let recorded = recording.spawn(Recorder::new(None), false, sender);
    let mut states = Vec::new();
    recorded.send(stream(Some(1), 1)).await.unwrap();
    while !words(&states).contains("stalled: ") {
        recorded.send(row(1, Some(1), &[1.0])).await.unwrap();
        next(&mut events, &mut states).await;
    }
    assert!(
        words(&states)
            .starts_with("on stalled <recording to a.load stalled: Bad file descriptor; ")
    );
    let start = Instant::now();
    assert!(recording.finish().unwrap().ends_with("not recorded to a.load: Bad file descriptor"));
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    assert_eq!(fs::metadata(&path).unwrap().size(), 0);
}
