//! Line of a chart as dots: one vertical run for each column of dots.
//!
//! A run depends only on the samples around it, not on the start of the window. As time passes, the
//! picture moves by whole columns and does not change.

use crate::store::Slots;

/// Limit for rows outside the panel. Rows beyond it are clamped.
const ROW_MAX: i64 = 1 << 20;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Strokes {
    /// Highest and lowest row of each column; `None` if the column is empty.
    extents: Vec<Option<(i64, i64)>>,
}

impl Strokes {
    /// Creates runs. `row` maps a value to a dot row, 0 at the top, possibly outside the panel.
    pub(super) fn of(slots: &Slots, row: impl Fn(f64) -> i64) -> Strokes {
        let row = |value: f64| row(value).clamp(-ROW_MAX, ROW_MAX);
        let mut strokes = Strokes { extents: vec![None; slots.slots.len()] };
        let mut last = slots.before.map(|point| (point.slot, row(point.value)));
        for (at, slot) in slots.slots.iter().enumerate() {
            let Some(slot) = slot else { continue };
            let here = at as i64;
            strokes.extend(here, row(slot.max), row(slot.min));
            if let Some(last) = last.filter(|_| !slot.broken) {
                strokes.join(last, (here, row(slot.first)));
            }
            last = Some((here, row(slot.last)));
        }
        strokes
    }

    /// Adds rows to the run of a column.
    fn extend(&mut self, column: i64, a: i64, b: i64) {
        let Some(run) = usize::try_from(column).ok().and_then(|at| self.extents.get_mut(at)) else {
            return;
        };
        let (top, bottom) = run.unwrap_or((a.min(b), a.max(b)));
        *run = Some((top.min(a).min(b), bottom.max(a).max(b)));
    }

    /// Adds the straight line between two points, the first left of the second. Two neighbouring
    /// columns take half of the rows between them each.
    fn join(&mut self, from: (i64, i64), to: (i64, i64)) {
        let (columns, rows) = (to.0 - from.0, to.1 - from.1);
        let row = |step: i64| from.1 + (2 * rows * step + columns).div_euclid(2 * columns.max(1));
        let first = (-1 - from.0).max(0);
        let last = columns.min(self.extents.len() as i64 - from.0);
        for step in first..last {
            let (here, next) = (row(step), row(step + 1));
            let middle = here + (next - here) / 2;
            let beyond = middle + (next - middle).signum();
            self.extend(from.0 + step, here, middle);
            self.extend(from.0 + step + 1, beyond, next);
        }
    }

    /// Returns the highest and the lowest row of a column; `None` if the column is empty.
    pub(super) fn extent(&self, column: usize) -> Option<(i64, i64)> {
        self.extents.get(column).copied().flatten()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::store::{Slot, SlotPoint};

    #[expect(clippy::unnecessary_wraps, reason = "to match the type of the other slots")]
    fn slot(values: [f64; 4], broken: bool) -> Option<Slot> {
        let [first, min, max, last] = values;
        Some(Slot { first, min, max, last, broken })
    }

    /// Draws a line in ten rows of dots, with 0 at the bottom.
    fn draw(slots: &Slots) -> Vec<String> {
        let strokes = Strokes::of(slots, |value| 9 - value as i64);
        let is_set = |column: usize, row: i64| {
            strokes.extents[column].is_some_and(|(top, bottom)| (top..=bottom).contains(&row))
        };
        let rows = (0..10).map(|row| {
            let dots = (0..slots.slots.len()).map(|at| if is_set(at, row) { '#' } else { ' ' });
            dots.collect::<String>().trim_end().to_owned()
        });
        rows.skip_while(String::is_empty).collect()
    }

    #[test]
    fn a_slope_has_one_dot_a_column_and_a_cliff_no_hole() {
        let one = |value: f64| slot([value; 4], false);
        let slope = Slots { slots: vec![one(0.0), None, None, one(3.0)], before: None };
        assert_eq!(draw(&slope), ["   #", "  #", " #", "#"]);
        let cliff = Slots { slots: vec![one(0.0), one(5.0)], before: None };
        assert_eq!(draw(&cliff), [" #", " #", " #", "#", "#", "#"]);
    }

    #[test]
    fn slot_spans_min_to_max_and_gap_stays_blank() {
        let slots = Slots {
            slots: vec![slot([2.0, 1.0, 4.0, 3.0], true), None, slot([0.0; 4], true)],
            before: None,
        };
        assert_eq!(draw(&slots), ["#", "#", "#", "#", "  #"]);
    }

    #[test]
    fn line_enters_from_the_left() {
        let slots = Slots {
            before: Some(SlotPoint { slot: -2, value: 0.0 }),
            slots: vec![None, slot([3.0; 4], false), None],
        };
        assert_eq!(draw(&slots), [" #", "#", "", ""]);
    }

    #[test]
    fn rows_outside_the_panel_are_clipped() {
        let slots = Slots { slots: vec![slot([-1e300, -1e300, 1e300, 1e300], true)], before: None };
        let strokes = Strokes::of(&slots, |value| if value > 0.0 { i64::MIN } else { i64::MAX });
        assert_eq!(strokes.extent(0), Some((-ROW_MAX, ROW_MAX)));
    }

    proptest! {
        #[test]
        fn window_start_does_not_change_columns(
            values in prop::collection::vec(prop::option::weighted(0.6, (0..40_i64, prop::bool::weighted(0.1))), 2..40),
            cut in 1..20_usize,
        ) {
            let slots: Vec<_> = values
                .iter()
                .map(|it| it.and_then(|(value, broken)| slot([value as f64; 4], broken)))
                .collect();
            let cut = cut.min(slots.len() - 1);
            let whole = Slots { slots: slots.clone(), before: None };
            // The same without its beginning. The last value before the cut enters from the left.
            let last = slots[..cut].iter().enumerate().rev().find_map(|(at, it)| Some((at, (*it)?)));
            let first = slots[cut..].iter().flatten().next();
            let before = last
                .map(|(at, it)| SlotPoint { slot: at as i64 - cut as i64, value: it.last })
                .filter(|_| first.is_some_and(|it| !it.broken));
            let part = Slots { before, slots: slots[cut..].to_vec() };
            let of = |slots: &Slots| Strokes::of(slots, |value| value as i64).extents;
            prop_assert_eq!(&of(&whole)[cut..], &of(&part)[..]);
        }
    }
}
