//! Writer of samples to disk.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::task::{Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use loadline_protocol::Note;

use super::Archive;
use crate::agent_info::AgentInfo;
use crate::ring::{Cursor, ReadOutcome, RingHandle, Selection};
use crate::usage::without_error_number;

/// Pause between two attempts to write to a failing disk: 1 s.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// Size of rows below which a file is not rotated: 4 KiB.
const FILE_BYTES_MIN: u64 = 4 * 1024;

/// Copies the rows of the ring to the file.
pub(super) struct ArchiveWriter {
    older: PathBuf,
    newer: PathBuf,
    /// `None` until the file could be opened.
    file: Option<File>,
    /// Size in bytes of the complete lines in the file, and of the rows among them.
    length: u64,
    row_bytes: u64,
    cursor: Cursor,
    ring: RingHandle,
    info: Arc<AgentInfo>,
    /// Lines to write, a reused buffer, and the size in bytes of the notes among them.
    lines: Vec<u8>,
    note_bytes: usize,
    /// True if no write has failed since the last success.
    healthy: bool,
}

impl ArchiveWriter {
    pub(super) fn new(
        archive: &Archive,
        cursor: Cursor,
        ring: RingHandle,
        info: Arc<AgentInfo>,
    ) -> ArchiveWriter {
        ArchiveWriter {
            older: archive.older(),
            newer: archive.newer(),
            file: None,
            length: 0,
            row_bytes: archive.newer_row_bytes,
            cursor,
            ring,
            info,
            lines: Vec::new(),
            note_bytes: 0,
            healthy: true,
        }
    }

    /// Writes until the ring is closed.
    pub(super) fn run(&mut self) {
        let waker = Waker::from(Arc::new(ThreadWaker(thread::current())));
        self.push_headers();
        loop {
            // Lines are written before the next read. Unwritten samples stay in the ring.
            let outcome = self.cursor.read(&Selection::ALL, &mut self.lines, &waker);
            match outcome {
                ReadOutcome::NewRun => self.push_headers(),
                ReadOutcome::Skipped { from, to } => self.push_note(&Note::Skipped { from, to }),
                ReadOutcome::Rows
                | ReadOutcome::LastRows
                | ReadOutcome::Live
                | ReadOutcome::Wait
                | ReadOutcome::Closed => {}
            }
            if !self.lines.is_empty() && !self.write() {
                return;
            }
            match outcome {
                ReadOutcome::Wait | ReadOutcome::LastRows => thread::park(),
                ReadOutcome::Closed => return,
                ReadOutcome::Rows
                | ReadOutcome::Live
                | ReadOutcome::Skipped { .. }
                | ReadOutcome::NewRun => {}
            }
        }
    }

    /// Appends the header and the columns of the following rows.
    fn push_headers(&mut self) {
        self.push_note(&self.info.header(self.cursor.run(), self.cursor.interval(), 1));
        self.push_note(&Note::Columns(self.info.schema.clone()));
    }

    fn push_note(&mut self, note: &Note) {
        let before = self.lines.len();
        // Writing to memory cannot fail.
        let _ = writeln!(self.lines, "{note}");
        self.note_bytes += self.lines.len() - before;
    }

    /// Writes the lines, and retries until the disk accepts them. False if the ring was closed
    /// before.
    fn write(&mut self) -> bool {
        loop {
            match self.try_write() {
                Ok(()) => {
                    if !std::mem::replace(&mut self.healthy, true) {
                        tracing::info!(path = %self.newer.display(), "keeping samples again");
                    }
                    return true;
                }
                Err(error) => {
                    if std::mem::take(&mut self.healthy) {
                        let error = without_error_number(&error.to_string());
                        let path = self.newer.display();
                        tracing::error!(%error, %path, "cannot keep samples, retrying");
                    }
                    if self.ring.is_closed() {
                        return false;
                    }
                    wait_for_retry();
                }
            }
        }
    }

    fn try_write(&mut self) -> io::Result<()> {
        // With these lines the file would hold more than the ring: the older file is not needed any
        // more.
        let rows = (self.lines.len() - self.note_bytes) as u64;
        if self.row_bytes + rows > self.ring.bytes().max(FILE_BYTES_MIN) {
            self.rotate()?;
        }
        let file = if let Some(file) = &mut self.file {
            file
        } else {
            let file = OpenOptions::new().create(true).append(true).open(&self.newer)?;
            self.length = file.metadata()?.len();
            self.file.insert(file)
        };
        if let Err(error) = file.write_all(&self.lines) {
            // An incomplete line would make the next one invalid.
            if file.set_len(self.length).is_err() {
                self.file = None;
            }
            return Err(error);
        }
        self.length += self.lines.len() as u64;
        self.row_bytes += (self.lines.len() - self.note_bytes) as u64;
        self.lines.clear();
        self.note_bytes = 0;
        Ok(())
    }

    /// Renames the file to the older one and begins a new one.
    fn rotate(&mut self) -> io::Result<()> {
        self.file = None;
        match fs::rename(&self.newer, &self.older) {
            // The file was removed by someone else: there is nothing to rename.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            result => result?,
        }
        (self.length, self.row_bytes) = (0, 0);
        let rows = std::mem::take(&mut self.lines);
        self.push_headers();
        self.lines.extend_from_slice(&rows);
        Ok(())
    }
}

/// Waits for [`RETRY_INTERVAL`], however often the thread is woken.
fn wait_for_retry() {
    let until = Instant::now() + RETRY_INTERVAL;
    while let Some(left) =
        until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
    {
        thread::park_timeout(left);
    }
}

struct ThreadWaker(Thread);

impl Wake for ThreadWaker {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}
