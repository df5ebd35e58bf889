//! One metric of all sources beside each other.

use loadline_protocol::Time;

use super::{App, Screen};
use crate::charts::Kind;
use crate::keys::Action;
use crate::layout::Page;

/// The lines of a chart that holds several sources: as many as there are colours.
pub const LINES_MAX: usize = 6;

impl App {
    /// The titles of the charts that any source has, in the order in which they are met; without those
    /// that no line stands for.
    #[must_use]
    pub fn metrics(&self) -> Vec<&str> {
        let mut titles: Vec<&str> = Vec::new();
        for chart in self.sources().iter().flat_map(|seen| &seen.charts) {
            if chart.kind == Kind::Lines && !titles.contains(&chart.title.as_str()) {
                titles.push(&chart.title);
            }
        }
        titles
    }

    /// The metric that is compared, and its number, the first at 0.
    #[must_use]
    pub fn metric(&self) -> Option<(usize, &str)> {
        let titles = self.metrics();
        let at = titles.iter().position(|title| *title == self.chosen).unwrap_or(0);
        titles.get(at).map(|title| (at, *title))
    }

    /// The sources that stand in one chart, the chosen one among them.
    #[must_use]
    pub fn compared(&self) -> std::ops::Range<usize> {
        let first = self.shown() / LINES_MAX * LINES_MAX;
        first..(first + LINES_MAX).min(self.sources().len())
    }

    /// What a key does where sources are compared; false if it does there what it does elsewhere.
    pub(super) fn act_in_compare(&mut self, action: Action, page: Page) -> bool {
        match action {
            Action::Compare => {
                let next = if page == Page::Together { Page::Apart } else { self.behind };
                self.screen = Screen::Page(next);
            }
            Action::Back => {
                if !self.step_back() {
                    self.screen = Screen::Page(self.behind);
                }
            }
            Action::Up => self.show_source_beside(self.sources().len() - 1),
            Action::Down => self.show_source_beside(1),
            Action::Fullscreen => self.screen = Screen::Page(Page::Dashboard),
            // What is measured is measured on the dashboard, and there the table is.
            Action::Mark | Action::Table | Action::ColumnsLeft | Action::ColumnsRight => {}
            _ => return false,
        }
        true
    }

    /// Begins to compare, and ends where it began.
    pub(super) fn compare(&mut self, page: Page) {
        if self.is_alone() {
            self.tell("this is the only source".to_owned());
        } else {
            self.behind = page;
            self.cycle = None;
            self.screen = Screen::Page(Page::Together);
        }
    }

    /// Moves the cursor where no source has it for itself: to a sample of any of them.
    pub(super) fn move_cursor_among_all(&mut self, by_ms: i64) {
        let Some(here) = self.cursor else { return };
        let target = Time::from_millis(here.as_millis().saturating_add(by_ms));
        let there = if by_ms < 0 {
            self.latest_until(target).or_else(|| self.oldest())
        } else {
            self.latest_until(target)
                .filter(|time| *time > here)
                .or_else(|| self.earliest_after(here))
        };
        if let Some(time) = there {
            self.set_cursor(time);
        }
    }

    /// Moves the cursor by samples of any source; without one, the view.
    pub(super) fn by_samples_of_all(&mut self, steps: i64) {
        let Some(here) = self.cursor.or_else(|| self.shown_until()) else { return };
        let there = if steps < 0 {
            self.latest_until(Time::from_millis(here.as_millis() - 1))
        } else {
            self.earliest_after(here)
        };
        match there {
            Some(time) if self.cursor.is_some() => self.set_cursor(time),
            Some(time) => self.show_until(time),
            None => {}
        }
    }
}
