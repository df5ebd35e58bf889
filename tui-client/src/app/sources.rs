//! Watched sources on one time axis: that of the client's clock.

use std::time::Duration;

use loadline_protocol::Time;

use super::{COMPARED_SOURCES_MAX, Order};
use crate::charts::{Chart, ChartKind, ChartLine, ReferenceLine, charts, value_format};
use crate::diagnosis::Diagnosis;
use crate::event::Event;
use crate::layout::Page;
use crate::store::{Store, StoredSample};
use crate::thresholds::{Level, ThresholdLevels, Thresholds};
use crate::units::{Units, ValueFormat};
use crate::watched::{State, Watched};

/// Watched sources on one time axis.
#[derive(Debug, Clone)]
pub struct Sources {
    /// **Invariant:** not empty, and `shown` is a valid index.
    views: Vec<SourceView>,
    shown: usize,
    /// Order of the sources on the overview.
    pub order: Order,
    /// Scroll position of the overview: index of the first visible row.
    first_line: usize,
    units: Units,
    pub(super) thresholds: Thresholds,
}

/// A source with its charts and formats.
#[derive(Debug, Clone)]
pub struct SourceView {
    /// State and samples of the source.
    pub watched: Watched,
    /// Charts in the order on the screen. Charts without any value are last.
    pub(crate) charts: Vec<Chart>,
    pub(crate) formats: Vec<ValueFormat>,
    /// Width of the longest label on the value axes in columns. All charts share it, so that charts
    /// below each other span the same time.
    pub(crate) label_width: u16,
    threshold_levels: Vec<ThresholdLevels>,
    /// Diagnosis at the newest sample, or at that of the pause.
    pub(super) diagnosis: Diagnosis,
    /// Interval requested from the agent and not yet answered.
    pub(super) requested_interval: Option<Duration>,
}

impl SourceView {
    pub(super) fn new(watched: Watched) -> SourceView {
        let (charts, formats, limits) = (Vec::new(), Vec::new(), Vec::new());
        SourceView {
            watched,
            charts,
            formats,
            label_width: 0,
            threshold_levels: limits,
            diagnosis: Diagnosis::default(),
            requested_interval: None,
        }
    }

    pub(super) fn make_charts(&mut self, units: Units, thresholds: &Thresholds) {
        let (watched, machine) = (&self.watched, self.watched.machine());
        let columns = watched.columns().unwrap_or_default();
        let values = &watched.store().column_values;
        let format = |(column, (kind, magnitude)): (&_, &(_, _))| {
            value_format(column, *kind, *magnitude, units, machine)
        };
        self.formats = columns.iter().zip(values).map(format).collect();
        self.label_width = self.formats.iter().map(ValueFormat::label_width).max().unwrap_or(0);
        self.charts = charts(columns, &self.formats, machine);
        self.charts.sort_by_key(|chart| is_missing(watched, chart));
        self.diagnosis.set_columns(columns);
        self.threshold_levels =
            columns.iter().map(|it| thresholds.of(it.name(), machine.cores)).collect();
        for chart in &mut self.charts {
            chart.references.splice(0..0, threshold_references(chart, &self.threshold_levels));
        }
    }

    /// Returns the reason for an empty chart, if none of its columns has had a value.
    pub(crate) fn empty_reason(&self, chart: &Chart) -> Option<&'static str> {
        let is_agent = self.watched.header().is_some();
        let why = if is_agent { "not available on this machine" } else { "no values yet" };
        is_missing(&self.watched, chart).then_some(why)
    }

    pub(crate) fn level(&self, column: usize, value: f64) -> Level {
        self.threshold_levels.get(column).map_or(Level::Normal, |limits| limits.level(value))
    }

    /// Returns the index of a column's colour in the theme, as in its chart.
    pub(crate) fn colour(&self, column: usize) -> usize {
        let mut lines = self.charts.iter().flat_map(|chart| &chart.lines);
        lines.find(|line| line.column == column).map_or(0, |line| line.colour)
    }

    /// Returns the column by which sources are compared: the first in percent, else the first.
    pub(crate) fn heat_column(&self) -> usize {
        let columns = self.watched.columns().unwrap_or_default();
        columns.iter().position(|column| column.unit() == "%").unwrap_or(0)
    }

    pub(crate) fn chart(&self, title: &str) -> Option<&Chart> {
        self.charts.iter().find(|chart| chart.title == title)
    }
}

/// Returns whether no column of a chart has had a value.
fn is_missing(watched: &Watched, chart: &Chart) -> bool {
    chart.lines.iter().all(|line| watched.store().is_missing(line.column))
}

impl Sources {
    pub(super) fn new(watched: Watched) -> Sources {
        Sources {
            views: vec![SourceView::new(watched)],
            shown: 0,
            order: Order::default(),
            first_line: 0,
            units: Units::default(),
            thresholds: Thresholds::default(),
        }
    }

    pub(super) fn add(&mut self, others: impl IntoIterator<Item = Watched>) {
        self.views.extend(others.into_iter().map(SourceView::new));
    }

