//! Writer of samples to disk.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::sync::Arc;
use std::task::{Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use loadline_protocol::Note;

use super::Archive;
use super::loader::if_found;
use crate::agent_info::AgentInfo;
use crate::ring::{Cursor, ReadOutcome, RingHandle, Selection};
use loadline_common::without_error_number;

/// Pause between two attempts to write to a failing disk: 1 s.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// Size of rows below which a file is not rotated: 4 KiB.
const FILE_BYTES_MIN: u64 = 4 * 1024;

/// Copies the rows of the ring to the file.
pub(super) struct ArchiveWriter {
    archive: Archive,
    /// `None` until the file could be opened.
    file: Option<File>,
    cursor: Cursor,
    ring: RingHandle,
    info: Arc<AgentInfo>,
    /// Lines to write, a reused buffer, and the size in bytes of the notes among them.
    lines: Vec<u8>,
    note_bytes: usize,
}

impl ArchiveWriter {
    pub(super) fn new(
        archive: Archive,
        cursor: Cursor,
        ring: RingHandle,
        info: Arc<AgentInfo>,
    ) -> ArchiveWriter {
        let (lines, note_bytes) = (Vec::new(), 0);
        ArchiveWriter { archive, file: None, cursor, ring, info, lines, note_bytes }
    }

    /// Writes until the ring is closed.
    pub(super) fn run(mut self) {
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
                | ReadOutcome::Wait => {}
                ReadOutcome::Closed => return,
            }
            if !self.lines.is_empty() && !self.write() {
                return;
            }
            if matches!(outcome, ReadOutcome::LastRows | ReadOutcome::Wait) {
                thread::park();
            }
        }
    }

    /// Appends the header and the columns of the following rows.
    fn push_headers(&mut self) {
        self.push_note(&self.info.header(self.cursor.run(), self.cursor.interval(), 1, None));
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
        let mut has_failed = false;
        while let Err(error) = self.try_write() {
            if !std::mem::replace(&mut has_failed, true) {
                let error = without_error_number(&error.to_string());
                let path = self.archive.newer();
                tracing::error!(%error, path = %path.display(), "cannot keep samples, retrying");
            }
            if self.ring.is_closed() {
                return false;
            }
            thread::sleep(RETRY_INTERVAL);
        }
        if has_failed {
            tracing::info!(path = %self.archive.newer().display(), "keeping samples again");
        }
        true
    }

    fn try_write(&mut self) -> io::Result<()> {
        // With these lines the file would hold more than the ring: the older file is not needed any
        // more.
        let row_bytes = (self.lines.len() - self.note_bytes) as u64;
        let (_, ring_bytes) = self.ring.size();
        if self.archive.newer_row_bytes + row_bytes > ring_bytes.max(FILE_BYTES_MIN) {
            self.rotate()?;
        }
        let file = if let Some(file) = &mut self.file {
            file
        } else {
            let newer = File::options().create(true).append(true).open(self.archive.newer())?;
            self.file.insert(newer)
        };
        let length = file.metadata()?.len();
        if let Err(error) = file.write_all(&self.lines) {
            // An incomplete line would make the next one invalid.
            if file.set_len(length).is_err() {
                self.file = None;
            }
            return Err(error);
        }
        self.archive.newer_row_bytes += row_bytes;
        self.lines.clear();
        self.note_bytes = 0;
        Ok(())
    }

    /// Renames the file to the older one and begins a new one.
    fn rotate(&mut self) -> io::Result<()> {
        self.file = None;
        // If someone else removed the file, there is nothing to rename.
        if_found(fs::rename(self.archive.newer(), self.archive.older()))?;
        self.archive.newer_row_bytes = 0;
        let rows = std::mem::take(&mut self.lines);
        self.push_headers();
        self.lines.extend_from_slice(&rows);
        Ok(())
    }
}

struct ThreadWaker(Thread);

impl Wake for ThreadWaker {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
