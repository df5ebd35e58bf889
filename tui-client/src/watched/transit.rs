//! Transit times of samples, measured by two clocks that may differ, and the clock offset.

use std::time::Duration;

use loadline_protocol::{Time, duration_ms};

use crate::event::Sample;

/// Period for which the fastest transit counts: clocks drift apart.
const TRANSIT_PERIOD: Duration = Duration::from_mins(1);

/// Clock offset in milliseconds up to which the clocks count as equal: nobody notices it.
const CLOCK_OFFSET_MIN_MS: i64 = 1000;

/// Minimum difference in milliseconds that updates the clock offset. Transit times vary a little,
/// and each update moves the whole chart.
const CLOCK_OFFSET_STEP_MS: u64 = 250;

/// Clock offset, and the fastest transit of a sample in the last one to two minutes: from its time
/// by the agent's clock to its arrival by ours, in milliseconds. A transit includes the offset.
#[derive(Debug, Clone, Default)]
pub(super) struct Transit {
    period_start: Time,
    current_fastest: Option<i64>,
    previous_fastest: Option<i64>,
    /// Transit of the newest row of a history.
    newest_of_history: Option<i64>,
    /// Clock offset in milliseconds, transit times included.
    raw_offset_ms: i64,
}

impl Transit {
    /// Forgets the transits of another run, but not the offset.
    pub(super) fn begin_run(&mut self) {
        *self = Transit { raw_offset_ms: self.raw_offset_ms, ..Transit::default() };
    }

    /// Adds a row. A row of a history is old when it arrives and says little about transit times:
    /// it counts only before the first live row.
    pub(super) fn add(&mut self, sample: Sample<'_>, is_history: bool) {
        let transit = sample.received.ms_since(sample.time);
        if is_history {
            self.newest_of_history = Some(transit);
            return;
        }
        if sample.received - self.period_start >= TRANSIT_PERIOD {
            self.previous_fastest = self.current_fastest.take();
            self.period_start = sample.received;
        }
        self.current_fastest = self.current_fastest.into_iter().chain([transit]).min();
    }

    /// Returns the fastest transit. Before the first live row, the newest row of a history decides:
    /// 0 if its transit is from 0 to `oldest`, because the clocks may agree, else its transit.
    fn fastest_ms(&self, oldest: Duration) -> Option<i64> {
        let agrees = |ms: &i64| (0..=duration_ms(oldest)).contains(ms);
        let guess = || self.newest_of_history.map(|ms| if agrees(&ms) { 0 } else { ms });
        [self.current_fastest, self.previous_fastest].into_iter().flatten().min().or_else(guess)
    }

    pub(super) fn update_offset(&mut self, stale_after: Duration) {
        let offset_ms = self.fastest_ms(stale_after).map_or(self.raw_offset_ms, |ms| -ms);
        if offset_ms.abs_diff(self.raw_offset_ms) > CLOCK_OFFSET_STEP_MS {
            self.raw_offset_ms = offset_ms;
        }
    }

    /// Returns the clock offset in milliseconds, 0 if nobody notices it.
    pub(super) fn offset_ms(&self) -> i64 {
        let is_noticed = self.raw_offset_ms.abs() > CLOCK_OFFSET_MIN_MS;
        if is_noticed { self.raw_offset_ms } else { 0 }
    }

    /// Returns the age of a sample: the time since its arrival, plus its transit time beyond the
    /// fastest recent one. A clock offset has no effect.
    pub(super) fn age(&self, now: Time, sample: Time, stale_after: Duration) -> Option<Duration> {
        Some(now - sample.shifted_ms(self.fastest_ms(stale_after)?))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{ms, sample};
    use super::*;

    const STALE_AFTER: Duration = Duration::from_secs(3);

    fn live(rows: impl IntoIterator<Item = (i64, i64)>) -> Transit {
        let mut transit = Transit::default();
        for (time, received) in rows {
            transit.add(sample(time, received), false);
            transit.update_offset(STALE_AFTER);
        }
        transit
    }

    #[test]
    fn age_is_correct_though_clocks_differ() {
        // The agent's clock is 500 s ahead, and a row takes 20 ms.
        let mut transit = live([(501_000, 1020), (502_000, 2020)]);
        let age = |transit: &Transit, now: i64, time: i64| {
            transit.age(ms(now), ms(time), STALE_AFTER).unwrap().as_millis()
        };
        assert_eq!(age(&transit, 2020, 502_000), 0);
        assert_eq!(age(&transit, 2500, 502_000), 480);
        // A row that a full pipe delays by 5 s is 5 s old on arrival.
        transit.add(sample(503_000, 8020), false);
        assert_eq!(age(&transit, 8020, 503_000), 5000);
    }

    #[test]
    fn offset_is_the_smallest_transit_if_more_than_a_second() {
        assert_eq!(live([]).offset_ms(), 0);
        assert_eq!(live([(91_000, 1020), (92_000, 2010)]).offset_ms(), 89_980);
        assert_eq!(live([(1000, 91_000), (2000, 92_000)]).offset_ms(), -90_000);
        assert_eq!(live([(1900, 1000)]).offset_ms(), 0);
        // A late row and a slightly shorter transit do not change the offset.
        assert_eq!(live([(91_000, 1000), (92_000, 9000), (93_000, 2900)]).offset_ms(), 90_000);
        // After a clock change, the offset follows when the last minute is over.
        let set = (0..180).map(|s| (1000 * s + if s < 60 { 90_000 } else { 5000 }, 1000 * s + 10));
        assert_eq!(live(set).offset_ms(), 4990);
    }

    #[test]
    fn a_new_run_keeps_the_offset_until_its_first_row() {
        let mut transit = live([(91_000, 1000)]);
        transit.begin_run();
        transit.update_offset(STALE_AFTER);
        assert_eq!((transit.offset_ms(), transit.fastest_ms(STALE_AFTER)), (90_000, None));
    }

    #[test]
    fn age_of_a_history_row_is_its_real_age_unless_clocks_differ() {
        let age = |time: i64| {
            let mut transit = Transit::default();
            transit.add(sample(time, 100_000), true);
            transit.age(ms(100_000), ms(time), STALE_AFTER).unwrap().as_millis()
        };
        assert_eq!(age(99_200), 800);
        // No row is this old on arrival: the clocks differ.
        assert_eq!(age(50_000), 0);
        assert_eq!(age(150_000), 0);
    }
}
