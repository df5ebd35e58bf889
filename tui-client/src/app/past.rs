//! Going back in time: which earlier samples to load for the view.

use std::time::Duration;

use loadline_protocol::Time;

use super::{App, WindowEnd};
use crate::layout::Page;
use crate::watched::PastLimit;

/// Content of the charts, as far as it decides which samples are loaded.
type View = (WindowEnd, Duration, Page, usize, Option<Time>);

/// Time to go to once its samples are loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TimeDestination {
    pub(super) time: Time,
    /// Text by which the user asked for the time. `None` moves only the crosshair.
    pub(super) typed: Option<String>,
}

impl App {
    pub(super) fn view(&self) -> View {
        let (page, shown) = (self.screen.page, self.sources.shown());
        (self.window.end, self.window.span, page, shown, self.selection.crosshair)
    }

    /// Loads what the user sees after a change of the view, if it is not loaded: the window, and one more
    /// on each side for the next step; from the oldest samples, all others as well. At the live edge,
    /// nothing else is loaded any more.
    pub(super) fn load_view(&mut self) {
        let Some(end) = self.window_end_time() else { return };
        let is_live = self.window.end == WindowEnd::Live;
        let (begin, span) = (end - self.window.span, self.window.span);
        for source in 0..self.sources.all().len() {
            let on_page = self.screen.shows_all_sources() || source == self.sources.shown();
            let at = |time| self.sources.source_time(source, time);
            let (view, around) =
                (at(begin)..at(end).shifted_ms(1), at(begin - span)..at(end + span));
            let watched = &self.sources.all()[source].watched;
            let is_oldest = watched.oldest_reachable().is_some_and(|oldest| view.start <= oldest);
            let wanted = if !on_page {
                None
            } else if watched.missing_past(view.clone()).is_none() {
                if !is_live {
                    // Samples beside the view may still be on their way.
                    continue;
                }
                None
            } else if is_oldest {
                Some(view.start..Time::MAX)
            } else {
                Some(around)
            };
            if let Some(view) = self.sources.get_mut(source) {
                view.watched.want_past(wanted);
            }
        }
    }

    /// Returns whether a sample at a time on the axis may be loaded, and is not.
    pub(super) fn is_missing(&self, from: Time, until: Time) -> bool {
        self.sources.all().iter().enumerate().any(|(source, view)| {
            let on_page = self.screen.shows_all_sources() || source == self.sources.shown();
            let at = |time| self.sources.source_time(source, time);
            on_page && view.watched.missing_past(at(from)..at(until).shifted_ms(1)).is_some()
        })
    }

    /// Returns the time of the oldest sample on the page that is there or can be loaded.
    pub(super) fn oldest_reachable(&self) -> Option<Time> {
        let sources = self.sources.all().iter().enumerate();
        let on_page = sources.filter(|(source, _)| {
            self.screen.shows_all_sources() || *source == self.sources.shown()
        });
        let oldest = on_page.filter_map(|(source, view)| {
            Some(self.sources.axis_time(source, view.watched.oldest_reachable()?))
        });
        oldest.min().or_else(|| self.sources.oldest())
    }

    /// Goes to the destination once its samples have arrived, or do not come.
    pub(super) fn arrive(&mut self, has_failed: bool) {
        if has_failed {
            self.show_message("the agent does not send the earlier samples");
        }
        let ends = self.oldest_reachable().zip(self.sources.newest());
        let (Some(destination), Some((oldest, newest))) = (&self.selection.destination, ends)
        else {
            return;
        };
        let near = destination.time.clamp(oldest, newest.max(oldest));
        if !has_failed && self.is_missing(near, near) {
            return;
        }
        match self.selection.destination.take() {
            Some(TimeDestination { time, typed: Some(typed) }) => self.go_to_loaded(time, &typed),
            Some(TimeDestination { time, typed: None }) => {
                let [before, after] = self.times_around(time);
                if let Some(there) = before.or(after) {
                    self.set_crosshair(there);
                }
            }
            None => {}
        }
    }

    /// Says why there is nothing older than the view.
    pub(super) fn show_oldest_reason(&mut self) {
        let text = match self.sources.watched().oldest_reason() {
            None => return,
            Some(PastLimit::Agent) => "the agent has no earlier samples",
            Some(PastLimit::Retention) => {
                "earlier samples are not kept; restart with a longer --keep"
            }
            Some(PastLimit::Memory) => "earlier samples do not fit in memory",
            Some(PastLimit::OldAgent) => {
                "this agent sends earlier samples only at the start: restart with a longer --history"
            }
            Some(PastLimit::NoHistory) => "this source has no earlier samples",
        };
        self.show_message(text);
    }
}
