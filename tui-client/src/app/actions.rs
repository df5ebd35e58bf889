//! Effects of the keys, except navigation in time.

use std::time::Duration;

use loadline_protocol::DurationText;

use super::{App, Flow, SourceView};
use crate::keys::Action;
use crate::layout::Page;

/// Intervals that a key can request from an agent.
const INTERVALS_MS: [u64; 12] =
    [250, 500, 1000, 2000, 5000, 10_000, 30_000, 60_000, 300_000, 600_000, 1_800_000, 3_600_000];

impl App {
    pub(super) fn handle_action(&mut self, action: Action) -> Flow {
        match action {
            Action::Quit => return Flow::Quit,
            Action::Redraw => return Flow::Redraw,
            Action::Suspend => return Flow::Suspend,
            Action::AskAgain => return self.request_terminal(),
            Action::Faster | Action::Slower => {
                return self.request_interval(action == Action::Faster);
            }
            _ => {}
        }
        if self.screen.help_scroll.is_some() {
            self.handle_help_action(action);
        } else {
            self.handle_page_action(action);
        }
        Flow::Continue
    }

    pub(super) fn handle_help_action(&mut self, action: Action) {
        let (_, area, scroll_max) = self.help_layout(self.area());
        self.screen.handle_help_action(action, area.height.saturating_sub(2), scroll_max);
    }

    fn handle_page_action(&mut self, action: Action) {
        let page = self.screen.page;
        let is_done = match page {
            Page::Overview => self.handle_overview_action(action),
            Page::CompareOverlay | Page::CompareGrid => self.handle_compare_action(action),
            Page::Dashboard | Page::Fullscreen => self.handle_process_action(action),
        };
        if is_done {
            return;
        }
        match action {
            Action::Help => self.screen.help_scroll = Some(0),
            Action::Back => {
                if !self.selection.dismiss_marker() {
                    self.screen.go_back(self.sources.home());
                }
            }
            Action::Fullscreen => self.screen.toggle_fullscreen(),
            Action::Cycle => self.screen.toggle_cycle(self.now),
            Action::NextChart => self.choose_adjacent_chart(true),
            Action::PreviousChart => self.choose_adjacent_chart(false),
            Action::Chart(at) => self.choose_nth_chart(at),
            // Other pages have no data table.
            Action::Table if page != Page::Dashboard => {}
            Action::Table => self.screen.move_table(),
            Action::Processes => self.toggle_processes(),
            Action::Units => self.sources.use_next_units(),
            Action::Theme => self.theme = self.theme.next_palette(),
            Action::Fill => self.theme.fill = !self.theme.fill,
            Action::ValueIn => self.zoom_values(1),
            Action::ValueOut => self.zoom_values(-1),
            Action::ColumnsLeft => self.scroll_columns(-1),
            Action::ColumnsRight => self.scroll_columns(1),
            Action::NextSource => self.step_source(1),
            Action::PreviousSource => self.step_source(self.sources.all().len() - 1),
            // A message says so.
            Action::Compare | Action::Order if self.sources.is_single() => self.step_source(1),
            Action::Compare => self.screen.cycle_compare(),
            _ => self.navigate(action),
        }
    }

    fn scroll_columns(&mut self, by: isize) {
        let columns = self.sources.watched().columns().map_or(0, <[_]>::len);
        let first = self.screen.first_column.saturating_add_signed(by);
        self.screen.first_column = first.min(columns.saturating_sub(1));
    }

    /// Lends the terminal to ssh, which must not ask for a password over the screen.
    fn request_terminal(&mut self) -> Flow {
        let watched = self.sources.watched();
        if watched.may_prompt && watched.state(self.now).outage().is_some() {
            return Flow::LendTerminal { source: self.sources.shown() };
        }
        self.show_message("no ssh connection to retry");
        Flow::Continue
    }

    /// Requests the next shorter or longer interval.
    fn request_interval(&mut self, shorter: bool) -> Flow {
        let SourceView { watched, requested_interval, .. } = self.sources.shown_view();
        let current = requested_interval.or(watched.interval());
        let Some(now) = current.filter(|_| watched.header().is_some()) else {
            self.show_message("the interval of this source cannot be changed");
            return Flow::Continue;
        };
        let mut steps = INTERVALS_MS.into_iter().map(Duration::from_millis);
        let next =
            if shorter { steps.rfind(|step| *step < now) } else { steps.find(|step| *step > now) };
        let Some(next) = next else {
            let word = if shorter { "shorter" } else { "longer" };
            self.show_message(format!("no agent has a {word} interval than {}", DurationText(now)));
            return Flow::Continue;
        };
        let source = self.sources.shown();
        if let Some(view) = self.sources.get_mut(source) {
            view.requested_interval = Some(next);
        }
        self.show_message(format!("requested an interval of {}", DurationText(next)));
        Flow::RequestInterval { source, interval: next }
    }

    /// Shows a message if the agent grants another interval than requested.
    pub(super) fn check_granted_interval(&mut self, source: usize) {
        let is_alone = self.sources.is_single();
        let Some(view) = self.sources.get_mut(source) else { return };
        if let (Some(requested), Some(granted)) =
            (view.requested_interval.take(), view.watched.interval())
            && requested != granted
        {
            let name = &view.watched.name;
            // The source may be another one than the shown one.
            let prefix = if is_alone { String::new() } else { format!("{name}: ") };
            self.show_message(format!(
                "{prefix}the agent granted an interval of {}",
                DurationText(granted)
            ));
        }
    }
}
