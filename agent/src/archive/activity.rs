//! Watch on the thread of the archive: a disk that blocks cannot report it.

use std::convert::Infallible;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Time between two looks at the thread.
const WATCH_INTERVAL: Duration = Duration::from_secs(10);

/// Duration of one call to the system from which the disk counts as blocked.
const BLOCKED_MIN: Duration = Duration::from_secs(10);

/// Begin of the call to the system that the thread is in.
#[derive(Debug, Default)]
pub(super) struct Activity(Mutex<Option<Instant>>);

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
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }

    /// Returns whether the thread has waited for an answer of the disk for at least `min`.
    pub(super) fn is_blocked(&self, min: Duration) -> bool {
        let since = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        since.is_some_and(|since| since.elapsed() >= min)
    }

    /// Logs once if the disk blocks, and once if it works again.
    pub(super) async fn watch(&self, folder: &Path) -> Infallible {
        let path = folder.display();
        let mut was_blocked = false;
        loop {
            tokio::time::sleep(WATCH_INTERVAL).await;
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
