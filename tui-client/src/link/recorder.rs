//! Recordings: each row as a line of the format, below a header.
//!
//! A recording is a subscribed stream, so the same parser reads both. Each start appends a header.
//! Rows without a timestamp get the time of receipt.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use loadline_common::without_error_number;
use loadline_protocol::{
    Header, LINE_MAX, Note, RunId, SafeText, Schema, Seq, Stamp, Time, VERSION,
};
use tokio::sync::mpsc;

use super::events::send;
use super::write;
use crate::event::{Event, RecordingState, Rows, Sample};

/// Capacity of the channel to the recorder; [`EVENTS_MAX`](super::events::EVENTS_MAX) more wait before it.
const QUEUED_EVENTS_MAX: usize = 8;

/// Encoder of events as lines of a recording.
#[derive(Debug, Default)]
pub struct Recorder {
    /// Header and columns; `None` if their lines exceed [`LINE_MAX`].
    stream: Option<(Header, Schema)>,
    last: Option<LastRow>,
    rows: u64,
    rows_max: Option<u64>,
    /// Number of rows left out because the row or its header exceeds [`LINE_MAX`].
    pub too_long: u64,
}

/// Last recorded row.
#[derive(Debug, Clone, Copy)]
struct LastRow {
    run: Option<RunId>,
    time: Time,
    seq: Option<Seq>,
    /// True if another header was written after the row.
    is_before_header: bool,
}

impl Recorder {
    /// Creates a recorder of at most `rows_max` rows.
    pub fn new(rows_max: Option<u64>) -> Recorder {
        Recorder { rows_max, ..Recorder::default() }
    }

    /// Appends the lines of an event to `out`.
    pub fn record(&mut self, event: &Event, out: &mut String) {
        match event {
            Event::Stream(stream) => {
                // Rows without a sequence number get none.
                let stamp = match stream.schema.stamp() {
                    Stamp::None | Stamp::Time => Stamp::Time,
                    Stamp::TimeSeq => Stamp::TimeSeq,
                };
                let mut header = stream.header.clone().unwrap_or_else(minimal_header);
                // Times of receipt need not rise within a run.
                header.run = header.run.filter(|_| stream.schema.stamp() != Stamp::None);
                self.stream = Some((header, stream.schema.clone().with_stamp(stamp)));
                self.write_header(out);
            }
            Event::Rows(rows) => self.record_rows(rows, out),
            Event::Skipped { count } if self.last.is_some_and(|last| !last.is_before_header) => {
                let last = self.last.and_then(|last| last.seq).unwrap_or_default();
                let to = last.plus(*count);
                let skipped = Note::Skipped { from: last.next().min(to), to };
                let _ = writeln!(out, "{skipped}");
            }
            _ => {}
        }
    }

    /// Writes the header for the rows that follow.
    fn write_header(&mut self, out: &mut String) {
        let Some((header, schema)) = &self.stream else { return };
        let header = Note::Header(header.clone()).to_string();
        let columns = Note::Columns(schema.clone()).to_string();
        if let Some(last) = &mut self.last {
            last.is_before_header = true;
        }
        if header.len().max(columns.len()) > LINE_MAX {
            self.stream = None;
            return;
        }
        // Writing to a String does not fail.
        let _ = writeln!(out, "{header}\n{columns}");
    }

    fn run_id(&self) -> Option<RunId> {
        self.stream.as_ref().and_then(|(header, _)| header.run)
    }

    /// Returns whether readers would drop `sample` as a duplicate: below a header and within a run,
    /// times and sequence numbers rise. Causes: our clock was set back, or a run was sent twice.
    fn is_repeated(&self, last: LastRow, sample: Sample<'_>) -> bool {
        let run = self.run_id();
        let is_of_run = run.is_some() && run == last.run;
        let is_numbered =
            is_of_run && sample.seq.zip(last.seq).is_some_and(|(now, last)| now <= last);
        (is_of_run || !last.is_before_header) && (sample.time <= last.time || is_numbered)
    }

    fn record_rows(&mut self, rows: &Rows, out: &mut String) {
        for sample in rows.iter() {
            if self.rows_max.is_some_and(|most| self.rows >= most) {
                return;
            }
            if self.last.is_some_and(|last| self.is_repeated(last, sample)) {
                // After a header without a run, readers drop no rows as duplicates.
                let _ = writeln!(out, "{}", Note::Header(minimal_header()));
                self.write_header(out);
            }
            let Some((_, schema)) = &self.stream else {
                self.too_long += 1;
                continue;
            };
            let (start, values) = (out.len(), sample.values.iter().copied());
            schema.write_row(out, Some(sample.time), sample.seq, values);
            if out.len() - start > LINE_MAX {
                out.truncate(start);
                self.too_long += 1;
                continue;
            }
            out.push('\n');
            let run = self.run_id();
            self.last =
                Some(LastRow { run, time: sample.time, seq: sample.seq, is_before_header: false });
            self.rows += 1;
        }
    }
}

