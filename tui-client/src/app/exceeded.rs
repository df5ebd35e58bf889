//! Exceeded thresholds that the page does not show.

use std::cmp::Reverse;

use super::App;
use crate::charts::{Chart, ChartLine};
use crate::layout::{Layout, Page};
use crate::thresholds::Level;

/// Value above its threshold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ExceededThreshold<'a> {
    pub(crate) level: Level,
    pub(crate) source: usize,
    pub(crate) chart_index: usize,
    pub(crate) chart: &'a Chart,
    pub(crate) line: &'a ChartLine,
    /// Value in the unit of the stream.
    pub(crate) value: f64,
}

impl App {
    /// Returns the values of a source above their thresholds, in the order of its charts. A source
    /// without current values has none.
    pub(crate) fn exceeded_thresholds(
        &self,
        source: usize,
    ) -> impl Iterator<Item = ExceededThreshold<'_>> {
        let view = &self.sources.all()[source];
        let sample = self.sample_of(source).filter(|_| self.is_source_fresh(source));
        let charts = view.charts.iter().enumerate();
        let lines =
            charts.flat_map(|(at, chart)| chart.lines.iter().map(move |line| (at, chart, line)));
        lines.filter_map(move |(number, chart, line)| {
            let value = sample?.value(line.column);
            let level = view.level(line.column, value);
            let exceeded =
                ExceededThreshold { level, source, chart_index: number, chart, line, value };
            (level > Level::Normal).then_some(exceeded)
        })
    }

    /// Returns the exceeded thresholds of all sources that are not visible, the worst first.
    pub(crate) fn hidden_exceeded_thresholds(&self, layout: &Layout) -> Vec<ExceededThreshold<'_>> {
        if self.sources.thresholds.0.is_empty() {
            return Vec::new();
        }
        let page = self.screen.page;
        let mut on_line: Vec<Vec<usize>> = vec![Vec::new(); self.sources.all().len()];
        if page == Page::Overview {
            let count = usize::from(self.line_parts(layout.sources).value_count);
            for source in self.overview_sources(layout.sources.height) {
                on_line[source] = self.overview_columns(source, count);
            }
        }
        let metric = self.compared_metric().map(|(_, title)| title);
        let has_chart = |at: usize| layout.charts.iter().any(|place| place.index == at);
        let is_in_sight = |it: &ExceededThreshold| match page {
            Page::Overview => on_line[it.source].contains(&it.line.column),
            Page::CompareOverlay => {
                let is_first = it.chart.lines.first() == Some(it.line);
                Some(it.chart.title.as_str()) == metric
                    && is_first
                    && self.sources.compared().contains(&it.source)
            }
            Page::CompareGrid => Some(it.chart.title.as_str()) == metric && has_chart(it.source),
            Page::Dashboard | Page::Fullscreen => {
                it.source == self.sources.shown() && has_chart(it.chart_index)
            }
        };
        let all = (0..self.sources.all().len()).flat_map(|source| self.exceeded_thresholds(source));
        let mut hidden: Vec<_> = all.filter(|it| !is_in_sight(it)).collect();
        hidden.sort_by_key(|it| Reverse(it.level));
        hidden
    }
}
