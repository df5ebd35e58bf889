//! Min/max pyramid: minimum and maximum of any range of values, without reading each value.
//!
//! ```text
//!  level 2   ┌────────────────────────┐   a block of 256 values, or of the remaining ones
//!  level 1   ┌──┐┌──┐┌──┐┌──┐┌──┐┌──┐     blocks of 16 values
//!  level 0   ························     the values
//! ```
//!
//! A block is written together with its last value, and read only for ranges that contain all of
//! its values. So dropping the newest values needs no update: later values overwrite them.

use std::ops::Range;

/// Number of blocks of a level that make one block of the level above.
pub(super) const BRANCHING: usize = 1 << BRANCHING_LOG2;

const BRANCHING_LOG2: u32 = 4;

/// Minimum and maximum of some values.
///
/// **Invariant:** `min` is above `max` only if there is no value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Extremes {
    pub(super) min: f64,
    pub(super) max: f64,
}

impl Extremes {
    /// Extremes of no values.
    pub(super) const NONE: Extremes = Extremes { min: f64::INFINITY, max: f64::NEG_INFINITY };

    /// Returns the extremes of `values`. NaN is a missing value.
    fn of(values: &[f64]) -> Extremes {
        merge_all(values, |value| Extremes { min: *value, max: *value })
    }

    fn of_blocks(blocks: &[Extremes]) -> Extremes {
        merge_all(blocks, |block| *block)
    }

    /// Returns the extremes of both.
    pub(super) fn union(self, other: Extremes) -> Extremes {
        // In this form NaN is ignored: no comparison with it is true.
        Extremes {
            min: if other.min < self.min { other.min } else { self.min },
            max: if other.max > self.max { other.max } else { self.max },
        }
    }

    /// Returns whether there is no value.
    pub(super) fn is_none(self) -> bool {
        self.min > self.max
    }
}

/// Returns the extremes of all `items`.
fn merge_all<T>(items: &[T], extremes: impl Fn(&T) -> Extremes) -> Extremes {
    // Two accumulators, because each comparison waits for the previous one.
    let (mut even, mut odd) = (Extremes::NONE, Extremes::NONE);
    let (pairs, rest) = items.as_chunks();
    for [one, other] in pairs {
        even = even.union(extremes(one));
        odd = odd.union(extremes(other));
    }
    rest.iter().map(extremes).fold(even.union(odd), Extremes::union)
}

/// Returns the number of blocks above this number of values, on all levels.
pub(super) fn block_count(values: usize) -> usize {
    level_start(level_count(values) + 1, values)
}

/// Returns the number of levels above this number of values. The topmost is a single block.
fn level_count(values: usize) -> u32 {
    values.max(2).ilog2().div_ceil(BRANCHING_LOG2)
}

/// Returns the index of the first block of a level among all blocks. The first level starts at 0.
fn level_start(level: u32, values: usize) -> usize {
    (1..level).map(|below| values.div_ceil(1 << (below * BRANCHING_LOG2))).sum()
}

/// Writes the blocks that the last of the first `count` values completes. `count` is a multiple of
/// [`BRANCHING`], and the number of `values` a power of two.
pub(super) fn complete_blocks(blocks: &mut [Extremes], values: &[f64], count: usize) {
    let mut at = count / BRANCHING - 1;
    blocks[at] = Extremes::of(&values[count - BRANCHING..count]);
    let mut below = 0..values.len() / BRANCHING;
    while below.len() > 1 && ((at + 1).is_multiple_of(BRANCHING) || at + 1 == below.len()) {
        let (lower, upper) = blocks.split_at_mut(below.end);
        let last = at;
        at /= BRANCHING;
        upper[at] = Extremes::of_blocks(&lower[below.start..][at * BRANCHING..=last]);
        below = below.end..below.end + below.len().div_ceil(BRANCHING);
    }
}

/// Values and the blocks that [`complete_blocks`] wrote for them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pyramid<'a> {
    pub(super) values: &'a [f64],
    pub(super) blocks: &'a [Extremes],
}

impl Pyramid<'_> {
    /// Returns the extremes of a range of values, all of which must have been written.
    pub(super) fn extremes(&self, range: Range<usize>) -> Extremes {
        if range.len() <= BRANCHING {
            return Extremes::of(&self.values[range]);
        }
        if range == (0..self.values.len()) {
            return self.blocks[self.blocks.len() - 1];
        }
        let mut all = Extremes::NONE;
        let mut at = range.start;
        while at < range.end {
            let level = highest_level(at, range.end - at);
            let block = at >> (level * BRANCHING_LOG2);
            // Up to the next block of the level above, or to the last block within the range.
            let end = ((block | (BRANCHING - 1)) + 1).min(range.end >> (level * BRANCHING_LOG2));
            all = all.union(match level {
                0 => Extremes::of(&self.values[block..end]),
                _ => Extremes::of_blocks(&self.blocks[self.level_start(level)..][block..end]),
            });
            at = end << (level * BRANCHING_LOG2);
        }
        all
    }

    /// Returns the index of the first value in a range that is not missing.
    pub(super) fn first_index(&self, range: Range<usize>) -> Option<usize> {
        let mut at = range.start;
        while at < range.end {
            if !self.values[at].is_nan() {
                return Some(at);
            }
            at += self.missing_len(highest_level(at, range.end - at), |size| at / size);
        }
        None
    }

    /// Returns the last value in a range that is not missing, or NaN.
    pub(super) fn last_value(&self, range: Range<usize>) -> f64 {
        let mut end = range.end;
        while end > range.start {
            let value = self.values[end - 1];
            if !value.is_nan() {
                return value;
            }
            end -= self.missing_len(highest_level(end, end - range.start), |size| end / size - 1);
        }
        f64::NAN
    }

    /// Returns the size of the largest block without a value at `place` among the blocks of its
    /// size, up to `level`. The minimum is 1, a single value.
    fn missing_len(&self, level: u32, place: impl Fn(usize) -> usize) -> usize {
        let size = |level: u32| 1_usize << (level * BRANCHING_LOG2);
        let is_missing =
            |level: &u32| self.blocks[self.level_start(*level) + place(size(*level))].is_none();
        (1..=level).rev().find(is_missing).map_or(1, size)
    }

    fn level_start(&self, level: u32) -> usize {
        level_start(level, self.values.len())
    }
}

/// Returns the highest level with a block that begins or ends at `edge` and has at most `room`
/// values.
fn highest_level(edge: usize, room: usize) -> u32 {
    let aligned = if edge == 0 { u32::MAX } else { edge.trailing_zeros() };
    aligned.min(room.ilog2()) / BRANCHING_LOG2
}
