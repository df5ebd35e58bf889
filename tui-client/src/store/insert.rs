//! Samples that are inserted between those of a store: earlier samples that are loaded later.

use std::time::Duration;

use loadline_protocol::{Seq, Time, duration_ms};

use super::Store;
use super::chunk::Chunk;
use super::pyramid::BRANCHING;

impl Store {
    /// Inserts the samples of `other`, a store of the same columns, at their times. Samples at times
    /// that are already there are left out. A longer pause than `gap_after` between samples of both is a
    /// gap. Drops samples that are older than `keep`, and the oldest beyond the maximum number of values.
    pub(crate) fn insert(&mut self, other: &Store, gap_after: Duration) {
        let from = self.newest().map_or(Time::default(), |newest| newest - self.keep);
        let mut next = other.first_from(from.as_millis());
        while next < other.len() {
            let ms = other.time_ms(next);
            let at = self.first_from(ms);
            let following = (at < self.len()).then(|| self.time_ms(at));
            if following == Some(ms) {
                next += 1;
                continue;
            }
            let end = following.map_or(other.len(), |following| other.first_from(following));
            self.insert_at(at, other, next..end);
            self.join(at, gap_after);
            self.join(at + end - next, gap_after);
            next = end;
        }
        while self.len() > self.rows_max() {
            self.drop_oldest();
        }
    }

    /// Inserts some samples of `other` in front of the sample at an index. Their times lie there.
    fn insert_at(&mut self, at: usize, other: &Store, samples: std::ops::Range<usize>) {
        let mut chunk = self.split_before(at);
        let mut values = Vec::with_capacity(self.columns());
        for sample in samples.clone().filter_map(|at| other.get(at)) {
            if chunk == 0 || self.chunks[chunk - 1].is_full() {
                let left = samples.end - sample.index;
                let rows = left.next_power_of_two().clamp(BRANCHING, self.chunk_rows());
                let number = chunk.checked_sub(1).map_or_else(
                    || self.first_number(),
                    |before| self.chunks[before].number + self.chunks[before].rows.len() as i64,
                );
                self.chunks.insert(chunk, Chunk::new(rows, self.columns(), number));
                chunk += 1;
            }
            values.clear();
            values.extend((0..self.columns()).map(|column| sample.value(column)));
            let has_gap = other.has_gap(sample.index);
            let seq = sample.seq().unwrap_or_default();
            self.chunks[chunk - 1].push(sample.time().as_millis(), seq, has_gap, &values);
            self.count_row(&values);
        }
        for following in self.chunks.range_mut(chunk..) {
            following.number += samples.len() as i64;
        }
    }

    /// Makes the sample at an index the first of its chunk. Returns the index of the chunk.
    fn split_before(&mut self, at: usize) -> usize {
        if at == self.len() {
            return self.chunks.len();
        }
        let (chunk, row) = self.locate(at);
        let whole = &mut self.chunks[chunk];
        if row == whole.rows.start {
            return chunk;
        }
        let mut rest = whole.clone();
        rest.number += (row - whole.rows.start) as i64;
        rest.rows.start = row;
        whole.rows.end = row;
        self.chunks.insert(chunk + 1, rest);
        chunk + 1
    }

    /// Decides whether a gap lies between the sample at an index and the one before. The sequence numbers
    /// of another run do not continue.
    fn join(&mut self, at: usize, gap_after: Duration) {
        let Some(before) = at.checked_sub(1).and_then(|at| self.get(at)) else { return };
        let Some(sample) = self.get(at) else { return };
        let is_late = sample.time().ms_since(before.time()) > duration_ms(gap_after);
        let has_gap = is_late || sample.seq().map(Seq::previous) < before.seq();
        let (chunk, row) = self.locate(at);
        self.chunks[chunk].set_gap(row, has_gap);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::store::Window;

    const GAP_AFTER: Duration = Duration::from_millis(2500);

    fn ms(ms: i64) -> Time {
        Time::from_millis(ms)
    }

    /// Time in milliseconds, sequence number and values.
    type PlainSample = (i64, u64, [f64; 2]);

    fn push(store: &mut Store, samples: &[PlainSample]) {
        let mut before: Option<PlainSample> = None;
        for (time, seq, values) in samples {
            let joined = |(last, number, _)| time - last <= 2500 && *seq > number;
            store.push(ms(*time), Some(Seq(*seq)), values, before.is_some_and(joined));
            before = Some((*time, *seq, *values));
        }
    }

    fn rows(store: &Store) -> Vec<String> {
        let samples = (0..store.len()).filter_map(|at| store.get(at));
        let row = |it: crate::store::StoredSample<'_>| {
            let values = (it.value(0), it.value(1));
            format!("{} {:?} {values:?} {:?}", it.time(), it.seq(), it.gap_before())
        };
        samples.map(row).collect()
    }

