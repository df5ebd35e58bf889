//! Recording of a source: the events pass on at once, and their lines go to a file.
//!
//! ```text
//!  link ──▶ events ──────────────▶ screen or output
//!              └─▶ encoder ─▶ queue ─▶ thread: file
//! ```

mod encoder;
mod recording_file;
mod recording_queue;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use loadline_protocol::{LINE_MAX, SafeText, sanitize};
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::events::send;
use crate::event::{Event, RecordingState};
pub use encoder::Recorder;
use recording_queue::{QueueStatus, RecordingQueue, STALL_AFTER};

/// Capacity of the channel to the recorder; [`EVENTS_MAX`](super::events::EVENTS_MAX) more wait before it.
const QUEUED_EVENTS_MAX: usize = 8;

/// Time between two reports of a stalled recording: 1 s.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// Time in which a message is not repeated: 1 min. Another program may change the file all the time. At
/// most a few messages arrive per second.
const REPEAT_INTERVAL: Duration = Duration::from_mins(1);

/// Recording of a source to a file.
#[derive(Debug)]
pub(crate) struct FileRecorder {
    queue: Arc<RecordingQueue>,
    /// Path, for display.
    name: String,
}

impl FileRecorder {
    /// Opens and locks a file. `source` is the path of the source, if the source is a file.
    ///
    /// # Errors
    /// The file cannot be opened and locked, or is not a regular file.
    pub(crate) async fn open(path: PathBuf, source: Option<PathBuf>) -> io::Result<FileRecorder> {
        let name = sanitize(&path.to_string_lossy()).into_owned();
        Ok(FileRecorder { queue: RecordingQueue::open(path, source).await?, name })
    }

    /// Returns a sender that records each event, then forwards the event to `events`, so that all
    /// displayed rows are recorded. If the source `can_wait`, no row is lost: the source is not
    /// read while too much waits for the file. Rows of other sources are lost to the file then.
    pub(crate) fn spawn(
        &self,
        recorder: Recorder,
        can_wait: bool,
        events: mpsc::Sender<Event>,
    ) -> mpsc::Sender<Event> {
        let (sender, queued) = mpsc::channel(QUEUED_EVENTS_MAX);
        let task = RecorderTask {
            queue: self.queue.clone(),
            name: self.name.clone(),
            recorder,
            can_wait,
            events,
            stalled: None,
            is_too_long_reported: false,
            missing_rows: 0,
            messages: Vec::new(),
        };
        tokio::spawn(task.run(queued));
        sender
    }

    /// Ends the recording, and waits a limited time until the rest is written. Returns a warning about
    /// rows that are not written.
    pub(crate) fn finish(&self) -> Option<String> {
        let (rows, reason) = self.queue.finish()?;
        let s = if rows == 1 { "" } else { "s" };
        Some(format!("{rows} row{s} not recorded to {}: {reason}", self.name))
    }
}

/// Task that passes events on, and queues their lines for the file.
struct RecorderTask {
    queue: Arc<RecordingQueue>,
    name: String,
    recorder: Recorder,
    can_wait: bool,
    events: mpsc::Sender<Event>,
    /// Time without progress on the display, while the recording is stalled.
    stalled: Option<Duration>,
    is_too_long_reported: bool,
    /// Number of rows that the file lacks since the recording stalled.
    missing_rows: u64,
    /// Messages of the last [`REPEAT_INTERVAL`].
    messages: Vec<(String, Instant)>,
}

impl RecorderTask {
    async fn run(mut self, mut queued: mpsc::Receiver<Event>) {
        send(&self.events, Event::Recording(RecordingState::On)).await;
        let mut lines = String::new();
        loop {
            let event = tokio::select! {
                event = queued.recv() => event,
                // The link ends, too.
                () = self.events.closed() => None,
                () = self.status_change() => {
                    self.report().await;
                    continue;
                }
            };
            let Some(event) = event else { return };
            self.wait_for_room().await;
            if self.queue.is_full() {
                self.leave_out(&event).await;
            } else {
                self.recorder.record(&event, &mut lines);
                self.queue.push(&mut lines);
            }
            if self.recorder.too_long > 0
                && !std::mem::replace(&mut self.is_too_long_reported, true)
            {
                self.warn(&format!("rows over {LINE_MAX} bytes are not recorded in {}", self.name))
                    .await;
            }
            send(&self.events, event).await;
        }
    }

    async fn leave_out(&mut self, event: &Event) {
        let lost_before = self.recorder.lost;
        self.recorder.leave_out(event);
        self.queue.set_lost_rows(self.recorder.lost);
        let missing_before = self.missing_rows;
        self.missing_rows += self.recorder.lost - lost_before;
        if missing_before == 0 && self.missing_rows > 0 {
            let what = "rows are lost, too many wait for its disk";
            self.warn(&format!("recording to {}: {what}", self.name)).await;
        }
    }

    /// Waits while the queue is full, as long as waiting helps.
    async fn wait_for_room(&mut self) {
        while self.queue.is_full() && (self.can_wait || !self.queue.status().is_stalled()) {
            tokio::select! {
                () = self.events.closed() => return,
                () = self.status_change() => self.report().await,
            }
        }
    }

    /// Waits until the state of the file may have changed. Cancel safe.
    async fn status_change(&self) {
        let waiting = self.queue.status().waiting;
        let report_at = self.stalled.map_or(STALL_AFTER, |shown| shown + REPORT_INTERVAL);
        let next = waiting.map(|waiting| report_at.saturating_sub(waiting));
        tokio::select! {
            () = self.queue.changed.notified() => {}
            // `async` creates the timer only if the branch is enabled.
            () = async { sleep(next.unwrap_or_default()).await }, if next.is_some() => {}
        }
    }

    /// Reports changes of the file.
    async fn report(&mut self) {
        for notice in self.queue.take_notices() {
            self.warn(&format!("recording to {}: {notice}", self.name)).await;
        }
        let status = self.queue.status();
        let stalled = status.is_stalled().then(|| status.waiting.unwrap_or_default());
        let before = std::mem::replace(&mut self.stalled, stalled);
        if let Some(waiting) = stalled {
            send(&self.events, Event::Recording(RecordingState::Stalled(waiting))).await;
        }
        match (before, stalled) {
            (None, Some(_)) => self.warn(&stall_text(&self.name, status)).await,
            (Some(_), None) => self.report_recovery().await,
            _ => {}
        }
    }

    async fn report_recovery(&mut self) {
        send(&self.events, Event::Recording(RecordingState::On)).await;
        let missing = match std::mem::take(&mut self.missing_rows) {
            0 => "no row is missing".to_owned(),
            1 => "1 row is missing".to_owned(),
            count => format!("{count} rows are missing"),
        };
        self.warn(&format!("recording to {} continues, {missing}", self.name)).await;
    }

    async fn warn(&mut self, message: &str) {
        self.messages.retain(|(_, sent)| sent.elapsed() < REPEAT_INTERVAL);
        if self.messages.iter().any(|(sent, _)| sent == message) {
            return;
        }
        self.messages.push((message.to_owned(), Instant::now()));
        send(&self.events, Event::Warning(SafeText::new(message))).await;
    }
}

fn stall_text(name: &str, status: QueueStatus) -> String {
    let reason = status.failure.unwrap_or_else(|| "its file system does not answer".to_owned());
    format!("recording to {name} stalled: {reason}; check its disk, rows wait in memory")
}

#[cfg(test)]
mod tests;
