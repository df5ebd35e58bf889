//! A series as a screen sees it: one slot per column of dots.

use std::ops::Range;

use loadline_protocol::Time;

use super::pyramid::Extremes;
use super::{ChunkRange, Store};

/// The longest span: 10,000 years, all that a [`Time`] can tell.
const SPAN_MAX_MS: i64 = Time::MAX.as_millis();

/// A span of time, cut into slots of equal length that stand at fixed times.
///
/// **Invariant:** `slot_ms` > 0, and `from_ms` is a multiple of the length of a cell, by the clock that
/// the window was made for. So a sample keeps its slot while the window slides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    from_ms: i64,
    slot_ms: i64,
    slot_count: usize,
    /// How many slots stand in one cell of the screen.
    slots_per_cell: usize,
    /// Later samples are not in it, though its last cell may reach further.
    newest: Time,
}

impl Window {
    /// The window over `span_ms` (at least) that ends with the cell that holds `newest`, in `cell_count`
    /// cells of `slots_per_cell` slots each. What is later than `newest` is not in it.
    #[must_use]
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

    /// The same window as a clock shows it that is so much ahead of the one it was made for.
    #[must_use]
    pub fn with_clock_offset(&self, offset_ms: i64) -> Window {
        let newest = self.newest.shifted_ms(offset_ms);
        Window { from_ms: self.from_ms.saturating_add(offset_ms), newest, ..*self }
    }

    /// How many slots there are.
    #[must_use]
    pub fn slot_count(&self) -> usize {
        self.slot_count
    }

    /// How many cells there are.
    #[must_use]
    pub fn cell_count(&self) -> usize {
        self.slot_count / self.slots_per_cell
    }

    /// The length of a cell, milliseconds.
    #[must_use]
    pub fn cell_ms(&self) -> i64 {
        self.slot_ms * self.slots_per_cell as i64
    }

    /// When a cell begins, counted from the window's first.
    #[must_use]
    pub fn time_of_cell(&self, cell: i64) -> Time {
        Time::from_millis(self.from_ms.saturating_add(cell.saturating_mul(self.cell_ms())))
    }

    /// The number of the first slot since 1970, which it keeps while the window slides.
    #[must_use]
    pub fn first_slot(&self) -> i64 {
        self.from_ms.div_euclid(self.slot_ms)
    }

    /// The cell of a time, if it is within the window.
    #[must_use]
    pub fn cell_of(&self, ms: i64) -> Option<usize> {
        let slot = usize::try_from(self.slot_of(ms)).ok().filter(|slot| *slot < self.slot_count)?;
        Some(slot / self.slots_per_cell)
    }

    /// Where it begins, in milliseconds since the epoch.
    #[must_use]
    pub fn from_ms(&self) -> i64 {
        self.from_ms
    }

    /// Where the next window would begin.
    #[must_use]
    pub fn end_ms(&self) -> i64 {
        self.from_ms + self.slot_ms * self.slot_count as i64
    }

    /// The slot of a time, counted from the window's first; negative before it.
    #[must_use]
    pub fn slot_of(&self, ms: i64) -> i64 {
        (ms - self.from_ms).div_euclid(self.slot_ms)
    }
}

/// A value at its slot.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SlotPoint {
    /// The slot, counted from the window's first.
    pub slot: i64,
    /// The value.
    pub value: f64,
}

/// What a slot with samples holds. Drawing these four, in this order, gives the very picture that
/// drawing all its samples gives.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slot {
    /// The first value.
    pub first: f64,
    /// The least.
    pub min: f64,
    /// The greatest.
    pub max: f64,
    /// The last value.
    pub last: f64,
    /// Whether a gap lies between the first value and the value before it.
    pub broken: bool,
}

impl Slot {
    /// A slot of one value.
    fn of(value: f64, broken: bool) -> Slot {
        Slot { first: value, min: value, max: value, last: value, broken }
    }

    /// Adds what comes after.
    fn extend(&mut self, min: f64, max: f64, last: f64) {
        self.min = self.min.min(min);
        self.max = self.max.max(max);
        self.last = last;
    }
}

/// A column within a window.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Slots {
    /// The last value before the window, if the line reaches in from there.
    pub before: Option<SlotPoint>,
    /// The slots of the window; `None` where no value is.
    pub slots: Vec<Option<Slot>>,
}

