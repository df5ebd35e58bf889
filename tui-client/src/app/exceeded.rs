//! Values above their thresholds that the page does not show.

use std::cmp::Reverse;

use super::App;
use crate::charts::{Chart, ChartLine};
use crate::layout::{Layout, Page};
use crate::thresholds::Level;

/// A value above its threshold.
#[derive(Debug, Clone, Copy)]
pub struct Exceeded<'a> {
    /// Which threshold it is above.
    pub level: Level,
    /// The source, the first at 0.
    pub source: usize,
    /// The number of its chart, the first at 0.
    pub number: usize,
    /// Its chart.
    pub chart: &'a Chart,
    /// Its line in the chart.
    pub line: &'a ChartLine,
    /// The value, in the unit of the stream.
    pub value: f64,
}

impl App {
    /// The values of a source that are above a threshold, in the order of its charts. What is not fresh
    /// has none.
    pub fn exceeded(&self, source: usize) -> impl Iterator<Item = Exceeded<'_>> {
        let seen = &self.sources()[source];
        let sample = self.sample_of(source).filter(|_| self.is_fresh_of(source));
        let charts = seen.charts.iter().enumerate();
        let lines =
            charts.flat_map(|(at, chart)| chart.lines.iter().map(move |line| (at, chart, line)));
        lines.filter_map(move |(number, chart, line)| {
            let value = sample?.value(line.column);
            let level = seen.level(line.column, value);
            let found = Exceeded { level, source, number, chart, line, value };
            (level > Level::Calm).then_some(found)
        })
    }

    /// Those that no chart and no line in sight shows, of all sources, the worst first.
    #[must_use]
    pub fn exceeded_out_of_sight(&self, layout: &Layout) -> Vec<Exceeded<'_>> {
        if self.thresholds.0.is_empty() {
            return Vec::new();
        }
        let page = self.screen.page();
        let mut on_line: Vec<Vec<usize>> = vec![Vec::new(); self.sources().len()];
        if page == Page::Overview {
            let count = usize::from(self.line_parts(layout.sources).count);
            for source in self.lines(layout.sources.height) {
                on_line[source] = self.columns_on_line(source, count);
            }
        }
        let metric = self.metric().map(|(_, title)| title);
        let has_chart = |at: usize| layout.charts.iter().any(|place| place.at == at);
        let is_in_sight = |it: &Exceeded| match page {
            Page::Overview => on_line[it.source].contains(&it.line.column),
            Page::Together => {
                let is_first = it.chart.lines.first() == Some(it.line);
                Some(it.chart.title.as_str()) == metric
                    && is_first
                    && self.compared().contains(&it.source)
            }
            Page::Apart => Some(it.chart.title.as_str()) == metric && has_chart(it.source),
            Page::Dashboard | Page::Fullscreen => it.source == self.shown && has_chart(it.number),
        };
        let all = (0..self.sources().len()).flat_map(|source| self.exceeded(source));
        let mut found: Vec<_> = all.filter(|it| !is_in_sight(it)).collect();
        found.sort_by_key(|it| Reverse(it.level));
        found
    }
}
