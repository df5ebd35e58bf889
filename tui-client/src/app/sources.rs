//! Watched sources on one time axis: that of the client's clock.

use std::time::Duration;

use loadline_protocol::Time;

use super::App;
use crate::charts::{Chart, ChartLine, ReferenceLine, charts, value_format};
use crate::event::Event;
use crate::layout::Page;
use crate::store::StoredSample;
use crate::thresholds::{Level, ThresholdLevels, Thresholds};
use crate::units::{Units, ValueFormat};
use crate::watched::{State, Watched};

/// A source with its charts and formats.
#[derive(Debug, Clone)]
pub struct SourceView {
    /// State and samples of the source.
    pub watched: Watched,
    /// Charts in the order on the screen. Charts without any value are last.
    pub charts: Vec<Chart>,
    /// Value formats of the columns.
    pub formats: Vec<ValueFormat>,
    /// Width of the longest label on the value axes in columns. All charts share it, so that charts
    /// below each other span the same time.
    pub label_width: u16,
    /// Thresholds of the columns.
    threshold_levels: Vec<ThresholdLevels>,
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
            requested_interval: None,
        }
    }

    pub(super) fn make_charts(&mut self, units: Units, thresholds: &Thresholds) {
        let (watched, machine) = (&self.watched, self.watched.machine());
        let columns = watched.columns().unwrap_or_default();
        let values = watched.store.kinds().iter().zip(watched.store.magnitudes());
        let format = |(column, (kind, magnitude)): (&_, (&_, &_))| {
            value_format(column, *kind, *magnitude, units, machine)
        };
        self.formats = columns.iter().zip(values).map(format).collect();
        self.label_width = self.formats.iter().map(ValueFormat::label_width).max().unwrap_or(0);
        self.charts = watched
            .stream
            .as_ref()
            .map_or_else(Vec::new, |stream| charts(&stream.schema, &self.formats, machine));
        self.charts.sort_by_key(|chart| is_missing(watched, chart));
        self.threshold_levels =
            columns.iter().map(|it| thresholds.of(it.name(), machine.cores)).collect();
        for chart in &mut self.charts {
            chart.references.splice(0..0, threshold_references(chart, &self.threshold_levels));
        }
    }

    /// Applies an event. Returns whether the order or the formats of the charts changed.
    pub(super) fn apply(&mut self, now: Time, event: Event) -> bool {
        let before = self.watched.store.kinds_version();
        self.watched.apply(now, event);
        self.watched.store.kinds_version() != before
    }

    /// Returns the reason for an empty chart, if none of its columns has had a value.
    #[must_use]
    pub fn empty_reason(&self, chart: &Chart) -> Option<&'static str> {
        let is_agent = self.watched.stream.as_ref().is_some_and(|it| it.header.is_some());
        let why = if is_agent { "not available on this machine" } else { "no values yet" };
        is_missing(&self.watched, chart).then_some(why)
    }

    /// Returns the level of a column's value.
    #[must_use]
    pub fn level(&self, column: usize, value: f64) -> Level {
        self.threshold_levels.get(column).map_or(Level::Normal, |limits| limits.level(value))
    }

    /// Returns the index of a column's colour in the theme, as in its chart.
    #[must_use]
    pub fn colour(&self, column: usize) -> usize {
        let mut lines = self.charts.iter().flat_map(|chart| &chart.lines);
        lines.find(|line| line.column == column).map_or(0, |line| line.colour)
    }

    /// Returns the column by which sources are compared: the first in percent, else the first.
    #[must_use]
    pub fn heat_column(&self) -> usize {
        let columns = self.watched.columns().unwrap_or_default();
        columns.iter().position(|column| column.unit() == "%").unwrap_or(0)
    }

    /// Returns the chart with a title.
    #[must_use]
    pub fn chart(&self, title: &str) -> Option<&Chart> {
        self.charts.iter().find(|chart| chart.title == title)
    }
}

/// Returns whether no column of a chart has had a value.
fn is_missing(watched: &Watched, chart: &Chart) -> bool {
    chart.lines.iter().all(|line| watched.store.is_missing(line.column))
}

impl App {
    /// Adds further sources without samples. The screen then begins with the overview, unless it
    /// begins in fullscreen.
    #[must_use]
    pub fn with_sources(mut self, others: impl IntoIterator<Item = Watched>) -> App {
        self.sources.extend(others.into_iter().map(SourceView::new));
        if self.screen.page == Page::Dashboard {
            self.screen.page = self.home();
        }
        self
    }

    /// Returns all sources in the order in which they were given.
    #[must_use]
    pub fn sources(&self) -> &[SourceView] {
        &self.sources
    }

    /// Returns whether there is only one source.
    #[must_use]
    pub fn has_single_source(&self) -> bool {
        self.sources.len() == 1
    }

    /// Returns the index of the chosen source, which the dashboard shows.
    #[must_use]
    pub fn shown_source(&self) -> usize {
        self.shown_source
    }

    /// Returns the chosen source with its charts.
    #[must_use]
    pub fn shown_view(&self) -> &SourceView {
        &self.sources[self.shown_source]
    }

    /// Returns the chosen source.
    #[must_use]
    pub fn watched(&self) -> &Watched {
        &self.shown_view().watched
    }

    /// Returns the charts of the chosen source.
    #[must_use]
    pub fn charts(&self) -> &[Chart] {
        &self.shown_view().charts
    }

