//! Local inputs, which take no requests: standard input, pipes, recordings.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use loadline_agent::{Clock, without_error_number};
use loadline_protocol::{SafeText, Stamp, Time, duration_ms};
use tokio::fs::File;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::{
    Disconnect, LinkOptions, READ_BYTES, ReceiverDropped, ResumeState, StreamReader, send,
};
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
        let result = match self {
            LocalInput::Stdin => read_stream(tokio::io::stdin(), options, clock, events).await?,
            LocalInput::Path(path) => match File::open(path).await {
                Ok(file) if is_regular(&file).await => {
                    let mut recording = Recording { path, file, position: 0, options };
                    recording.play(clock, events).await?
                }
                Ok(pipe) => read_stream(pipe, options, clock, events).await?,
                Err(error) => Err(error.into()),
            },
        };
        let (reason, failed) = match result {
            Ok(()) => (SafeText::new("end of input"), false),
            Err(LocalInputError(reason)) => (reason, true),
        };
        send(events, Event::Ended { reason, failed }).await?;
        events.closed().await;
        Err(ReceiverDropped)
    }
}

/// Reason why an input cannot be read further.
struct LocalInputError(SafeText);

impl From<io::Error> for LocalInputError {
    fn from(error: io::Error) -> LocalInputError {
        LocalInputError(SafeText::new(&without_error_number(&error.to_string())))
    }
}

/// Returns an error if the agent refused the request. Notes of a stopped agent are no errors.
fn check_refusal(disconnect: Option<Disconnect>) -> Result<(), LocalInputError> {
    let refusal = disconnect.filter(|disconnect| disconnect.refused);
    refusal.map_or(Ok(()), |refusal| Err(LocalInputError(refusal.reason)))
}

async fn is_regular(file: &File) -> bool {
    file.metadata().await.is_ok_and(|metadata| metadata.is_file())
}

async fn send_all(
    events: &mpsc::Sender<Event>,
    batch: &mut Vec<Event>,
) -> Result<(), ReceiverDropped> {
    for event in batch.drain(..) {
        send(events, event).await?;
    }
    Ok(())
}

/// Reads standard input, a pipe or a device as its data arrives.
async fn read_stream(
    mut input: impl AsyncRead + Unpin,
    options: &LinkOptions,
    clock: &mut Clock,
    events: &mpsc::Sender<Event>,
) -> Result<Result<(), LocalInputError>, ReceiverDropped> {
    send(events, Event::Connected).await?;
    let mut reader = StreamReader::without_request(options.read_options.clone());
    let mut state = ResumeState::default();
    let mut bytes = vec![0; READ_BYTES];
    let mut batch = Vec::new();
    loop {
        let count = tokio::select! {
            count = input.read(&mut bytes) => count,
            () = events.closed() => return Err(ReceiverDropped),
        };
        let end = match count {
            Ok(0) => Some(check_refusal(reader.finish(&mut state, &mut batch))),
            Ok(count) => {
                batch.push(Event::Received { bytes: count as u64 });
                let now = clock.now();
                let disconnect = reader.feed(&bytes[..count], now, &mut state, &mut batch);
                check_refusal(disconnect).err().map(Err)
            }
            Err(error) => Some(Err(error.into())),
        };
        send_all(events, &mut batch).await?;
        if let Some(end) = end {
            return Ok(end);
        }
    }
}

/// Open recording with its read position.
struct Recording<'a> {
    path: &'a Path,
    file: File,
    position: u64,
    options: &'a LinkOptions,
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

    /// Adds read bytes, and reports a new percent.
    async fn advance(
        &mut self,
        bytes: usize,
        events: &mpsc::Sender<Event>,
    ) -> Result<(), ReceiverDropped> {
        self.read = self.read.saturating_add(bytes as u64);
        if self.file_bytes < LARGE_FILE_BYTES {
            return Ok(());
        }
        // At most 99 before the end, even if the file grows meanwhile.
        let percent = (self.read.saturating_mul(100) / self.total.max(1)).min(99);
        if percent <= self.reported_percent {
            return Ok(());
        }
        self.reported_percent = percent;
        send(events, Event::ReadProgress(percent as u8)).await
    }

    /// Returns the final event, 100 %, if any progress was reported.
    fn finish(&mut self) -> Option<Event> {
        (std::mem::replace(&mut self.reported_percent, 100) != 0)
            .then_some(Event::ReadProgress(100))
    }
}

/// Beginning of a recording, which decides the times of rows without a timestamp.
#[derive(Default)]
struct Survey {
    /// Number of rows before the first timestamp.
    timeless: u64,
    /// First timestamp.
    first: Option<Time>,
}

