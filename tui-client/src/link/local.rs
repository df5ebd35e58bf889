//! Local inputs, which take no requests: standard input, pipes, recordings.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use loadline_agent::Clock;
use loadline_common::without_error_number;
use loadline_protocol::{SafeText, Stamp, Time, duration_ms};
use tokio::fs::File;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::disconnect::Disconnect;
use super::events::{ReceiverDropped, send, send_all};
use super::options::LinkOptions;
use super::reader::{READ_BYTES, StreamReader};
use crate::event::Event;

/// Bytes per read of a file: 256 KiB. Many rows, yet little memory beside the parsed samples.
const CHUNK_BYTES: usize = 256 * 1024;

/// Interval between checks whether a file has grown: 100 ms.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Interval between rows without a timestamp, unless the options set one: 1 s.
const ROW_INTERVAL: Duration = Duration::from_secs(1);

/// Size from which read progress is reported: 16 MiB. Smaller files take no time worth a report.
const LARGE_FILE_BYTES: u64 = 16 * 1024 * 1024;

/// Local input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LocalInput {
    /// Standard input.
    Stdin,
    /// A recording if the path is a regular file, else a pipe or a device.
    Path(PathBuf),
}

impl LocalInput {
    /// Checks that the input can be read.
    ///
    /// # Errors
    /// The path does not exist, is not readable, or is a directory.
    pub fn check(&self) -> io::Result<()> {
        let LocalInput::Path(path) = self else { return Ok(()) };
        let kind = std::fs::metadata(path)?;
        if kind.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        // Opening a pipe blocks until another process opens it for writing.
        if kind.is_file() { std::fs::File::open(path).map(drop) } else { Ok(()) }
    }

    /// Reads the input to its end, then waits until the receiver of `events` is dropped.
    pub(super) async fn run(
        &self,
        options: &LinkOptions,
        clock: &mut Clock,
        events: &mpsc::Sender<Event>,
    ) -> Result<(), ReceiverDropped> {
        send(events, Event::Connecting).await?;
        let (reason, failed) = match self.read(options, clock, events).await {
            Ok(()) => (SafeText::new("end of input"), false),
            Err(InputError::Failed(reason)) => (reason, true),
            Err(InputError::ReceiverDropped) => return Err(ReceiverDropped),
        };
        send(events, Event::Ended { reason, failed }).await?;
        events.closed().await;
        Err(ReceiverDropped)
    }

    async fn read(
        &self,
        options: &LinkOptions,
        clock: &mut Clock,
        events: &mpsc::Sender<Event>,
    ) -> Result<(), InputError> {
        let LocalInput::Path(path) = self else {
            return read_stream(tokio::io::stdin(), options, clock, events).await;
        };
        let file = File::open(path).await?;
        if !is_regular(&file).await {
            return read_stream(file, options, clock, events).await;
        }
        let progress = ReadProgress::new(file_size(&file).await);
        Recording { path, file, position: 0, progress, options, events }.play(clock).await
    }
}

/// Reason why an input cannot be read further.
enum InputError {
    Failed(SafeText),
    ReceiverDropped,
}

impl From<io::Error> for InputError {
    fn from(error: io::Error) -> InputError {
        InputError::Failed(SafeText::new(&without_error_number(&error.to_string())))
    }
}

impl From<ReceiverDropped> for InputError {
    fn from(_: ReceiverDropped) -> InputError {
        InputError::ReceiverDropped
    }
}

/// Returns an error if the agent refused the request. Notes of a stopped agent are no errors.
fn check_refusal(disconnect: Option<Disconnect>) -> Result<(), InputError> {
    let refusal = disconnect.filter(|disconnect| disconnect.refused);
    refusal.map_or(Ok(()), |refusal| Err(InputError::Failed(refusal.reason)))
}

async fn file_size(file: &File) -> u64 {
    file.metadata().await.map_or(0, |metadata| metadata.len())
}

async fn is_regular(file: &File) -> bool {
    file.metadata().await.is_ok_and(|metadata| metadata.is_file())
}

/// Reads standard input, a pipe or a device as its data arrives.
async fn read_stream(
    mut input: impl AsyncRead + Unpin,
    options: &LinkOptions,
    clock: &mut Clock,
    events: &mpsc::Sender<Event>,
) -> Result<(), InputError> {
    send(events, Event::Connected).await?;
    let mut reader = StreamReader::without_request(options.read_options.clone());
    let mut bytes = vec![0; READ_BYTES];
    loop {
        let count = tokio::select! {
            count = input.read(&mut bytes) => count?,
            () = events.closed() => return Err(InputError::ReceiverDropped),
        };
        let disconnect = if count == 0 {
            reader.finish()
        } else {
            let now = clock.now();
            send(events, Event::Received { bytes: count as u64 }).await?;
            reader.feed(&bytes[..count], now)
        };
        send_all(events, reader.drain_events()).await?;
        check_refusal(disconnect)?;
        if count == 0 {
            return Ok(());
        }
    }
}