    /// Returns the page that Esc finally leads to.
    #[must_use]
    pub fn home(&self) -> Page {
        if self.has_single_source() { Page::Dashboard } else { Page::Overview }
    }

    pub(super) fn show_source(&mut self, at: usize) {
        let columns = self.watched().columns().map(<[_]>::to_vec);
        self.shown_source = at.min(self.sources.len() - 1);
        if self.watched().columns() != columns.as_deref() {
            self.screen.first_column = 0;
        }
        self.update_statistics();
        self.scroll_to_shown_source();
    }

    pub(super) fn step_source(&mut self, steps: usize) {
        if self.has_single_source() {
            self.show_message("this is the only source".to_owned());
        } else {
            self.show_source((self.shown_source + steps) % self.sources.len());
        }
    }

    /// Sets the time. It goes back if the clock was set back.
    pub(super) fn set_now(&mut self, now: Time) {
        if now < self.now {
            self.sources.iter_mut().for_each(|source| source.watched.set_now(now));
        }
        self.now = now;
    }

    /// Returns the clock offset of a source on the time axis in milliseconds. A single source has
    /// the axis for itself: its offset is 0.
    #[must_use]
    pub fn clock_offset_ms(&self, source: usize) -> i64 {
        if self.has_single_source() { 0 } else { self.sources[source].watched.clock_offset_ms() }
    }

    /// Returns a time of a source's clock on the time axis.
    #[must_use]
    pub fn axis_time(&self, source: usize, time: Time) -> Time {
        time.shifted_ms(-self.clock_offset_ms(source))
    }

    /// Returns the number of a source's samples up to a time on the axis.
    pub(super) fn count_until(&self, source: usize, time: Time) -> usize {
        let ms = time.as_millis() + self.clock_offset_ms(source);
        if ms < 0 {
            return 0;
        }
        self.sources[source].watched.store.count_until(Time::from_millis(ms))
    }

    /// Returns the index of the shown source's last sample at or before a time on the axis.
    #[must_use]
    pub fn sample_index(&self, time: Time) -> usize {
        self.count_until(self.shown_source, time).saturating_sub(1)
    }

    /// Returns the time of a sample of the shown source on the axis.
    #[must_use]
    pub fn time_at(&self, at: usize) -> Option<Time> {
        let sample = self.watched().store.get(at)?;
        Some(self.axis_time(self.shown_source, sample.time()))
    }

    fn source_times(&self, of: impl Fn(&Watched) -> Option<Time>) -> impl Iterator<Item = Time> {
        let sources = self.sources.iter().enumerate();
        sources.filter_map(move |(at, view)| Some(self.axis_time(at, of(&view.watched)?)))
    }

    /// Returns the time of the newest sample of all sources on the axis.
    #[must_use]
    pub fn newest(&self) -> Option<Time> {
        self.source_times(|watched| watched.store.newest()).max()
    }

    /// Returns the time of the oldest sample of all sources on the axis.
    #[must_use]
    pub fn oldest(&self) -> Option<Time> {
        self.source_times(|watched| watched.store.oldest()).min()
    }

    pub(super) fn fit_window(&mut self) {
        // Beside a live source, a recording does not decide the time span.
        let is_recorded = |view: &SourceView| view.watched.recording_duration().is_some();
        let is_whole = self.sources.iter().all(is_recorded);
        if let (Some(oldest), Some(newest)) = (self.oldest(), self.newest()) {
            self.window.fit(is_whole, oldest, newest);
        }
    }

    /// Returns the time of the latest sample of any source at or before a time.
    pub(super) fn latest_until(&self, time: Time) -> Option<Time> {
        let sources = 0..self.sources.len();
        let times = sources.filter_map(|source| {
            let at = self.count_until(source, time).checked_sub(1)?;
            let sample = self.sources[source].watched.store.get(at)?;
            Some(self.axis_time(source, sample.time()))
        });
        times.max()
    }

    /// Returns the time of the earliest sample of any source after a time.
    pub(super) fn earliest_after(&self, time: Time) -> Option<Time> {
        let sources = 0..self.sources.len();
        let times = sources.filter_map(|source| {
            let sample = self.sources[source].watched.store.get(self.count_until(source, time))?;
            Some(self.axis_time(source, sample.time()))
        });
        times.min()
    }

    /// Returns the sample of a source whose values are compared: at the crosshair, else the latest
    /// in sight. `None` if the source has a gap at that time.
    #[must_use]
    pub fn sample_of(&self, source: usize) -> Option<StoredSample<'_>> {
        let watched = &self.sources[source].watched;
        let Some(time) = self.crosshair.or(self.window.paused_at()) else {
            return watched.store.get(watched.store.len().checked_sub(1)?);
        };
        let sample = watched.store.get(self.count_until(source, time).checked_sub(1)?)?;
        let age = time - self.axis_time(source, sample.time());
        (age <= watched.stale_after()).then_some(sample)
    }

    /// Returns whether a source's values are up to date or paused. Others are drawn faint.
    #[must_use]
    pub fn is_source_fresh(&self, source: usize) -> bool {
        let is_well = || self.sources[source].watched.state(self.now).is_up_to_date();
        self.window.paused_at().is_some() || is_well()
    }

    /// Returns whether a source may still send a history that the first frame should include.
    #[must_use]
    pub fn awaits_history(&self) -> bool {
        self.sources.iter().any(|view| {
            let may_come = matches!(
                view.watched.state(self.now),
                State::Connecting(None) | State::Live | State::Replay(None)
            );
            may_come && !view.watched.caught_up
        })
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