impl Recording<'_> {
    async fn play(
        &mut self,
        clock: &mut Clock,
        events: &mpsc::Sender<Event>,
    ) -> Result<Result<(), LocalInputError>, ReceiverDropped> {
        let mut read_progress =
            ReadProgress::new(self.file.metadata().await.map_or(0, |it| it.len()));
        send(events, Event::Replaying).await?;
        let first = match self.first_time(&mut read_progress, events).await? {
            Ok(first) => first,
            Err(error) => return Ok(Err(error.into())),
        };
        read_progress.restart();
        let mut reader = StreamReader::for_recording(
            self.options.read_options.clone(),
            first,
            self.row_interval(),
        );
        let mut state = ResumeState::default();
        let mut bytes = vec![0; CHUNK_BYTES];
        let mut batch = Vec::new();
        let mut caught_up = false;
        loop {
            let count = match self.file.read(&mut bytes).await {
                Ok(count) => count,
                Err(error) => return Ok(Err(error.into())),
            };
            self.position += count as u64;
            read_progress.advance(count, events).await?;
            if count > 0 {
                let now = clock.now();
                let disconnect = reader.feed(&bytes[..count], now, &mut state, &mut batch);
                send_all(events, &mut batch).await?;
                if let Err(refusal) = check_refusal(disconnect) {
                    return Ok(Err(refusal));
                }
                continue;
            }
            let mut refused = Ok(());
            if self.options.follow {
                reader.decide_plain(&mut state, &mut batch);
            } else {
                refused = check_refusal(reader.finish(&mut state, &mut batch));
            }
            if !std::mem::replace(&mut caught_up, true) {
                batch.extend(read_progress.finish());
                batch.push(Event::Live);
            }
            send_all(events, &mut batch).await?;
            if !self.options.follow {
                return Ok(refused);
            }
            // Later rows are being written now.
            reader.go_live();
            tokio::select! {
                () = sleep(POLL_INTERVAL) => {}
                () = events.closed() => return Err(ReceiverDropped),
            }
            if self.was_replaced().await && self.reopen().await {
                state = ResumeState::default();
                reader = StreamReader::for_recording(
                    self.options.read_options.clone(),
                    Time::default(),
                    ROW_INTERVAL,
                );
                reader.go_live();
            }
        }
    }

    fn row_interval(&self) -> Duration {
        self.options.interval.unwrap_or(ROW_INTERVAL)
    }

    /// Returns the time of the first row for a recording that begins without timestamps. The last
    /// such row is one interval before the first timestamp, or at the last write to the file.
    async fn first_time(
        &mut self,
        read_progress: &mut ReadProgress,
        events: &mpsc::Sender<Event>,
    ) -> Result<io::Result<Time>, ReceiverDropped> {
        let survey = match File::open(self.path).await {
            Ok(file) => {
                survey_rows(file, &self.options.read_options, read_progress, events).await?
            }
            Err(error) => Err(error),
        };
        let written = self.file.metadata().await.and_then(|metadata| metadata.modified());
        Ok(survey.and_then(|survey| {
            let step_ms = duration_ms(self.row_interval());
            let last_ms = match survey.first {
                Some(first) => first.as_millis().saturating_sub(step_ms),
                None => unix_ms(written?),
            };
            let before = i64::try_from(survey.timeless.saturating_sub(1)).unwrap_or(i64::MAX);
            Ok(Time::from_millis(last_ms.saturating_sub(before.saturating_mul(step_ms))))
        }))
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

/// Counts the rows up to the first timestamp.
async fn survey_rows(
    mut file: File,
    options: &super::ReadOptions,
    read_progress: &mut ReadProgress,
    events: &mpsc::Sender<Event>,
) -> Result<io::Result<Survey>, ReceiverDropped> {
    let mut reader = StreamReader::for_recording(options.clone(), Time::default(), Duration::ZERO);
    let mut state = ResumeState::default();
    let mut survey = Survey::default();
    let mut bytes = vec![0; CHUNK_BYTES];
    let mut batch = Vec::new();
    let mut stamp = Stamp::None;
    loop {
        let count = match file.read(&mut bytes).await {
            Ok(count) => count,
            Err(error) => return Ok(Err(error)),
        };
        read_progress.advance(count, events).await?;
        if count == 0 {
            reader.finish(&mut state, &mut batch);
        } else {
            let _ = reader.feed(&bytes[..count], Time::default(), &mut state, &mut batch);
        }
        for event in batch.drain(..) {
            match event {
                Event::Stream(stream) => stamp = stream.schema.stamp(),
                Event::Rows(rows) if stamp == Stamp::None => survey.timeless += rows.len() as u64,
                Event::Rows(rows) => {
                    survey.first = rows.iter().next().map(|row| row.time);
                    return Ok(Ok(survey));
                }
                _ => {}
            }
        }
        if count == 0 {
            return Ok(Ok(survey));
        }
    }
}

fn unix_ms(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    duration_ms(since)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the progress events of a file that is read twice, and the final event.
    async fn progress_events(bytes: usize) -> (Vec<Event>, Option<Event>) {
        let (sender, mut events) = mpsc::channel(256);
        let mut read_progress = ReadProgress::new(bytes as u64);
        for _ in 0..2 {
            for _ in 0..bytes.div_ceil(CHUNK_BYTES) {
                assert!(read_progress.advance(CHUNK_BYTES, &sender).await.is_ok());
            }
            read_progress.restart();
        }
        let end = read_progress.finish();
        drop(sender);
        let mut reported = Vec::new();
        while let Some(event) = events.recv().await {
            reported.push(event);
        }
        (reported, end)
    }

    #[tokio::test]
    async fn a_large_file_reports_each_percent() {
        let expected: Vec<Event> = (1..100).map(Event::ReadProgress).collect();
        assert_eq!(
            progress_events(10 * LARGE_FILE_BYTES as usize).await,
            (expected, Some(Event::ReadProgress(100)))
        );
    }

    #[tokio::test]
    async fn a_small_file_reports_no_progress() {
        assert_eq!(progress_events(LARGE_FILE_BYTES as usize - 1).await, (Vec::new(), None));
    }
}
