//! What the keys do, but for those that lead through time.

use std::time::Duration;

use loadline_protocol::DurationText;

use super::{App, CYCLE, Flow, Screen};
use crate::keys::Action;
use crate::layout::{Page, Table};

/// How far the value axis can be zoomed in, and out: each step halves or doubles it.
const VALUE_ZOOM: (i8, i8) = (-3, 12);

/// What an agent can be asked for with one key.
const INTERVALS_MS: [u64; 12] =
    [200, 500, 1000, 2000, 5000, 10_000, 30_000, 60_000, 300_000, 600_000, 1_800_000, 3_600_000];

impl App {
    pub(super) fn act(&mut self, action: Action) -> Flow {
        match action {
            Action::Quit => return Flow::Quit,
            Action::Redraw => return Flow::Redraw,
            Action::Suspend => return Flow::Suspend,
            Action::AskAgain => return self.ask_again(),
            Action::Faster | Action::Slower => return self.ask(action == Action::Faster),
            _ => {}
        }
        match self.screen {
            Screen::Help { page, scroll } => self.act_in_help(action, page, scroll),
            Screen::Page(page) => self.act_on_page(action, page),
        }
        Flow::Continue
    }

    pub(super) fn act_in_help(&mut self, action: Action, page: Page, scroll: u16) {
        let inside = self.size.height.saturating_sub(2);
        let lines = match action {
            Action::Help | Action::Back => {
                self.screen = Screen::Page(page);
                return;
            }
            Action::Up => -1,
            Action::Down => 1,
            Action::ScreenLeft => -i32::from(inside),
            Action::ScreenRight => i32::from(inside),
            Action::Oldest => i32::MIN,
            Action::Live => i32::MAX,
            // What lies behind the help stays as it is.
            _ => return,
        };
        let most = self.help().1;
        let scroll = i32::from(scroll).saturating_add(lines).clamp(0, i32::from(most));
        self.screen = Screen::Help { page, scroll: scroll as u16 };
    }

    fn act_on_page(&mut self, action: Action, page: Page) {
        match action {
            Action::Help => self.screen = Screen::Help { page, scroll: 0 },
            Action::Back => self.back(page),
            Action::Fullscreen => {
                self.cycle = None;
                self.screen = Screen::Page(match page {
                    Page::Dashboard => Page::Fullscreen,
                    Page::Fullscreen => Page::Dashboard,
                });
            }
            Action::Cycle => {
                let next = self.after(CYCLE.as_millis() as i64);
                self.cycle = if self.cycle.is_some() { None } else { Some(next) };
                self.screen = Screen::Page(Page::Fullscreen);
            }
            Action::NextChart => self.choose_beside(1),
            Action::PreviousChart => self.choose_beside(self.charts.len().saturating_sub(1)),
            Action::Chart(at) => self.choose(at),
            // A chart alone has no table.
            Action::Table if page == Page::Fullscreen => {}
            Action::Table => {
                self.table = match self.table {
                    Table::Below => Table::Alone,
                    Table::Alone => Table::Off,
                    Table::Off => Table::Below,
                }
            }
            Action::Units => {
                self.units = self.units.next();
                self.make_charts();
            }
            Action::Theme => self.theme = self.theme.next(),
            Action::ValueIn => self.zoom_values(1),
            Action::ValueOut => self.zoom_values(-1),
            Action::ColumnsLeft => self.first_column = self.first_column.saturating_sub(1),
            Action::ColumnsRight => {
                let columns = self.watched.columns().map_or(0, <[_]>::len);
                self.first_column = (self.first_column + 1).min(columns.saturating_sub(1));
            }
            Action::NextSource | Action::PreviousSource => {
                self.tell("this is the only source".to_owned());
            }
            _ => self.navigate(action),
        }
    }

    /// One step back towards the dashboard.
    fn back(&mut self, page: Page) {
        if self.drag.take().is_some() {
        } else if self.mark.take().is_some() {
            self.measure();
        } else if self.cursor.take().is_some() {
        } else if page == Page::Fullscreen {
            self.cycle = None;
            self.screen = Screen::Page(Page::Dashboard);
        } else if self.table == Table::Alone {
            self.table = Table::Below;
        }
    }

    /// Lets ssh ask in the plain terminal what it must not ask over the screen.
    fn ask_again(&mut self) -> Flow {
        if self.watched.asks && self.watched.state(self.now).outage().is_some() {
            return Flow::Lend;
        }
        self.tell("there is nothing to ask for".to_owned());
        Flow::Continue
    }

    /// Asks for the next shorter or longer interval.
    fn ask(&mut self, shorter: bool) -> Flow {
        let has_header = self.watched.stream.as_ref().is_some_and(|it| it.header.is_some());
        let Some(now) = self.asked.or(self.watched.interval()).filter(|_| has_header) else {
            self.tell("this source has a pace of its own".to_owned());
            return Flow::Continue;
        };
        let mut steps = INTERVALS_MS.into_iter().map(Duration::from_millis);
        let next =
            if shorter { steps.rfind(|step| *step < now) } else { steps.find(|step| *step > now) };
        let Some(next) = next else {
            self.tell(format!("no agent gives more than every {}", DurationText(now)));
            return Flow::Continue;
        };
        self.asked = Some(next);
        self.tell(format!("asked for a row every {}", DurationText(next)));
        Flow::Ask(next)
    }

    /// Whether the agent gives the interval that it was asked for.
    pub(super) fn told_interval(&mut self) {
        if let (Some(asked), Some(told)) = (self.asked.take(), self.watched.interval())
            && asked != told
        {
            self.tell(format!("the agent gives a row every {}", DurationText(told)));
        }
    }

    fn zoom_values(&mut self, by: i8) {
        let Some(chart) = self.charts.get(self.chosen()) else { return };
        let zoom = self.value_zoom.entry(chart.title.clone()).or_default();
        *zoom = (*zoom + by).clamp(VALUE_ZOOM.0, VALUE_ZOOM.1);
    }
}