impl Slots {
    /// The least and the greatest value, if there is one.
    #[must_use]
    pub fn extent(&self) -> Option<(f64, f64)> {
        let slots = self.slots.iter().flatten();
        slots.map(|slot| (slot.min, slot.max)).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
    }
}

/// Where slots hold so many samples or fewer, to look for their edges takes longer than to look at
/// each sample.
const DENSE_SAMPLES_PER_SLOT: usize = 3;

/// What there is of some columns in the window, chunk by chunk.
pub(super) fn slots(store: &Store, columns: &[usize], window: Window) -> Vec<Slots> {
    let empty = || Slots { slots: vec![None; window.slot_count], ..Slots::default() };
    let mut answers: Vec<Slots> = columns.iter().map(|_| empty()).collect();
    let begin = store.first_from(window.from_ms);
    // Seen by another clock, the window may lie where no time is.
    let end_ms = (window.newest.as_millis() + 1).min(window.end_ms());
    let end = store.first_from(end_ms).max(begin);
    let is_dense = end - begin > DENSE_SAMPLES_PER_SLOT * window.slot_count;
    let fill = if is_dense { fill_from_pyramid } else { fill_from_samples };
    // Whether the line goes on from the sample before, if this one has a value.
    let is_joined = |column: usize, at: usize| {
        at > 0 && !store.has_gap(at) && !store.value(column, at - 1).is_nan()
    };
    for part in store.chunk_ranges(begin..end) {
        let known = answers.iter_mut().zip(columns).filter(|(_, column)| **column < store.columns);
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

/// A column that is being filled.
struct SlotBuilder<'a> {
    slots: &'a mut [Option<Slot>],
    column: usize,
    /// Whether the line goes on into the first sample of the part.
    joined: bool,
}

/// Looks at each sample of a part.
fn fill_from_samples(builders: &mut [SlotBuilder], window: Window, range: &ChunkRange<'_>) {
    let rows = range.rows.clone();
    let times = &range.chunk.times()[rows.clone()];
    for SlotBuilder { slots, column, joined } in builders {
        let values = &range.chunk.column(*column).values()[rows.clone()];
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

/// Looks for the edges of the slots that have samples in a part, and at the samples beside them;
/// what lies between is known from the blocks of the pyramid.
fn fill_from_pyramid(builders: &mut [SlotBuilder], window: Window, part: &ChunkRange<'_>) {
    let ChunkRange { chunk, rows: Range { start: begin, end }, .. } = part;
    let times = &chunk.times()[..*end];
    // Most samples come at a steady pace.
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
                let values = column.values();
                let goes_on = || !chunk.has_gap(first) && !values[first - 1].is_nan();
                let joined = if first == *begin { *joined } else { goes_on() };
                Slot::of(values[first], !joined)
            });
            let Extremes { min, max } = column.extremes(first..rows.end);
            slot.extend(min, max, column.last_value(first..rows.end));
        }
    }
}

/// The first of rising `times`, from `low` on, that is not before `ms`: their number if there is
/// none. It is looked for near `guess`, then farther and farther away.
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

    /// Ten slots of 100 ms, in cells of two, ending with the cell of 1 950 ms.
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
    fn the_line_comes_in_from_the_left_unless_a_gap_lies_there() {
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
        assert_eq!(slots.slots.last(), Some(&None), "what is later than the window is not in it");
    }

    /// A sample as the tests keep it: its time, its value, and whether a gap lies before it.
    type PlainSample = (i64, f64, bool);

    /// What a look at each sample of the window gives.
    fn scan(samples: &[PlainSample], window: Window) -> Slots {
        let mut answer = Slots { slots: vec![None; window.slot_count], ..Slots::default() };
        let begin = samples.partition_point(|sample| sample.0 < window.from_ms);
        let point =
            |at: usize| SlotPoint { slot: window.slot_of(samples[at].0), value: samples[at].1 };
        let before = begin.checked_sub(1).map(point).filter(|point| !point.value.is_nan());
        // Whether the line goes on from the sample before.
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

    /// A store and all that it should hold, in the plainest form.
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
        /// Runs of samples of the same kind, in chunks so small that there are many of them: every
        /// so often a run is missing, begins after a gap, or takes a good part of the others back.
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
            // The last cell is cut at the newest sample: here it is whole.
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
