//! What is given and cannot be asked: standard input, pipes, recordings.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use loadline_agent::Clock;
use loadline_protocol::{SafeText, Stamp, Time, duration_ms};
use tokio::fs::File;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::{
    Disconnect, LinkOptions, READ_BYTES, ReceiverDropped, ResumeState, StreamReader, send,
};
use crate::event::Event;

/// Bytes of a file taken at once: many rows, and yet little beside what they become.
const CHUNK_BYTES: usize = 256 * 1024;

/// How often it is looked whether a file has grown.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// The distance of rows that have no time, if nothing else is said.
const ROW_INTERVAL: Duration = Duration::from_secs(1);

/// A file with fewer bytes is read before anybody wonders how far it is.
const LARGE_FILE_BYTES: u64 = 16 * 1024 * 1024;

/// What is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LocalInput {
    /// Standard input.
    Stdin,
    /// A recording, if it is a regular file; else what comes out of a pipe or a device.
    Path(PathBuf),
}

impl LocalInput {
    /// Looks whether it can be read at all.
    ///
    /// # Errors
    /// There is no such file, or it may not be read, or it is a folder.
    pub fn check(&self) -> io::Result<()> {
        let LocalInput::Path(path) = self else { return Ok(()) };
        let kind = std::fs::metadata(path)?;
        if kind.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        // To open a pipe is to wait for who writes into it.
        if kind.is_file() { std::fs::File::open(path).map(drop) } else { Ok(()) }
    }

    /// Reads it to its end, and waits until nobody follows any more.
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

/// Why it cannot be read any further.
struct LocalInputError(SafeText);

impl From<io::Error> for LocalInputError {
    fn from(error: io::Error) -> LocalInputError {
        LocalInputError(SafeText::new(&error.to_string()))
    }
}

/// An agent that stops says so also in what is read later; that it refuses is the end.
fn check_refusal(farewell: Option<Disconnect>) -> Result<(), LocalInputError> {
    farewell
        .filter(|farewell| farewell.refused)
        .map_or(Ok(()), |it| Err(LocalInputError(it.reason)))
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

/// Reads what comes, when it comes.
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
                let farewell = reader.feed(&bytes[..count], now, &mut state, &mut batch);
                check_refusal(farewell).err().map(Err)
            }
            Err(error) => Some(Err(error.into())),
        };
        send_all(events, &mut batch).await?;
        if let Some(end) = end {
            return Ok(end);
        }
    }
}

/// A file, and how far it is read.
struct Recording<'a> {
    path: &'a Path,
    file: File,
    position: u64,
    options: &'a LinkOptions,
}

/// How much of a file is read, said once a percent.
struct ReadProgress {
    read: u64,
    /// All that is to be read: until its times are known, the file twice.
    total: u64,
    /// The file once.
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

    /// What was read to know the times is behind us, and the file before us.
    fn restart(&mut self) {
        self.total = self.read.saturating_add(self.file_bytes);
    }

    /// Notes that so many bytes more are read.
    async fn advance(
        &mut self,
        bytes: usize,
        events: &mpsc::Sender<Event>,
    ) -> Result<(), ReceiverDropped> {
        self.read = self.read.saturating_add(bytes as u64);
        if self.file_bytes < LARGE_FILE_BYTES {
            return Ok(());
        }
        // Not yet 100, however much the file grows meanwhile.
        let percent = (self.read.saturating_mul(100) / self.total.max(1)).min(99);
        if percent <= self.reported_percent {
            return Ok(());
        }
        self.reported_percent = percent;
        send(events, Event::ReadProgress(percent as u8)).await
    }

    /// The last word, if there was one.
    fn finish(&mut self) -> Option<Event> {
        (std::mem::replace(&mut self.reported_percent, 100) != 0)
            .then_some(Event::ReadProgress(100))
    }
}

/// What a recording begins with that decides which times its rows get.
#[derive(Default)]
struct Survey {
    /// Rows without a time.
    timeless: u64,
    /// The first time that a row has.
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
                let farewell = reader.feed(&bytes[..count], now, &mut state, &mut batch);
                send_all(events, &mut batch).await?;
                if let Err(broken) = check_refusal(farewell) {
                    return Ok(Err(broken));
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
            // What follows is written now.
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

    /// When the first row was sampled if it does not say so: the last one that does not came just
    /// before the first that does, or when the file was last written.
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

    /// Whether the file that is open is not, or no longer, the one that grows.
    async fn was_replaced(&self) -> bool {
        // While there is none of this name, another one may come.
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

/// Counts the rows up to the first that has a time.
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

    /// What is told of a file of so many bytes that is read twice, and of its end.
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
