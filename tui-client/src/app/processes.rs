//! Table of processes, in place of the data table, and the look that it shows.

use std::borrow::Cow;

use loadline_protocol::{Look, Time};

use super::App;
use crate::keys::Action;
use crate::layout::Layout;
use crate::store::ProcessOrder;

/// Rows of the table besides the processes: the head, and `other`.
const OTHER_ROWS: u16 = 2;

/// Usual time between two looks, in seconds.
const LOOK_INTERVAL: f64 = 5.0;

/// Times between two looks for which the newest one is current, until the next one is overdue.
const CURRENT_INTERVALS: f64 = 1.5;

/// Table of processes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ProcessTable {
    /// True if the processes take the place of the samples.
    pub(crate) is_shown: bool,
    pub(crate) order: ProcessOrder,
    /// Scroll position: index of the first visible process.
    first_row: usize,
}

impl App {
    /// Returns the look at the time of the sample shown as numbers. Until the next look, that is the newest one.
    pub(crate) fn shown_look(&self) -> Option<Cow<'_, Look>> {
        let time = self.shown_sample()?.time();
        let looks = &self.sources.watched().looks;
        match looks.newest() {
            Some(newest) if is_current(newest, time) => Some(Cow::Borrowed(newest)),
            _ => looks.at(time).map(Cow::Owned),
        }
    }

    /// Returns the look in the table: the shown one, or the sum from the mark to the crosshair.
    pub(crate) fn listed_look(&self) -> Option<Cow<'_, Look>> {
        match &self.selection.statistics {
            Some(statistics) => statistics.processes.as_ref().map(Cow::Borrowed),
            None => self.shown_look(),
        }
    }

    /// Returns the first visible process, the number of visible ones, and the number of all.
    pub(crate) fn visible_processes(&self, layout: &Layout) -> (usize, usize, usize) {
        let all = self.listed_look().map_or(0, |look| look.processes.len());
        let rows = usize::from(layout.table.height.saturating_sub(OTHER_ROWS)).min(all);
        (self.screen.processes.first_row.min(all - rows), rows, all)
    }

    /// Shows the processes of the chosen source, or the samples again.
    pub(super) fn toggle_processes(&mut self) {
        let is_shown = self.screen.shows_processes();
        self.screen.show_processes(!is_shown);
    }

    pub(super) fn scroll_processes(&mut self, lines: isize) {
        let (first, rows, all) = self.visible_processes(&self.layout(self.area()));
        self.screen.processes.first_row = first.saturating_add_signed(lines).min(all - rows);
    }

    /// Handles an action on the table of processes. Returns false if the action has its usual effect.
    pub(super) fn handle_process_action(&mut self, action: Action) -> bool {
        if !self.screen.shows_processes() {
            return false;
        }
        let layout = self.layout(self.area());
        let rows = self.visible_processes(&layout).1 as isize;
        let is_alone = layout.charts.is_empty();
        match action {
            Action::Up => self.scroll_processes(-1),
            Action::Down => self.scroll_processes(1),
            Action::ScreenLeft if is_alone => self.scroll_processes(-rows),
            Action::ScreenRight if is_alone => self.scroll_processes(rows),
            Action::Order => self.screen.processes.toggle_order(),
            // No column is hidden to a side.
            Action::ColumnsLeft | Action::ColumnsRight => {}
            _ => return false,
        }
        true
    }
}

impl ProcessTable {
    fn toggle_order(&mut self) {
        self.first_row = 0;
        self.order = match self.order {
            ProcessOrder::Cpu => ProcessOrder::Memory,
            ProcessOrder::Memory => ProcessOrder::Cpu,
        };
    }
}

/// Returns whether no later look is overdue at `time`.
fn is_current(look: &Look, time: Time) -> bool {
    let interval = look.top.over.unwrap_or(0.0).max(LOOK_INTERVAL);
    look.top.time <= time && (time - look.top.time).as_secs_f64() <= CURRENT_INTERVALS * interval
}

#[cfg(test)]
mod tests {
    use loadline_protocol::Top;

    use super::*;

    #[test]
    fn the_newest_look_is_current_until_the_next_one_is_overdue() {
        let check = |over: Option<f64>, after_ms: i64, expected: bool| {
            let top = Top { time: Time::from_millis(100_000), over, ..Top::default() };
            let look = Look { top, processes: Vec::new() };
            assert_eq!(is_current(&look, Time::from_millis(100_000 + after_ms)), expected);
        };
        check(Some(5.0), 0, true);
        check(Some(5.0), 7500, true);
        check(Some(5.0), 7501, false);
        check(Some(60.0), 90_000, true);
        check(Some(0.25), 7500, true);
        check(None, 5000, true);
        check(Some(1e300), i64::from(u32::MAX), true);
        check(Some(5.0), -1, false);
    }
}
