//! Series downsampled for the screen: one slot per column of dots.

use std::ops::Range;

use loadline_protocol::Time;

use super::pyramid::Extremes;
use super::{ChunkRange, Store};

/// Longest span: 10,000 years, the range of [`Time`].
const SPAN_MAX_MS: i64 = Time::MAX.as_millis();

/// Time span, divided into slots of equal length at fixed times.
///
/// **Invariant:** `slot_ms` > 0, and `from_ms` is a multiple of the length of a cell in the time
/// base of the window; a sample therefore keeps its slot while the window slides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    from_ms: i64,
    slot_ms: i64,
    slot_count: usize,
    /// Slots per cell of the screen.
    slots_per_cell: usize,
    /// Later samples are excluded, even if the last cell reaches further.
    newest: Time,
}

impl Window {
    /// Returns the window over at least `span_ms` that ends with the cell of `newest`, in `cells`
    /// cells of `per_cell` slots each. Samples after `newest` are excluded.
    pub fn ending(newest: Time, span_ms: i64, cells: usize, per_cell: usize) -> Window {
        let per_cell = per_cell.max(1);
        let span_ms = span_ms.clamp(1, SPAN_MAX_MS);
        let count = cells * per_cell;
        let slot_ms = span_ms.div_euclid(count.max(1) as i64).max(1);
        let slot_ms = if slot_ms * (count as i64) < span_ms { slot_ms + 1 } else { slot_ms };
        let cell_ms = slot_ms * per_cell as i64;
        let end = (newest.as_millis().div_euclid(cell_ms) + 1) * cell_ms;
        Window {
            from_ms: end - cell_ms * cells as i64,
            slot_ms,
            slot_count: count,
            slots_per_cell: per_cell,
            newest,
        }
    }

    /// Returns the same window by a clock that is `offset_ms` ahead.
    pub fn with_clock_offset(&self, offset_ms: i64) -> Window {
        let newest = self.newest.shifted_ms(offset_ms);
        Window { from_ms: self.from_ms.saturating_add(offset_ms), newest, ..*self }
    }

    /// Returns the number of slots, over all cells.
    pub fn slot_count(&self) -> usize {
        self.slot_count
    }

    pub(crate) fn cell_count(&self) -> usize {
        self.slot_count / self.slots_per_cell
    }

    /// Returns the length of a cell in milliseconds.
    pub fn cell_ms(&self) -> i64 {
        self.slot_ms * self.slots_per_cell as i64
    }

    /// Returns the start of a cell, counted from the window's first.
    pub(crate) fn time_of_cell(&self, cell: i64) -> Time {
        Time::from_millis(self.from_ms.saturating_add(cell.saturating_mul(self.cell_ms())))
    }

    /// Returns the first slot, counted from 1970: a slot keeps this number as the window slides.
    pub(crate) fn first_slot(&self) -> i64 {
        self.from_ms.div_euclid(self.slot_ms)
    }

    /// Returns the cell of a time, numbered within the window; `None` outside.
    pub fn cell_of(&self, ms: i64) -> Option<usize> {
        let slot = usize::try_from(self.slot_of(ms)).ok().filter(|slot| *slot < self.slot_count)?;
        Some(slot / self.slots_per_cell)
    }

    /// Returns the start in milliseconds since the epoch.
    pub fn from_ms(&self) -> i64 {
        self.from_ms
    }

    /// Returns the exclusive end in milliseconds since the epoch.
    pub fn end_ms(&self) -> i64 {
        self.from_ms + self.slot_ms * self.slot_count as i64
    }

    /// Returns the slot of a time, numbered within the window from 0. Negative before the window.
    pub fn slot_of(&self, ms: i64) -> i64 {
        (ms - self.from_ms).div_euclid(self.slot_ms)
    }
}

/// Value at a slot.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SlotPoint {
    /// Slot, numbered within the window from 0.
    pub(crate) slot: i64,
    /// Value, in the unit of the stream.
    pub(crate) value: f64,
}

