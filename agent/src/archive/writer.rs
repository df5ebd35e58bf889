//! Samples on their way to the disk.

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

/// How long a disk that takes nothing is left alone before it is tried again.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// A file with less of rows is not worth a change of files.
const FILE_BYTES_MIN: u64 = 4 * 1024;

/// Reads the ring and writes down what it reads.
pub(super) struct ArchiveWriter {
    older: PathBuf,
    newer: PathBuf,
    /// None until it could be opened.
    file: Option<File>,
    /// How many bytes of it are whole lines, and how many of these rows.
    length: u64,
    row_bytes: u64,
    cursor: Cursor,
    ring: RingHandle,
    info: Arc<AgentInfo>,
    /// The lines that are to be written, kept for their memory, and how many bytes are notes.
    lines: Vec<u8>,
    note_bytes: usize,
    /// Nothing has failed since something was last written.
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
            // Lines are written before the next ones are read: what is not written yet is in the
            // ring, and so is what follows.
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

    /// Says what the rows that follow are.
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

    /// Writes the lines down, as soon as the disk takes them. False if the ring was closed before
    /// that.
    fn write(&mut self) -> bool {
        loop {
            match self.try_write() {
                Ok(()) => {
                    if !std::mem::replace(&mut self.healthy, true) {
                        tracing::info!(path = %self.newer.display(), "samples are kept again");
                    }
                    return true;
                }
                Err(error) => {
                    if std::mem::take(&mut self.healthy) {
                        let path = self.newer.display();
                        tracing::error!(%error, %path, "samples cannot be kept; trying again");
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
        // With what is written now, the file would have more than the ring: both files have it all.
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
            // The half of a line would be a fault for whoever reads it.
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

    /// Makes what is written the older file, and begins a newer one.
    fn rotate(&mut self) -> io::Result<()> {
        self.file = None;
        match fs::rename(&self.newer, &self.older) {
            // Somebody took it away: there is nothing to make room for.
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

/// Waits for [`RETRY_INTERVAL`], however often it is woken.
fn wait_for_retry() {
    let until = Instant::now() + RETRY_INTERVAL;
    while let Some(left) =
        until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
    {
        thread::park_timeout(left);
    }
}

/// Wakes a thread.
struct ThreadWaker(Thread);

impl Wake for ThreadWaker {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}
