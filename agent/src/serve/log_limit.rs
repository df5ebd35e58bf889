//! Limit on the log lines of an event that others can cause as often as they like.

use std::time::Duration;

use tokio::time::Instant;

/// Interval of the lines: one a minute, with the number of events that were not logged before it.
const LOG_INTERVAL: Duration = Duration::from_mins(1);

/// Rate limit of one kind of log line.
#[derive(Debug, Default)]
pub(crate) struct LogLimit {
    last_logged: Option<Instant>,
    suppressed: u64,
}

impl LogLimit {
    /// Counts an event. If it is to be logged, returns the number of events suppressed before it.
    pub(crate) fn record(&mut self, now: Instant) -> Option<u64> {
        if self.last_logged.is_some_and(|last| now - last < LOG_INTERVAL) {
            self.suppressed = self.suppressed.saturating_add(1);
            return None;
        }
        self.last_logged = Some(now);
        Some(std::mem::take(&mut self.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_event_a_minute_is_logged_with_the_number_suppressed() {
        let mut limit = LogLimit::default();
        let start = Instant::now();
        let mut record = |seconds| limit.record(start + Duration::from_secs(seconds));
        assert_eq!([1, 2, 60].map(&mut record), [Some(0), None, None]);
        assert_eq!([61, 200, 201].map(&mut record), [Some(2), Some(0), None]);
    }
}
