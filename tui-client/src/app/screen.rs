//! Chosen page, and what its parts show.

use std::time::Duration;

use loadline_protocol::Time;

use super::ProcessTable;
use crate::keys::Action;
use crate::layout::{Page, TablePosition};

/// Time until the next chart is shown, while the charts cycle.
pub(crate) const CYCLE_INTERVAL: Duration = Duration::from_secs(10);

/// Content of the screen.
#[derive(Debug, Clone)]
pub struct Screen {
    /// Shown page, or the page behind the help.
    pub page: Page,
    /// Lines of the help that are scrolled out at the top; `None` if the help is closed.
    pub help_scroll: Option<u16>,
    table: TablePosition,
    pub(crate) processes: ProcessTable,
    /// Index of the first metric in the data table.
    pub first_column: usize,
    /// Time of the change to the next chart, while the charts cycle.
    pub(crate) cycle_at: Option<Time>,
    /// Page from which compare was opened.
    page_before_compare: Page,
}

impl Screen {
    pub(super) fn new(page: Page) -> Screen {
        Screen {
            page,
            help_scroll: None,
            table: TablePosition::Below,
            processes: ProcessTable::default(),
            first_column: 0,
            cycle_at: None,
            page_before_compare: Page::Overview,
        }
    }

    pub(crate) fn shows_all_sources(&self) -> bool {
        self.page == Page::Overview || self.is_compare()
    }

    /// Returns whether the processes are shown in place of the samples.
    pub(crate) fn shows_processes(&self) -> bool {
        self.processes.is_shown && !self.shows_all_sources()
    }

    /// Shows the processes of the chosen source in the table, or its samples.
    pub(super) fn show_processes(&mut self, is_shown: bool) {
        self.processes.is_shown = is_shown;
        if self.shows_all_sources() {
            self.page = Page::Dashboard;
        }
    }

    /// Returns the position of the table. The processes are never off. Fullscreen has no other table.
    pub(crate) fn table_position(&self) -> TablePosition {
        match (self.page, self.table) {
            (Page::Fullscreen, _) if self.processes.is_shown => TablePosition::Below,
            (Page::Fullscreen, _) => TablePosition::Off,
            (_, TablePosition::Off) if self.processes.is_shown => TablePosition::Below,
            (_, table) => table,
        }
    }

    pub(super) fn is_compare(&self) -> bool {
        matches!(self.page, Page::CompareOverlay | Page::CompareGrid)
    }

    /// Scrolls the help, or closes it. `rows` of it are visible.
    pub(super) fn handle_help_action(&mut self, action: Action, rows: u16, scroll_max: u16) {
        let lines = match action {
            Action::Help | Action::Back => {
                self.help_scroll = None;
                return;
            }
            Action::Up => -1,
            Action::Down => 1,
            Action::ScreenLeft => -(rows as i16),
            Action::ScreenRight => rows as i16,
            Action::Oldest => i16::MIN,
            Action::Live => i16::MAX,
            // The page behind the help stays as it is.
            _ => return,
        };
        self.help_scroll =
            self.help_scroll.map(|scroll| scroll.saturating_add_signed(lines).min(scroll_max));
    }

    pub(super) fn toggle_fullscreen(&mut self) {
        self.cycle_at = None;
        self.page = if self.page == Page::Dashboard { Page::Fullscreen } else { Page::Dashboard };
    }

    pub(super) fn toggle_cycle(&mut self, now: Time) {
        self.cycle_at = if self.cycle_at.is_some() { None } else { Some(now + CYCLE_INTERVAL) };
        self.page = Page::Fullscreen;
    }

    /// Returns whether the next chart is due, and schedules the one after it.
    pub(super) fn take_cycle(&mut self, now: Time) -> bool {
        let is_due = self.cycle_at.is_some_and(|next| next <= now);
        if is_due {
            self.cycle_at = Some(now + CYCLE_INTERVAL);
        }
        is_due
    }

    pub(super) fn move_table(&mut self) {
        self.table = match self.table_position() {
            TablePosition::Below => TablePosition::Alone,
            TablePosition::Alone => TablePosition::Off,
            TablePosition::Off => TablePosition::Below,
        };
        self.processes.is_shown &= self.table != TablePosition::Off;
    }

