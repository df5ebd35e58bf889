//! The samples of one source: a series per column, over one row of times.

mod slots;

use std::collections::VecDeque;
use std::time::Duration;

use loadline_protocol::Time;

pub use slots::{Point, Slot, Slots, Window};

/// The most numbers that a store keeps, times and sequence numbers counted in, whatever `--keep`
/// says: 24 h of six columns at 200 ms are 3.5 million. In queues that double, they take 64 MiB.
pub const VALUES_MAX: usize = 1 << 22;

/// Series of samples.
///
/// **Invariant:** times strictly increase; each series and `seqs` are as long as `times`; the
/// newest sample is at most `keep` younger than the oldest, and there are at most
/// [`VALUES_MAX`] values.
#[derive(Debug, Clone)]
pub struct Store {
    times: VecDeque<Time>,
    /// The number of each sample; 0 where it has none, as numbers begin with 1.
    seqs: VecDeque<u64>,
    series: Vec<VecDeque<f64>>,
    /// The times of those samples that a gap lies before.
    breaks: VecDeque<Time>,
    keep_ms: i64,
}

/// A sample in the store.
#[derive(Debug, Clone, Copy)]
pub struct Kept<'a> {
    store: &'a Store,
    at: usize,
}

impl Store {
    /// An empty store for rows of `columns` values.
    #[must_use]
    pub fn new(columns: usize, keep: Duration) -> Store {
        Store {
            times: VecDeque::new(),
            seqs: VecDeque::new(),
            series: vec![VecDeque::new(); columns],
            breaks: VecDeque::new(),
            keep_ms: i64::try_from(keep.as_millis()).unwrap_or(i64::MAX),
        }
    }

    /// Appends a sample; `joined` says that no gap lies between it and the one before. Samples that
    /// are not older than this one are dropped first: a clock was set back. What is older than
    /// `keep` goes.
    pub fn push(&mut self, time: Time, seq: Option<u64>, values: &[f64], joined: bool) {
        debug_assert_eq!(values.len(), self.series.len());
        let joined = joined && self.newest().is_some_and(|newest| newest < time);
        while self.newest().is_some_and(|newest| newest >= time) {
            self.drop_newest();
        }
        let rows_max = (VALUES_MAX / (self.series.len() + 2)).max(1);
        let oldest = time.as_millis().saturating_sub(self.keep_ms);
        // Before the push: a queue that is full does not double its memory for one more.
        while self.times.len() >= rows_max
            || self.times.front().is_some_and(|time| time.as_millis() < oldest)
        {
            self.drop_oldest();
        }
        if !joined && !self.times.is_empty() {
            self.breaks.push_back(time);
        }
        self.times.push_back(time);
        self.seqs.push_back(seq.unwrap_or(0));
        for (series, value) in self.series.iter_mut().zip(values) {
            series.push_back(*value);
        }
    }

    fn drop_newest(&mut self) {
        let time = self.times.pop_back();
        self.seqs.pop_back();
        for series in &mut self.series {
            series.pop_back();
        }
        if self.breaks.back().copied() == time {
            self.breaks.pop_back();
        }
    }

    fn drop_oldest(&mut self) {
        self.times.pop_front();
        self.seqs.pop_front();
        for series in &mut self.series {
            series.pop_front();
        }
        // No gap lies before the first sample.
        while self.breaks.front().copied() <= self.times.front().copied() && !self.breaks.is_empty()
        {
            self.breaks.pop_front();
        }
    }

    /// How many samples there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.times.len()
    }

    /// Whether there is no sample.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    /// The time of the newest sample.
    #[must_use]
    pub fn newest(&self) -> Option<Time> {
        self.times.back().copied()
    }

    /// The time of the oldest sample.
    #[must_use]
    pub fn oldest(&self) -> Option<Time> {
        self.times.front().copied()
    }

    /// How many samples are not later than `time`.
    #[must_use]
    pub fn count_until(&self, time: Time) -> usize {
        self.times.partition_point(|kept| *kept <= time)
    }

    /// The sample at a position, the oldest at 0.
    #[must_use]
    pub fn get(&self, at: usize) -> Option<Kept<'_>> {
        (at < self.len()).then_some(Kept { store: self, at })
    }

    /// What there is to draw of a column in `window`, slot by slot.
    #[must_use]
    pub fn slots(&self, column: usize, window: Window) -> Slots {
        slots::slots(self, column, window)
    }
}

