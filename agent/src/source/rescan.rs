//! Schedule of searches for devices, limits and mounts, which may come and go while the agent runs.

use std::time::Duration;

use tokio::time::Instant;

/// Time between two searches: 30 s. A search costs more than a sample, and users wait for a new
/// device for a minute at most.
pub(super) const RESCAN_INTERVAL: Duration = Duration::from_secs(30);

/// Time of the last search.
#[derive(Debug, Default)]
pub(super) struct Rescan(Option<Instant>);

impl Rescan {
    /// Returns true if a search is due. The next one is then due after [`RESCAN_INTERVAL`].
    pub(super) fn is_due(&mut self, now: Instant) -> bool {
        let is_recent = |last| now.saturating_duration_since(last) < RESCAN_INTERVAL;
        let is_due = !self.0.is_some_and(is_recent);
        if is_due {
            self.0 = Some(now);
        }
        is_due
    }
}
