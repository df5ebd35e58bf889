//! More columns for a store, and the merge of two stores.

use std::cmp::Ordering;

use loadline_protocol::{Seq, Time};

use super::Store;

impl Store {
    /// Appends columns up to `columns` in all. The samples so far have no values there. Drops the
    /// oldest samples if the wider rows exceed the maximum number of values.
    pub(crate) fn widen(&mut self, columns: usize) {
        let mut wider = self.emptied(columns);
        while self.len() > wider.rows_max() {
            self.drop_oldest();
        }
        let mut values = Vec::with_capacity(columns);
        // Frees each chunk once its rows are copied, so the memory hardly grows meanwhile.
        while let Some((time, seq, joined)) = self.take_oldest(&mut values) {
            values.resize(columns, f64::NAN);
            wider.push(time, seq, &values, joined);
        }
        wider.adopt_counts(self);
        *self = wider;
    }

    /// Moves all samples of `other`, a store of the same columns, into this one, in the order of
    /// their times. Of two samples at one time, the values of the second win unless they are NaN.
    pub(crate) fn merge(&mut self, other: &mut Store) {
        let mut merged = self.emptied(self.columns());
        let (mut values, mut others) = (Vec::new(), Vec::new());
        let mut previous = Ordering::Equal;
        loop {
            let order = match (self.oldest(), other.oldest()) {
                (None, None) => break,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(one), Some(two)) => one.cmp(&two),
            };
            let one = if order.is_le() { self.take_oldest(&mut values) } else { None };
            let two = if order.is_ge() { other.take_oldest(&mut others) } else { None };
            match order {
                Ordering::Less => {}
                Ordering::Equal => replace_known(&mut values, &others),
                Ordering::Greater => std::mem::swap(&mut values, &mut others),
            }
            let Some((time, seq, _)) = two.or(one) else { break };
            // A line does not lead from a sample of one store to a sample of the other.
            let joined = one.is_some_and(|(.., joined)| joined && previous.is_le())
                || two.is_some_and(|(.., joined)| joined && previous.is_ge());
            merged.push(time, seq, &values, joined);
            previous = order;
        }
        merged.adopt_counts(self);
        merged.adopt_counts(other);
        *self = merged;
    }

    /// Removes the oldest sample and writes its values to `values`. Returns its time, its sequence
    /// number, and whether no gap lies before it.
    fn take_oldest(&mut self, values: &mut Vec<f64>) -> Option<(Time, Option<Seq>, bool)> {
        let (time, seq) = self.get(0).map(|sample| (sample.time(), sample.seq()))?;
        let (chunk, row) = self.locate(0);
        values.clear();
        values.extend((0..self.columns()).map(|column| self.chunks[chunk].value(column, row)));
        let joined = !self.chunks[chunk].has_gap(row);
        self.drop_oldest();
        self.pushed_count -= 1;
        Some((time, seq, joined))
    }

    /// Adds the counts of a store whose remaining samples were moved here: of dropped samples, and of
    /// the values of its first columns.
    fn adopt_counts(&mut self, other: &Store) {
        self.pushed_count += other.pushed_count;
        self.adopt_kinds(other);
    }
}

/// Replaces values by those of `others` that are not missing.
fn replace_known(values: &mut [f64], others: &[f64]) {
    for (value, other) in values.iter_mut().zip(others) {
        *value = if other.is_nan() { *value } else { *other };
    }
}
