//! A series as a screen sees it: one slot per column of dots.

use loadline_protocol::Time;

use super::Store;

/// The longest span: 10,000 years, all that a [`Time`] can tell.
const SPAN_MAX_MS: i64 = Time::MAX.as_millis();

/// A span of time, cut into slots of equal length that stand at fixed times.
///
/// **Invariant:** `slot_ms` > 0, and `from_ms` is a multiple of the length of a cell. So a sample
/// keeps its slot while the window slides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    from_ms: i64,
    slot_ms: i64,
    count: usize,
    /// How many slots stand in one cell of the screen.
    per_cell: usize,
    /// Later samples are not in it, though its last cell may reach further.
    newest: Time,
}

impl Window {
    /// The window over `span_ms` (at least) that ends with the cell that holds `newest`, in `cells`
    /// cells of `per_cell` slots each. What is later than `newest` is not in it.
    #[must_use]
    pub fn ending(newest: Time, span_ms: i64, cells: usize, per_cell: usize) -> Window {
        let per_cell = per_cell.max(1);
        let span_ms = span_ms.clamp(1, SPAN_MAX_MS);
        let count = cells * per_cell;
        let slot_ms = span_ms.div_euclid(count.max(1) as i64).max(1);
        let slot_ms = if slot_ms * (count as i64) < span_ms { slot_ms + 1 } else { slot_ms };
        let cell_ms = slot_ms * per_cell as i64;
        let end = (newest.as_millis().div_euclid(cell_ms) + 1) * cell_ms;
        Window { from_ms: end - cell_ms * cells as i64, slot_ms, count, per_cell, newest }
    }

    /// How many slots there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// How many cells there are.
    #[must_use]
    pub fn cells(&self) -> usize {
        self.count / self.per_cell
    }

    /// The length of a cell, milliseconds.
    #[must_use]
    pub fn cell_ms(&self) -> i64 {
        self.slot_ms * self.per_cell as i64
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
        let slot = usize::try_from(self.slot_of(ms)).ok().filter(|slot| *slot < self.count)?;
        Some(slot / self.per_cell)
    }

    /// Where it begins, in milliseconds since the epoch.
    #[must_use]
    pub fn from_ms(&self) -> i64 {
        self.from_ms
    }

    /// Where the next window would begin.
    #[must_use]
    pub fn end_ms(&self) -> i64 {
        self.from_ms + self.slot_ms * self.count as i64
    }

    /// The slot of a time, counted from the window's first; negative before it.
    #[must_use]
    pub fn slot_of(&self, ms: i64) -> i64 {
        (ms - self.from_ms).div_euclid(self.slot_ms)
    }
}

/// A value at its slot.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
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

/// A column within a window.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Slots {
    /// The last value before the window, if the line reaches in from there.
    pub before: Option<Point>,
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

/// Looks at each sample of the window once.
pub(super) fn slots(store: &Store, column: usize, window: Window) -> Slots {
    let mut answer = Slots { slots: vec![None; window.count], ..Slots::default() };
    let Some(series) = store.series.get(column) else { return answer };
    let begin = store.times.partition_point(|time| time.as_millis() < window.from_ms);
    let mut breaks = {
        let from = Time::from_millis(window.from_ms);
        let first = store.breaks.partition_point(|time| *time < from);
        store.breaks.range(first..).peekable()
    };
    let point =
        |at: usize| Point { slot: window.slot_of(store.times[at].as_millis()), value: series[at] };
    let before = begin.checked_sub(1).map(point).filter(|point| !point.value.is_nan());
    // Whether the line goes on from the sample before.
    let mut joined = before.is_some();
    for at in begin..store.count_until(window.newest) {
        if breaks.next_if_eq(&&store.times[at]).is_some() {
            joined = false;
        }
        let Point { slot, value } = point(at);
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
                *empty = Some(Slot { first: value, min: value, max: value, last: value, broken });
            }
        }
        joined = true;
    }
    let first = answer.slots.iter().flatten().next();
    answer.before = before.filter(|_| first.is_some_and(|slot| !slot.broken));
    answer
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

    prop_compose! {
        fn samples()(steps in prop::collection::vec(
            (1..400_i64, prop_oneof![9 => 0.0..100.0, 1 => Just(f64::NAN)], prop::bool::weighted(0.9)),
            1..80,
        )) -> Vec<(i64, f64, bool)> {
            let mut time = 0;
            steps.into_iter().map(|(step, value, joined)| { time += step; (time, value, joined) }).collect()
        }
    }

    proptest! {
        #[test]
        fn sliding_by_whole_cells_shifts_the_answer_and_changes_nothing_else(
            samples in samples(),
            newest in 2000..9000_i64,
            slide in 1..5_usize,
        ) {
            let store = store(&samples);
            // The last cell is cut at the newest sample: here it is whole.
            let at = |newest: i64| {
                Window::ending(Time::from_millis(newest / 200 * 200 + 199), 1000, 5, 2)
            };
            let here = at(newest);
            let there = at(newest + slide as i64 * 200);
            let (a, b) = (store.slots(0, here), store.slots(0, there));
            let shift = slide * 2;
            for slot in shift..10 {
                // Whether the first slot of a window is joined shows in `before`, too.
                prop_assert_eq!(a.slots[slot], b.slots[slot - shift]);
            }
        }

        #[test]
        fn the_extremes_are_those_of_all_samples(samples in samples()) {
            let store = store(&samples);
            let window = Window::ending(store.newest().unwrap(), 1000, 5, 2);
            let inside: Vec<f64> = samples
                .iter()
                .filter(|(time, value, _)| {
                    (window.from_ms()..window.end_ms()).contains(time) && !value.is_nan()
                })
                .map(|(_, value, _)| *value)
                .collect();
            let min = inside.iter().copied().reduce(f64::min);
            let max = inside.iter().copied().reduce(f64::max);
            prop_assert_eq!(store.slots(0, window).extent(), min.zip(max));
        }
    }
}
