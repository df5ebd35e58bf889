//! Local inputs, which take no requests: standard input, pipes, recordings.

use std::io::{self, SeekFrom};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use loadline_agent::Clock;
use loadline_common::without_error_number;
use loadline_protocol::{SafeText, Stamp, Time, duration_ms, sanitize};
use tokio::fs::File;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncSeekExt as _};
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::disconnect::Disconnect;
use super::events::{send, send_all};
use super::options::LinkOptions;
use super::reader::{READ_BYTES, StreamReader};
use crate::event::Event;
use crate::import::Refusal;
use crate::source::host_hint;

/// Bytes per read of a file: 256 KiB. Many rows, yet little memory beside the parsed samples.
const CHUNK_BYTES: usize = 256 * 1024;

/// Interval between checks whether a file has grown: 100 ms.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Interval between rows without a timestamp, unless the options set one: 1 s.
const ROW_INTERVAL: Duration = Duration::from_secs(1);

/// Size from which read progress is reported: 16 MiB. Smaller files take no time worth a report.
const LARGE_FILE_BYTES: u64 = 16 * 1024 * 1024;

pub(super) enum LocalInput {
    Stdin,
    /// A recording if the path is a regular file, else a pipe or a device.
    Path(PathBuf),
}

impl LocalInput {
    /// Checks that the input can be read.
    pub(super) fn check(&self) -> io::Result<()> {
        let LocalInput::Path(path) = self else { return Ok(()) };
        let kind = std::fs::metadata(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
                io::Error::other(format!("no such file; {}", host_hint(path)))
            }
            _ => with_hint(error),
        })?;
        if kind.is_dir() {
            return Err(io::Error::other("is a directory; give a file in it"));
        }
        if kind.file_type().is_socket() {
            let path = sanitize(&path.to_string_lossy()).into_owned();
            return Err(io::Error::other(format!("is a Unix socket; write unix:{path}")));
        }
        // Opening a pipe blocks until another process opens it for writing.
        if kind.is_file() { std::fs::File::open(path).map(drop).map_err(with_hint) } else { Ok(()) }
    }

    /// Reads the input to its end, then waits until the receiver of `events` is dropped.
    pub(super) async fn run(
        &self,
        options: &LinkOptions,
        clock: &mut Clock,
        events: &mpsc::Sender<Event>,
    ) {
        send(events, Event::Connecting).await;
        let (reason, failed) = match self.read(options, clock, events).await {
            Ok(()) => ("end of input".to_owned(), false),
            Err(error) => (without_error_number(&error.to_string()), true),
        };
        send(events, Event::Ended { reason: SafeText::new(&reason), failed }).await;
        events.closed().await;
    }

    async fn read(
        &self,
        options: &LinkOptions,
        clock: &mut Clock,
        events: &mpsc::Sender<Event>,
    ) -> io::Result<()> {
        let LocalInput::Path(path) = self else {
            return read_stream(tokio::io::stdin(), options, clock, events).await;
        };
        let file = File::open(path).await?;
        let metadata = file.metadata().await?;
        if !metadata.is_file() {
            return read_stream(file, options, clock, events).await;
        }
        let progress = ReadProgress::new(metadata.len());
        let bytes = vec![0; CHUNK_BYTES];
        let written = Time::default();
        let (position, is_misnamed) = (0, false);
        Recording {
            path,
            file,
            written,
            position,
            is_misnamed,
            bytes,
            progress,
            options,
            clock,
            events,
        }
        .play()
        .await
    }
}

/// Adds the way out to the error of a file that must not be read.
fn with_hint(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            io::Error::other("permission denied; run loadline as a user who can read it")
        }
        _ => error,
    }
}

/// Returns an error if an input that has ended has no row.
fn check_rows(reader: &StreamReader) -> io::Result<()> {
    if reader.has_rows() { Ok(()) } else { Err(io::Error::other(Refusal::no_rows().to_string())) }
}

/// Returns an error if the agent refused the request. Notes of a stopped agent are no errors.
fn check_refusal(disconnect: Option<Disconnect>) -> io::Result<()> {
    let refusal = disconnect.filter(|disconnect| disconnect.refused);
    refusal.map_or(Ok(()), |refusal| Err(io::Error::other(refusal.reason.as_str())))
}