    #[test]
    fn a_hole_is_a_gap_until_it_is_filled() {
        let samples: Vec<PlainSample> =
            (0..100).map(|at| (at * 1000, at as u64 + 1, [1.0; 2])).collect();
        let part = |range: std::ops::Range<usize>| {
            let mut store = Store::with_chunk_rows(4, 2, Duration::MAX);
            push(&mut store, &samples[range]);
            store
        };
        let mut store = part(80..100);
        store.insert(&part(10..20), GAP_AFTER);
        let gaps = |store: &Store| -> Vec<usize> {
            (0..store.len()).filter(|at| store.get(*at).unwrap().gap_before().is_some()).collect()
        };
        assert_eq!((store.len(), gaps(&store)), (30, vec![10]));
        store.insert(&part(15..82), GAP_AFTER);
        assert_eq!((rows(&store), gaps(&store)), (rows(&part(10..100)), vec![]));
    }

    #[test]
    fn samples_beyond_the_limits_are_not_inserted() {
        let part = |times: std::ops::Range<i64>, keep_s| {
            let mut store = Store::new(1, Duration::from_secs(keep_s)).with_values_max(60);
            times.for_each(|at| store.push(ms(at * 1000), None, &[0.0], true));
            store
        };
        let mut store = part(90..100, 15);
        store.insert(&part(70..90, 1000), GAP_AFTER);
        assert_eq!((store.oldest(), store.len()), (Some(ms(84_000)), 16));
        let mut store = part(90..100, 1000);
        store.insert(&part(70..90, 1000), GAP_AFTER);
        assert_eq!((store.oldest(), store.len()), (Some(ms(80_000)), 20));
    }

    prop_compose! {
        /// Samples in order, some after a gap, some of another run.
        fn samples()(
            steps in prop::collection::vec(
                (
                    prop_oneof![9 => 1..2000_i64, 1 => 2000..90_000_i64],
                    prop::bool::weighted(0.03),
                    prop_oneof![9 => -100.0..100.0, 1 => Just(f64::NAN)],
                ),
                1..700,
            ),
        ) -> Vec<PlainSample> {
            let (mut time, mut seq) = (0, 0);
            let mut sample = |(step, is_new_run, value): (i64, bool, f64)| {
                time += step;
                seq = if is_new_run { 1 } else { seq + 1 };
                (time, seq, [value, seq as f64])
            };
            steps.into_iter().map(&mut sample).collect()
        }
    }

    proptest! {
        #[test]
        fn in_whatever_order_slices_arrive_the_store_equals_one_that_was_loaded_at_once(
            samples in samples(),
            cuts in prop::collection::vec((any::<prop::sample::Index>(), any::<u32>()), 0..12),
            live_from in any::<prop::sample::Index>(),
            live_step in 1..60_usize,
            chunk_rows_log2 in 4..8_u32,
            window in (0..1_000_000_i64, 1..1_500_000_i64, 1..60_usize),
        ) {
            let empty = || Store::with_chunk_rows(chunk_rows_log2, 2, Duration::MAX);
            let mut whole = empty();
            push(&mut whole, &samples);
            // Samples from here on arrive live, a few before each slice.
            let live_from = live_from.index(samples.len());
            let mut edges: Vec<(usize, u32)> =
                cuts.iter().map(|(at, order)| (at.index(live_from + 1), *order)).collect();
            edges.extend([(0, 0), (live_from, 0)]);
            edges.sort_unstable();
            let mut slices: Vec<(u32, std::ops::Range<usize>)> =
                edges.windows(2).map(|pair| (pair[0].1, pair[0].0..pair[1].0)).collect();
            slices.sort_by_key(|(order, _)| *order);
            let mut store = empty();
            let mut live = live_from;
            for (_, slice) in slices {
                let end = (live + live_step).min(samples.len());
                for at in live..end {
                    let joined = at > live_from
                        && samples[at].0 - samples[at - 1].0 <= 2500
                        && samples[at].1 > samples[at - 1].1;
                    let (time, seq, values) = &samples[at];
                    store.push(ms(*time), Some(Seq(*seq)), values, joined);
                }
                live = end;
                let mut earlier = empty();
                push(&mut earlier, &samples[slice]);
                store.insert(&earlier, GAP_AFTER);
            }
            let mut whole_until_now = empty();
            push(&mut whole_until_now, &samples[..live]);
            prop_assert_eq!(rows(&store), rows(&whole_until_now));
            prop_assert_eq!(&store.column_values, &whole_until_now.column_values);
            prop_assert!(store.chunks.iter().all(|chunk| !chunk.rows.is_empty()));
            let (newest, span, cells) = window;
            for span in [span, 3_000_000] {
                let window = Window::ending(ms(newest), span, cells, 2);
                let slots = |store: &Store| store.slots_of(&[0, 1], window);
                prop_assert_eq!(slots(&store), slots(&whole_until_now));
            }
        }
    }
}
