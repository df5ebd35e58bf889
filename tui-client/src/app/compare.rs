//! Comparison of one metric of all sources.

use super::App;
use crate::keys::Action;
use crate::layout::Page;

/// Maximum number of sources in one chart: as many as there are colours.
pub(crate) const COMPARED_SOURCES_MAX: usize = 6;

impl App {
    /// Returns the index and the title of the compared metric.
    pub(crate) fn compared_metric(&self) -> Option<(usize, &str)> {
        let at = self.chosen_chart();
        self.sources.metric_titles().get(at).map(|title| (at, *title))
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
}
