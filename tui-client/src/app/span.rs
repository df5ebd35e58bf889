//! What there is between mark and cursor.

use std::time::Duration;

use loadline_protocol::Time;

use super::App;

/// The samples from the mark to the cursor, both included.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    /// The earlier end.
    pub from: Time,
    /// The later end.
    pub to: Time,
    /// How many samples there are.
    pub samples: usize,
    /// One for each column of the store; `None` where no sample has a value.
    pub stats: Vec<Option<Stat>>,
}

/// The values of a column over a span, in the unit of the stream. Missing ones do not count.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stat {
    /// The least.
    pub min: f64,
    /// The arithmetic mean.
    pub mean: f64,
    /// The greatest.
    pub max: f64,
    /// The last.
    pub last: f64,
}

impl Span {
    /// How much time lies between its ends.
    #[must_use]
    pub fn duration(&self) -> Duration {
        Duration::from_millis((self.to.as_millis() - self.from.as_millis()).max(0) as u64)
    }
}

impl App {
    /// Looks at each sample between mark and cursor: to be called when one of them has moved.
    pub(super) fn measure(&mut self) {
        self.span = self.measured();
    }

    fn measured(&self) -> Option<Span> {
        let store = &self.watched().store;
        let (mark, cursor) = (self.index_of(self.mark?), self.index_of(self.cursor?));
        let (first, last) = (mark.min(cursor), mark.max(cursor));
        let (from, to) = (self.time_at(first)?, self.time_at(last)?);
        let columns = self.watched().columns().map_or(0, <[_]>::len);
        let stats = (0..columns).map(|column| {
            let values = (first..=last).filter_map(|at| store.get(at));
            stat(values.map(|sample| sample.value(column)))
        });
        Some(Span { from, to, samples: last - first + 1, stats: stats.collect() })
    }
}

fn stat(values: impl Iterator<Item = f64>) -> Option<Stat> {
    let mut values = values.filter(|value| !value.is_nan());
    let first = values.next()?;
    let mut stat = Stat { min: first, mean: first, max: first, last: first };
    let mut count = 1.0;
    for value in values {
        count += 1.0;
        stat.min = stat.min.min(value);
        stat.max = stat.max.max(value);
        // The running mean stays within the values, where a sum may leave all numbers.
        stat.mean += value / count - stat.mean / count;
        stat.last = value;
    }
    Some(stat)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_values_do_not_count() {
        let stat = |values: &[f64]| stat(values.iter().copied());
        assert_eq!(stat(&[]), None);
        assert_eq!(stat(&[f64::NAN]), None);
        let expected = Stat { min: 1.0, mean: 3.0, max: 5.0, last: 3.0 };
        assert_eq!(stat(&[f64::NAN, 1.0, 5.0, f64::NAN, 3.0, f64::NAN]), Some(expected));
    }

    #[test]
    fn the_mean_of_huge_values_is_a_number() {
        let mean = stat([f64::MAX, f64::MAX, -f64::MAX].into_iter()).unwrap().mean;
        assert!((mean / (f64::MAX / 3.0) - 1.0).abs() < 1e-12, "{mean}");
    }
}
