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
use crate::about::About;
use crate::ring::{Cursor, Form, Read, Readers};

/// How long a disk that takes nothing is left alone before it is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// A file with less of rows is not worth a change of files.
const FILE_MIN: u64 = 4 * 1024;

/// Reads the ring and writes down what it reads.
pub(super) struct Writer {
    older: PathBuf,
    newer: PathBuf,
    /// None until it could be opened.
    file: Option<File>,
    /// How many bytes of it are whole lines, and how many of these rows.
    length: u64,
    row_bytes: u64,
    cursor: Cursor,
    readers: Readers,
    about: Arc<About>,
    /// The lines that are to be written, kept for their memory, and how many bytes are notes.
    lines: Vec<u8>,
    note_bytes: usize,
    /// Nothing has failed since something was last written.
    healthy: bool,
}

impl Writer {
    pub(super) fn new(
        archive: &Archive,
        cursor: Cursor,
        readers: Readers,
        about: Arc<About>,
    ) -> Writer {
        Writer {
            older: archive.older(),
            newer: archive.newer(),
            file: None,
            length: 0,
            row_bytes: archive.newer_row_bytes,
            cursor,
            readers,
            about,
            lines: Vec::new(),
            note_bytes: 0,
            healthy: true,
        }
    }

    /// Writes until the ring is closed.
    pub(super) fn run(&mut self) {
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        self.head();
        loop {
            // Lines are written before the next ones are read: what is not written yet is in the
            // ring, and so is what follows.
            let met = self.cursor.read(&Form::WHOLE, &mut self.lines, &waker);
            match met {
                Read::NewRun => self.head(),
                Read::Overtaken { from, to } => self.note(&Note::Skipped { from, to }),
                Read::Rows | Read::LastRows | Read::Live | Read::Wait | Read::Closed => {}
            }
            if !self.lines.is_empty() && !self.write() {
                return;
            }
            match met {
                Read::Wait | Read::LastRows => thread::park(),
                Read::Closed => return,
                Read::Rows | Read::Live | Read::Overtaken { .. } | Read::NewRun => {}
            }
        }
    }

    /// Says what the rows that follow are.
    fn head(&mut self) {
        self.note(&self.about.header(self.cursor.run(), self.cursor.interval(), 1));
        self.note(&Note::Columns(self.about.schema.clone()));
    }

    fn note(&mut self, note: &Note) {
        let before = self.lines.len();
        // Writing to memory cannot fail.
        let _ = writeln!(self.lines, "{note}");
        self.note_bytes += self.lines.len() - before;
    }

    /// Writes the lines down, as soon as the disk takes them. False if the ring was closed before
    /// that.
    fn write(&mut self) -> bool {
        loop {
            match self.try_to_write() {
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
                    if self.readers.is_closed() {
                        return false;
                    }
                    rest();
                }
            }
        }
    }

    fn try_to_write(&mut self) -> io::Result<()> {
        // With what is written now, the file would have more than the ring: both files have it all.
        let rows = (self.lines.len() - self.note_bytes) as u64;
        if self.row_bytes + rows > self.readers.bytes().max(FILE_MIN) {
            self.change_files()?;
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
    fn change_files(&mut self) -> io::Result<()> {
        self.file = None;
        match fs::rename(&self.newer, &self.older) {
            // Somebody took it away: there is nothing to make room for.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            result => result?,
        }
        (self.length, self.row_bytes) = (0, 0);
        let rows = std::mem::take(&mut self.lines);
        self.head();
        self.lines.extend_from_slice(&rows);
        Ok(())
    }
}

/// Waits for [`RETRY`], however often it is woken.
fn rest() {
    let until = Instant::now() + RETRY;
    while let Some(left) =
        until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
    {
        thread::park_timeout(left);
    }
}

/// Wakes a thread.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}
