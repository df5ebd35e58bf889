//! Navigation in time: pan, zoom, pause, crosshair.

use std::time::Duration;

use loadline_protocol::Time;

use super::past::TimeDestination;
use super::{App, WindowEnd};
use crate::keys::Action;
use crate::layout::{Page, TablePosition};
use crate::store::Window;

/// Formats of a time label, the longest first: for today, and for another day.
const TODAY_FORMATS: &[&str] = &["%H:%M:%S%.3f", "%H:%M:%S"];
const DATED_FORMATS: &[&str] = &["%Y-%m-%d %H:%M:%S%.3f", "%Y-%m-%d %H:%M:%S", "%m-%d %H:%M:%S"];

/// Time span from which labels need a date.
const DAY: Duration = Duration::from_hours(24);

/// Divisor of the time span: a key pans by a tenth.
const PAN_DIVISOR: i64 = 10;

impl App {
    pub(super) fn navigate(&mut self, action: Action) {
        match action {
            Action::Pause => self.window.toggle_pause(self.sources.newest()),
            Action::ZoomIn => self.zoom(true, self.zoom_anchor()),
            Action::ZoomOut => self.zoom(false, self.zoom_anchor()),
            Action::GoTo => self.open_time_input(),
            Action::Left => self.step_time(-1),
            Action::Right => self.step_time(1),
            Action::ScreenLeft => self.step_screen(-1),
            Action::ScreenRight => self.step_screen(1),
            Action::Oldest => self.show_oldest(),
            Action::Live => self.show_live(),
            Action::Reset => {
                self.selection.value_zoom.clear();
                self.window.reset();
                self.fit_window();
            }
            Action::Crosshair => self.toggle_crosshair(),
            Action::Mark => self.toggle_mark(),
            Action::SeriesDown => self.scroll_series(1),
            Action::SeriesUp => self.scroll_series(-1),
            Action::SampleForward | Action::Down => self.step_samples(1),
            Action::SampleBack | Action::Up => self.step_samples(-1),
            // Other actions do not concern time.
            _ => {}
        }
    }

    /// Returns the window of the chosen chart, or for 100 columns if no chart is drawn.
    fn chosen_window(&self) -> Option<Window> {
        self.window_of(self.panel_width().filter(|width| *width > 0).unwrap_or(100))
    }

    fn step_time(&mut self, direction: i64) {
        let Some(window) = self.chosen_window() else { return };
        if self.selection.crosshair.is_some() {
            self.move_crosshair(direction * window.cell_ms());
        } else {
            self.step_view(direction);
        }
    }

    /// Moves the view by whole cells, so that the picture moves and does not change.
    fn step_view(&mut self, direction: i64) {
        let Some(window) = self.chosen_window() else { return };
        let cells = (window.cell_count() as i64 / PAN_DIVISOR).max(1);
        self.pan(direction * cells * window.cell_ms());
    }

    fn step_screen(&mut self, direction: i64) {
        let rows = self.layout(self.area()).table.height.saturating_sub(1).max(1);
        if self.screen.page == Page::Dashboard
            && self.screen.table_position() == TablePosition::Alone
        {
            self.step_samples(direction as isize * rows as isize);
        } else if self.selection.crosshair.is_some() {
            self.move_crosshair(direction * self.window.span_ms());
        } else {
            self.pan(direction * self.window.span_ms());
        }
    }

    pub(super) fn pan(&mut self, by_ms: i64) {
        let (Some(oldest), Some(newest)) = (self.oldest_reachable(), self.sources.newest()) else {
            return;
        };
        let before = self.window.end;
        self.window.pan(by_ms, oldest, newest);
        if by_ms < 0 && self.window.end == before {
            self.show_oldest_reason();
        }
    }

    pub(super) fn set_window_end(&mut self, until: Time) {
        self.window.set_end(until, self.sources.newest());
    }

    pub(super) fn zoom(&mut self, shorter: bool, anchor: Option<Time>) {
        self.window.zoom(shorter, anchor, self.sources.newest());
    }

    fn show_oldest(&mut self) {
        let Some(oldest) = self.oldest_reachable() else { return };
        let before = self.window.end;
        self.set_window_end(oldest + self.window.span);
        if self.window.end == before {
            self.show_oldest_reason();
        }
        let has_crosshair = self.selection.crosshair.is_some();
        if has_crosshair && self.is_missing(oldest, oldest) {
            self.selection.destination = Some(TimeDestination { time: oldest, typed: None });
        } else if has_crosshair {
            self.set_crosshair(oldest);
        }
    }

    fn show_live(&mut self) {
        self.window.end = WindowEnd::Live;
        if let (Some(_), Some(newest)) = (self.selection.crosshair, self.sources.newest()) {
            self.set_crosshair(newest);
        }
    }

    fn toggle_crosshair(&mut self) {
        if self.selection.crosshair.is_some() {
            self.selection.clear();
        } else {
            let end = self.window_end_time();
            self.selection.crosshair = end.and_then(|end| self.times_around(end)[0]);
        }
    }

    fn toggle_mark(&mut self) {
        if self.selection.crosshair.is_none() {
            self.toggle_crosshair();
        }
        let Some(at) = self.crosshair_index() else { return };
        let here = self.sources.time_at(at);
        self.selection.toggle_mark(here, &self.sources);
    }