impl Kept<'_> {
    /// Its time.
    #[must_use]
    pub fn time(&self) -> Time {
        self.store.times[self.at]
    }

    /// Its number within the run.
    #[must_use]
    pub fn seq(&self) -> Option<u64> {
        Some(self.store.seqs[self.at]).filter(|seq| *seq > 0)
    }

    /// Its value in a column; NaN where it is missing.
    #[must_use]
    pub fn value(&self, column: usize) -> f64 {
        self.store.series.get(column).map_or(f64::NAN, |series| series[self.at])
    }

    /// How long before it nothing was sampled, if a gap lies there.
    #[must_use]
    pub fn gap_before(&self) -> Option<Duration> {
        self.store.breaks.binary_search(&self.time()).ok()?;
        let before = self.at.checked_sub(1).map(|at| self.store.times[at])?;
        Some(Duration::from_millis((self.time().as_millis() - before.as_millis()) as u64))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DAY: Duration = Duration::from_hours(24);

    fn ms(ms: i64) -> Time {
        Time::from_millis(ms)
    }

    fn times(store: &Store) -> Vec<i64> {
        store.times.iter().map(|time| time.as_millis()).collect()
    }

    #[test]
    fn samples_older_than_keep_go_and_so_do_their_gaps() {
        let mut store = Store::new(1, Duration::from_secs(2));
        store.push(ms(0), None, &[0.0], false);
        store.push(ms(1000), None, &[1.0], false);
        assert_eq!(store.get(1).unwrap().gap_before(), Some(Duration::from_secs(1)));
        store.push(ms(3000), None, &[3.0], true);
        assert_eq!(times(&store), [1000, 3000]);
        assert_eq!(store.get(0).unwrap().gap_before(), None);
        assert!(store.breaks.is_empty());
    }

    #[test]
    fn a_clock_that_was_set_back_takes_back_what_it_had_told() {
        let mut store = Store::new(1, DAY);
        for time in [1000, 2000, 3000] {
            store.push(ms(time), Some(1), &[0.0], true);
        }
        store.push(ms(1500), Some(1), &[0.0], true);
        assert_eq!(times(&store), [1000, 1500]);
        assert!(store.get(1).unwrap().gap_before().is_some());
    }

    #[test]
    fn a_source_of_many_columns_fills_no_more_memory_than_another() {
        let mut store = Store::new(4096, Duration::MAX);
        for time in 0..1500 {
            store.push(ms(time), None, &vec![0.0; 4096], true);
        }
        assert_eq!(store.len(), VALUES_MAX / 4098);
    }

    #[test]
    fn a_store_that_is_full_stays_within_64_mib() {
        for columns in [1, 2, 6] {
            let mut store = Store::new(columns, Duration::MAX);
            let values = vec![0.0; columns];
            for time in 0..VALUES_MAX / (columns + 2) + 10 {
                store.push(ms(time as i64), None, &values, true);
            }
            let numbers = store.times.capacity()
                + store.seqs.capacity()
                + store.series.iter().map(VecDeque::capacity).sum::<usize>();
            assert!(numbers * 8 <= 64 << 20, "{columns} columns: {numbers} numbers");
        }
    }

    proptest! {
        #[test]
        fn times_rise_and_no_series_is_shorter_than_another(
            pushes in prop::collection::vec((0..10_000_i64, any::<bool>()), 0..60),
            keep in 0..5000_u64,
        ) {
            let mut store = Store::new(2, Duration::from_millis(keep));
            for (time, joined) in pushes {
                store.push(ms(time), Some(time as u64 + 1), &[time as f64, 0.0], joined);
                prop_assert!(times(&store).is_sorted_by(|a, b| a < b));
                prop_assert!(store.series.iter().all(|series| series.len() == store.len()));
                prop_assert_eq!(store.newest(), Some(ms(time)));
                prop_assert!(time - store.oldest().unwrap().as_millis() <= keep as i64);
                let after_another = |time| store.times.binary_search(time).is_ok_and(|at| at > 0);
                prop_assert!(store.breaks.iter().all(after_another));
                let kept = store.get(store.len() - 1).unwrap();
                prop_assert_eq!((kept.value(0), kept.seq()), (time as f64, Some(time as u64 + 1)));
            }
        }
    }
}
