//! Time window of the charts: zoom, pan, pause, fit.

use std::time::Duration;

use loadline_protocol::{Time, duration_ms};

/// Time spans of the zoom keys.
const WINDOWS_S: [u64; 22] = [
    10, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800,
    259_200, 604_800, 1_209_600, 2_592_000, 7_776_000, 31_536_000,
];

/// Minimum time span that can be selected with the mouse.
const ZOOM_MIN: Duration = Duration::from_secs(1);

/// Divisor of a recording's time span: so much is added at the end, for the newest cell.
const FIT_MARGIN_DIVISOR: u32 = 16;

/// Minimum time span for a recording.
const FITTED_WINDOW_MIN: Duration = Duration::from_secs(1);

/// Time spans for live samples: the first that holds all samples, else the last.
const FITTED_WINDOWS: [Duration; 3] =
    [Duration::from_mins(1), Duration::from_mins(2), Duration::from_mins(5)];

/// Time at the right edge of the charts and in the last row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WindowEnd {
    /// Time of the newest sample.
    Live,
    /// A fixed time. New samples are still stored.
    Paused(Time),
}

/// Time window of the charts. Its methods get the times of the oldest and the newest sample of all sources.
#[derive(Debug, Clone)]
pub struct TimeWindow {
    /// Time span of the charts.
    pub span: Duration,
    /// Time at the right edge of the charts.
    pub end: WindowEnd,
    /// Time span at the start; `None` fits the samples.
    initial_span: Option<Duration>,
    /// True while the time span fits itself to the samples.
    is_automatic: bool,
}

impl TimeWindow {
    pub(super) fn new(initial_span: Option<Duration>) -> TimeWindow {
        TimeWindow {
            span: initial_span.unwrap_or(FITTED_WINDOWS[0]),
            end: WindowEnd::Live,
            initial_span,
            is_automatic: initial_span.is_none(),
        }
    }

    pub(super) fn reset(&mut self) {
        *self = TimeWindow::new(self.initial_span);
    }

    pub(super) fn span_ms(&self) -> i64 {
        duration_ms(self.span).min(i64::MAX / 4)
    }

    /// Returns the time at the right edge while the view is paused.
    pub(crate) fn paused_at(&self) -> Option<Time> {
        match self.end {
            WindowEnd::Live => None,
            WindowEnd::Paused(until) => Some(until),
        }
    }

    pub(super) fn toggle_pause(&mut self, newest: Option<Time>) {
        self.end = match (self.end, newest) {
            (WindowEnd::Live, Some(newest)) => WindowEnd::Paused(newest),
            (WindowEnd::Live, None) | (WindowEnd::Paused(_), _) => WindowEnd::Live,
        };
    }

    /// Moves the right edge to a time. From the newest sample on, the view is live.
    pub(super) fn set_end(&mut self, until: Time, newest: Option<Time>) {
        self.end = if Some(until) < newest { WindowEnd::Paused(until) } else { WindowEnd::Live };
    }

    /// Moves the view in time, as far as there are samples.
    pub(super) fn pan(&mut self, by_ms: i64, oldest: Time, newest: Time) {
        let until = self.paused_at().unwrap_or(newest);
        // The oldest sample does not go beyond the left edge.
        let least = oldest + self.span;
        let target = until.shifted_ms(by_ms);
        self.set_end(if by_ms < 0 { target.max(least.min(until)) } else { target }, Some(newest));
    }

    /// Pauses the view with a time in the middle, as far as there are samples.
    pub(super) fn centre(&mut self, time: Time, oldest: Time, newest: Time) {
        // As with panning, the view ends where the samples end.
        let least = (oldest + self.span).min(newest);
        self.end = WindowEnd::Paused((time + self.span / 2).clamp(least, newest));
    }

    /// Zooms to the next shorter or longer time span. `anchor` keeps its place; without it, the
    /// right edge does.
    pub(super) fn zoom(&mut self, shorter: bool, anchor: Option<Time>, newest: Option<Time>) {
        let mut spans = WINDOWS_S.into_iter().map(Duration::from_secs);
        let next = if shorter {
            spans.rfind(|span| *span < self.span)
        } else {
            spans.find(|span| *span > self.span)
        };
        let Some(next) = next else { return };
        if let (Some(anchor), Some(until)) = (anchor, self.paused_at().or(newest)) {
            let ratio = next.as_secs_f64() / self.span.as_secs_f64();
            let right_ms = until.ms_since(anchor) as f64 * ratio;
            self.set_end(anchor.shifted_ms(right_ms as i64), newest);
        }
        self.span = next;
        self.is_automatic = false;
    }

