//! Samples of one source: a series per column, with shared timestamps.
//!
//! ```text
//! insert ─▶ │ chunk │ chunk │ chunk │ ◀─ push   chunk.rs     rows, stored by column
//!               │ a column                       pyramid.rs   minimum and maximum of any range of a column
//!               ▼
//!           slots(column, window)                slots.rs     downsampled for the screen
//! ```

mod chunk;
mod insert;
mod kinds;
mod looks;
mod merge;
mod process_order;
mod pyramid;
mod slots;

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Duration;

use loadline_protocol::{Seq, Time};

use chunk::{Chunk, STAMP_NUMBERS};
pub(crate) use kinds::{Magnitude, ValueKind};
pub(crate) use looks::ALL_LOOKS_BYTES_MAX;
pub use looks::Looks;
pub(crate) use looks::covers;
pub use process_order::ProcessOrder;
pub use slots::{Slot, SlotPoint, Slots, Window};

/// Maximum number of values in a store, times and sequence numbers included, regardless of
/// `--keep`. A week of six columns at 1 s is 4.8 million; nine days fit. With the pyramids above
/// the values, the memory stays below 64 MiB.
pub const VALUES_MAX: usize = 6 << 20;

/// Maximum number of values in the stores of all sources together: with up to eight sources, each
/// store may hold [`VALUES_MAX`].
pub(crate) const ALL_VALUES_MAX: usize = 8 * VALUES_MAX;

/// Samples after which a column without a value counts as missing: the first samples of a run may
/// lack rates, because a rate needs two samples.
const SETTLED_SAMPLES_MIN: u64 = 3;

/// Time series of one source.
///
/// Memory is allocated and freed in chunks of rows, so growing never doubles the memory. With six
/// columns, a value takes less than 12 bytes.
///
/// **Invariant:** times strictly increase; the samples span at most `keep`, and there are at most
/// [`VALUES_MAX`] values. Each chunk has a sample.
#[derive(Debug, Clone)]
pub struct Store {
    chunks: VecDeque<Chunk>,
    chunk_rows_log2: u32,
    keep: Duration,
    values_max: usize,
    /// Kind and magnitude of the values of each column since the store was created.
    pub(crate) column_values: Vec<(ValueKind, Magnitude)>,
    /// Number of times that a magnitude has grown.
    magnitude_changes: usize,
    /// Samples pushed since the store was created.
    pushed_count: u64,
}

/// Part of a range of samples that lies in one chunk.
struct ChunkRange<'a> {
    chunk: &'a Chunk,
    /// Rows within the chunk.
    rows: Range<usize>,
    /// Index of the first row's sample in the store.
    first_sample: usize,
}

/// Sample in a store.
#[derive(Debug, Clone, Copy)]
pub struct StoredSample<'a> {
    store: &'a Store,
    index: usize,
}

impl Store {
    /// Returns an empty store for rows of `columns` values that keeps samples for `keep`.
    pub fn new(columns: usize, keep: Duration) -> Store {
        Store::with_chunk_rows(chunk::rows_log2(columns), columns, keep)
    }

    fn with_chunk_rows(chunk_rows_log2: u32, columns: usize, keep: Duration) -> Store {
        Store {
            chunks: VecDeque::new(),
            chunk_rows_log2,
            keep,
            values_max: VALUES_MAX,
            column_values: vec![(ValueKind::None, Magnitude::ZERO); columns],
            magnitude_changes: 0,
            pushed_count: 0,
        }
    }

    /// Lowers the maximum number of values.
    pub(crate) fn with_values_max(mut self, values_max: usize) -> Store {
        self.values_max = values_max.min(VALUES_MAX);
        self
    }

    /// Returns an empty store with the same limits for rows of `columns` values.
    pub(crate) fn emptied(&self, columns: usize) -> Store {
        Store::new(columns, self.keep).with_values_max(self.values_max)
    }