    /// Returns all sources in the order in which they were given.
    pub fn all(&self) -> &[SourceView] {
        &self.views
    }

    pub(crate) fn is_single(&self) -> bool {
        self.views.len() == 1
    }

    /// Returns the index of the chosen source, which the dashboard shows.
    pub fn shown(&self) -> usize {
        self.shown
    }

    pub(crate) fn shown_view(&self) -> &SourceView {
        &self.views[self.shown]
    }

    /// Returns the chosen source.
    pub fn watched(&self) -> &Watched {
        &self.shown_view().watched
    }

    /// Returns the charts of the chosen source.
    pub fn charts(&self) -> &[Chart] {
        &self.shown_view().charts
    }

    /// Returns the page that Esc finally leads to.
    pub(crate) fn home(&self) -> Page {
        if self.is_single() { Page::Dashboard } else { Page::Overview }
    }

    /// Returns the clock offset of a source on the time axis in milliseconds. A single source has
    /// the axis for itself: its offset is 0.
    pub fn clock_offset_ms(&self, source: usize) -> i64 {
        if self.is_single() { 0 } else { self.views[source].watched.clock_offset_ms() }
    }

    /// Returns a time of a source's clock on the time axis.
    pub(crate) fn axis_time(&self, source: usize, time: Time) -> Time {
        time.shifted_ms(-self.clock_offset_ms(source))
    }

    /// Returns a time on the time axis by a source's clock.
    pub(super) fn source_time(&self, source: usize, time: Time) -> Time {
        time.shifted_ms(self.clock_offset_ms(source))
    }

    /// Returns the number of a source's samples up to a time on the axis.
    pub(super) fn count_until(&self, source: usize, time: Time) -> usize {
        let ms = time.as_millis() + self.clock_offset_ms(source);
        if ms < 0 {
            return 0;
        }
        self.views[source].watched.store().count_until(Time::from_millis(ms))
    }

    /// Returns the index of the shown source's last sample at or before a time on the axis.
    pub(crate) fn sample_index(&self, time: Time) -> usize {
        self.count_until(self.shown, time).saturating_sub(1)
    }

    /// Returns the time of a sample of the shown source on the axis.
    pub(crate) fn time_at(&self, at: usize) -> Option<Time> {
        let sample = self.watched().store().get(at)?;
        Some(self.axis_time(self.shown, sample.time()))
    }

    fn source_times(
        &self,
        of: impl Fn(usize, &Store) -> Option<Time>,
    ) -> impl Iterator<Item = Time> {
        let sources = self.views.iter().enumerate();
        sources
            .filter_map(move |(at, view)| Some(self.axis_time(at, of(at, view.watched.store())?)))
    }

    /// Returns the time of the newest sample of all sources on the axis.
    pub fn newest(&self) -> Option<Time> {
        self.source_times(|_, store| store.newest()).max()
    }

    /// Returns the time of the oldest sample of all sources on the axis.
    pub fn oldest(&self) -> Option<Time> {
        self.source_times(|_, store| store.oldest()).min()
    }

    /// Returns the time of the latest sample of any source at or before a time.
    pub(super) fn latest_until(&self, time: Time) -> Option<Time> {
        let at = |source| self.count_until(source, time).checked_sub(1);
        self.source_times(|source, store| Some(store.get(at(source)?)?.time())).max()
    }

    /// Returns the time of the earliest sample of any source after a time.
    pub(super) fn earliest_after(&self, time: Time) -> Option<Time> {
        let at = |source| self.count_until(source, time);
        self.source_times(|source, store| Some(store.get(at(source))?.time())).min()
    }

