//! How long samples are under way, by clocks that may differ.

use std::time::Duration;

use crate::event::Sample;

/// How long the fastest transit of a sample counts: clocks drift apart.
const TRANSIT_PERIOD_MS: i64 = 60_000;

/// The fastest transit of a sample, from its time by the agent's clock to its receipt by ours, over
/// one to two minutes: the difference of the clocks and the shortest way.
#[derive(Debug, Clone, Default)]
pub(super) struct Transit {
    period_start_ms: i64,
    current_fastest: Option<i64>,
    previous_fastest: Option<i64>,
    /// That of the newest row of a history.
    history_transit: Option<i64>,
}

impl Transit {
    pub(super) fn add(&mut self, sample: Sample<'_>) {
        let received = sample.received.as_millis();
        if received - self.period_start_ms >= TRANSIT_PERIOD_MS {
            self.previous_fastest = self.current_fastest.take();
            self.period_start_ms = received;
        }
        let transit = received - sample.time.as_millis();
        self.current_fastest =
            Some(self.current_fastest.map_or(transit, |fastest| fastest.min(transit)));
    }

    /// Takes the newest row of a history for want of a better one.
    pub(super) fn add_history(&mut self, sample: Sample<'_>) {
        self.history_transit = Some(sample.received.as_millis() - sample.time.as_millis());
    }

    /// Before a row came live: none, if the clocks may agree because the newest row of the history is
    /// no older than a row can be; else that row counts as fresh.
    pub(super) fn fastest_ms(&self, oldest: Duration) -> Option<i64> {
        let guess = || {
            self.history_transit
                .map(|ms| if (0..=oldest.as_millis() as i64).contains(&ms) { 0 } else { ms })
        };
        [self.current_fastest, self.previous_fastest].into_iter().flatten().min().or_else(guess)
    }
}
