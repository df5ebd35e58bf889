//! Comparison of one metric of all sources.

use super::App;
use crate::keys::Action;
use crate::layout::Page;

/// Maximum number of sources in one chart: as many as there are colours.
pub(crate) const COMPARED_SOURCES_MAX: usize = 6;

impl App {
    /// Returns the index and the title of the compared metric.
    pub(crate) fn compared_metric(&self) -> Option<(usize, &str)> {
        let titles = self.sources.metric_titles();
        let at = self.selection.chosen_of(titles.iter().copied());
        titles.get(at).map(|title| (at, *title))
    }

    /// Handles an action on a compare page. Returns false if the action has its usual effect.
    pub(super) fn handle_compare_action(&mut self, action: Action) -> bool {
        match action {
            Action::Compare => self.screen.cycle_compare(),
            Action::Back => {
                if !self.selection.dismiss_marker() {
                    self.screen.close_compare();
                }
            }
            Action::Up => self.step_source(self.sources.all().len() - 1),
            Action::Down => self.step_source(1),
            Action::Fullscreen => self.screen.page = Page::Dashboard,
            // Only the dashboard has statistics and a data table.
            Action::Mark | Action::Table | Action::ColumnsLeft | Action::ColumnsRight => {}
            _ => return false,
        }
        true
    }

    pub(super) fn start_compare(&mut self) {
        if self.sources.is_single() {
            self.show_message("this is the only source".to_owned());
        } else {
            self.screen.cycle_compare();
        }
    }

    /// Moves the crosshair by a time span to a sample of any source.
    pub(super) fn move_shared_crosshair(&mut self, by_ms: i64) {
        let Some(here) = self.selection.crosshair else { return };
        let target = here.shifted_ms(by_ms);
        let there = if by_ms < 0 {
            self.sources.latest_until(target).or_else(|| self.sources.oldest())
        } else {
            self.sources
                .latest_until(target)
                .filter(|time| *time > here)
                .or_else(|| self.sources.earliest_after(here))
        };
        if let Some(time) = there {
            self.set_crosshair(time);
        }
    }

    /// Moves the crosshair by one sample of any source. Without a crosshair, moves the view.
    pub(super) fn step_shared_samples(&mut self, steps: i64) {
        let Some(here) = self.selection.crosshair.or_else(|| self.window_end_time()) else {
            return;
        };
        let there = if steps < 0 {
            self.sources.latest_until(here.shifted_ms(-1))
        } else {
            self.sources.earliest_after(here)
        };
        match there {
            Some(time) if self.selection.crosshair.is_some() => self.set_crosshair(time),
            Some(time) => self.set_window_end(time),
            None => {}
        }
    }
}
