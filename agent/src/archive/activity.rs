//! Watch on the thread of the archive: a disk that blocks cannot report it.

use std::convert::Infallible;
use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

/// Time between two looks at the thread.
const WATCH_INTERVAL: Duration = Duration::from_secs(10);

/// Duration of one call to the system from which the disk counts as blocked.
const BLOCKED_MIN: Duration = Duration::from_secs(10);

/// Time to unlock the directory at the end.
const UNLOCK_TIMEOUT: Duration = Duration::from_millis(100);

/// Call to the system that the thread is in.
#[derive(Debug, Default)]
pub(super) struct Activity {
    since: Mutex<Option<Instant>>,
    /// Lock of the directory, which belongs to the thread.
    lock: Mutex<Weak<File>>,
}

impl Activity {
    /// The thread begins a call, or the next one.
    pub(super) fn begin(&self) {
        self.set(Some(Instant::now()));
    }

    /// The thread waits for samples.
    pub(super) fn end(&self) {
        self.set(None);
    }

    fn set(&self, since: Option<Instant>) {
        *self.since.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }

    /// Returns whether the thread has waited for an answer of the disk for at least `min`.
    pub(super) fn is_blocked(&self, min: Duration) -> bool {
        let since = *self.since.lock().unwrap_or_else(PoisonError::into_inner);
        since.is_some_and(|since| since.elapsed() >= min)
    }

    pub(super) fn set_lock(&self, lock: &Arc<File>) {
        *self.lock.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(lock);
    }

    /// Unlocks the directory for the next agent, although the thread is blocked: a call to the system
    /// that cannot be interrupted outlives the agent. If it succeeds later, the next agent notices it
    /// as a change by another program.
    pub(super) async fn unlock(&self) {
        let lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner).upgrade();
        let Some(lock) = lock else { return };
        let (done, unlocked) = oneshot::channel();
        // On a network disk, this may block as well.
        let unlock = move || {
            let _ = done.send(lock.unlock());
        };
        if thread::Builder::new().spawn(unlock).is_ok() {
            let _ = timeout(UNLOCK_TIMEOUT, unlocked).await;
        }
    }

    /// Logs once if the disk blocks, and once if it works again.
    pub(super) async fn watch(&self, folder: &Path) -> Infallible {
        let path = folder.display();
        let mut was_blocked = false;
        loop {
            sleep(WATCH_INTERVAL).await;
            let is_blocked = self.is_blocked(BLOCKED_MIN);
            if is_blocked && !was_blocked {
                tracing::error!(%path, "the disk of --state-dir does not answer: samples stay in memory");
            } else if was_blocked && !is_blocked {
                tracing::info!(%path, "the disk of --state-dir answers again");
            }
            was_blocked = is_blocked;
        }
    }
}