/// Summary of the samples in a slot. A line through these four values, in this order, covers the
/// same dots as a line through all samples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slot {
    /// Value of the first sample.
    pub first: f64,
    /// Minimum.
    pub min: f64,
    /// Maximum.
    pub max: f64,
    /// Value of the last sample.
    pub last: f64,
    /// True if the line is broken before the first value.
    pub broken: bool,
}

impl Slot {
    fn of(value: f64, broken: bool) -> Slot {
        Slot { first: value, min: value, max: value, last: value, broken }
    }

    /// Adds later values.
    fn extend(&mut self, min: f64, max: f64, last: f64) {
        self.min = self.min.min(min);
        self.max = self.max.max(max);
        self.last = last;
    }
}

/// Slots of a column in a window.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Slots {
    /// Last value before the window, if the line enters from there.
    pub(crate) before: Option<SlotPoint>,
    /// Slots of the window; `None` without a value.
    pub slots: Vec<Option<Slot>>,
}

impl Slots {
    /// Returns the minimum and the maximum, if there is a value.
    pub(crate) fn extent(&self) -> Option<(f64, f64)> {
        let slots = self.slots.iter().flatten();
        slots.map(|slot| (slot.min, slot.max)).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
    }
}

/// Samples per slot up to which reading each sample is faster than searching the slots' edges.
const DENSE_SAMPLES_PER_SLOT: usize = 3;

/// Computes the slots of some columns, chunk by chunk.
pub(super) fn slots(store: &Store, columns: &[usize], window: Window) -> Vec<Slots> {
    let empty = || Slots { slots: vec![None; window.slot_count], ..Slots::default() };
    let mut answers: Vec<Slots> = columns.iter().map(|_| empty()).collect();
    let begin = store.first_from(window.from_ms);
    // A clock offset can move the window outside the range of `Time`.
    let end_ms = (window.newest.as_millis() + 1).min(window.end_ms());
    let end = store.first_from(end_ms).max(begin);
    let is_dense = end - begin > DENSE_SAMPLES_PER_SLOT * window.slot_count;
    let fill = if is_dense { fill_from_pyramid } else { fill_from_samples };
    // True if the line continues from sample `at - 1` to `at`, provided that `at` has a value.
    let is_joined = |column: usize, at: usize| {
        at > 0 && !store.has_gap(at) && !store.value(column, at - 1).is_nan()
    };
    for part in store.chunk_ranges(begin..end) {
        let known =
            answers.iter_mut().zip(columns).filter(|(_, column)| **column < store.columns());
        let mut builders: Vec<SlotBuilder> = known
            .map(|(answer, column)| SlotBuilder {
                slots: &mut answer.slots,
                column: *column,
                joined: is_joined(*column, part.first_sample),
            })
            .collect();
        fill(&mut builders, window, &part);
    }
    for (answer, column) in answers.iter_mut().zip(columns) {
        let first = answer.slots.iter().flatten().next();
        if first.is_some_and(|slot| !slot.broken) {
            let point = |at: usize| SlotPoint {
                slot: window.slot_of(store.time_ms(at)),
                value: store.value(*column, at),
            };
            answer.before = begin.checked_sub(1).map(point).filter(|point| !point.value.is_nan());
        }
    }
    answers
}

/// Column whose slots are being filled.
struct SlotBuilder<'a> {
    slots: &'a mut [Option<Slot>],
    column: usize,
    /// True if the line continues into the first sample of the part.
    joined: bool,
}

/// Fills slots by reading each sample of a part.
fn fill_from_samples(builders: &mut [SlotBuilder], window: Window, range: &ChunkRange<'_>) {
    let rows = range.rows.clone();
    let times = &range.chunk.times[rows.clone()];
    for SlotBuilder { slots, column, joined } in builders {
        let values = &range.chunk.column(*column).values[rows.clone()];
        for (row, (time, value)) in rows.clone().zip(times.iter().zip(values)) {
            let value = *value;
            *joined &= !range.chunk.has_gap(row);
            if value.is_nan() {
                *joined = false;
                continue;
            }
            match &mut slots[window.slot_of(*time) as usize] {
                Some(slot) => slot.extend(value, value, value),
                empty @ None => *empty = Some(Slot::of(value, !*joined)),
            }
            *joined = true;
        }
    }
}

