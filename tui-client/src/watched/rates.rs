//! How much comes from a source, and at what pace.

use std::collections::VecDeque;
use std::time::Duration;

use loadline_protocol::Time;

/// Pauses between rows from which the pace of a plain stream is told.
const INTERVALS_MAX: usize = 15;

/// How many seconds a rate is taken over.
const BYTE_RATE_S: i64 = 10;

/// The bytes of each of the last seconds.
#[derive(Debug, Clone, Default)]
pub(super) struct ByteRate {
    /// The second since 1970, and what came in it; the oldest first, no more than the whole seconds of
    /// the rate and the one that is not over.
    seconds: VecDeque<(i64, u64)>,
}

impl ByteRate {
    pub(super) fn add(&mut self, now: Time, bytes: u64) {
        let second = now.as_millis() / 1000;
        match self.seconds.back_mut() {
            Some((last, sum)) if *last >= second => *sum = sum.saturating_add(bytes),
            _ => self.seconds.push_back((second, bytes)),
        }
        let oldest = second - BYTE_RATE_S;
        while self.seconds.front().is_some_and(|(second, _)| *second < oldest) {
            self.seconds.pop_front();
        }
    }

    /// Over the whole seconds since the first that is known. The first one is left out: what was on its
    /// way before, such as a history, came in it.
    pub(super) fn bytes_per_second(&self, now: Time) -> Option<u64> {
        let second = now.as_millis() / 1000;
        let first = (second - BYTE_RATE_S).max(self.seconds.front()?.0 + 1);
        let seconds = u64::try_from(second - first).ok().filter(|seconds| *seconds > 0)?;
        let counted = self.seconds.iter().filter(|(at, _)| (first..second).contains(at));
        Some(counted.map(|(_, bytes)| bytes).sum::<u64>() / seconds)
    }
}

/// The pauses between the last rows, milliseconds.
#[derive(Debug, Clone, Default)]
pub(super) struct RowInterval(VecDeque<i64>);

impl RowInterval {
    pub(super) fn add(&mut self, pause_ms: Option<i64>) {
        if let Some(pause) = pause_ms {
            if self.0.len() == INTERVALS_MAX {
                self.0.pop_front();
            }
            self.0.push_back(pause);
        }
    }

    pub(super) fn median(&self) -> Option<Duration> {
        // On the stack, as each row of a plain stream asks for it.
        let mut pauses = [i64::MAX; INTERVALS_MAX];
        pauses.iter_mut().zip(&self.0).for_each(|(place, pause)| *place = *pause);
        pauses.sort_unstable();
        let median = (!self.0.is_empty()).then_some(pauses[self.0.len() / 2]);
        median.map(|pause| Duration::from_millis(pause as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: i64) -> Time {
        Time::from_millis(ms)
    }

    #[test]
    fn rate_covers_the_last_whole_seconds() {
        let mut rate = ByteRate::default();
        assert_eq!(rate.bytes_per_second(ms(5000)), None);
        // A history of 10 kB, and then 40 bytes a second.
        rate.add(ms(1200), 10_000);
        for second in 2..30 {
            rate.add(ms(second * 1000 + 200), 40);
            rate.add(ms(second * 1000 + 400), 4);
        }
        assert_eq!(rate.bytes_per_second(ms(29_900)), Some(44));
        assert!(rate.seconds.len() <= BYTE_RATE_S as usize + 1);
        // Nothing comes any more.
        assert_eq!(rate.bytes_per_second(ms(35_000)), Some(44 * 5 / 10));
        assert_eq!(rate.bytes_per_second(ms(99_000)), Some(0));
    }
}
