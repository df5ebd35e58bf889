//! The sources that are watched, on one time axis: that of this machine's clock.

use std::time::Duration;

use loadline_protocol::Time;

use super::{App, Screen, WindowEnd};
use crate::charts::{Chart, ChartLine, ReferenceLine, charts, value_format};
use crate::event::Event;
use crate::layout::Page;
use crate::store::StoredSample;
use crate::thresholds::{Level, ThresholdLevels, Thresholds};
use crate::units::{Units, ValueFormat};
use crate::watched::{State, Watched};

/// A recording that is seen as a whole spans so much more than its samples do: a cell at the end.
const FIT_MARGIN_DIVISOR: u32 = 16;

/// The shortest time span that is drawn.
const FITTED_WINDOW_MIN: Duration = Duration::from_secs(1);

/// Time spans that fit themselves to what has come live: the first that holds it, else the last.
pub(super) const FITTED_WINDOWS: [Duration; 3] =
    [Duration::from_mins(1), Duration::from_mins(2), Duration::from_mins(5)];

/// A source as the screen knows it.
#[derive(Debug, Clone)]
pub struct SourceView {
    /// What is known of it.
    pub watched: Watched,
    /// The charts of its stream in their order on the screen: those without any value are the last.
    pub charts: Vec<Chart>,
    /// How the values of each column look.
    pub looks: Vec<ValueFormat>,
    /// Columns of the longest label on the value axes of its charts: one for all, so that a chart spans the
    /// same time as those below it.
    pub label_width: u16,
    /// From where on the values of each column are worth a look.
    threshold_levels: Vec<ThresholdLevels>,
    /// What its agent was asked for and has not answered yet.
    pub(super) requested_interval: Option<Duration>,
}

impl SourceView {
    pub(super) fn new(watched: Watched) -> SourceView {
        let (charts, looks, limits) = (Vec::new(), Vec::new(), Vec::new());
        SourceView {
            watched,
            charts,
            looks,
            label_width: 0,
            threshold_levels: limits,
            requested_interval: None,
        }
    }

    pub(super) fn make_charts(&mut self, units: Units, thresholds: &Thresholds) {
        let (watched, machine) = (&self.watched, self.watched.machine());
        let columns = watched.columns().unwrap_or_default();
        let values = watched.store().column_values();
        let format = |(column, (kind, magnitude)): (&_, &(_, _))| {
            value_format(column, *kind, *magnitude, units, machine)
        };
        self.looks = columns.iter().zip(values).map(format).collect();
        self.label_width = self.looks.iter().map(ValueFormat::label_width).max().unwrap_or(0);
        let stream = watched.ingest.stream.iter();
        self.charts =
            stream.flat_map(|stream| charts(&stream.schema, &self.looks, machine)).collect();
        self.charts.sort_by_key(|chart| is_missing(watched, chart));
        self.threshold_levels =
            columns.iter().map(|it| thresholds.of(it.name(), machine.cores)).collect();
        for chart in &mut self.charts {
            chart.references.splice(0..0, threshold_references(chart, &self.threshold_levels));
        }
    }

    /// Takes what the link tells, and returns whether this has changed the order or the looks of the charts.
    pub(super) fn apply(&mut self, now: Time, event: Event) -> bool {
        let before = self.watched.store().kinds_version();
        self.watched.apply(now, event);
        self.watched.store().kinds_version() != before
    }

    /// Returns why a chart has nothing to draw, if none of its columns has had a value.
    #[must_use]
    pub fn empty_reason(&self, chart: &Chart) -> Option<&'static str> {
        let is_agent = self.watched.header().is_some();
        let why = if is_agent { "not available on this machine" } else { "no value so far" };
        is_missing(&self.watched, chart).then_some(why)
    }

    /// Whether a value of a column is worth a look.
    #[must_use]
    pub fn level(&self, column: usize, value: f64) -> Level {
        self.threshold_levels.get(column).map_or(Level::Normal, |limits| limits.level(value))
    }

    /// Which of the theme's colours a column has, as in its chart.
    #[must_use]
    pub fn colour(&self, column: usize) -> usize {
        let mut lines = self.charts.iter().flat_map(|chart| &chart.lines);
        lines.find(|line| line.column == column).map_or(0, |line| line.colour)
    }

    /// The column by which sources are compared at a glance: the first in percent, else the first.
    #[must_use]
    pub fn heat_column(&self) -> usize {
        let columns = self.watched.columns().unwrap_or_default();
        columns.iter().position(|column| column.unit() == "%").unwrap_or(0)
    }

    /// The chart of a title.
    #[must_use]
    pub fn chart(&self, title: &str) -> Option<&Chart> {
        self.charts.iter().find(|chart| chart.title == title)
    }
}

