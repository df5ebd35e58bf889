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
    [250, 500, 1000, 2000, 5000, 10_000, 30_000, 60_000, 300_000, 600_000, 1_800_000, 3_600_000];

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
        let (_, place, most) = self.help(self.area());
        let inside = place.height.saturating_sub(2);
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
        let scroll = i32::from(scroll).saturating_add(lines).clamp(0, i32::from(most));
        self.screen = Screen::Help { page, scroll: scroll as u16 };
    }

    fn act_on_page(&mut self, action: Action, page: Page) {
        let is_done = match page {
            Page::Overview => self.act_on_overview(action),
            Page::Together | Page::Apart => self.act_in_compare(action, page),
            Page::Dashboard | Page::Fullscreen => false,
        };
        if is_done {
            return;
        }
        match action {
            Action::Help => self.screen = Screen::Help { page, scroll: 0 },
            Action::Back => self.back(page),
            Action::Fullscreen => {
                self.cycle = None;
                self.screen = Screen::Page(match page {
                    Page::Dashboard => Page::Fullscreen,
                    Page::Fullscreen | Page::Overview | Page::Together | Page::Apart => {
                        Page::Dashboard
                    }
                });
            }
            Action::Cycle => {
                let next = self.after(CYCLE.as_millis() as i64);
                self.cycle = if self.cycle.is_some() { None } else { Some(next) };
                self.screen = Screen::Page(Page::Fullscreen);
            }
            Action::NextChart => self.choose_beside(true),
            Action::PreviousChart => self.choose_beside(false),
            Action::Chart(at) => self.choose(at),
            // Where there is no data table.
            Action::Table if page != Page::Dashboard => {}
            Action::Table => {
                self.table = match self.table {
                    Table::Below => Table::Alone,
                    Table::Alone => Table::Off,
                    Table::Off => Table::Below,
                }
            }
            Action::Units => {
                self.units = self.units.next();
                let (units, thresholds) = (self.units, &self.thresholds);
                self.sources.iter_mut().for_each(|seen| seen.make_charts(units, thresholds));
            }
            Action::Theme => self.theme = self.theme.next(),
            Action::Fill => self.theme.fill = !self.theme.fill,
            Action::ValueIn => self.zoom_values(1),
            Action::ValueOut => self.zoom_values(-1),
            Action::ColumnsLeft => self.first_column = self.first_column.saturating_sub(1),
            Action::ColumnsRight => {
                let columns = self.watched().columns().map_or(0, <[_]>::len);
                self.first_column = (self.first_column + 1).min(columns.saturating_sub(1));
            }
            Action::NextSource => self.show_source_beside(1),
            Action::PreviousSource => self.show_source_beside(self.sources.len() - 1),
            Action::Compare => self.compare(page),
            Action::Order if self.is_alone() => self.show_source_beside(1),
            _ => self.navigate(action),
        }
    }

    /// One step back of what is pointed out; false if there is none.
    pub(super) fn step_back(&mut self) -> bool {
        if self.drag.take().is_some() {
            return true;
        }
        if self.mark.take().is_some() {
            self.measure();
            return true;
        }
        self.cursor.take().is_some()
    }

    /// One step back towards the first page.
    fn back(&mut self, page: Page) {
        if self.step_back() {
        } else if page == Page::Fullscreen {
            self.cycle = None;
            self.screen = Screen::Page(Page::Dashboard);
        } else if page == Page::Dashboard && self.table == Table::Alone {
            self.table = Table::Below;
        } else {
            self.screen = Screen::Page(self.home());
        }
    }

    /// Lets ssh ask in the plain terminal what it must not ask over the screen.
    fn ask_again(&mut self) -> Flow {
        if self.watched().asks && self.watched().state(self.now).outage().is_some() {
            return Flow::Lend { source: self.shown };
        }
        self.tell("there is nothing to ask for".to_owned());
        Flow::Continue
    }

    /// Asks for the next shorter or longer interval.
    fn ask(&mut self, shorter: bool) -> Flow {
        let has_header = self.watched().stream.as_ref().is_some_and(|it| it.header.is_some());
        let Some(now) =
            self.shown_seen().asked.or(self.watched().interval()).filter(|_| has_header)
        else {
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
        let source = self.shown;
        self.sources[source].asked = Some(next);
        self.tell(format!("asked for a row every {}", DurationText(next)));
        Flow::Ask { source, interval: next }
    }

    /// Whether the agent gives the interval that it was asked for.
    pub(super) fn told_interval(&mut self, source: usize) {
        let is_alone = self.is_alone();
        let seen = &mut self.sources[source];
        if let (Some(asked), Some(told)) = (seen.asked.take(), seen.watched.interval())
            && asked != told
        {
            let name = &seen.watched.name;
            // It may be another source than the one in sight.
            let whose = if is_alone { String::new() } else { format!("{name}: ") };
            self.tell(format!("{whose}the agent gives a row every {}", DurationText(told)));
        }
    }

    fn zoom_values(&mut self, by: i8) {
        let title = match self.screen.page() {
            Page::Together | Page::Apart => self.metric().map(|(_, title)| title.to_owned()),
            Page::Overview | Page::Dashboard | Page::Fullscreen => {
                self.charts().get(self.chosen()).map(|chart| chart.title.clone())
            }
        };
        let Some(title) = title else { return };
        let zoom = self.value_zoom.entry(title).or_default();
        *zoom = (*zoom + by).clamp(VALUE_ZOOM.0, VALUE_ZOOM.1);
    }
}
