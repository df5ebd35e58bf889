//! Writer of a recording, in a thread of its own behind a bounded queue. A disk that takes no data
//! blocks only this thread: samples are still received and displayed.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use loadline_common::without_error_number;
use tokio::sync::{Notify, oneshot};
use tokio::time::timeout;

use super::recording_file::RecordingFile;

/// Bytes that wait for the disk: 8 MiB, for example 55,000 rows of 150 bytes: 15 hours at one row per
/// second. One event more may exceed it.
const QUEUE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Bytes of one write: 64 KiB. Longer than each line, and short enough to see whether the disk still takes data.
const WRITE_BYTES_MAX: usize = 64 * 1024;

/// Time without progress from which a recording is stalled: 3 s, as for stale rows.
pub(super) const STALL_AFTER: Duration = Duration::from_secs(3);

/// Pause between two attempts to write to a failing disk: 1 s.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// Timeout for opening a file: 5 s. Its file system may not answer.
const OPEN_TIMEOUT: Duration = Duration::from_secs(5);

/// Timeout for writing the rest when the program ends: 900 ms. A signal ends the program soon after.
const FINISH_TIMEOUT: Duration = Duration::from_millis(900);

/// Maximum number of messages that wait for the display.
const NOTICES_MAX: usize = 16;

/// Lines on their way to the file. Shared with the thread that writes.
#[derive(Debug)]
pub(super) struct RecordingQueue {
    state: Mutex<QueueState>,
    /// Wakes the writer: lines were added, or the queue was closed.
    added: Condvar,
    /// Wakes [`RecordingQueue::finish`].
    ended: Condvar,
    /// Wakes the task that adds lines: there is room, or a message.
    pub(super) changed: Notify,
}

#[derive(Debug)]
struct QueueState {
    lines: Vec<u8>,
    /// Bytes and rows that the file has not taken, those of the current write included.
    unwritten_bytes: usize,
    unwritten_rows: u64,
    /// Rows that were left out since the last line: too many waited.
    lost_rows: u64,
    /// Time of the last progress, and of adding to an empty queue.
    progress_at: Instant,
    /// Error of the last write; `None` if it succeeded.
    failure: Option<String>,
    notices: Vec<String>,
    is_closed: bool,
    has_ended: bool,
}

/// State of the file, for display.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct QueueStatus {
    /// Time since the file last took data; `None` while nothing waits.
    pub(super) waiting: Option<Duration>,
    /// Error of the last write.
    pub(super) failure: Option<String>,
}

impl QueueStatus {
    /// Returns whether the file takes no data: each write fails, or one does not end.
    pub(super) fn is_stalled(&self) -> bool {
        self.failure.is_some() || self.waiting.is_some_and(|waiting| waiting >= STALL_AFTER)
    }
}

impl RecordingQueue {
    fn new() -> RecordingQueue {
        let state = QueueState {
            lines: Vec::new(),
            unwritten_bytes: 0,
            unwritten_rows: 0,
            lost_rows: 0,
            progress_at: Instant::now(),
            failure: None,
            notices: Vec::new(),
            is_closed: false,
            has_ended: false,
        };
        RecordingQueue {
            state: Mutex::new(state),
            added: Condvar::new(),
            ended: Condvar::new(),
            changed: Notify::new(),
        }
    }

