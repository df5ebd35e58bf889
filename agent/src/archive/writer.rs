//! Writer of samples to disk.

use std::io::{self, Write as _};
use std::sync::Arc;
use std::task::{Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use loadline_protocol::{History, Note};

use super::files::{CHECK_INTERVAL, Content, StateFiles};
use crate::agent_info::AgentInfo;
use crate::ring::{Cursor, ReadOutcome, RingHandle, Selection};
use loadline_common::without_error_number;

/// Pause between two attempts to write to a failing disk: 1 s.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// Logged failures between two successes: a disk may fail in several ways, but must not fill the log.
const FAILURES_MAX: usize = 8;

/// Copies the rows of the ring to the files.
pub(super) struct ArchiveWriter {
    files: StateFiles,
    ring: RingHandle,
    cursor: Cursor,
    info: Arc<AgentInfo>,
    waker: Waker,
    /// Lines to write, a reused buffer, and the size in bytes of the notes among them.
    lines: Vec<u8>,
    note_bytes: usize,
    /// Failures that were logged since the last success. The first one may be a change by another program.
    failures: Vec<String>,
    /// Time at which the files were rewritten.
    rewritten: Option<Instant>,
}

impl ArchiveWriter {
    /// Creates the writer in its thread.
    pub(super) fn new(
        files: StateFiles,
        ring: RingHandle,
        cursor: Cursor,
        info: Arc<AgentInfo>,
    ) -> ArchiveWriter {
        let waker = Waker::from(Arc::new(ThreadWaker(thread::current())));
        let (lines, note_bytes, failures, rewritten) = (Vec::new(), 0, Vec::new(), None);
        let mut writer = ArchiveWriter {
            files,
            ring,
            cursor,
            info,
            waker,
            lines,
            note_bytes,
            failures,
            rewritten,
        };
        writer.push_headers();
        writer
    }

    /// Writes until the ring is closed.
    pub(super) fn run(mut self) {
        loop {
            // Of the last attempt, the ring has all samples.
            let is_last = self.ring.is_closed();
            let result = self.try_write();
            self.files.activity().end();
            match result {
                Ok(outcome) => {
                    self.log_success();
                    if outcome == ReadOutcome::Closed {
                        return;
                    }
                    // A wake-up in the meantime ends the pause at once.
                    thread::park_timeout(CHECK_INTERVAL);
                }
                Err(error) => {
                    self.log_failure(&error);
                    if is_last {
                        return self.log_end();
                    }
                    self.rest();
                }
            }
        }
    }

    /// Loads earlier samples, and writes all samples that are not on disk. Returns
    /// [`ReadOutcome::Wait`] or [`ReadOutcome::Closed`].
    fn try_write(&mut self) -> io::Result<ReadOutcome> {
        if let Some(change) = self.files.find_change()? {
            tracing::warn!("{change}: rewriting the samples");
            self.failures.push(change);
        }
        self.load()?;
        if self.files.content() == Content::Damaged {
            self.rewrite()?;
        }
        self.copy_rows()
    }

    /// Opens the directory and loads its samples, unless that is done.
    pub(super) fn load(&mut self) -> io::Result<()> {
        self.files.open().map_err(io::Error::other)?;
        self.files.load(&self.ring, &self.info)
    }

    /// Writes all samples of the ring to a new file, which replaces the damaged ones. So no sample is
    /// there twice. Waits before a second time: another program might change the files for ever.
    fn rewrite(&mut self) -> io::Result<()> {
        self.cursor.seek(History::All, None, 1);
        self.clear_lines();
        self.push_headers();
        let is_recent = self.rewritten.is_some_and(|at| at.elapsed() < CHECK_INTERVAL);
        if is_recent && !self.ring.is_closed() {
            return Err(io::Error::other("another program changes the files in --state-dir"));
        }
        let written = self.files.begin_rewrite().and_then(|()| self.copy_rows()).map(drop);
        self.files.end_rewrite(written)?;
        self.rewritten = Some(Instant::now());
        Ok(())
    }

    /// Writes rows until all of them are written. Unwritten samples stay in the ring.
    fn copy_rows(&mut self) -> io::Result<ReadOutcome> {
        loop {
            if !self.lines.is_empty() {
                self.write_lines()?;
            }
            let outcome = self.cursor.read(&Selection::ALL, &mut self.lines, &self.waker);
            match outcome {
                ReadOutcome::NewRun => self.push_headers(),
                ReadOutcome::Skipped { from, to } => self.push_note(&Note::Skipped { from, to }),
                ReadOutcome::Rows | ReadOutcome::LastRows | ReadOutcome::Live => {}
                ReadOutcome::Wait | ReadOutcome::Closed => return Ok(outcome),
            }
        }
    }

    fn write_lines(&mut self) -> io::Result<()> {
        let row_bytes = (self.lines.len() - self.note_bytes) as u64;
        let (_, ring_bytes) = self.ring.size();
        if self.files.is_full(row_bytes, ring_bytes) {
            self.files.rotate()?;
            let rows = std::mem::take(&mut self.lines);
            self.push_headers();
            self.lines.extend_from_slice(&rows);
        }
        self.files.append(&self.lines, row_bytes)?;
        self.clear_lines();
        Ok(())
    }

    fn clear_lines(&mut self) {
        self.lines.clear();
        self.note_bytes = 0;
    }

    /// Appends the header and the columns of the following rows.
    fn push_headers(&mut self) {
        // All columns are never refused.
        let headers = self.info.headers(&self.cursor, &Selection::ALL, None);
        headers.into_iter().flatten().for_each(|note| self.push_note(&note));
    }

    fn push_note(&mut self, note: &Note) {
        let before = self.lines.len();
        // Writing to memory cannot fail.
        let _ = writeln!(self.lines, "{note}");
        self.note_bytes += self.lines.len() - before;
    }

    /// Waits until the next attempt. Ends early when the ring is closed.
    fn rest(&self) {
        let begin = Instant::now();
        while !self.ring.is_closed()
            && let Some(left) = RETRY_INTERVAL.checked_sub(begin.elapsed())
        {
            // Samples wake the thread as well. The next attempt reads them.
            thread::park_timeout(left);
        }
    }

    fn log_failure(&mut self, error: &io::Error) {
        let error = without_error_number(&error.to_string());
        if self.failures.len() < FAILURES_MAX && !self.failures.contains(&error) {
            let path = self.files.given().display();
            tracing::error!(%error, %path, "cannot keep samples, retrying");
            self.failures.push(error);
        }
    }

    fn log_success(&mut self) {
        let path = self.files.given().display();
        if let lost @ 1.. = self.cursor.take_lost() {
            tracing::error!(lost, %path, "samples are lost: older than --history before the disk took them");
        }
        if !std::mem::take(&mut self.failures).is_empty() {
            tracing::info!(%path, "keeping samples again");
        }
    }

    fn log_end(&mut self) {
        let rows = self.lines.split(|byte| *byte == b'\n');
        let rows = rows.filter(|line| !line.is_empty() && !line.starts_with(b"#")).count() as u64;
        let lost = rows + self.cursor.unread() + self.cursor.take_lost();
        let path = self.files.given().display();
        tracing::error!(lost, %path, "samples are lost: the agent ends before the disk took them");
    }
}

struct ThreadWaker(Thread);

impl Wake for ThreadWaker {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