/// Returns whether no column of a chart has had a value.
fn is_missing(watched: &Watched, chart: &Chart) -> bool {
    chart.lines.iter().all(|line| watched.store().is_missing(line.column))
}

impl App {
    /// The same screen with further sources, of which nothing is known yet either: it begins with
    /// all of them at a glance, unless it was told to begin with one chart.
    #[must_use]
    pub fn with_sources(mut self, others: impl IntoIterator<Item = Watched>) -> App {
        self.sources.extend(others.into_iter().map(SourceView::new));
        if self.screen == Screen::Page(Page::Dashboard) {
            self.screen = Screen::Page(self.home());
        }
        self
    }

    /// All sources, in the order in which they were given.
    #[must_use]
    pub fn sources(&self) -> &[SourceView] {
        &self.sources
    }

    /// Whether there is but one source.
    #[must_use]
    pub fn has_single_source(&self) -> bool {
        self.sources.len() == 1
    }

    /// Which source the dashboard shows: the one that is chosen.
    #[must_use]
    pub fn shown_source(&self) -> usize {
        self.shown_source
    }

    /// The source that the dashboard shows, as the screen knows it.
    #[must_use]
    pub fn shown_view(&self) -> &SourceView {
        &self.sources[self.shown_source]
    }

    /// The source that the dashboard shows.
    #[must_use]
    pub fn watched(&self) -> &Watched {
        &self.shown_view().watched
    }

    /// Its charts.
    #[must_use]
    pub fn charts(&self) -> &[Chart] {
        &self.shown_view().charts
    }

    /// The page that Esc leads to in the end.
    #[must_use]
    pub fn home(&self) -> Page {
        if self.has_single_source() { Page::Dashboard } else { Page::Overview }
    }