    /// Adds the kinds and magnitudes of the values of another store.
    pub(crate) fn adopt_kinds(&mut self, other: &Store) {
        self.magnitude_changes += other.magnitude_changes;
        for (ours, theirs) in self.column_values.iter_mut().zip(&other.column_values) {
            *ours = (ours.0.max(theirs.0), ours.1.union(theirs.1));
        }
    }

    /// Appends a sample. `joined` means that no gap lies before the sample. Drops the samples that
    /// are not older, because a clock was set back, and those that are older than `keep`.
    pub fn push(&mut self, time: Time, seq: Option<Seq>, values: &[f64], joined: bool) {
        debug_assert_eq!(values.len(), self.columns());
        let joined = joined && self.newest().is_some_and(|newest| newest < time);
        while self.newest().is_some_and(|newest| newest >= time) {
            self.drop_newest();
        }
        let rows_max = self.rows_max();
        let oldest = time - self.keep;
        // Drop before the push: a full store needs no further chunk for one more row.
        while self.len() >= rows_max || self.oldest().is_some_and(|time| time < oldest) {
            self.drop_oldest();
        }
        if self.chunks.back().is_none_or(Chunk::is_full) {
            let chunk = Chunk::new(self.chunk_rows(), self.columns(), self.end_number());
            self.chunks.push_back(chunk);
        }
        if let Some(chunk) = self.chunks.back_mut() {
            chunk.push(time.as_millis(), seq.unwrap_or_default(), !joined, values);
        }
        self.count_row(values);
    }

    /// Notes the values of a further row.
    fn count_row(&mut self, values: &[f64]) {
        self.pushed_count += 1;
        for ((kind, magnitude), value) in self.column_values.iter_mut().zip(values) {
            if *kind != ValueKind::Fractional && !value.is_nan() {
                let is_whole = value.fract() == 0.0;
                *kind = if is_whole { ValueKind::Whole } else { ValueKind::Fractional };
            }
            self.magnitude_changes += usize::from(magnitude.update(*value));
        }
    }

    /// Returns the maximum number of samples.
    fn rows_max(&self) -> usize {
        (self.values_max / (self.columns() + STAMP_NUMBERS)).max(1)
    }

    /// Returns the time spans that the store keeps at most, and that fit if samples are `interval` apart.
    pub(crate) fn reach(&self, interval: Duration) -> (Duration, Duration) {
        let rows = u32::try_from(self.rows_max()).unwrap_or(u32::MAX);
        (self.keep, interval.saturating_mul(rows))
    }

    pub(crate) fn columns(&self) -> usize {
        self.column_values.len()
    }

    /// Returns whether a column still has no value after the first samples.
    pub(crate) fn is_missing(&self, column: usize) -> bool {
        self.is_settled() && matches!(self.column_values.get(column), Some((ValueKind::None, _)))
    }

    fn is_settled(&self) -> bool {
        self.pushed_count >= SETTLED_SAMPLES_MIN
    }

    /// Returns a number that changes whenever [`Store::is_missing`], the kind or the magnitude of a
    /// column changes.
    pub(crate) fn kinds_version(&self) -> usize {
        let kinds = self.column_values.iter().map(|(kind, _)| *kind as usize).sum::<usize>();
        kinds + self.magnitude_changes + usize::from(self.is_settled())
    }

    /// Drops the `count` newest samples.
    pub(crate) fn forget_newest(&mut self, count: usize) {
        for _ in 0..count.min(self.len()) {
            self.drop_newest();
        }
    }

    fn drop_newest(&mut self) {
        let Some(chunk) = self.chunks.back_mut() else { return };
        chunk.rows.end -= 1;
        if chunk.rows.is_empty() {
            self.chunks.pop_back();
        }
    }

    fn drop_oldest(&mut self) {
        let Some(chunk) = self.chunks.front_mut() else { return };
        chunk.rows.start += 1;
        chunk.number += 1;
        if chunk.rows.is_empty() {
            self.chunks.pop_front();
        }
    }

    fn chunk_rows(&self) -> usize {
        1 << self.chunk_rows_log2
    }

    /// Returns the number of the oldest sample.
    fn first_number(&self) -> i64 {
        self.chunks.front().map_or(0, |chunk| chunk.number)
    }