/// Reads standard input, a pipe or a device as its data arrives.
async fn read_stream(
    mut input: impl AsyncRead + Unpin,
    options: &LinkOptions,
    clock: &mut Clock,
    events: &mpsc::Sender<Event>,
) -> io::Result<()> {
    send(events, Event::Connected).await;
    let mut reader = StreamReader::without_request(options.read_options.clone());
    let mut bytes = vec![0; READ_BYTES];
    loop {
        let count = input.read(&mut bytes).await?;
        if count == 0 {
            break;
        }
        let now = clock.now();
        send(events, Event::Received { bytes: count as u64 }).await;
        let disconnect = reader.feed(&bytes[..count], now);
        send_all(events, reader.drain_events()).await;
        check_refusal(disconnect)?;
    }
    let refused = check_refusal(reader.finish());
    send_all(events, reader.drain_events()).await;
    refused.and_then(|()| check_rows(&reader))
}

/// Read progress of a file, reported once per percent.
struct ReadProgress {
    read: u64,
    /// Bytes to read in all: until the survey ends, twice the file.
    total: u64,
    file_bytes: u64,
    reported_percent: u64,
}

impl ReadProgress {
    fn new(file_bytes: u64) -> ReadProgress {
        let total = file_bytes.saturating_mul(2);
        ReadProgress { read: 0, total, file_bytes, reported_percent: 0 }
    }

    /// Ends the survey: the file is still to be read from its beginning.
    fn restart(&mut self) {
        self.total = self.read.saturating_add(self.file_bytes);
    }

    /// Adds read bytes. Returns the event of a new percent.
    fn advance(&mut self, bytes: usize) -> Option<Event> {
        self.read = self.read.saturating_add(bytes as u64);
        if self.file_bytes < LARGE_FILE_BYTES {
            return None;
        }
        // At most 99 before the end, even if the file grows meanwhile.
        let percent = (self.read.saturating_mul(100) / self.total.max(1)).min(99);
        if percent <= self.reported_percent {
            return None;
        }
        self.reported_percent = percent;
        Some(Event::ReadProgress(percent as u8))
    }

    /// Returns the final event, 100 %, if any progress was reported.
    fn finish(&mut self) -> Option<Event> {
        let before = std::mem::replace(&mut self.reported_percent, 100);
        (before > 0).then_some(Event::ReadProgress(100))
    }
}

/// Open recording with its read position.
struct Recording<'a> {
    path: &'a Path,
    file: File,
    /// Modification time.
    written: Time,
    position: u64,
    /// True if a row of six numbers cannot be that of the standard columns.
    is_misnamed: bool,
    bytes: Vec<u8>,
    progress: ReadProgress,
    options: &'a LinkOptions,
    clock: &'a mut Clock,
    events: &'a mpsc::Sender<Event>,
}

