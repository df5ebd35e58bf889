//! Byte rate and interval of a source.

use std::collections::VecDeque;
use std::time::Duration;

use loadline_protocol::Time;

/// Maximum number of pauses from which the interval of a plain stream is derived.
const INTERVALS_MAX: usize = 15;

/// Period of the byte rate in seconds.
const BYTE_RATE_S: i64 = 10;

/// Bytes received in each of the last seconds.
#[derive(Debug, Clone, Default)]
pub(super) struct ByteRate {
    /// Seconds since 1970 and their bytes, the oldest first: at most the whole seconds of the
    /// period and the current one.
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

    /// Averages over whole seconds, without the first one that is known: bytes that were in transit
    /// before, such as a history, arrive in it.
    pub(super) fn bytes_per_second(&self, now: Time) -> Option<u64> {
        let second = now.as_millis() / 1000;
        let first = (second - BYTE_RATE_S).max(self.seconds.front()?.0 + 1);
        let seconds = u64::try_from(second - first).ok().filter(|seconds| *seconds > 0)?;
        let counted = self.seconds.iter().filter(|(at, _)| (first..second).contains(at));
        Some(counted.map(|(_, bytes)| bytes).sum::<u64>() / seconds)
    }
}

/// Pauses between the last rows in milliseconds.
#[derive(Debug, Clone, Default)]
pub(super) struct RowInterval(VecDeque<i64>);

impl RowInterval {
    pub(super) fn add(&mut self, pause_ms: Option<i64>) {
        self.0.extend(pause_ms);
        if self.0.len() > INTERVALS_MAX {
            self.0.pop_front();
        }
    }

    pub(super) fn median(&self) -> Option<Duration> {
        // On the stack, because each row of a plain stream needs the median.
        let mut pauses = [i64::MAX; INTERVALS_MAX];
        pauses.iter_mut().zip(&self.0).for_each(|(place, pause)| *place = *pause);
        pauses.sort_unstable();
        let median = (!self.0.is_empty()).then_some(pauses[self.0.len() / 2]);
        median.map(|pause| Duration::from_millis(pause as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::ms;
    use super::*;

    #[test]
    fn rate_covers_the_last_whole_seconds() {
        let mut rate = ByteRate::default();
        assert_eq!(rate.bytes_per_second(ms(5000)), None);
        // A history of 10 kB, and then 44 bytes a second.
        rate.add(ms(1200), 10_000);
        for second in 2..30 {
            rate.add(ms(second * 1000 + 200), 40);
            rate.add(ms(second * 1000 + 400), 4);
        }
        assert_eq!(rate.bytes_per_second(ms(29_900)), Some(44));
        assert!(rate.seconds.len() <= BYTE_RATE_S as usize + 1);
        // No more bytes arrive.
        assert_eq!(rate.bytes_per_second(ms(35_000)), Some(44 * 5 / 10));
        assert_eq!(rate.bytes_per_second(ms(99_000)), Some(0));
    }
}