    /// Returns the number of the next sample.
    fn end_number(&self) -> i64 {
        self.chunks.back().map_or(0, |chunk| chunk.number + chunk.rows.len() as i64)
    }

    /// Returns the chunk of a sample and the row in the chunk.
    fn locate(&self, at: usize) -> (usize, usize) {
        let number = self.first_number() + at as i64;
        let chunk = self.chunks.partition_point(|chunk| chunk.number <= number) - 1;
        (chunk, self.chunks[chunk].row_of(number))
    }

    fn time_ms(&self, at: usize) -> i64 {
        let (chunk, row) = self.locate(at);
        self.chunks[chunk].times[row]
    }

    /// Returns the value of a sample. Panics if the store has no such column.
    fn value(&self, column: usize, at: usize) -> f64 {
        let (chunk, row) = self.locate(at);
        self.chunks[chunk].value(column, row)
    }

    fn has_gap(&self, at: usize) -> bool {
        let (chunk, row) = self.locate(at);
        at > 0 && self.chunks[chunk].has_gap(row)
    }

    /// Returns the number of samples.
    pub fn len(&self) -> usize {
        (self.end_number() - self.first_number()) as usize
    }

    /// Returns the number of samples that did not fit, for a store that is to keep all of them.
    pub(crate) fn overflow(&self) -> u64 {
        let keeps_all = self.keep == Duration::MAX;
        if keeps_all { self.pushed_count.saturating_sub(self.len() as u64) } else { 0 }
    }

    /// Returns whether the store has no samples.
    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// Returns the time of the newest sample.
    pub fn newest(&self) -> Option<Time> {
        self.chunks.back().map(|chunk| Time::from_millis(chunk.newest_ms()))
    }

    pub(crate) fn oldest(&self) -> Option<Time> {
        self.chunks.front().map(|chunk| Time::from_millis(chunk.times[chunk.rows.start]))
    }

    /// Returns the number of samples up to and including `time`.
    pub(crate) fn count_until(&self, time: Time) -> usize {
        self.first_from(time.as_millis() + 1)
    }

    /// Returns the index of the first sample at or after `ms`, or the length if there is none.
    fn first_from(&self, ms: i64) -> usize {
        let at = self.chunks.partition_point(|chunk| chunk.newest_ms() < ms);
        let Some(chunk) = self.chunks.get(at) else { return self.len() };
        let before = chunk.times[chunk.rows.clone()].partition_point(|time| *time < ms);
        (chunk.number - self.first_number()) as usize + before
    }

    /// Splits a range of samples into the parts of each chunk.
    fn chunk_ranges(&self, range: Range<usize>) -> impl Iterator<Item = ChunkRange<'_>> {
        let numbers = [range.start, range.end].map(|at| self.first_number() + at as i64);
        let first = self.chunks.partition_point(|chunk| chunk.number <= numbers[0]);
        let chunks = self.chunks.range(first.saturating_sub(1)..);
        let chunks = chunks.take_while(move |chunk| chunk.number < numbers[1]);
        chunks.filter(move |_| !range.is_empty()).map(move |chunk| {
            let start = chunk.row_of(numbers[0].max(chunk.number));
            let end = chunk.rows.end.min(chunk.row_of(numbers[1]));
            let first_sample = (chunk.number.max(numbers[0]) - self.first_number()) as usize;
            ChunkRange { chunk, rows: start..end, first_sample }
        })
    }

    /// Returns the values of a column in a range of samples; none if the store has no such column.
    pub(crate) fn values(&self, column: usize, range: Range<usize>) -> impl Iterator<Item = f64> {
        let parts = self.chunk_ranges(range).filter(move |_| column < self.columns());
        parts.flat_map(move |part| part.chunk.column(column).values[part.rows].iter().copied())
    }

    /// Returns the sample at an index, the oldest at 0.
    pub fn get(&self, at: usize) -> Option<StoredSample<'_>> {
        (at < self.len()).then_some(StoredSample { store: self, index: at })
    }

    /// Returns the slots of a column in `window`. The cost grows only with the logarithm of the
    /// number of samples.
    pub fn slots(&self, column: usize, window: Window) -> Slots {
        self.slots_of(&[column], window).pop().unwrap_or_default()
    }

    /// Returns the slots of several columns, with one search for the edges of the slots.
    pub fn slots_of(&self, columns: &[usize], window: Window) -> Vec<Slots> {
        slots::slots(self, columns, window)
    }

    /// Returns the memory of the samples in bytes.
    pub fn bytes(&self) -> usize {
        let unused = (self.chunks.capacity() - self.chunks.len()) * size_of::<Chunk>();
        unused + self.chunks.iter().map(Chunk::bytes).sum::<usize>()
    }
}

