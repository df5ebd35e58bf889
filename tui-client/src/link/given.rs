//! What is given and cannot be asked: standard input, pipes, recordings.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use loadline_agent::Clock;
use loadline_protocol::{SafeText, Stamp, Time};
use tokio::fs::File;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::{Farewell, Progress, READ_BYTES, Reader, Unfollowed, Wish, send};
use crate::event::Event;

/// Bytes of a file taken at once: many rows, and yet little beside what they become.
const PIECE_BYTES: usize = 256 * 1024;

/// How often it is looked whether a file has grown.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The distance of rows that have no time, if nothing else is said.
const STEP: Duration = Duration::from_secs(1);

/// A file with fewer bytes is read before anybody wonders how far it is.
const LARGE_BYTES: u64 = 16 * 1024 * 1024;

/// What is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Given {
    /// Standard input.
    Stdin,
    /// A recording, if it is a regular file; else what comes out of a pipe or a device.
    Path(PathBuf),
}

impl Given {
    /// Looks whether it can be read at all.
    ///
    /// # Errors
    /// There is no such file, or it may not be read, or it is a folder.
    pub fn check(&self) -> io::Result<()> {
        let Given::Path(path) = self else { return Ok(()) };
        let kind = std::fs::metadata(path)?;
        if kind.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        // To open a pipe is to wait for who writes into it.
        if kind.is_file() { std::fs::File::open(path).map(drop) } else { Ok(()) }
    }

    /// Reads it to its end, and waits until nobody follows any more.
    pub(super) async fn follow(
        &self,
        wish: &Wish,
        clock: &mut Clock,
        events: &mpsc::Sender<Event>,
    ) -> Result<(), Unfollowed> {
        send(events, Event::Connecting).await?;
        let result = match self {
            Given::Stdin => stream(tokio::io::stdin(), wish, clock, events).await?,
            Given::Path(path) => match File::open(path).await {
                Ok(file) if is_regular(&file).await => {
                    let mut recording = Recording { path, file, position: 0, wish };
                    recording.play(clock, events).await?
                }
                Ok(pipe) => stream(pipe, wish, clock, events).await?,
                Err(error) => Err(error.into()),
            },
        };
        let (reason, failed) = match result {
            Ok(()) => (SafeText::new("end of input"), false),
            Err(Broken(reason)) => (reason, true),
        };
        send(events, Event::Ended { reason, failed }).await?;
        events.closed().await;
        Err(Unfollowed)
    }
}

/// Why it cannot be read any further.
struct Broken(SafeText);

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Broken {
        Broken(SafeText::new(&error.to_string()))
    }
}

/// An agent that stops says so also in what is read later; that it refuses is the end.
fn refusal(farewell: Option<Farewell>) -> Result<(), Broken> {
    farewell.filter(|farewell| farewell.refused).map_or(Ok(()), |it| Err(Broken(it.reason)))
}

async fn is_regular(file: &File) -> bool {
    file.metadata().await.is_ok_and(|metadata| metadata.is_file())
}

async fn send_all(events: &mpsc::Sender<Event>, batch: &mut Vec<Event>) -> Result<(), Unfollowed> {
    for event in batch.drain(..) {
        send(events, event).await?;
    }
    Ok(())
}

