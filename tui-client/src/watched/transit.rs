//! Transit times of samples, measured by two clocks that may differ.

use std::time::Duration;

use crate::event::Sample;

/// Period in milliseconds for which the fastest transit counts: clocks drift apart.
const TRANSIT_PERIOD_MS: i64 = 60_000;

/// Fastest transit of a sample in the last one to two minutes, in milliseconds: from its time by
/// the agent's clock to its arrival by ours. The difference of the clocks is included.
#[derive(Debug, Clone, Default)]
pub(super) struct Transit {
    period_start_ms: i64,
    current_fastest: Option<i64>,
    previous_fastest: Option<i64>,
    /// Transit of the newest row of a history.
    newest_of_history: Option<i64>,
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

    /// Adds a row of a history, which counts only before the first live row.
    pub(super) fn add_history(&mut self, sample: Sample<'_>) {
        self.newest_of_history = Some(sample.received.as_millis() - sample.time.as_millis());
    }

    /// Returns the fastest transit. Before the first live row, the newest row of a history decides:
    /// 0 if its transit is from 0 to `oldest`, because the clocks may agree, else its transit.
    pub(super) fn fastest_ms(&self, oldest: Duration) -> Option<i64> {
        let guess = || {
            self.newest_of_history
                .map(|ms| if (0..=oldest.as_millis() as i64).contains(&ms) { 0 } else { ms })
        };
        [self.current_fastest, self.previous_fastest].into_iter().flatten().min().or_else(guess)
    }
}