impl Recording<'_> {
    async fn play(&mut self) -> io::Result<()> {
        send(self.events, Event::Replaying).await;
        let written = self.file.metadata().await?.modified()?;
        self.written = Time::default() + written.duration_since(UNIX_EPOCH).unwrap_or_default();
        let first = self.first_time().await?;
        self.progress.restart();
        let mut reader = self.reader(first);
        self.read_rest(&mut reader).await?;
        let refused = if self.options.follow {
            reader.decide_plain();
            Ok(())
        } else {
            check_refusal(reader.finish()).and_then(|()| check_rows(&reader))
        };
        send_all(self.events, reader.drain_events()).await;
        send_all(self.events, self.progress.finish()).await;
        send(self.events, Event::Live).await;
        if self.options.follow { self.follow(reader).await } else { refused }
    }

    /// Reads the rows that are being written now, until reading fails.
    async fn follow(&mut self, mut reader: StreamReader) -> io::Result<()> {
        loop {
            self.rewind_incomplete_line(&mut reader).await?;
            reader.go_live();
            sleep(POLL_INTERVAL).await;
            if self.reopen_if_replaced().await {
                reader = self.reader(Time::default());
                reader.go_live();
            }
            self.read_rest(&mut reader).await?;
            reader.decide_plain();
            send_all(self.events, reader.drain_events()).await;
        }
    }

    /// Goes back to the beginning of an incomplete last line: a recorder may cut the line off, and
    /// write another one there.
    async fn rewind_incomplete_line(&mut self, reader: &mut StreamReader) -> io::Result<()> {
        let bytes = reader.discard_incomplete_line() as u64;
        if bytes > 0 {
            self.position -= bytes;
            self.file.seek(SeekFrom::Start(self.position)).await?;
        }
        Ok(())
    }

    /// Reads up to the current end of the file.
    async fn read_rest(&mut self, reader: &mut StreamReader) -> io::Result<()> {
        loop {
            let count = self.file.read(&mut self.bytes).await?;
            self.position += count as u64;
            send_all(self.events, self.progress.advance(count)).await;
            if count == 0 {
                return Ok(());
            }
            let disconnect = reader.feed(&self.bytes[..count], self.clock.now());
            send_all(self.events, reader.drain_events()).await;
            check_refusal(disconnect)?;
        }
    }

    fn reader(&self, first: Time) -> StreamReader {
        let mut options = self.options.read_options.clone();
        options.import.written = Some(self.written);
        let reader = StreamReader::for_recording(options, first, self.row_interval());
        let reader = if self.is_misnamed { reader.misnamed() } else { reader };
        if self.options.follow { reader.growing() } else { reader }
    }

    fn row_interval(&self) -> Duration {
        self.options.interval.unwrap_or(ROW_INTERVAL)
    }

    /// Returns the time of the first row for a recording that begins without timestamps. The last
    /// such row is one interval before the first timestamp, or at the last write to the file.
    async fn first_time(&mut self) -> io::Result<Time> {
        let (timeless_rows, first_timestamp) = self.survey().await?;
        let last = if let Some(first) = first_timestamp {
            first - self.row_interval()
        } else {
            self.written
        };
        let before = i64::try_from(timeless_rows.saturating_sub(1)).unwrap_or(i64::MAX);
        Ok(last.shifted_ms(before.saturating_mul(-duration_ms(self.row_interval()))))
    }

    /// Returns the number of rows up to the first timestamp, and that timestamp.
    async fn survey(&mut self) -> io::Result<(u64, Option<Time>)> {
        let mut file = File::open(self.path).await?;
        // The first part of a table shows whether its rows have times.
        let mut reader = self.reader(Time::default()).growing();
        let (mut timeless_rows, mut stamp) = (0, Stamp::None);
        loop {
            let count = file.read(&mut self.bytes).await?;
            send_all(self.events, self.progress.advance(count)).await;
            let end = if count == 0 {
                reader.finish()
            } else {
                reader.feed(&self.bytes[..count], Time::default())
            };
            for event in reader.drain_events() {
                match event {
                    Event::Stream(stream) => stamp = stream.schema.stamp(),
                    Event::Misnamed => self.is_misnamed = true,
                    Event::Rows(rows) if stamp == Stamp::None => timeless_rows += rows.len() as u64,
                    Event::Rows(rows) => {
                        return Ok((timeless_rows, rows.iter().next().map(|row| row.time)));
                    }
                    _ => {}
                }
            }
            if count == 0 || end.is_some_and(|end| end.refused) {
                return Ok((timeless_rows, None));
            }
        }
    }

    /// Opens the file again if the path names another file now, or the open file was truncated.
    async fn reopen_if_replaced(&mut self) -> bool {
        // A file that is missing now may be created again.
        let Ok(there) = tokio::fs::metadata(self.path).await else { return false };
        let Ok(here) = self.file.metadata().await else { return false };
        let is_same = (there.dev(), there.ino()) == (here.dev(), here.ino());
        if is_same && here.len() >= self.position {
            return false;
        }
        let Ok(file) = File::open(self.path).await else { return false };
        (self.file, self.position) = (file, 0);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the progress events of a file that is read twice, and the final event.
    fn progress_events(bytes: usize) -> (Vec<Event>, Option<Event>) {
        let mut progress = ReadProgress::new(bytes as u64);
        let mut reported = Vec::new();
        for _ in 0..2 {
            let chunks = 0..bytes.div_ceil(CHUNK_BYTES);
            reported.extend(chunks.filter_map(|_| progress.advance(CHUNK_BYTES)));
            progress.restart();
        }
        (reported, progress.finish())
    }

    #[test]
    fn a_large_file_reports_each_percent() {
        let expected: Vec<Event> = (1..100).map(Event::ReadProgress).collect();
        assert_eq!(
            progress_events(10 * LARGE_FILE_BYTES as usize),
            (expected, Some(Event::ReadProgress(100)))
        );
    }

    #[test]
    fn a_small_file_reports_no_progress() {
        assert_eq!(progress_events(LARGE_FILE_BYTES as usize - 1), (Vec::new(), None));
    }
}