/// Returns the header for a source that sends none.
fn minimal_header() -> Header {
    Header { version: VERSION, ..Header::default() }
}

/// Opens a recording for appending. Ends an incomplete last line first.
///
/// # Errors
/// The file cannot be created or written.
pub fn open(path: &Path) -> io::Result<File> {
    let mut file = OpenOptions::new().append(true).create(true).open(path)?;
    if file.metadata()?.is_file() && last_byte(path).is_ok_and(|last| last != b'\n') {
        file.write_all(b"\n")?;
    }
    Ok(file)
}

fn last_byte(path: &Path) -> io::Result<u8> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last[0])
}

/// Returns a sender that records each event in `file`, then forwards the event to `events`, so that
/// all displayed rows are recorded. After a write error, sends one warning and only forwards.
pub fn spawn_recorder(
    file: File,
    name: String,
    mut recorder: Recorder,
    events: mpsc::Sender<Event>,
) -> mpsc::Sender<Event> {
    let (sender, mut queued) = mpsc::channel(QUEUED_EVENTS_MAX);
    tokio::spawn(async move {
        let mut file = Some(tokio::fs::File::from_std(file));
        let (mut text, mut is_reported) = (String::new(), false);
        let warning = |message: String| Event::Warning(SafeText::new(&message));
        send(&events, Event::Recording(RecordingState::On)).await;
        loop {
            let event = tokio::select! {
                event = queued.recv() => event,
                // The link ends, too.
                () = events.closed() => None,
            };
            let Some(event) = event else { return };
            if let Some(open) = &mut file {
                recorder.record(&event, &mut text);
                if let Err(error) = write(open, &text).await {
                    file = None;
                    send(&events, Event::Recording(RecordingState::Stopped)).await;
                    let error = without_error_number(&error.to_string());
                    send(&events, warning(format!("recording to {name} stopped: {error}"))).await;
                }
                text.clear();
                if recorder.too_long > 0 && !std::mem::replace(&mut is_reported, true) {
                    let message = format!("rows over {LINE_MAX} bytes are not recorded in {name}");
                    send(&events, warning(message)).await;
                }
            }
            send(&events, event).await;
        }
    });
    sender
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::event::StreamInfo;

    /// Value with the longest text.
    const WIDE: f64 = -1.234_567_890_123_456_7e-300;

    #[tokio::test]
    async fn a_recording_says_that_it_is_on_and_that_it_stopped() {
        // A read-only file takes no rows, as a full disk does.
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("full.load");
        std::fs::write(&path, "").unwrap();
        let (sender, mut events) = mpsc::channel(64);
        let file = File::open(&path).unwrap();
        let recording = spawn_recorder(file, "full.load".into(), Recorder::new(None), sender);
        assert_eq!(events.recv().await, Some(Event::Recording(RecordingState::On)));
        let stream = Event::Stream(Arc::new(StreamInfo { header: None, schema: Schema::plain(1) }));
        recording.send(stream.clone()).await.unwrap();
        assert_eq!(events.recv().await, Some(Event::Recording(RecordingState::Stopped)));
        assert!(matches!(events.recv().await, Some(Event::Warning(_))));
        assert_eq!(events.recv().await, Some(stream));
    }

    #[tokio::test]
    async fn a_row_too_long_for_a_line_is_skipped_and_reported_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("wide.load");
        let (sender, mut events) = mpsc::channel(64);
        let recording =
            spawn_recorder(open(&path).unwrap(), "wide.load".into(), Recorder::new(None), sender);
        let stream = StreamInfo { header: None, schema: Schema::plain(1000) };
        recording.send(Event::Stream(Arc::new(stream))).await.unwrap();
        for (second, value) in [(1, WIDE), (2, WIDE), (3, 1.0)] {
            let time = Time::from_millis(1000 * second);
            let sample =
                Sample { time, seq: None, received: time, values: &[value; 1000], line: None };
            recording.send(Event::Rows(Rows::one(sample))).await.unwrap();
        }
        drop(recording);
        let mut reported = 0;
        let mut passed = 0;
        while let Some(event) = events.recv().await {
            match event {
                Event::Warning(_) => reported += 1,
                Event::Recording(state) => assert_eq!(state, RecordingState::On),
                _ => passed += 1,
            }
        }
        assert_eq!((reported, passed), (1, 4), "all events are forwarded");
        let text = std::fs::read_to_string(&path).unwrap();
        let rows: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(rows.len(), 1);
        assert!(rows[0].starts_with("3.000 1.00 "), "{text}");
    }
}