impl StoredSample<'_> {
    /// Returns the timestamp, or the time of receipt if the row had none.
    pub fn time(&self) -> Time {
        Time::from_millis(self.store.time_ms(self.index))
    }

    /// Returns the sequence number within the run.
    pub fn seq(&self) -> Option<Seq> {
        let (chunk, row) = self.store.locate(self.index);
        Some(self.store.chunks[chunk].seqs[row]).filter(|seq| *seq > Seq::default())
    }

    /// Returns the value of a column, NaN if missing.
    pub fn value(&self, column: usize) -> f64 {
        let is_known = column < self.store.columns();
        if is_known { self.store.value(column, self.index) } else { f64::NAN }
    }

    /// Returns the length of the gap before the sample, if there is one.
    pub fn gap_before(&self) -> Option<Duration> {
        let before = StoredSample { index: self.index.checked_sub(1)?, ..*self };
        self.store.has_gap(self.index).then(|| self.time() - before.time())
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
        (0..store.len()).map(|at| store.time_ms(at)).collect()
    }

    #[test]
    fn samples_older_than_keep_are_dropped_with_their_gaps() {
        let mut store = Store::new(1, Duration::from_secs(2));
        store.push(ms(0), None, &[0.0], false);
        store.push(ms(1000), None, &[1.0], false);
        assert_eq!(store.get(1).unwrap().gap_before(), Some(Duration::from_secs(1)));
        store.push(ms(3000), None, &[3.0], true);
        assert_eq!(times(&store), [1000, 3000]);
        assert_eq!(store.get(0).unwrap().gap_before(), None);
        assert_eq!(store.get(1).unwrap().gap_before(), None);
    }

    #[test]
    fn column_keeps_its_value_kind_after_its_samples_are_dropped() {
        use ValueKind::{Fractional, None, Whole};
        let mut store = Store::new(3, Duration::from_secs(1));
        let mut kinds_after = |second: i64, values: [f64; 3]| {
            store.push(ms(second * 1000), Option::None, &values, true);
            store.column_values.iter().map(|(kind, _)| *kind).collect::<Vec<_>>()
        };
        assert_eq!(kinds_after(0, [f64::NAN, 2.0, 2.5]), [None, Whole, Fractional]);
        assert_eq!(kinds_after(9, [f64::NAN, 3.0, 3.0]), [None, Whole, Fractional]);
        assert_eq!(kinds_after(10, [1e300, -0.25, f64::NAN]), [Whole, Fractional, Fractional]);
        assert_eq!(kinds_after(20, [f64::NAN; 3]), [Whole, Fractional, Fractional]);
    }

    #[test]
    fn the_magnitude_of_a_column_only_grows() {
        let mut store = Store::new(1, Duration::from_secs(1));
        let mut after = |second: i64, value: f64| {
            store.push(ms(second * 1000), None, &[value], true);
            let (_, Magnitude { exponent, is_negative, .. }) = store.column_values[0];
            (exponent, is_negative)
        };
        assert_eq!([f64::NAN, 0.0].map(|value| after(1, value)), [(i16::MIN, false); 2]);
        assert_eq!(after(2, 0.05), (-2, false));
        assert_eq!(after(3, -1234.5), (3, true));
        assert_eq!(after(4, 9999.0), (3, true));
        assert_eq!(after(9, 1e308), (308, true));
    }

    #[test]
    fn setting_the_clock_back_drops_newer_samples() {
        let mut store = Store::new(1, DAY);
        for time in [1000, 2000, 3000] {
            store.push(ms(time), Some(Seq(1)), &[0.0], true);
        }
        store.push(ms(1500), Some(Seq(1)), &[0.0], true);
        assert_eq!(times(&store), [1000, 1500]);
        assert!(store.get(1).unwrap().gap_before().is_some());
    }

    #[test]
    fn overflow_is_counted_only_if_all_samples_are_to_be_kept() {
        let overflow = |keep| {
            let mut store = Store::new(1, keep).with_values_max(30);
            (0..15).for_each(|time| store.push(ms(time), None, &[0.0], true));
            (store.len(), store.overflow())
        };
        assert_eq!(overflow(Duration::MAX), (10, 5));
        assert_eq!(overflow(DAY), (10, 0));
    }

    #[test]
    fn an_emptied_store_keeps_its_limits() {
        let mut store = Store::new(1, Duration::MAX).with_values_max(30);
        store.push(ms(1), None, &[0.0], true);
        let mut emptied = store.emptied(8);
        assert!(emptied.is_empty());
        (0..15).for_each(|time| emptied.push(ms(time), None, &[0.0; 8], true));
        assert_eq!((emptied.len(), emptied.overflow()), (3, 12));
    }

    #[test]
    fn a_widened_store_keeps_its_samples_and_gaps() {
        for count in [0, 5, 16, 40, 100] {
            let mut store = Store::with_chunk_rows(4, 1, DAY);
            for at in 0..count {
                store.push(ms(at * 1000), Some(Seq(at as u64 + 1)), &[at as f64], at % 7 != 3);
            }
            (0..count.min(3)).for_each(|_| store.drop_oldest());
            let before: Vec<_> = (0..store.len())
                .filter_map(|at| store.get(at))
                .map(|it| (it.time(), it.seq(), it.value(0), it.gap_before()))
                .collect();
            store.widen(3);
            let after: Vec<_> = (0..store.len())
                .filter_map(|at| store.get(at))
                .inspect(|it| assert!(it.value(1).is_nan() && it.value(2).is_nan()))
                .map(|it| (it.time(), it.seq(), it.value(0), it.gap_before()))
                .collect();
            assert_eq!(after, before, "{count}");
            store.push(ms(count * 1000), None, &[1.0, 2.0, 3.0], true);
            assert!((store.get(before.len()).unwrap().value(2) - 3.0).abs() < f64::EPSILON);
        }
    }

    #[test]
    fn merged_stores_have_all_samples_and_no_line_between_them() {
        let store_of = |rows: &[(i64, f64, f64, bool)]| {
            let mut store = Store::with_chunk_rows(4, 2, Duration::MAX);
            for (time, one, two, joined) in rows {
                store.push(ms(*time), Some(Seq(*time as u64)), &[*one, *two], *joined);
            }
            store
        };
        let nan = f64::NAN;
        let mut all = store_of(&[
            (1, 1.0, nan, true),
            (2, 2.0, nan, true),
            (3, 3.5, nan, true),
            (7, 7.0, nan, true),
        ]);
        let mut later =
            store_of(&[(2, nan, 20.0, true), (3, 33.0, 30.0, true), (5, nan, -50.0, true)]);
        all.merge(&mut later);
        let rows: Vec<_> = (0..all.len())
            .filter_map(|at| all.get(at))
            .map(|it| {
                format!(
                    "{} {} {} {}",
                    it.time(),
                    it.value(0),
                    it.value(1),
                    it.gap_before().is_some()
                )
            })
            .collect();
        let expected = [
            "0.001 1 NaN false",
            "0.002 2 20 false",
            "0.003 33 30 false",
            "0.005 NaN -50 false",
            "0.007 7 NaN true",
        ];
        assert_eq!(rows, expected);
        assert_eq!(all.overflow(), 0, "two samples at one time are one");
        assert_eq!(all.column_values[0].0, ValueKind::Fractional);
        assert!(all.column_values[1].1.is_negative);
    }

    #[test]
    fn a_widened_store_stays_within_its_memory() {
        let mut store = full(6);
        store.widen(4096);
        assert!(store.len() > 1000 && store.bytes() <= 64 << 20, "{}", store.len());
        assert_eq!(store.newest(), full(6).newest(), "the newest samples stay");
        assert!(store.overflow() > 0);
    }

    /// Returns a full store with a gap before each sample.
    fn full(columns: usize) -> Store {
        let mut store = Store::new(columns, Duration::MAX);
        let values = vec![0.0; columns];
        let rows_max = VALUES_MAX / (columns + 2);
        // The first and the last chunk are only partly used.
        for time in 0..=rows_max + store.chunk_rows() / 2 {
            store.push(ms(time as i64), Some(Seq(7)), &values, false);
        }
        assert_eq!(store.len(), rows_max);
        store
    }

    #[test]
    fn a_store_that_is_full_stays_within_64_mib() {
        // One of each chunk size: the longest, the most common, one below and one above a power of
        // two, the shortest, and the maximum number of columns.
        for columns in [0, 1, 2, 6, 14, 15, 2046, 2047, 4096] {
            let bytes = full(columns).bytes();
            assert!(bytes <= 64 << 20, "{columns} columns: {bytes} bytes");
        }
    }

    #[test]
    fn a_week_of_six_columns_takes_less_than_12_bytes_a_value() {
        let mut store = Store::new(6, Duration::from_hours(7 * 24));
        for second in 0..604_800 {
            store.push(ms(second * 1000), Some(Seq(second as u64 + 1)), &[1.5; 6], true);
        }
        assert_eq!(store.len(), 604_800, "a week fits");
        let bytes = store.bytes();
        assert!(bytes <= 12 * 6 * store.len(), "{bytes} bytes");
    }

    #[test]
    fn dropped_samples_free_their_memory() {
        let mut store = Store::new(6, Duration::from_secs(10));
        for time in 0..100_000 {
            store.push(ms(time * 1000), None, &[0.0; 6], true);
        }
        assert_eq!(store.len(), 11);
        assert!(store.bytes() <= 1 << 20, "{} bytes", store.bytes());
    }

    proptest! {
        #[test]
        fn store_holds_the_same_samples_as_a_list(
            pushes in prop::collection::vec((0..10_000_i64, any::<bool>(), any::<bool>()), 0..200),
            keep in 0..5000_u64,
            chunk_rows_log2 in 4..7_u32,
        ) {
            let mut store = Store::with_chunk_rows(chunk_rows_log2, 2, Duration::from_millis(keep));
            let mut list: Vec<(i64, bool)> = Vec::new();
            let mut time = 0;
            for (jump, steps, joined) in pushes {
                time = if steps { time + jump % 50 } else { jump };
                let after_newest = list.last().is_none_or(|(last, _)| *last < time);
                list.retain(|(kept, _)| *kept < time && *kept >= time - keep as i64);
                list.push((time, joined && after_newest));
                store.push(ms(time), Some(Seq(time as u64 + 1)), &[time as f64, 0.0], joined);
                prop_assert_eq!(store.newest(), Some(ms(time)));
            }
            prop_assert_eq!(store.len(), list.len());
            for (at, (time, joined)) in list.iter().enumerate() {
                let kept = store.get(at).unwrap();
                prop_assert_eq!((kept.time(), kept.seq()), (ms(*time), Some(Seq(*time as u64 + 1))));
                prop_assert_eq!((kept.value(0), kept.value(1)), (*time as f64, 0.0));
                let gap = at.checked_sub(1).filter(|_| !joined).map(|before| time - list[before].0);
                prop_assert_eq!(kept.gap_before().map(|gap| gap.as_millis() as i64), gap);
                prop_assert_eq!(store.count_until(ms(*time)), at + 1);
            }
            prop_assert!(store.chunks.len() <= store.len() / store.chunk_rows() + 2);
        }
    }
}
