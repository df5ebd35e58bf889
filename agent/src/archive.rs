//! What outlives the agent: its samples, as two recordings in a folder.
//!
//! ```text
//!  older.load   newer.load            at a start: both are read into the ring
//!  ───────────▶ ──────────▶ rows      then: a reader of the ring, as each client is, writes on
//!               │ holds as much as the ring does: it takes the place of older.load
//! ```
//!
//! So no more samples are on the disk than the ring holds twice, and never less than it holds. A disk that is
//! slow or full is a client that lags: nobody waits for it, and what the ring still has is written
//! when it can be.

mod loader;
mod writer;

use std::fs::{self, File, OpenOptions, TryLockError};
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
use writer::ArchiveWriter;

/// The rows before those of [`NEWER`].
const OLDER: &str = "older.load";

/// The recording that is being written.
const NEWER: &str = "newer.load";

/// Held by the agent that writes here.
const LOCK: &str = "lock";

/// A folder in which an agent keeps its samples. No other agent can have it at the same time.
#[derive(Debug)]
pub struct Archive {
    folder: PathBuf,
    /// Unlocked when it is closed, however the agent ends.
    lock: File,
    /// The bytes of the rows that [`NEWER`] has; 0 before it was read.
    newer_row_bytes: u64,
}

/// Why samples cannot be kept in a folder.
#[derive(Debug, Error)]
pub enum ArchiveError {
    /// Another agent keeps its samples there.
    #[error("cannot keep samples in {folder}: another agent does; give each a folder of its own")]
    InUse {
        /// The folder.
        folder: PathBuf,
    },
    /// It cannot be made, read or written.
    #[error(
        "cannot keep samples in {folder}: {why}; give --state-dir a folder in which the agent may write"
    )]
    Unusable {
        /// The folder.
        folder: PathBuf,
        /// What the system says.
        why: io::Error,
    },
}

impl Archive {
    /// Takes a folder, and makes it if it is not there. What a crash left half written is cut off.
    ///
    /// # Errors
    /// Another agent has it, or it cannot be made, read or written.
    pub fn open(folder: &Path) -> Result<Archive, ArchiveError> {
        let unusable = |why| ArchiveError::Unusable { folder: folder.to_owned(), why };
        fs::create_dir_all(folder).map_err(unusable)?;
        let mut options = OpenOptions::new();
        let options = options.create(true).truncate(false).write(true);
        let lock = options.open(folder.join(LOCK)).map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(ArchiveError::InUse { folder: folder.to_owned() });
            }
            Err(TryLockError::Error(why)) => return Err(unusable(why)),
        }
        let archive = Archive { folder: folder.to_owned(), lock, newer_row_bytes: 0 };
        loader::cut_torn_tail(&archive.newer()).map_err(unusable)?;
        Ok(archive)
    }

    fn older(&self) -> PathBuf {
        self.folder.join(OLDER)
    }

    fn newer(&self) -> PathBuf {
        self.folder.join(NEWER)
    }

    /// Puts what is there into a ring that has not begun. A file that cannot be read is left out,
    /// and so told: an agent without a past is better than none.
    pub(crate) fn restore(&mut self, ring: &mut Ring, schema: &Schema) {
        for path in [self.older(), self.newer()] {
            self.newer_row_bytes = 0;
            match loader::restore(&path, ring, schema) {
                Ok(LoadedFile { invalid_lines: faults, row_bytes }) => {
                    self.newer_row_bytes = row_bytes;
                    if faults > 0 {
                        let path = path.display();
                        tracing::warn!(faults, %path, "lines that are no samples were left out");
                    }
                }
                Err(error) => {
                    let path = path.display();
                    tracing::warn!(%error, %path, "earlier samples cannot be read: left out");
                }
            }
        }
    }

    /// Writes down what comes into a ring, from its newest sample on, in a thread of its own. What
    /// comes back comes true when the ring is closed and everything is written, or cannot be.
    pub(crate) fn spawn_writer(
        self,
        ring: &RingHandle,
        info: Arc<AgentInfo>,
    ) -> Option<oneshot::Receiver<()>> {
        let (done, finished) = oneshot::channel();
        let (cursor, ring) = (ring.internal_cursor(), ring.clone());
        let write = move || {
            ArchiveWriter::new(&self, cursor, ring, info).run();
            drop(self.lock);
            // An error only means that nobody waits for it.
            let _ = done.send(());
        };
        match thread::Builder::new().name("archive".to_owned()).spawn(write) {
            Ok(_) => Some(finished),
            Err(error) => {
                tracing::error!(%error, "samples cannot be kept: there is no thread for it");
                None
            }
        }
    }
}

#[cfg(test)]
mod tests;
