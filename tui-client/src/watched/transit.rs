//! How long samples are under way, by clocks that may differ.

use std::time::Duration;

use loadline_protocol::{Time, duration_ms};

use crate::event::Sample;

/// How long the fastest transit of a sample counts: clocks drift apart.
const TRANSIT_PERIOD: Duration = Duration::from_mins(1);

/// The fastest transit of a sample, from its time by the agent's clock to its receipt by ours, over
/// one to two minutes: the difference of the clocks and the shortest way.
#[derive(Debug, Clone, Default)]
pub(super) struct Transit {
    period_start: Time,
    current_fastest: Option<i64>,
    previous_fastest: Option<i64>,
    /// That of the newest row of a history.
    history_transit: Option<i64>,
}

impl Transit {
    pub(super) fn add(&mut self, sample: Sample<'_>) {
        if sample.received - self.period_start >= TRANSIT_PERIOD {
            self.previous_fastest = self.current_fastest.take();
            self.period_start = sample.received;
        }
        let transit = sample.received.ms_since(sample.time);
        self.current_fastest =
            Some(self.current_fastest.map_or(transit, |fastest| fastest.min(transit)));
    }

    /// Takes the newest row of a history for want of a better one.
    pub(super) fn add_history(&mut self, sample: Sample<'_>) {
        self.history_transit = Some(sample.received.ms_since(sample.time));
    }

    /// Before a row came live: none, if the clocks may agree because the newest row of the history is
    /// no older than a row can be; else that row counts as fresh.
    pub(super) fn fastest_ms(&self, oldest: Duration) -> Option<i64> {
        let guess = || {
            self.history_transit
                .map(|ms| if (0..=duration_ms(oldest)).contains(&ms) { 0 } else { ms })
        };
        [self.current_fastest, self.previous_fastest].into_iter().flatten().min().or_else(guess)
    }
}