/// Fills slots by searching for their edges in a part, reading times only near the edges; the
/// pyramid provides min and max.
fn fill_from_pyramid(builders: &mut [SlotBuilder], window: Window, part: &ChunkRange<'_>) {
    let ChunkRange { chunk, rows: Range { start: begin, end }, .. } = part;
    let times = &chunk.times[..*end];
    // Guess the edge by the mean rate: most samples have a steady interval.
    let rows_per_ms = (end - begin) as f64 / (times[end - 1] - times[*begin] + 1) as f64;
    let mut start = *begin;
    while start < *end {
        let slot = window.slot_of(times[start]);
        let end_ms = window.from_ms + (slot + 1) * window.slot_ms;
        let guess = start + ((end_ms - times[start]) as f64 * rows_per_ms) as usize;
        let rows = start..next_edge(times, start + 1, guess, end_ms);
        start = rows.end;
        for SlotBuilder { slots, column, joined } in &mut *builders {
            let column = chunk.column(*column);
            let Some(first) = column.first_index(rows.clone()) else { continue };
            let slot = slots[slot as usize].get_or_insert_with(|| {
                let values = column.values;
                let continues = || !chunk.has_gap(first) && !values[first - 1].is_nan();
                let joined = if first == *begin { *joined } else { continues() };
                Slot::of(values[first], !joined)
            });
            let Extremes { min, max } = column.extremes(first..rows.end);
            slot.extend(min, max, column.last_value(first..rows.end));
        }
    }
}

