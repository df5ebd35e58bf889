//! Times of rows without a timestamp.

use std::time::Duration;

use loadline_protocol::Time;

/// Maximum lead of plain rows over the clock: 1 s. Rows of one burst are 1 ms apart; rows beyond
/// the lead are skipped and reported.
const BURST: Duration = Duration::from_secs(1);

/// Clock for rows without a timestamp.
#[derive(Debug, Default)]
pub(super) enum RowClock {
    /// Time of receipt.
    #[default]
    OnReceipt,
    /// Times at equal intervals.
    Even { next: Time, step: Duration },
}

impl RowClock {
    /// Returns the time of a row: the time of receipt `now`, 1 ms after the row at `last`, or the
    /// next even time. `None` if the row is beyond the lead.
    pub(super) fn next(&mut self, now: Time, last: Option<Time>) -> Option<Time> {
        if let RowClock::Even { next, step } = self {
            let time = *next;
            *next = time + *step;
            return Some(time);
        }
        let after = last.map_or(Time::default(), |last| last.shifted_ms(1));
        let limit = now + BURST;
        if after == limit {
            return None;
        }
        // No burst leads by more than the maximum: beyond it, our clock was set back.
        Some(if after < limit { after.max(now) } else { now })
    }
}