    /// Returns the last sample of a source up to a time on the axis; `None` if the source has a gap at that
    /// time. Without a time, returns the newest sample.
    pub(super) fn sample_at(&self, source: usize, time: Option<Time>) -> Option<StoredSample<'_>> {
        let watched = &self.views[source].watched;
        let Some(time) = time else {
            return watched.store().get(watched.store().len().checked_sub(1)?);
        };
        let sample = watched.store().get(self.count_until(source, time).checked_sub(1)?)?;
        let age = time - self.axis_time(source, sample.time());
        (age <= watched.stale_after()).then_some(sample)
    }

    /// Returns whether a source may still send a history that the first frame should include.
    pub(crate) fn awaits_history(&self, now: Time) -> bool {
        self.views.iter().any(|view| {
            let may_come = matches!(
                view.watched.state(now),
                State::Connecting(None) | State::Loading(_) | State::Live | State::Replay(None)
            );
            may_come && !view.watched.connection.caught_up
        })
    }

    pub(super) fn get_mut(&mut self, source: usize) -> Option<&mut SourceView> {
        self.views.get_mut(source)
    }

    pub(super) fn apply(&mut self, source: usize, now: Time, event: Event) {
        let watched = &mut self.views[source].watched;
        let is_stream = matches!(event, Event::Stream(_));
        let version =
            |watched: &Watched| (watched.store().columns(), watched.store().kinds_version());
        let before = version(watched);
        watched.apply(now, event);
        // The columns, or the order or the formats of the charts may change.
        if is_stream || version(watched) != before {
            self.make_charts(source);
        }
    }

    /// Decides what is wrong with a source at its newest sample. In a paused view, nothing changes.
    pub(super) fn diagnose(&mut self, source: usize, is_paused: bool) {
        let SourceView { diagnosis, watched, .. } = &mut self.views[source];
        if !is_paused {
            diagnosis.follow(watched);
        }
    }

    /// Shows a source. Returns whether it has other columns than the last one.
    pub(super) fn show(&mut self, at: usize) -> bool {
        let before = std::mem::replace(&mut self.shown, at.min(self.views.len() - 1));
        self.views[before].watched.columns() != self.watched().columns()
    }

    pub(super) fn set_now(&mut self, now: Time) {
        self.views.iter_mut().for_each(|view| view.watched.set_now(now));
    }

    pub(super) fn make_charts(&mut self, source: usize) {
        self.views[source].make_charts(self.units, &self.thresholds);
    }

    pub(super) fn use_next_units(&mut self) {
        self.units = self.units.next();
        (0..self.views.len()).for_each(|source| self.make_charts(source));
    }

    /// Returns the titles of the charts of all sources, in order of appearance. Heat maps have no
    /// lines and are left out.
    pub(crate) fn metric_titles(&self) -> Vec<&str> {
        let mut titles: Vec<&str> = Vec::new();
        for chart in self.views.iter().flat_map(|view| &view.charts) {
            if chart.kind == ChartKind::Lines && !titles.contains(&chart.title.as_str()) {
                titles.push(&chart.title);
            }
        }
        titles
    }

    /// Returns the sources in one chart, the chosen one among them.
    pub fn compared(&self) -> std::ops::Range<usize> {
        let first = self.shown / COMPARED_SOURCES_MAX * COMPARED_SOURCES_MAX;
        first..(first + COMPARED_SOURCES_MAX).min(self.views.len())
    }

    /// Returns the scroll position of the overview with `rows` rows: the index of the first visible row.
    pub(crate) fn first_line(&self, rows: usize) -> usize {
        self.first_line.min(self.views.len().saturating_sub(rows))
    }

    pub(super) fn scroll(&mut self, lines: isize, rows: usize) {
        let last = self.views.len().saturating_sub(rows);
        self.first_line = self.first_line(rows).saturating_add_signed(lines).min(last);
    }

    /// Scrolls the overview so that its row `place` is visible.
    pub(super) fn scroll_to(&mut self, place: usize, rows: usize) {
        self.first_line = self.first_line(rows).clamp((place + 1).saturating_sub(rows), place);
    }

    pub(super) fn toggle_order(&mut self) {
        self.order = match self.order {
            Order::AsListed => Order::Hottest,
            Order::Hottest => Order::AsListed,
        };
        self.first_line = 0;
    }
}

/// Returns reference lines at the lowest thresholds, with a line's name unless all are equal.
fn threshold_references(chart: &Chart, limits: &[ThresholdLevels]) -> Vec<ReferenceLine> {
    let first = |line: &ChartLine| limits.get(line.column).and_then(ThresholdLevels::first);
    let all = chart.lines.first().and_then(first);
    let is_common = chart.lines.iter().all(|line| first(line) == all);
    let lines = chart.lines.iter().take(if is_common { 1 } else { chart.lines.len() });
    let threshold = |line: &ChartLine| {
        let (level, limit) = first(line)?;
        let name = Some(line.legend.as_str()).filter(|name| !is_common && !name.is_empty());
        let name = name.map_or(String::new(), |name| format!(" {name}"));
        let label = format!("{}{name} {}", level.name(), chart.format.value(limit));
        Some(ReferenceLine { value: limit * chart.format.scale, label, level })
    };
    lines.filter_map(threshold).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(count: usize) -> Sources {
        let watched = |at: usize| Watched::new(&format!("web-{at}"), false, Duration::MAX);
        let mut sources = Sources::new(watched(0));
        sources.add((1..count).map(watched));
        sources
    }

    #[test]
    fn one_chart_compares_six_sources_with_the_shown_one_among_them() {
        let mut sources = sources(14);
        for (shown, compared) in [(0, 0..6), (5, 0..6), (6, 6..12), (13, 12..14)] {
            sources.show(shown);
            assert_eq!(sources.compared(), compared);
        }
    }

    #[test]
    fn the_shown_source_exists() {
        let mut sources = sources(2);
        assert!(!sources.show(9), "both have no columns");
        assert_eq!(sources.shown(), 1);
    }

    #[test]
    fn the_overview_scrolls_within_its_rows() {
        let mut sources = sources(10);
        let mut scroll = |lines| {
            sources.scroll(lines, 4);
            sources.first_line(4)
        };
        assert_eq!([scroll(-1), scroll(5), scroll(isize::MAX)], [0, 5, 6]);
        sources.scroll_to(3, 4);
        assert_eq!(sources.first_line(4), 3);
        sources.scroll_to(9, 4);
        assert_eq!(sources.first_line(4), 6);
        sources.toggle_order();
        assert_eq!((sources.order, sources.first_line(4)), (Order::Hottest, 0));
    }
}
