//! Through time: pan, zoom, pause, the cursor.

use std::time::Duration;

use loadline_protocol::Time;

use super::sources::FIT_SPANS;
use super::{App, View};
use crate::keys::Action;
use crate::layout::{Page, Table};
use crate::store::Window;

/// The time spans that a key leads to, seconds.
const SPANS_S: [u64; 22] = [
    10, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800,
    259_200, 604_800, 1_209_600, 2_592_000, 7_776_000, 31_536_000,
];

/// The shortest time span that can be drawn out with the mouse.
pub(super) const SPAN_MIN_MS: i64 = 1000;

/// A time as a label, the longest first: of today, and of another day.
const TODAY: &[&str] = &["%H:%M:%S%.3f", "%H:%M:%S"];
const DATED: &[&str] = &["%Y-%m-%d %H:%M:%S%.3f", "%Y-%m-%d %H:%M:%S", "%m-%d %H:%M:%S"];

/// A window that spans more shows times of several dates.
const DAY: Duration = Duration::from_hours(24);

/// A key pans by this part of the time span.
const PAN_PART: i64 = 10;

impl App {
    pub(super) fn navigate(&mut self, action: Action) {
        match action {
            Action::Pause => {
                self.view = match (self.view, self.newest()) {
                    (View::Live, Some(newest)) => View::Paused(newest),
                    (View::Live, None) | (View::Paused(_), _) => View::Live,
                }
            }
            Action::ZoomIn => self.zoom(true, self.zoom_anchor()),
            Action::ZoomOut => self.zoom(false, self.zoom_anchor()),
            Action::GoTo => self.ask_for_time(),
            Action::Left => self.step(-1),
            Action::Right => self.step(1),
            Action::ScreenLeft => self.screen(-1),
            Action::ScreenRight => self.screen(1),
            Action::Oldest => self.show_oldest(),
            Action::Live => self.show_live(),
            Action::Reset => {
                self.value_zoom.clear();
                self.view = View::Live;
                self.window = self.window_first.unwrap_or(FIT_SPANS[0]);
                self.fits = self.window_first.is_none();
                self.fit();
            }
            Action::Cursor => self.toggle_cursor(),
            Action::Mark => self.toggle_mark(),
            Action::SeriesDown => self.scroll_series(1),
            Action::SeriesUp => self.scroll_series(-1),
            Action::SampleForward | Action::Down => self.by_samples(1),
            Action::SampleBack | Action::Up => self.by_samples(-1),
            // The others are not about time.
            _ => {}
        }
    }

    pub(super) fn window_ms(&self) -> i64 {
        i64::try_from(self.window.as_millis()).unwrap_or(i64::MAX / 4).min(i64::MAX / 4)
    }

    /// The window of the chosen chart, as it is drawn; of a chart of a hundred columns where none is.
    fn chosen_window(&self) -> Option<Window> {
        self.window_of(self.panel_width().filter(|width| *width > 0).unwrap_or(100))
    }

    fn step(&mut self, direction: i64) {
        let Some(window) = self.chosen_window() else { return };
        if self.cursor.is_some() {
            self.move_cursor(direction * window.cell_ms());
        } else {
            // Whole cells, so that the picture moves and does not change.
            let cells = (window.cells() as i64 / PAN_PART).max(1);
            self.pan(direction * cells * window.cell_ms());
        }
    }

    fn screen(&mut self, direction: i64) {
        let rows = i64::from(self.layout(self.area()).table.height).saturating_sub(1).max(1);
        if self.screen.page() == Page::Dashboard && self.table == Table::Alone {
            self.by_samples(direction * rows);
        } else if self.cursor.is_some() {
            self.move_cursor(direction * self.window_ms());
        } else {
            self.pan(direction * self.window_ms());
        }
    }

    /// Moves the view in time, as far as there are samples.
    pub(super) fn pan(&mut self, by_ms: i64) {
        let (Some(oldest), Some(until)) = (self.oldest(), self.shown_until()) else { return };
        // At the left end, the oldest sample stands at the left edge.
        let least = oldest.as_millis().saturating_add(self.window_ms());
        let target = until.as_millis().saturating_add(by_ms);
        let target = if by_ms < 0 { target.max(least.min(until.as_millis())) } else { target };
        self.show_until(Time::from_millis(target));
    }

    /// Puts the right edge at a time; live from the newest sample on.
    pub(super) fn show_until(&mut self, until: Time) {
        let newest = self.newest();
        self.view = if Some(until) < newest { View::Paused(until) } else { View::Live };
    }

    /// The next shorter or longer time span; what stands at `anchor` stays there, else at the right
    /// edge.
    pub(super) fn zoom(&mut self, shorter: bool, anchor: Option<Time>) {
        let mut spans = SPANS_S.into_iter().map(Duration::from_secs);
        let next = if shorter {
            spans.rfind(|span| *span < self.window)
        } else {
            spans.find(|span| *span > self.window)
        };
        let Some(next) = next else { return };
        if let (Some(anchor), Some(until)) = (anchor, self.shown_until()) {
            let ratio = next.as_secs_f64() / self.window.as_secs_f64();
            let right_ms = (until.as_millis() - anchor.as_millis()) as f64 * ratio;
            let until = anchor.as_millis().saturating_add(right_ms as i64);
            self.show_until(Time::from_millis(until));
        }
        self.window = next;
        self.fits = false;
    }