    pub(super) fn show_source(&mut self, at: usize) {
        let columns = self.watched().columns().map(<[_]>::to_vec);
        self.shown_source = at.min(self.sources.len() - 1);
        if self.watched().columns() != columns.as_deref() {
            self.first_column = 0;
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

    /// The time goes on, or the clock was set back.
    pub(super) fn set_now(&mut self, now: Time) {
        if now < self.now {
            self.sources.iter_mut().for_each(|source| source.watched.set_now(now));
        }
        self.now = now;
    }

    /// How far a source's clock is ahead on the time axis, milliseconds. A single source has the axis
    /// for itself, whatever its clock shows.
    #[must_use]
    pub fn clock_offset_ms(&self, source: usize) -> i64 {
        if self.has_single_source() { 0 } else { self.sources[source].watched.clock_offset_ms() }
    }

    /// Where a time of a source's clock stands on the time axis.
    #[must_use]
    pub fn axis_time(&self, source: usize, time: Time) -> Time {
        time.shifted_ms(-self.clock_offset_ms(source))
    }

    /// How many samples of a source are not later than a time on the axis.
    pub(super) fn count_until(&self, source: usize, time: Time) -> usize {
        let ms = time.as_millis() + self.clock_offset_ms(source);
        if ms < 0 {
            return 0;
        }
        self.sources[source].watched.store().count_until(Time::from_millis(ms))
    }

    /// The sample of the source that is shown that stands at a time on the axis: the last that is not
    /// later.
    #[must_use]
    pub fn sample_index(&self, time: Time) -> usize {
        self.count_until(self.shown_source, time).saturating_sub(1)
    }

    /// Where a sample of the source that is shown stands on the axis.
    #[must_use]
    pub fn time_at(&self, at: usize) -> Option<Time> {
        let sample = self.watched().store().get(at)?;
        Some(self.axis_time(self.shown_source, sample.time()))
    }

    fn source_times(&self, of: impl Fn(&Watched) -> Option<Time>) -> impl Iterator<Item = Time> {
        let sources = self.sources.iter().enumerate();
        sources.filter_map(move |(at, view)| Some(self.axis_time(at, of(&view.watched)?)))
    }

    /// The newest sample of all sources, on the axis.
    #[must_use]
    pub fn newest(&self) -> Option<Time> {
        self.source_times(|watched| watched.store().newest()).max()
    }

    /// The oldest sample of all sources, on the axis.
    #[must_use]
    pub fn oldest(&self) -> Option<Time> {
        self.source_times(|watched| watched.store().oldest()).min()
    }

    /// Fits the time span to the samples until the user zooms: recordings are in sight as a whole, and
    /// what comes live from its first sample on, as far as the longest of [`FITTED_WINDOWS`] leads.
    pub(super) fn fit_window(&mut self) {
        // Beside what comes live, a recording is not all that there is to see.
        let is_recorded = |SourceView { watched, .. }: &SourceView| {
            watched.connection.is_recording() && !watched.store().is_empty()
        };
        let is_whole = self.is_window_automatic && self.sources.iter().all(is_recorded);
        let longest = FITTED_WINDOWS[FITTED_WINDOWS.len() - 1];
        let may_grow =
            self.is_window_automatic && self.window_end == WindowEnd::Live && self.window < longest;
        if !is_whole && !may_grow {
            return;
        }
        let (Some(oldest), Some(newest)) = (self.oldest(), self.newest()) else { return };
        let span = newest - oldest;
        if span.is_zero() {
            return;
        }
        // The newest sample is not at the end of its cell.
        let span = (span + span / FIT_MARGIN_DIVISOR).max(FITTED_WINDOW_MIN);
        self.window = if is_whole {
            span
        } else {
            FITTED_WINDOWS.into_iter().find(|it| *it >= span).unwrap_or(longest)
        };
    }

    /// The latest sample of any source that is not later than a time.
    pub(super) fn latest_until(&self, time: Time) -> Option<Time> {
        let sources = 0..self.sources.len();
        let times = sources.filter_map(|source| {
            let at = self.count_until(source, time).checked_sub(1)?;
            let sample = self.sources[source].watched.store().get(at)?;
            Some(self.axis_time(source, sample.time()))
        });
        times.max()
    }

    /// The earliest sample of any source that is later than a time.
    pub(super) fn earliest_after(&self, time: Time) -> Option<Time> {
        let sources = 0..self.sources.len();
        let times = sources.filter_map(|source| {
            let sample =
                self.sources[source].watched.store().get(self.count_until(source, time))?;
            Some(self.axis_time(source, sample.time()))
        });
        times.min()
    }

    /// The sample of a source whose values stand beside those of the others: that at the cursor, else
    /// the latest in sight. None where it had a gap at that time.
    #[must_use]
    pub fn sample_of(&self, source: usize) -> Option<StoredSample<'_>> {
        let watched = &self.sources[source].watched;
        let fixed = match (self.crosshair, self.window_end) {
            (Some(crosshair), _) => Some(crosshair),
            (None, WindowEnd::Paused(until)) => Some(until),
            (None, WindowEnd::Live) => None,
        };
        let Some(time) = fixed else {
            return watched.store().get(watched.store().len().checked_sub(1)?);
        };
        let sample = watched.store().get(self.count_until(source, time).checked_sub(1)?)?;
        let age = time - self.axis_time(source, sample.time());
        (age <= watched.stale_after()).then_some(sample)
    }

    /// Whether what is shown of a source may look live: rows arrive, or it says that it is of another time.
    #[must_use]
    pub fn is_source_fresh(&self, source: usize) -> bool {
        let is_well = || self.sources[source].watched.state(self.now).is_up_to_date();
        matches!(self.window_end, WindowEnd::Paused(_)) || is_well()
    }

    /// Whether a source may have a history that has not come yet, and that a first frame should have.
    #[must_use]
    pub fn awaits_history(&self) -> bool {
        self.sources.iter().any(|view| {
            let may_come = matches!(
                view.watched.state(self.now),
                State::Connecting(None) | State::Live | State::Replay(None)
            );
            may_come && !view.watched.connection.caught_up
        })
    }
}

/// The lower threshold of each line of a chart, with the line's name unless all lines have the same one.
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