/// Reads what comes, when it comes.
async fn stream(
    mut input: impl AsyncRead + Unpin,
    wish: &Wish,
    clock: &mut Clock,
    events: &mpsc::Sender<Event>,
) -> Result<Result<(), Broken>, Unfollowed> {
    send(events, Event::Connected).await?;
    let mut reader = Reader::unasked(wish.reading.clone());
    let mut progress = Progress::default();
    let mut bytes = vec![0; READ_BYTES];
    let mut batch = Vec::new();
    loop {
        let count = tokio::select! {
            count = input.read(&mut bytes) => count,
            () = events.closed() => return Err(Unfollowed),
        };
        let end = match count {
            Ok(0) => Some(refusal(reader.end(&mut progress, &mut batch))),
            Ok(count) => {
                batch.push(Event::Received { bytes: count as u64 });
                let now = clock.now();
                let farewell = reader.take(&bytes[..count], now, &mut progress, &mut batch);
                refusal(farewell).err().map(Err)
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
    wish: &'a Wish,
}

/// How much of a file is read, said once a percent.
struct Share {
    read: u64,
    /// All that is to be read: until its times are known, the file twice.
    all: u64,
    /// The file once.
    file: u64,
    told: u64,
}

impl Share {
    fn of(file: u64) -> Share {
        Share { read: 0, all: file.saturating_mul(2), file, told: 0 }
    }

    /// What was read to know the times is behind us, and the file before us.
    fn begin_again(&mut self) {
        self.all = self.read.saturating_add(self.file);
    }

    /// Notes that so many bytes more are read.
    async fn advance(
        &mut self,
        bytes: usize,
        events: &mpsc::Sender<Event>,
    ) -> Result<(), Unfollowed> {
        self.read = self.read.saturating_add(bytes as u64);
        if self.file < LARGE_BYTES {
            return Ok(());
        }
        // Not yet 100, however much the file grows meanwhile.
        let percent = (self.read.saturating_mul(100) / self.all.max(1)).min(99);
        if percent <= self.told {
            return Ok(());
        }
        self.told = percent;
        send(events, Event::Reading(percent as u8)).await
    }

    /// The last word, if there was one.
    fn end(&mut self) -> Option<Event> {
        (std::mem::replace(&mut self.told, 100) != 0).then_some(Event::Reading(100))
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
    ) -> Result<Result<(), Broken>, Unfollowed> {
        let mut share = Share::of(self.file.metadata().await.map_or(0, |it| it.len()));
        send(events, Event::Replaying).await?;
        let first = match self.first_time(&mut share, events).await? {
            Ok(first) => first,
            Err(error) => return Ok(Err(error.into())),
        };
        share.begin_again();
        let mut reader = Reader::recorded(self.wish.reading.clone(), first, self.step());
        let mut progress = Progress::default();
        let mut bytes = vec![0; PIECE_BYTES];
        let mut batch = Vec::new();
        let mut caught_up = false;
        loop {
            let count = match self.file.read(&mut bytes).await {
                Ok(count) => count,
                Err(error) => return Ok(Err(error.into())),
            };
            self.position += count as u64;
            share.advance(count, events).await?;
            if count > 0 {
                let now = clock.now();
                let farewell = reader.take(&bytes[..count], now, &mut progress, &mut batch);
                send_all(events, &mut batch).await?;
                if let Err(broken) = refusal(farewell) {
                    return Ok(Err(broken));
                }
                continue;
            }
            let mut refused = Ok(());
            if self.wish.follow {
                reader.decide_plain(&mut progress, &mut batch);
            } else {
                refused = refusal(reader.end(&mut progress, &mut batch));
            }
            if !std::mem::replace(&mut caught_up, true) {
                batch.extend(share.end());
                batch.push(Event::Live);
            }
            send_all(events, &mut batch).await?;
            if !self.wish.follow {
                return Ok(refused);
            }
            // What follows is written now.
            reader.go_live();
            tokio::select! {
                () = sleep(LOOK_EVERY) => {}
                () = events.closed() => return Err(Unfollowed),
            }
            if self.is_another().await && self.reopen().await {
                progress = Progress::default();
                reader = Reader::recorded(self.wish.reading.clone(), Time::default(), STEP);
                reader.go_live();
            }
        }
    }

    fn step(&self) -> Duration {
        self.wish.interval.unwrap_or(STEP)
    }

    /// When the first row was sampled if it does not say so: the last one that does not came just
    /// before the first that does, or when the file was last written.
    async fn first_time(
        &mut self,
        share: &mut Share,
        events: &mpsc::Sender<Event>,
    ) -> Result<io::Result<Time>, Unfollowed> {
        let survey = match File::open(self.path).await {
            Ok(file) => survey(file, &self.wish.reading, share, events).await?,
            Err(error) => Err(error),
        };
        let written = self.file.metadata().await.and_then(|metadata| metadata.modified());
        Ok(survey.and_then(|survey| {
            let step_ms = i64::try_from(self.step().as_millis()).unwrap_or(i64::MAX);
            let last_ms = match survey.first {
                Some(first) => first.as_millis().saturating_sub(step_ms),
                None => unix_ms(written?),
            };
            let before = i64::try_from(survey.timeless.saturating_sub(1)).unwrap_or(i64::MAX);
            Ok(Time::from_millis(last_ms.saturating_sub(before.saturating_mul(step_ms))))
        }))
    }

    /// Whether the file that is open is not, or no longer, the one that grows.
    async fn is_another(&self) -> bool {
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
async fn survey(
    mut file: File,
    reading: &super::Reading,
    share: &mut Share,
    events: &mpsc::Sender<Event>,
) -> Result<io::Result<Survey>, Unfollowed> {
    let mut reader = Reader::recorded(reading.clone(), Time::default(), Duration::ZERO);
    let mut progress = Progress::default();
    let mut survey = Survey::default();
    let mut bytes = vec![0; PIECE_BYTES];
    let mut batch = Vec::new();
    let mut stamp = Stamp::None;
    loop {
        let count = match file.read(&mut bytes).await {
            Ok(count) => count,
            Err(error) => return Ok(Err(error)),
        };
        share.advance(count, events).await?;
        if count == 0 {
            reader.end(&mut progress, &mut batch);
        } else {
            let _ = reader.take(&bytes[..count], Time::default(), &mut progress, &mut batch);
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
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is told of a file of so many bytes that is read twice, and of its end.
    async fn told(bytes: usize) -> (Vec<Event>, Option<Event>) {
        let (sender, mut events) = mpsc::channel(256);
        let mut share = Share::of(bytes as u64);
        for _ in 0..2 {
            for _ in 0..bytes.div_ceil(PIECE_BYTES) {
                assert!(share.advance(PIECE_BYTES, &sender).await.is_ok());
            }
            share.begin_again();
        }
        let end = share.end();
        drop(sender);
        let mut told = Vec::new();
        while let Some(event) = events.recv().await {
            told.push(event);
        }
        (told, end)
    }

    #[tokio::test]
    async fn a_large_file_is_told_percent_by_percent() {
        let expected: Vec<Event> = (1..100).map(Event::Reading).collect();
        assert_eq!(told(10 * LARGE_BYTES as usize).await, (expected, Some(Event::Reading(100))));
    }

    #[tokio::test]
    async fn a_small_file_is_read_without_a_word() {
        assert_eq!(told(LARGE_BYTES as usize - 1).await, (Vec::new(), None));
    }
}