    /// Shows this span and no more.
    pub(super) fn zoom_to(&mut self, from: Time, to: Time) {
        let (from, to) = (from.min(to), from.max(to));
        let span_ms = to.as_millis() - from.as_millis();
        if span_ms >= SPAN_MIN_MS {
            self.window = Duration::from_millis(span_ms as u64);
            self.fits = false;
            self.show_until(to);
        }
    }

    fn show_oldest(&mut self) {
        let Some(oldest) = self.oldest() else { return };
        let until = oldest.as_millis().saturating_add(self.window_ms());
        self.show_until(Time::from_millis(until));
        if self.cursor.is_some() {
            self.set_cursor(oldest);
        }
    }

    fn show_live(&mut self) {
        self.view = View::Live;
        if let (Some(_), Some(newest)) = (self.cursor, self.newest()) {
            self.set_cursor(newest);
        }
    }

    fn toggle_cursor(&mut self) {
        if self.cursor.take().is_some() {
            self.mark = None;
            self.measure();
        } else {
            self.cursor = match self.screen.page() {
                Page::Dashboard | Page::Fullscreen => {
                    self.shown_count().checked_sub(1).and_then(|at| self.time_at(at))
                }
                Page::Overview | Page::Together | Page::Apart => {
                    self.shown_until().and_then(|until| self.latest_until(until))
                }
            };
        }
    }

    fn toggle_mark(&mut self) {
        if self.cursor.is_none() {
            self.toggle_cursor();
        }
        let Some(at) = self.cursor_index() else { return };
        let here = self.time_at(at);
        self.mark = if self.mark == here { None } else { here };
        self.first_series = 0;
        self.measure();
    }

    /// Puts the cursor at a sample, and the view where it can be seen.
    pub(super) fn set_cursor(&mut self, time: Time) {
        self.cursor = Some(time);
        self.measure();
        let Some(window) = self.chosen_window() else { return };
        if time.as_millis() < window.from_ms() {
            let until = time.as_millis().saturating_add(self.window_ms() - window.cell_ms());
            self.show_until(Time::from_millis(until));
        } else if Some(time) > self.shown_until() {
            self.show_until(time);
        }
    }

    fn move_cursor(&mut self, by_ms: i64) {
        if self.is_of_all() {
            self.move_cursor_among_all(by_ms);
            return;
        }
        let Some(at) = self.cursor_index() else { return };
        let Some(here) = self.time_at(at) else { return };
        let target = Time::from_millis(here.as_millis().saturating_add(by_ms));
        let there = self.index_of(target);
        // At least to the sample beside it, however long a way that is.
        let there = if by_ms < 0 { there.min(at.saturating_sub(1)) } else { there.max(at + 1) };
        let last = self.watched().store.len().saturating_sub(1);
        if let Some(time) = self.time_at(there.min(last)) {
            self.set_cursor(time);
        }
    }

    /// Moves the cursor by samples; without one, the view.
    pub(super) fn by_samples(&mut self, steps: i64) {
        if self.is_of_all() {
            self.by_samples_of_all(steps);
            return;
        }
        let here = self.cursor_index().or_else(|| self.shown_count().checked_sub(1));
        let Some(here) = here else { return };
        let last = self.watched().store.len().saturating_sub(1);
        let there = (here as i64).saturating_add(steps).clamp(0, last as i64) as usize;
        let Some(time) = self.time_at(there) else { return };
        if self.cursor.is_some() {
            self.set_cursor(time);
        } else {
            self.show_until(time);
        }
    }

    /// Where the sample stands that the cursor points at: the last that is not later than it was, if
    /// that one is gone.
    #[must_use]
    pub fn cursor_index(&self) -> Option<usize> {
        let at = self.index_of(self.cursor?);
        (at < self.watched().store.len()).then_some(at)
    }

    /// The time that is pointed out: that of the sample at the cursor, or where all sources are shown
    /// that of the cursor itself.
    #[must_use]
    pub fn pointed_time(&self) -> Option<Time> {
        if self.is_of_all() { self.cursor } else { self.time_at(self.cursor_index()?) }
    }

    /// The time that stays where it is while a key zooms: the cursor's, else the middle of a view that
    /// stands still; `None` for the live edge.
    fn zoom_anchor(&self) -> Option<Time> {
        let window = self.chosen_window()?;
        let cursor = self.cursor.filter(|time| window.cell_of(time.as_millis()).is_some());
        let middle = |until: Time| Time::from_millis(until.as_millis() - self.window_ms() / 2);
        cursor.or(match self.view {
            View::Live => None,
            View::Paused(until) => Some(middle(until)),
        })
    }

    /// The time of a row of the table: with its day where the charts span more than one.
    #[must_use]
    pub fn row_time(&self, time: Time) -> String {
        let format = if self.window > DAY { "%d %H:%M:%S" } else { "%H:%M:%S%.3f" };
        self.zone.wall(time).format(format).to_string()
    }

    /// A time as a label: with its date where that is not today's, or where the charts span days.
    #[must_use]
    pub fn time_label(&self, time: Time) -> String {
        self.time_label_within(time, usize::MAX)
    }

    /// The same in so many columns at most, if it can be said in so few.
    #[must_use]
    pub fn time_label_within(&self, time: Time, columns: usize) -> String {
        let wall = self.zone.wall(time);
        let is_today = wall.date() == self.zone.wall(self.now).date();
        let formats = if is_today && self.window <= DAY { TODAY } else { DATED };
        let mut texts = formats.iter().map(|format| wall.format(format).to_string());
        let shortest = wall.format(formats[formats.len() - 1]).to_string();
        texts.find(|text| text.len() <= columns).unwrap_or(shortest)
    }
}
