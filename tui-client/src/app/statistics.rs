//! Statistics between mark and crosshair.

use std::time::Duration;

use loadline_protocol::{Look, Time};

use super::{App, Sources};
use crate::charts::{Chart, ChartLine};
use crate::layout::{Layout, Page};
use crate::store::covers;

/// Statistics of the samples from the mark to the crosshair, both included.
#[derive(Debug, Clone, PartialEq)]
pub struct Statistics {
    pub(crate) from: Time,
    pub(crate) to: Time,
    /// Number of samples.
    pub samples: usize,
    /// Statistics of each column of the store; `None` if no sample has a value.
    pub columns: Vec<Option<ColumnStats>>,
    /// Sum of the looks that cover a part of the span; `None` without one.
    pub processes: Option<Look>,
}

/// Statistics of a column, in the unit of the stream. NaN does not count.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ColumnStats {
    /// Minimum.
    pub min: f64,
    /// Arithmetic mean.
    pub mean: f64,
    /// Maximum.
    pub max: f64,
    /// Last value.
    pub last: f64,
}

impl Statistics {
    /// Computes the statistics of the shown source between two times on the axis.
    pub(super) fn new(sources: &Sources, mark: Time, crosshair: Time) -> Option<Statistics> {
        let store = &sources.watched().store();
        let (mark, crosshair) = (sources.sample_index(mark), sources.sample_index(crosshair));
        let (first, last) = (mark.min(crosshair), mark.max(crosshair));
        let (from, to) = (sources.time_at(first)?, sources.time_at(last)?);
        let columns = sources.watched().columns().map_or(0, <[_]>::len);
        let columns =
            (0..columns).map(|column| column_stats(store.values(column, first..last + 1)));
        let columns = columns.collect();
        let span = store.get(first)?.time()..=store.get(last)?.time();
        let processes = sources.watched().looks.sum(span);
        Some(Statistics { from, to, samples: last - first + 1, columns, processes })
    }

    /// Returns the time between the ends.
    pub fn duration(&self) -> Duration {
        self.to - self.from
    }
}

impl App {
    /// Returns whether a look covers a part of the span of the statistics, possibly its end.
    pub(super) fn is_look_measured(&self, source: usize, look: &Look) -> bool {
        let Some(Statistics { from, to, .. }) = self.selection.statistics else { return false };
        let ahead_ms = self.sources.clock_offset_ms(source);
        from.shifted_ms(ahead_ms) <= look.top.time && covers(&look.top, to.shifted_ms(ahead_ms))
    }

    /// Returns the measured series with their charts: first those of visible charts, then the
    /// others. In fullscreen, only the chart's own series are measured.
    pub(crate) fn measured_series(&self, layout: &Layout) -> Vec<(&Chart, &ChartLine)> {
        let is_visible = |at: usize| layout.charts.iter().any(|place| place.index == at);
        let charts = || self.sources.charts().iter().enumerate();
        let visible = charts().filter(|(at, _)| is_visible(*at));
        let others = charts().filter(|(at, _)| !is_visible(*at));
        let others = others.filter(|_| self.screen.page == Page::Dashboard);
        visible.chain(others).flat_map(|(_, chart)| chart.lines_with_chart()).collect()
    }

    /// Returns the first visible series, the number of visible ones, and the number of all.
    pub(crate) fn visible_series(&self, layout: &Layout) -> (usize, usize, usize) {
        let all = self.measured_series(layout).len();
        let rows = usize::from(App::statistics_parts(layout.stats, all)[2].height).min(all);
        (self.selection.first_series.min(all - rows), rows, all)
    }

    pub(super) fn scroll_series(&mut self, lines: isize) {
        let (first, rows, all) = self.visible_series(&self.layout(self.area()));
        self.selection.first_series = first.saturating_add_signed(lines).min(all - rows);
    }
}

fn column_stats(values: impl Iterator<Item = f64>) -> Option<ColumnStats> {
    let mut values = values.filter(|value| !value.is_nan());
    let first = values.next()?;
    let mut stat = ColumnStats { min: first, mean: first, max: first, last: first };
    let mut count = 1.0;
    for value in values {
        count += 1.0;
        stat.min = stat.min.min(value);
        stat.max = stat.max.max(value);
        // A running mean stays within the values. A sum might overflow.
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
        let stat = |values: &[f64]| column_stats(values.iter().copied());
        assert_eq!(stat(&[]), None);
        assert_eq!(stat(&[f64::NAN]), None);
        let expected = ColumnStats { min: 1.0, mean: 3.0, max: 5.0, last: 3.0 };
        assert_eq!(stat(&[f64::NAN, 1.0, 5.0, f64::NAN, 3.0, f64::NAN]), Some(expected));
    }

    #[test]
    fn the_mean_of_huge_values_is_a_number() {
        let mean = column_stats([f64::MAX, f64::MAX, -f64::MAX].into_iter()).unwrap().mean;
        assert!((mean / (f64::MAX / 3.0) - 1.0).abs() < 1e-12, "{mean}");
    }
}