/// Returns the index of the first time ≥ `ms`, or the length if there is none; at least `low`.
/// Gallops outwards from `guess`. `times` are ascending.
fn next_edge(times: &[i64], low: usize, guess: usize, ms: i64) -> usize {
    let (mut low, mut high) = (low, times.len());
    let mut probe = guess.max(low);
    let mut step = 1;
    while probe < high && times[probe] < ms {
        low = probe + 1;
        probe += step;
        step *= 2;
    }
    high = high.min(probe);
    step = 1;
    while low < high {
        let back = step.min(high - low);
        if times[high - back] < ms {
            low = high - back + 1;
            break;
        }
        high -= back;
        step *= 2;
    }
    low + times[low..high].partition_point(|time| *time < ms)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn store(samples: &[(i64, f64, bool)]) -> Store {
        let mut store = Store::new(1, Duration::from_hours(24));
        for (time, value, joined) in samples {
            store.push(Time::from_millis(*time), None, &[*value], *joined);
        }
        store
    }

    /// Returns ten slots of 100 ms, in cells of two, ending with the cell of 1,950 ms.
    fn window() -> Window {
        Window::ending(Time::from_millis(1950), 1000, 5, 2)
    }

    #[test]
    fn the_window_ends_with_the_cell_of_the_newest_sample() {
        let window = window();
        assert_eq!((window.from_ms(), window.end_ms()), (1000, 2000));
        assert_eq!((window.slot_of(1000), window.slot_of(1999), window.slot_of(999)), (0, 9, -1));
        let wide = Window::ending(Time::from_millis(1_000_000), 1000, 300, 2);
        assert!(wide.end_ms() - wide.from_ms() >= 1000);
    }

    #[test]
    fn clock_offset_does_not_move_samples() {
        let samples = [(1010, 5.0, true), (1320, 1.0, true), (1900, 9.0, false)];
        let ahead = samples.map(|(time, value, joined)| (time + 90_007, value, joined));
        let (here, there) = (store(&samples), store(&ahead));
        assert_eq!(there.slots(0, window().with_clock_offset(90_007)), here.slots(0, window()));
    }

    #[test]
    fn a_slot_holds_first_min_max_and_last() {
        let values = [(1010, 5.0, true), (1020, 1.0, true), (1030, 9.0, true), (1090, 4.0, true)];
        let slots = store(&values).slots(0, window());
        let expected = Slot { first: 5.0, min: 1.0, max: 9.0, last: 4.0, broken: true };
        assert_eq!(slots.slots[0], Some(expected));
        assert!(slots.slots[1..].iter().all(Option::is_none));
        assert_eq!(slots.extent(), Some((1.0, 9.0)));
    }

    #[test]
    fn a_line_enters_from_the_left_unless_a_gap_lies_before_it() {
        let check = |samples: &[(i64, f64, bool)], before: Option<f64>| {
            let slots = store(samples).slots(0, window());
            assert_eq!(slots.before.map(|point| point.value), before, "{samples:?}");
        };
        check(&[(500, 1.0, true), (1500, 2.0, true)], Some(1.0));
        check(&[(500, 1.0, true), (1500, 2.0, false)], None);
        check(&[(500, f64::NAN, true), (1500, 2.0, true)], None);
        check(&[(500, 1.0, true), (1200, f64::NAN, true), (1500, 2.0, true)], None);
        check(&[(500, 1.0, true)], None);
    }

    #[test]
    fn gaps_and_missing_values_break_the_line() {
        let slots = store(&[
            (1000, 1.0, true),
            (1200, 2.0, true),
            (1400, 3.0, false),
            (1600, f64::NAN, true),
            (1800, 4.0, true),
            (2500, 5.0, true),
        ])
        .slots(0, window());
        let broken: Vec<_> = slots.slots.iter().flatten().map(|slot| slot.broken).collect();
        assert_eq!(broken, [true, false, true, true]);
        assert_eq!(slots.slots.last(), Some(&None), "samples after the window are excluded");
    }

    /// Sample of the reference model: time, value, and whether a gap lies before it.
    type PlainSample = (i64, f64, bool);

    /// Computes slots by reading each sample of the window.
    fn scan(samples: &[PlainSample], window: Window) -> Slots {
        let mut answer = Slots { slots: vec![None; window.slot_count], ..Slots::default() };
        let begin = samples.partition_point(|sample| sample.0 < window.from_ms);
        let point =
            |at: usize| SlotPoint { slot: window.slot_of(samples[at].0), value: samples[at].1 };
        let before = begin.checked_sub(1).map(point).filter(|point| !point.value.is_nan());
        // True if the line continues from the previous sample.
        let mut joined = before.is_some();
        for (at, (_, _, gap)) in samples.iter().enumerate().skip(begin) {
            joined &= !gap;
            let SlotPoint { slot, value } = point(at);
            if samples[at].0 > window.newest.as_millis() {
                break;
            }
            if value.is_nan() {
                joined = false;
                continue;
            }
            match &mut answer.slots[slot as usize] {
                Some(slot) => {
                    slot.min = slot.min.min(value);
                    slot.max = slot.max.max(value);
                    slot.last = value;
                }
                empty @ None => {
                    let broken = !joined;
                    *empty =
                        Some(Slot { first: value, min: value, max: value, last: value, broken });
                }
            }
            joined = true;
        }
        let first = answer.slots.iter().flatten().next();
        answer.before = before.filter(|_| first.is_some_and(|slot| !slot.broken));
        answer
    }

    /// Store and its reference model: a list of all samples that the store should hold.
    #[derive(Debug)]
    struct Pair {
        store: Store,
        plain: Vec<PlainSample>,
        keep_ms: i64,
    }

    impl Pair {
        fn push(&mut self, ms: i64, value: f64, joined: bool) {
            let back = self.plain.partition_point(|sample| sample.0 < ms);
            let joined = joined && back == self.plain.len();
            self.plain.truncate(back);
            let old = self.plain.partition_point(|sample| sample.0 < ms - self.keep_ms);
            self.plain.drain(..old);
            self.plain.push((ms, value, !joined));
            self.store.push(Time::from_millis(ms), None, &[0.0, value], joined);
        }
    }

    prop_compose! {
        /// Batches of samples in many small chunks. Some batches have no values, begin after a gap,
        /// or set the clock back, which drops many earlier samples.
        fn pair()(
            runs in prop::collection::vec(
                (
                    1..400_usize,
                    1..50_i64,
                    prop_oneof![8 => Just(1.0), 2 => Just(f64::NAN)],
                    prop::bool::weighted(0.8),
                    prop_oneof![5 => Just(0), 1 => 0..20_000_i64],
                ),
                1..12,
            ),
            values in prop::collection::vec(
                prop_oneof![9 => -100.0..100.0, 1 => Just(f64::NAN)],
                1..100,
            ),
            chunk_rows_log2 in 4..10_u32,
            keep_ms in prop_oneof![Just(i64::from(u32::MAX)), 0..40_000_i64],
        ) -> Pair {
            let keep = Duration::from_millis(keep_ms as u64);
            let store = Store::with_chunk_rows(chunk_rows_log2, 2, keep);
            let mut pair = Pair { store, plain: Vec::new(), keep_ms };
            let mut values = values.into_iter().cycle();
            let mut time = 50_000;
            for (count, step, factor, joined, back) in runs {
                time -= back;
                for at in 0..count {
                    time += step;
                    let value = values.next().unwrap() * factor;
                    pair.push(time.max(0), value, joined || at > 0);
                }
            }
            pair
        }
    }

    prop_compose! {
        fn windows()(
            newest in 0..200_000_i64,
            span in 1..150_000_i64,
            cells in 0..40_usize,
            per_cell in 1..4_usize,
        ) -> Window {
            Window::ending(Time::from_millis(newest), span, cells, per_cell)
        }
    }

    proptest! {
        #[test]
        fn slots_equal_a_scan_of_all_samples(pair in pair(), windows in prop::collection::vec(windows(), 8)) {
            let times: Vec<i64> =
                (0..pair.store.len()).map(|at| pair.store.get(at).unwrap().time().as_millis()).collect();
            prop_assert_eq!(times, pair.plain.iter().map(|sample| sample.0).collect::<Vec<_>>());
            let whole = Window::ending(pair.store.newest().unwrap(), 100_000, 7, 1);
            for window in windows.into_iter().chain([whole]) {
                prop_assert_eq!(pair.store.slots(1, window), scan(&pair.plain, window));
            }
        }

        #[test]
        fn sliding_by_whole_cells_only_shifts_the_slots(
            pair in pair(),
            newest in 2000..90_000_i64,
            cell in 1..40_i64,
            slide in 1..5_usize,
        ) {
            let cell_ms = cell * 100;
            // The window is cut at its newest sample: here it ends with a whole cell.
            let at = |newest: i64| {
                let newest = (newest / cell_ms + 1) * cell_ms - 1;
                Window::ending(Time::from_millis(newest), cell_ms * 50, 50, 2)
            };
            let here = at(newest);
            let there = at(newest + slide as i64 * cell_ms);
            prop_assert_eq!(there.from_ms() - here.from_ms(), slide as i64 * cell_ms);
            let (a, b) = (pair.store.slots(1, here), pair.store.slots(1, there));
            let shift = slide * 2;
            prop_assert_eq!(&a.slots[shift..], &b.slots[..100 - shift]);
        }
    }

    #[test]
    fn a_spike_of_one_sample_is_seen_in_a_week() {
        let mut store = Store::new(1, Duration::from_hours(200));
        for second in 0..604_800 {
            let value = if second == 300_000 { 99.0 } else { 1.0 };
            store.push(Time::from_millis(second * 1000), None, &[value], true);
        }
        let window = Window::ending(store.newest().unwrap(), 604_800_000, 116, 2);
        let slots = store.slots(0, window);
        assert_eq!(slots.extent(), Some((1.0, 99.0)));
        let is_high = |slot: &Option<Slot>| slot.is_some_and(|slot| slot.max > 1.0);
        let high = slots.slots.iter().position(is_high);
        assert_eq!(high.map(|slot| slot as i64), Some(window.slot_of(300_000_000)));
        assert_eq!(slots.slots.iter().filter(|slot| is_high(slot)).count(), 1);
    }
}