/// Open recording with its read position.
struct Recording<'a> {
    path: &'a Path,
    file: File,
    position: u64,
    progress: ReadProgress,
    options: &'a LinkOptions,
    events: &'a mpsc::Sender<Event>,
}

/// Read progress of a file, reported once per percent.
struct ReadProgress {
    read: u64,
    /// Bytes to read in all: until the survey ends, twice the file.
    total: u64,
    /// Size of the file.
    file_bytes: u64,
    reported_percent: u64,
}

impl ReadProgress {
    fn new(file_bytes: u64) -> ReadProgress {
        ReadProgress {
            read: 0,
            total: file_bytes.saturating_mul(2),
            file_bytes,
            reported_percent: 0,
        }
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
        (std::mem::replace(&mut self.reported_percent, 100) != 0)
            .then_some(Event::ReadProgress(100))
    }
}

impl Recording<'_> {
    async fn play(&mut self, clock: &mut Clock) -> Result<(), InputError> {
        send(self.events, Event::Replaying).await?;
        let first = self.first_time().await?;
        self.progress.restart();
        let mut reader = self.reader(first);
        let mut bytes = vec![0; CHUNK_BYTES];
        let mut caught_up = false;
        loop {
            let count = self.file.read(&mut bytes).await?;
            self.position += count as u64;
            send_all(self.events, self.progress.advance(count)).await?;
            if count > 0 {
                let disconnect = reader.feed(&bytes[..count], clock.now());
                send_all(self.events, reader.drain_events()).await?;
                check_refusal(disconnect)?;
                continue;
            }
            let mut refused = Ok(());
            if self.options.follow {
                reader.decide_plain();
            } else {
                refused = check_refusal(reader.finish());
            }
            send_all(self.events, reader.drain_events()).await?;
            if !std::mem::replace(&mut caught_up, true) {
                send_all(self.events, self.progress.finish()).await?;
                send(self.events, Event::Live).await?;
            }
            if !self.options.follow {
                return refused;
            }
            // Later rows are being written now.
            reader.go_live();
            tokio::select! {
                () = sleep(POLL_INTERVAL) => {}
                () = self.events.closed() => return Err(InputError::ReceiverDropped),
            }
            if self.was_replaced().await && self.reopen().await {
                reader = self.reader(Time::default());
                reader.go_live();
            }
        }
    }

    fn reader(&self, first: Time) -> StreamReader {
        let options = self.options.read_options.clone();
        StreamReader::for_recording(options, first, self.row_interval())
    }

    fn row_interval(&self) -> Duration {
        self.options.interval.unwrap_or(ROW_INTERVAL)
    }

    /// Returns the time of the first row for a recording that begins without timestamps. The last
    /// such row is one interval before the first timestamp, or at the last write to the file.
    async fn first_time(&mut self) -> Result<Time, InputError> {
        let (timeless_rows, first_timestamp) = self.survey().await?;
        let last = match first_timestamp {
            Some(first) => first - self.row_interval(),
            None => unix_time(self.file.metadata().await?.modified()?),
        };
        let before = i64::try_from(timeless_rows.saturating_sub(1)).unwrap_or(i64::MAX);
        Ok(last.shifted_ms(before.saturating_mul(-duration_ms(self.row_interval()))))
    }

    /// Returns the number of rows up to the first timestamp, and that timestamp.
    async fn survey(&mut self) -> Result<(u64, Option<Time>), InputError> {
        let mut file = File::open(self.path).await?;
        let mut reader = self.reader(Time::default());
        let mut bytes = vec![0; CHUNK_BYTES];
        let (mut timeless_rows, mut stamp) = (0, Stamp::None);
        loop {
            let count = file.read(&mut bytes).await?;
            send_all(self.events, self.progress.advance(count)).await?;
            if count == 0 {
                reader.finish();
            } else {
                let _ = reader.feed(&bytes[..count], Time::default());
            }
            for event in reader.drain_events() {
                match event {
                    Event::Stream(stream) => stamp = stream.schema.stamp(),
                    Event::Rows(rows) if stamp == Stamp::None => timeless_rows += rows.len() as u64,
                    Event::Rows(rows) => {
                        return Ok((timeless_rows, rows.iter().next().map(|row| row.time)));
                    }
                    _ => {}
                }
            }
            if count == 0 {
                return Ok((timeless_rows, None));
            }
        }
    }

    /// Returns whether the path names another file now, or the open file was truncated.
    async fn was_replaced(&self) -> bool {
        // A file that is missing now may be created again.
        let (Ok(there), Ok(here)) =
            (tokio::fs::metadata(self.path).await, self.file.metadata().await)
        else {
            return false;
        };
        (there.dev(), there.ino()) != (here.dev(), here.ino()) || here.len() < self.position
    }

    async fn reopen(&mut self) -> bool {
        let Ok(file) = File::open(self.path).await else { return false };
        (self.file, self.position) = (file, 0);
        true
    }
}

fn unix_time(time: SystemTime) -> Time {
    Time::default() + time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
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
