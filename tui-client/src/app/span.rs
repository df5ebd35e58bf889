//! What there is between mark and cursor.

use std::time::Duration;

use loadline_protocol::Time;

use super::App;
use crate::charts::{Chart, ChartLine};
use crate::layout::{Layout, Page};

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

    /// The series that are measured, each with its chart: those of the charts in sight, then the others;
    /// of one chart over the whole screen, its own.
    #[must_use]
    pub fn measured_series(&self, layout: &Layout) -> Vec<(&Chart, &ChartLine)> {
        let is_in_sight = |at: usize| layout.charts.iter().any(|place| place.at == at);
        let charts = || self.charts().iter().enumerate();
        let in_sight = charts().filter(|(at, _)| is_in_sight(*at));
        let others = charts().filter(|(at, _)| !is_in_sight(*at));
        let others = others.filter(|_| self.screen.page() == Page::Dashboard);
        let series = in_sight
            .chain(others)
            .flat_map(|(_, chart)| chart.lines.iter().map(move |line| (chart, line)));
        series.collect()
    }

    /// The first series of the statistics that is in sight, how many are, and how many there are.
    #[must_use]
    pub fn series_in_sight(&self, layout: &Layout) -> (usize, usize, usize) {
        let all = self.measured_series(layout).len();
        let rows = usize::from(App::span_parts(layout.span, all)[2].height).min(all);
        (self.first_series.min(all - rows), rows, all)
    }

    /// Scrolls the statistics.
    pub(super) fn scroll_series(&mut self, lines: i64) {
        let (first, rows, all) = self.series_in_sight(&self.layout(self.area()));
        let last = (all - rows) as i64;
        self.first_series = (first as i64).saturating_add(lines).clamp(0, last) as usize;
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
