//! Sets of times, as ranges.

use std::ops::Range;

use loadline_protocol::Time;

/// Set of times.
///
/// **Invariant:** no range is empty, and between two ranges lies a time outside of the set. The ranges
/// are in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TimeRanges(Vec<Range<Time>>);

impl TimeRanges {
    /// Maximum number of ranges: 1,024. A person makes few of them; the oldest one is then forgotten.
    const COUNT_MAX: usize = 1024;

    /// Adds a range.
    pub(crate) fn insert(&mut self, range: Range<Time>) {
        if range.is_empty() {
            return;
        }
        let first = self.0.partition_point(|it| it.end < range.start);
        let last = self.0.partition_point(|it| it.start <= range.end);
        let touched = self.0.drain(first..last);
        let union = |a: Range<Time>, b: Range<Time>| a.start.min(b.start)..a.end.max(b.end);
        let union = touched.fold(range, union);
        self.0.insert(first, union);
        if self.0.len() > TimeRanges::COUNT_MAX {
            self.0.remove(0);
        }
    }

    /// Removes all times from `time` on.
    pub(crate) fn truncate(&mut self, time: Time) {
        self.0.retain(|range| range.start < time);
        if let Some(last) = self.0.last_mut() {
            last.end = last.end.min(time);
        }
    }

    /// Returns the parts of a range that are not in the set, in order.
    pub(crate) fn missing(&self, range: Range<Time>) -> impl Iterator<Item = Range<Time>> {
        let ends = std::iter::once(range.start).chain(self.0.iter().map(|it| it.end));
        let starts = self.0.iter().map(|it| it.start).chain([range.end]);
        let holes =
            ends.zip(starts).map(move |(end, start)| end.max(range.start)..start.min(range.end));
        holes.filter(|hole| !hole.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn range(start: i64, end: i64) -> Range<Time> {
        Time::from_millis(start)..Time::from_millis(end)
    }

    #[test]
    fn ranges_that_touch_are_one() {
        let mut ranges = TimeRanges::default();
        for (start, end) in [(5, 7), (1, 2), (9, 9), (2, 5)] {
            ranges.insert(range(start, end));
        }
        assert_eq!(ranges, TimeRanges(vec![range(1, 7)]));
        ranges.truncate(Time::from_millis(3));
        assert_eq!(ranges, TimeRanges(vec![range(1, 3)]));
    }

    #[test]
    fn the_number_of_ranges_is_bounded() {
        let mut ranges = TimeRanges::default();
        (0..3000).for_each(|at| ranges.insert(range(2 * at, 2 * at + 1)));
        assert_eq!(ranges.0.len(), TimeRanges::COUNT_MAX);
    }

    proptest! {
        #[test]
        fn a_set_of_ranges_is_a_set_of_times(
            inserts in prop::collection::vec((0..60_i64, 0..20_i64), 0..12),
            cut in 0..90_i64,
            (start, length) in (0..60_i64, 0..60_i64),
        ) {
            let (mut ranges, mut set) = (TimeRanges::default(), std::collections::BTreeSet::new());
            for (start, length) in inserts {
                ranges.insert(range(start, start + length));
                set.extend(start..start + length);
            }
            ranges.truncate(Time::from_millis(cut));
            set.retain(|time| *time < cut);
            let missing: Vec<i64> = ranges
                .missing(range(start, start + length))
                .flat_map(|it| it.start.as_millis()..it.end.as_millis())
                .collect();
            let expected: Vec<i64> =
                (start..start + length).filter(|time| !set.contains(time)).collect();
            prop_assert_eq!(missing, expected);
        }
    }
}