    /// Moves the crosshair to a sample, and the view so that it is visible.
    pub(super) fn set_crosshair(&mut self, time: Time) {
        self.selection.crosshair = Some(time);
        self.selection.measure(&self.sources);
        let Some(window) = self.chosen_window() else { return };
        if time.as_millis() < window.from_ms() {
            self.set_window_end(time.shifted_ms(self.window.span_ms() - window.cell_ms()));
        } else if Some(time) > self.window_end_time() {
            self.set_window_end(time);
        }
    }

    fn move_crosshair(&mut self, by_ms: i64) {
        let Some(here) = self.crosshair_time() else { return };
        let [before, after] = self.times_around(here.shifted_ms(by_ms));
        if by_ms < 0 && self.is_missing(before.unwrap_or_default(), here.shifted_ms(-1)) {
            // There are samples in between: show them first.
            self.pan(by_ms);
            return;
        }
        // Forward at least to the next sample, however far away.
        let there = before.filter(|time| by_ms < 0 || *time > here).or(after);
        // On a page of one source, its newest sample comes into view.
        let there = there.or((!self.screen.shows_all_sources()).then_some(here));
        if let Some(time) = there {
            self.set_crosshair(time);
        }
    }

    /// Moves the crosshair by samples. Without a crosshair, moves the view. If the page shows all
    /// sources, moves by one sample of any source.
    pub(super) fn step_samples(&mut self, steps: isize) {
        let there = if self.screen.shows_all_sources() {
            let here = self.selection.crosshair.or_else(|| self.window_end_time());
            here.and_then(|here| match steps {
                ..0 => self.sources.latest_until(here.shifted_ms(-1)),
                0.. => self.sources.earliest_after(here),
            })
        } else {
            let last = self.sources.watched().store().len().saturating_sub(1);
            let there = self.shown_index().map(|at| at.saturating_add_signed(steps).min(last));
            there.and_then(|at| self.sources.time_at(at))
        };
        let here = self.selection.crosshair.or_else(|| self.window_end_time());
        let is_unloaded =
            |here: Time| self.is_missing(there.unwrap_or_default(), here.shifted_ms(-1));
        match there {
            // There are samples in between: show them first.
            _ if steps < 0 && here.is_some_and(is_unloaded) => self.step_view(-1),
            Some(time) if self.selection.crosshair.is_some() => self.set_crosshair(time),
            Some(time) => self.set_window_end(time),
            None => {}
        }
    }

    /// Returns the last sample at or before a time, and the first one after it. They belong to the
    /// shown source, or to any source if the page shows all.
    pub(super) fn times_around(&self, time: Time) -> [Option<Time>; 2] {
        if self.screen.shows_all_sources() {
            return [self.sources.latest_until(time), self.sources.earliest_after(time)];
        }
        let count = self.sources.count_until(self.sources.shown(), time);
        [count.checked_sub(1).and_then(|at| self.sources.time_at(at)), self.sources.time_at(count)]
    }

    /// Returns the index of the sample at the crosshair. If that sample is gone, returns the last
    /// one before it.
    pub(crate) fn crosshair_index(&self) -> Option<usize> {
        let at = self.sources.sample_index(self.selection.crosshair?);
        (at < self.sources.watched().store().len()).then_some(at)
    }

    /// Returns the time of the sample at the crosshair. If the page shows all sources, returns the
    /// time of the crosshair itself.
    pub(crate) fn crosshair_time(&self) -> Option<Time> {
        if self.screen.shows_all_sources() {
            self.selection.crosshair
        } else {
            self.sources.time_at(self.crosshair_index()?)
        }
    }

    /// Returns the time that keeps its place while a key zooms: the crosshair's, else the middle of
    /// a paused view. `None` is the live edge.
    fn zoom_anchor(&self) -> Option<Time> {
        let window = self.chosen_window()?;
        let crosshair =
            self.selection.crosshair.filter(|time| window.cell_of(time.as_millis()).is_some());
        let middle = |until: Time| until - self.window.span / 2;
        crosshair.or(self.window.paused_at().map(middle))
    }

    /// Formats a time for a row of the table. Has the day if the charts span more than a day.
    pub(crate) fn row_time(&self, time: Time) -> String {
        let format = if self.window.span > DAY { "%d %H:%M:%S" } else { "%H:%M:%S%.3f" };
        self.zone.local_time(time).format(format).to_string()
    }

    /// Formats a time as a label. Has the date if that is not today, or if the charts span more
    /// than a day.
    pub(crate) fn time_label(&self, time: Time) -> String {
        self.time_label_within(time, usize::MAX)
    }

    /// Formats a time as a label of at most `columns` columns, or in the shortest format.
    pub(crate) fn time_label_within(&self, time: Time, columns: usize) -> String {
        let wall = self.zone.local_time(time);
        let is_today = wall.date() == self.zone.local_time(self.now).date();
        let formats =
            if is_today && self.window.span <= DAY { TODAY_FORMATS } else { DATED_FORMATS };
        let mut texts = formats.iter().map(|format| wall.format(format).to_string());
        let shortest = wall.format(formats[formats.len() - 1]).to_string();
        texts.find(|text| text.len() <= columns).unwrap_or(shortest)
    }
}
