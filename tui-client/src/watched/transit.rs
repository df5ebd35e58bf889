//! Transit times of samples, measured by two clocks that may differ.

use std::time::Duration;

use loadline_protocol::{Time, duration_ms};

use crate::event::Sample;

/// Period for which the fastest transit counts: clocks drift apart.
const TRANSIT_PERIOD: Duration = Duration::from_mins(1);

/// Fastest transit of a sample in the last one to two minutes, in milliseconds: from its time by
/// the agent's clock to its arrival by ours. The difference of the clocks is included.
#[derive(Debug, Clone, Default)]
pub(super) struct Transit {
    period_start: Time,
    current_fastest: Option<i64>,
    previous_fastest: Option<i64>,
    /// Transit of the newest row of a history.
    newest_of_history: Option<i64>,
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

    /// Adds a row of a history, which counts only before the first live row.
    pub(super) fn add_history(&mut self, sample: Sample<'_>) {
        self.newest_of_history = Some(sample.received.ms_since(sample.time));
    }

    /// Returns the fastest transit. Before the first live row, the newest row of a history decides:
    /// 0 if its transit is from 0 to `oldest`, because the clocks may agree, else its transit.
    pub(super) fn fastest_ms(&self, oldest: Duration) -> Option<i64> {
        let guess = || {
            self.newest_of_history
                .map(|ms| if (0..=duration_ms(oldest)).contains(&ms) { 0 } else { ms })
        };
        [self.current_fastest, self.previous_fastest].into_iter().flatten().min().or_else(guess)
    }
}
