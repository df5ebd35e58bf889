//! Archive: the samples on disk, as two recordings in the state directory.
//!
//! ```text
//!  older.load   newer.load            once: a thread reads both, and puts their samples in front of
//!  ───────────▶ ──────────▶ rows      those of the ring; then it reads the ring through a cursor
//!               │ as large as the ring: replaces older.load
//! ```
//!
//! The disk holds at least the samples of the ring and at most twice as many. Only the thread uses
//! the disk, because a disk may block for ever. A slow, full or missing disk is handled like a slow
//! client: sampling does not wait, and the thread catches up from the ring.

mod activity;
mod files;
mod folder;
mod loader;
mod owner;
mod writer;

use std::convert::Infallible;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use thiserror::Error;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::agent_info::AgentInfo;
use crate::ring::{Cursor, RingHandle};
use activity::Activity;
use files::StateFiles;
use loadline_common::without_error_number;
use writer::ArchiveWriter;

/// Time without an answer of the disk after which a start does not wait for it: 3 s.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);

/// Time that a start waits for samples of earlier agents, for clients that resume: 20 s.
const LOAD_TIMEOUT: Duration = Duration::from_secs(20);

/// Timeout for writing the last samples to disk: 1 s, because the agent has to end.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// State directory of an agent. Locked, if the disk answers: no other agent can use it at the same
/// time.
pub struct Archive {
    folder: PathBuf,
    job: oneshot::Sender<Job>,
    finished: oneshot::Receiver<()>,
    activity: Arc<Activity>,
    /// `None` without a thread: the system has none left.
    thread: Option<Thread>,
    has_answered: bool,
}

/// Task of the thread, once the agent has its first sample.
struct Job {
    ring: RingHandle,
    /// Before the first sample.
    cursor: Cursor,
    info: Arc<AgentInfo>,
    /// Notified when the samples of earlier agents are in the ring, or cannot be read yet.
    loaded: oneshot::Sender<()>,
}

/// Error of [`Archive::open`]. A disk that is full, read-only or gone is no such error: the agent
/// runs without it and retries.
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
    /// The path cannot be that of a directory.
    #[error("cannot keep samples in {folder}: {why}; give --state-dir a directory")]
    NotADirectory {
        /// The state directory.
        folder: PathBuf,
        /// Error of the system.
        why: io::Error,
    },
    /// The directory cannot be created, read or written at present. Only logged.
    #[error(transparent)]
    Unusable(io::Error),
}

impl ArchiveError {
    fn new(folder: &Path, why: io::Error) -> ArchiveError {
        match why.kind() {
            io::ErrorKind::NotADirectory | io::ErrorKind::InvalidFilename => {
                ArchiveError::NotADirectory { folder: folder.to_owned(), why }
            }
            _ => ArchiveError::Unusable(why),
        }
    }
}

impl Archive {
    /// Locks a state directory, and creates it if necessary. A directory that cannot be used at
    /// present is logged, and opened later.
    ///
    /// # Errors
    /// Another agent uses the directory, or the path is not that of a directory.
    pub async fn open(folder: &Path) -> Result<Archive, ArchiveError> {
        let (opened, is_opened) = oneshot::channel();
        let (job, jobs) = oneshot::channel();
        let (done, finished) = oneshot::channel();
        let activity = Arc::new(Activity::default());
        let mut files = StateFiles::new(folder, activity.clone());
        let work = move || {
            // An error means that the agent ends, here and below.
            let _ = opened.send(files.open());
            if let Ok(Job { ring, cursor, info, loaded }) = jobs.blocking_recv() {
                let mut writer = ArchiveWriter::new(files, ring, cursor, info);
                // The first write reports an error.
                let is_loaded = writer.load().is_ok();
                if loaded.send(()).is_err() && is_loaded {
                    tracing::info!("earlier samples are loaded");
                }
                writer.run();
            }
            let _ = done.send(());
        };
        let thread = thread::Builder::new().name("archive".to_owned()).spawn(work);
        let thread = thread.inspect_err(|error| {
            let error = without_error_number(&error.to_string());
            tracing::error!(%error, "cannot keep samples: cannot start a thread");
        });
        let opened = timeout(ANSWER_TIMEOUT, is_opened).await;
        let has_answered = opened.is_ok();
        match opened {
            Ok(Ok(Err(error))) if !matches!(error, ArchiveError::Unusable(_)) => return Err(error),
            Ok(_) => {}
            Err(_) => log_late(folder),
        }
        let thread = thread.ok().map(|it| it.thread().clone());
        let folder = folder.to_owned();
        Ok(Archive { folder, job, finished, activity, thread, has_answered })
    }

    /// Loads the samples of earlier agents into a ring that has begun, and writes its samples to
    /// disk from now on.
    pub(crate) async fn start(self, ring: &RingHandle, info: Arc<AgentInfo>) -> RunningArchive {
        let Archive { folder, job, finished, activity, thread, has_answered } = self;
        let (loaded, mut is_loaded) = oneshot::channel();
        // An error means that there is no thread.
        let (cursor, ring) = (ring.internal_cursor(), ring.clone());
        let _ = job.send(Job { ring, cursor, info, loaded });
        let begin = Instant::now();
        while has_answered && timeout(ANSWER_TIMEOUT, &mut is_loaded).await.is_err() {
            if begin.elapsed() >= LOAD_TIMEOUT || activity.is_blocked(ANSWER_TIMEOUT) {
                log_late(&folder);
                break;
            }
        }
        RunningArchive { folder, finished, activity, thread }
    }
}

fn log_late(folder: &Path) {
    let path = folder.display();
    tracing::error!(%path, "the disk of --state-dir is slow: starting before earlier samples are loaded");
}

/// Archive of a running agent.
pub(crate) struct RunningArchive {
    folder: PathBuf,
    finished: oneshot::Receiver<()>,
    activity: Arc<Activity>,
    thread: Option<Thread>,
}

impl RunningArchive {
    /// Logs once if the disk blocks, and once if it works again.
    pub(crate) async fn watch(&self) -> Infallible {
        self.activity.watch(&self.folder).await
    }

    /// Resolves once the samples are on disk, after the ring was closed, or at a timeout.
    pub(crate) async fn flush(self) {
        if let Some(thread) = &self.thread {
            // The thread may rest after a failed write.
            thread.unpark();
        }
        if timeout(FLUSH_TIMEOUT, self.finished).await.is_err() {
            let path = self.folder.display();
            tracing::error!(%path, "stopped before all samples were on disk");
            self.activity.unlock().await;
        }
    }
}

#[cfg(test)]
mod tests;