    /// Opens the compare page, or shows the next form of it. After the last one, closes it.
    pub(super) fn cycle_compare(&mut self) {
        match self.page {
            Page::CompareOverlay => self.page = Page::CompareGrid,
            Page::CompareGrid => self.close_compare(),
            Page::Overview | Page::Dashboard | Page::Fullscreen => {
                self.page_before_compare = self.page;
                self.cycle_at = None;
                self.page = Page::CompareOverlay;
            }
        }
    }

    pub(super) fn close_compare(&mut self) {
        self.page = self.page_before_compare;
    }

    /// Goes one step back towards the first page, `home`.
    pub(super) fn go_back(&mut self, home: Page) {
        if self.shows_processes() {
            self.processes.is_shown = false;
        } else if self.page == Page::Fullscreen {
            self.toggle_fullscreen();
        } else if self.page == Page::Dashboard && self.table == TablePosition::Alone {
            self.table = TablePosition::Below;
        } else {
            self.page = home;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_scrolls_within_its_lines_and_closes() {
        let mut screen = Screen::new(Page::Dashboard);
        screen.help_scroll = Some(0);
        let mut scroll = |action| {
            screen.handle_help_action(action, 5, 7);
            screen.help_scroll
        };
        assert_eq!(scroll(Action::Up), Some(0));
        assert_eq!(scroll(Action::ScreenRight), Some(5));
        assert_eq!(scroll(Action::Live), Some(7));
        assert_eq!(scroll(Action::Quit), Some(7));
        assert_eq!(scroll(Action::Back), None);
    }

    #[test]
    fn compare_closes_to_the_page_from_which_it_was_opened() {
        for page in [Page::Overview, Page::Dashboard, Page::Fullscreen] {
            let mut screen = Screen::new(page);
            let mut next = || {
                screen.cycle_compare();
                screen.page
            };
            assert_eq!([next(), next(), next()], [Page::CompareOverlay, Page::CompareGrid, page]);
        }
    }

    #[test]
    fn back_leads_home_step_by_step() {
        let mut screen = Screen::new(Page::Fullscreen);
        screen.table = TablePosition::Alone;
        let mut back = || {
            screen.go_back(Page::Overview);
            (screen.page, screen.table)
        };
        assert_eq!(back(), (Page::Dashboard, TablePosition::Alone));
        assert_eq!(back(), (Page::Dashboard, TablePosition::Below));
        assert_eq!(back(), (Page::Overview, TablePosition::Below));
    }

    #[test]
    fn the_processes_are_shown_although_the_table_is_off() {
        use TablePosition::{Alone, Below, Off};
        let mut screen = Screen::new(Page::Dashboard);
        screen.table = Off;
        screen.show_processes(true);
        assert_eq!(screen.table_position(), Below);
        screen.show_processes(false);
        assert_eq!(screen.table_position(), Off);
        screen.show_processes(true);
        let mut next = || {
            screen.move_table();
            (screen.table_position(), screen.shows_processes())
        };
        assert_eq!([next(), next(), next()], [(Alone, true), (Off, false), (Below, false)]);
    }

    #[test]
    fn the_processes_open_the_chosen_source_and_back_closes_them_first() {
        for page in [Page::Overview, Page::CompareGrid, Page::Fullscreen] {
            let mut screen = Screen::new(page);
            screen.show_processes(true);
            let opened = if page == Page::Fullscreen { Page::Fullscreen } else { Page::Dashboard };
            assert_eq!((screen.page, screen.shows_processes()), (opened, true));
            screen.go_back(Page::Overview);
            assert_eq!((screen.page, screen.shows_processes()), (opened, false));
        }
    }

    #[test]
    fn cycling_is_due_every_ten_seconds() {
        let mut screen = Screen::new(Page::Dashboard);
        let at = |seconds| Time::default() + Duration::from_secs(seconds);
        assert!(!screen.take_cycle(at(0)));
        screen.toggle_cycle(at(0));
        assert!(!screen.take_cycle(at(9)));
        assert!(screen.take_cycle(at(10)));
        assert!(!screen.take_cycle(at(19)));
        screen.toggle_cycle(at(19));
        assert!(!screen.take_cycle(at(30)));
    }
}