    /// Zooms to this time span, if it is at least [`ZOOM_MIN`].
    pub(super) fn zoom_to(&mut self, from: Time, to: Time, newest: Option<Time>) {
        let (from, to) = (from.min(to), from.max(to));
        if to - from >= ZOOM_MIN {
            self.span = to - from;
            self.is_automatic = false;
            self.set_end(to, newest);
        }
    }

    /// Fits the time span to the samples until the user zooms. Recordings are shown as a whole.
    /// Live samples are shown from the first one on, up to the longest of [`FITTED_WINDOWS`].
    pub(super) fn fit(&mut self, is_recorded: bool, ends: impl FnOnce() -> Option<(Time, Time)>) {
        let longest = FITTED_WINDOWS[FITTED_WINDOWS.len() - 1];
        let may_grow = self.end == WindowEnd::Live && self.span < longest;
        if !self.is_automatic || !(is_recorded || may_grow) {
            return;
        }
        let Some((oldest, newest)) = ends().filter(|(oldest, newest)| oldest < newest) else {
            return;
        };
        let span = newest - oldest;
        // The newest sample is not at the end of its cell.
        let span = (span + span / FIT_MARGIN_DIVISOR).max(FITTED_WINDOW_MIN);
        self.span = if is_recorded {
            span
        } else {
            FITTED_WINDOWS.into_iter().find(|it| *it >= span).unwrap_or(longest)
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Time {
        Time::from_millis(1000 * seconds)
    }

    fn window(seconds: u64) -> TimeWindow {
        TimeWindow::new(Some(Duration::from_secs(seconds)))
    }

    #[test]
    fn panning_ends_where_the_samples_end() {
        let mut window = window(60);
        let mut pan = |seconds: i64| {
            window.pan(1000 * seconds, at(0), at(100));
            window.paused_at()
        };
        assert_eq!(pan(-10), Some(at(90)));
        assert_eq!(pan(-100), Some(at(60)));
        assert_eq!(pan(39), Some(at(99)));
        assert_eq!(pan(1), None);
    }

    #[test]
    fn zooming_keeps_the_place_of_its_anchor() {
        let mut window = window(60);
        window.set_end(at(90), Some(at(100)));
        window.zoom(true, Some(at(60)), Some(at(100)));
        assert_eq!((window.span, window.paused_at()), (Duration::from_secs(30), Some(at(75))));
        window.zoom(false, Some(at(60)), Some(at(100)));
        assert_eq!((window.span, window.paused_at()), (Duration::from_mins(1), Some(at(90))));
    }

    #[test]
    fn a_selected_span_is_at_least_a_second_long() {
        let mut window = window(60);
        window.zoom_to(at(5), at(5), Some(at(100)));
        assert_eq!((window.span, window.paused_at()), (Duration::from_mins(1), None));
        window.zoom_to(at(20), at(5), Some(at(100)));
        assert_eq!((window.span, window.paused_at()), (Duration::from_secs(15), Some(at(20))));
    }

    #[test]
    fn the_span_fits_the_samples_until_the_user_zooms() {
        let mut window = TimeWindow::new(None);
        let mut fit = |is_recorded, seconds| {
            window.fit(is_recorded, || Some((at(0), at(seconds))));
            window.span.as_secs()
        };
        assert_eq!([fit(false, 50), fit(false, 90), fit(false, 9000)], [60, 120, 300]);
        assert_eq!(fit(true, 1600), 1700);
        window.zoom(true, None, Some(at(1600)));
        window.fit(true, || Some((at(0), at(1600))));
        assert_eq!(window.span.as_secs(), 900);
        window.reset();
        window.fit(true, || Some((at(0), at(1600))));
        assert_eq!(window.span.as_secs(), 1700);
    }

    #[test]
    fn a_view_without_samples_cannot_be_paused() {
        let mut window = window(60);
        window.toggle_pause(None);
        assert_eq!(window.end, WindowEnd::Live);
        window.toggle_pause(Some(at(7)));
        assert_eq!(window.end, WindowEnd::Paused(at(7)));
        window.toggle_pause(Some(at(9)));
        assert_eq!(window.end, WindowEnd::Live);
    }
}