    /// Opens a file, and starts the thread that writes what is queued. Both may block, so both happen in
    /// that thread.
    ///
    /// # Errors
    /// The file cannot be opened within [`OPEN_TIMEOUT`].
    pub(super) async fn open(
        path: PathBuf,
        source: Option<PathBuf>,
    ) -> io::Result<Arc<RecordingQueue>> {
        let queue = Arc::new(RecordingQueue::new());
        let (sender, opened) = oneshot::channel();
        let of_thread = queue.clone();
        let write = move || {
            let (file, result) = match RecordingFile::open(&path, source.as_deref()) {
                Ok(file) => (Some(file), Ok(())),
                Err(error) => (None, Err(error)),
            };
            // The receiver is gone if the file system answered too late.
            if sender.send(result).is_ok()
                && let Some(file) = file
            {
                of_thread.write_to(file);
            }
        };
        std::thread::Builder::new().name("recorder".to_owned()).spawn(write)?;
        match timeout(OPEN_TIMEOUT, opened).await {
            Ok(Ok(opened)) => opened.map(|()| queue),
            Ok(Err(_)) => Err(io::ErrorKind::BrokenPipe.into()),
            Err(_) => {
                Err(io::Error::other("its file system does not answer; give --record another file"))
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, QueueState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds whole lines, and leaves `lines` empty.
    pub(super) fn push(&self, lines: &mut String) {
        if lines.is_empty() {
            return;
        }
        let mut state = self.lock();
        state.lost_rows = 0;
        if state.unwritten_bytes == 0 {
            state.progress_at = Instant::now();
        }
        state.unwritten_bytes += lines.len();
        state.unwritten_rows += count_rows(lines.as_bytes());
        state.lines.extend_from_slice(lines.as_bytes());
        lines.clear();
        self.added.notify_one();
    }

    /// Returns whether no more lines should be added.
    pub(super) fn is_full(&self) -> bool {
        self.lock().unwritten_bytes >= QUEUE_BYTES_MAX
    }

    /// Notes the number of rows that were left out since the last line.
    pub(super) fn set_lost_rows(&self, count: u64) {
        self.lock().lost_rows = count;
    }

    pub(super) fn status(&self) -> QueueStatus {
        let state = self.lock();
        let waiting = (state.unwritten_bytes > 0).then(|| state.progress_at.elapsed());
        QueueStatus { waiting, failure: state.failure.clone() }
    }

    pub(super) fn take_notices(&self) -> Vec<String> {
        std::mem::take(&mut self.lock().notices)
    }

    /// Ends the recording. Waits a limited time until the rest is written. Returns the number of rows that
    /// are not written, and the reason.
    pub(super) fn finish(&self) -> Option<(u64, String)> {
        let mut state = self.lock();
        state.is_closed = true;
        self.added.notify_one();
        let waited = self.ended.wait_timeout_while(state, FINISH_TIMEOUT, |state| !state.has_ended);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let rows = state.unwritten_rows + state.lost_rows;
        let reason = match &state.failure {
            Some(failure) => failure.clone(),
            // All rows are with the system, which may still be writing them.
            None if rows == 0 => return None,
            None => "its file system does not answer".to_owned(),
        };
        Some((rows, reason))
    }

    /// Writes what is queued until the queue is closed.
    fn write_to(&self, mut file: RecordingFile) {
        self.add_notices(&mut file);
        while let Some(lines) = self.take() {
            if !self.write_lines(&mut file, &lines) {
                break;
            }
        }
        let synced = file.sync().err();
        let mut state = self.lock();
        if let Some(error) = synced {
            state.failure.get_or_insert_with(|| failure_text(&error));
        }
        state.has_ended = true;
        self.ended.notify_all();
    }

    /// Waits for lines, and returns them. `None` at the end.
    fn take(&self) -> Option<Vec<u8>> {
        let state = self.lock();
        let is_idle = |state: &mut QueueState| state.lines.is_empty() && !state.is_closed;
        let waited = self.added.wait_while(state, is_idle);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        (!state.lines.is_empty()).then(|| std::mem::take(&mut state.lines))
    }

    /// Writes lines, and tries again until the file takes them. False if the queue was closed before.
    fn write_lines(&self, file: &mut RecordingFile, mut lines: &[u8]) -> bool {
        while !lines.is_empty() {
            let piece = first_lines(lines);
            let (taken, result) = file.write(piece);
            lines = &lines[taken..];
            self.note_progress(&piece[..taken], result.as_ref().err());
            self.add_notices(file);
            if result.is_err() && !self.rest() {
                return false;
            }
        }
        true
    }

    fn note_progress(&self, written: &[u8], error: Option<&io::Error>) {
        let mut state = self.lock();
        if !written.is_empty() {
            state.progress_at = Instant::now();
            state.unwritten_bytes -= written.len();
            state.unwritten_rows -= count_rows(written);
        }
        state.failure = error.map(failure_text);
        self.changed.notify_one();
    }

    /// Waits before the next attempt, at most until the queue is closed. False if it was closed before.
    fn rest(&self) -> bool {
        let state = self.lock();
        if state.is_closed {
            return false;
        }
        drop(self.added.wait_timeout_while(state, RETRY_INTERVAL, |state| !state.is_closed));
        true
    }

    fn add_notices(&self, file: &mut RecordingFile) {
        if file.notices.is_empty() {
            return;
        }
        let mut state = self.lock();
        let room = NOTICES_MAX.saturating_sub(state.notices.len());
        state.notices.extend(file.notices.drain(..).take(room));
        self.changed.notify_one();
    }
}

/// Returns the text of an error without its hint: the file is chosen already.
fn failure_text(error: &io::Error) -> String {
    let text = without_error_number(&error.to_string());
    text.split("; ").next().unwrap_or_default().to_owned()
}

/// Returns the first whole lines, at most [`WRITE_BYTES_MAX`] bytes. Each line is shorter than that.
fn first_lines(lines: &[u8]) -> &[u8] {
    let most = &lines[..lines.len().min(WRITE_BYTES_MAX)];
    let end = most.iter().rposition(|byte| *byte == b'\n').map_or(most.len(), |at| at + 1);
    &most[..end]
}

/// Counts the rows among whole lines.
fn count_rows(lines: &[u8]) -> u64 {
    let lines = lines.split_inclusive(|byte| *byte == b'\n');
    lines.filter(|line| !line.starts_with(b"#")).count() as u64
}

#[cfg(test)]
impl RecordingQueue {
    /// Starts the thread with a file that is open already.
    pub(super) fn with_file(file: RecordingFile) -> Arc<RecordingQueue> {
        let queue = Arc::new(RecordingQueue::new());
        let of_thread = queue.clone();
        std::thread::spawn(move || of_thread.write_to(file));
        queue
    }
}
