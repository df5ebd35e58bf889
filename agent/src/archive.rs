//! Archive: the samples on disk, as two recordings in the state directory.
//!
//! ```text
//!  older.load   newer.load            at startup: both are read into the ring
//!  ───────────▶ ──────────▶ rows      then: a writer thread reads the ring through a cursor
//!               │ as large as the ring: replaces older.load
//! ```
//!
//! The disk holds at least the samples of the ring and at most twice as many. A slow or full disk
//! is handled like a slow client: sampling does not wait, and the writer catches up from the ring.

mod loader;
mod writer;

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use loadline_protocol::Schema;
use thiserror::Error;
use tokio::sync::oneshot;

use crate::agent_info::AgentInfo;
use crate::ring::{Ring, RingHandle};
use loader::LoadedFile;
use loadline_common::without_error_number;
use writer::ArchiveWriter;

/// Rows before those of [`NEWER`].
const OLDER: &str = "older.load";

/// The recording that is being written.
const NEWER: &str = "newer.load";

/// Locked by the agent that uses the directory.
const LOCK: &str = "lock";

/// State directory of an agent. Locked: no other agent can use it at the same time.
#[derive(Debug)]
pub struct Archive {
    folder: PathBuf,
    /// Closing the file unlocks it, however the agent ends.
    _lock: File,
    /// Size of the rows in [`NEWER`] in bytes; 0 before it was read.
    newer_row_bytes: u64,
}

/// Error of [`Archive::open`].
#[derive(Debug, Error)]
pub enum ArchiveError {
    /// Another agent uses the directory.
    #[error(
        "cannot keep samples in {folder}: in use by another agent; give each its own --state-dir"
    )]
    InUse {
        /// The state directory.
        folder: PathBuf,
    },
    /// The directory cannot be created, read or written.
    #[error(
        "cannot keep samples in {folder}: {why}; create the directory, or give --state-dir one that the agent can write to"
    )]
    Unusable {
        /// The state directory.
        folder: PathBuf,
        /// Error of the system.
        why: io::Error,
    },
}

impl Archive {
    /// Locks a state directory, and creates it if necessary. Cuts off a line that a crash left
    /// incomplete.
    ///
    /// # Errors
    /// Another agent uses the directory, or it cannot be created, read or written.
    pub fn open(folder: &Path) -> Result<Archive, ArchiveError> {
        let unusable = |why| ArchiveError::Unusable { folder: folder.to_owned(), why };
        fs::create_dir_all(folder).map_err(unusable)?;
        let mut options = File::options();
        let options = options.create(true).truncate(false).write(true);
        let lock = options.open(folder.join(LOCK)).map_err(unusable)?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => ArchiveError::InUse { folder: folder.to_owned() },
            TryLockError::Error(why) => unusable(why),
        })?;
        let archive = Archive { folder: folder.to_owned(), _lock: lock, newer_row_bytes: 0 };
        loader::cut_torn_tail(&archive.newer()).map_err(unusable)?;
        Ok(archive)
    }

    fn older(&self) -> PathBuf {
        self.folder.join(OLDER)
    }

    fn newer(&self) -> PathBuf {
        self.folder.join(NEWER)
    }

    /// Loads the samples into a ring that has not begun. Logs and skips a file that cannot be read:
    /// an agent without history is better than none.
    pub(crate) fn restore(&mut self, ring: &mut Ring, schema: &Schema) {
        for path in [self.older(), self.newer()] {
            let loaded = loader::restore(&path, ring, schema).unwrap_or_else(|error| {
                let (path, error) = (path.display(), without_error_number(&error.to_string()));
                tracing::warn!(%error, %path, "cannot read earlier samples");
                LoadedFile::default()
            });
            if let invalid_lines @ 1.. = loaded.invalid_lines {
                let path = path.display();
                tracing::warn!(invalid_lines, %path, "skipped invalid lines of earlier samples");
            }
            self.newer_row_bytes = loaded.row_bytes;
        }
    }

    /// Starts a thread that writes the samples of a ring, from the newest one on. The receiver
    /// resolves once the ring is closed and all samples are written, or cannot be.
    pub(crate) fn spawn_writer(
        self,
        ring: &RingHandle,
        info: Arc<AgentInfo>,
    ) -> Option<oneshot::Receiver<()>> {
        let (done, finished) = oneshot::channel();
        let (cursor, ring) = (ring.internal_cursor(), ring.clone());
        let write = move || {
            ArchiveWriter::new(self, cursor, ring, info).run();
            // An error only means that the receiver was dropped.
            let _ = done.send(());
        };
        match thread::Builder::new().name("archive".to_owned()).spawn(write) {
            Ok(_) => Some(finished),
            Err(error) => {
                let error = without_error_number(&error.to_string());
                tracing::error!(%error, "cannot keep samples: cannot start a thread");
                None
            }
        }
    }
}

#[cfg(test)]
mod tests;
