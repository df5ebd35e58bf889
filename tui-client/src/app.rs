//! The state of the screen, and what changes it. Pure: the time comes with each message.

use std::time::Duration;

use crossterm::event::{KeyEvent, KeyEventKind};
use loadline_protocol::Time;
use ratatui::layout::Size;

use crate::charts::{Chart, charts};
use crate::event::Event;
use crate::keys::{self, Action};
use crate::store::Kept;
use crate::theme::Theme;
use crate::watched::{State, Watched};
use crate::zone::Zone;

/// Everything that can happen to the screen.
#[derive(Debug, Clone)]
pub enum Message {
    /// The source tells something.
    Event(Event),
    /// A key was pressed.
    Key(KeyEvent),
    /// The terminal has another size.
    Resize(Size),
    /// Time has passed.
    Tick,
}

/// How the program goes on after a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// As before.
    Continue,
    /// The terminal is to be cleared and drawn anew.
    Redraw,
    /// It ends.
    Quit,
}

/// What fills the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Page {
    /// All charts.
    Dashboard,
    /// The chosen chart alone.
    Fullscreen,
}

/// What is to be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Screen {
    /// A page.
    Page(Page),
    /// The help, over a page.
    Help(Page),
}

/// Where the data table stands on the dashboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    /// Below the charts.
    Below,
    /// Alone.
    Alone,
    /// Nowhere.
    Off,
}

/// Which time the right edge of the charts and the last row of the table stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// That of the newest sample.
    Live,
    /// A fixed one; samples are kept meanwhile.
    Paused(Time),
}

/// What a screen is told to begin with.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// The charts' time span.
    pub window: Duration,
    /// Begin with one chart over the whole screen.
    pub fullscreen: bool,
    /// The time zone of what is shown.
    pub zone: Zone,
    /// How it looks.
    pub theme: Theme,
}

/// The state of the screen.
#[derive(Debug, Clone)]
pub struct App {
    /// What is watched.
    pub watched: Watched,
    /// The charts of its stream.
    pub charts: Vec<Chart>,
    /// What is to be seen.
    pub screen: Screen,
    /// Where the data table stands.
    pub table: Table,
    /// Which time is looked at.
    pub view: View,
    /// The charts' time span.
    pub window: Duration,
    /// The time zone of what is shown.
    pub zone: Zone,
    /// How the screen looks.
    pub theme: Theme,
    /// The time of the last message, by this machine's clock.
    pub now: Time,
    /// The size of the terminal.
    pub size: Size,
    /// The title of the chosen chart; the first one if there is none of it.
    chosen: String,
}

impl App {
    /// A screen that watches a source of which nothing is known yet.
    #[must_use]
    pub fn new(watched: Watched, settings: Settings, size: Size, now: Time) -> App {
        let page = if settings.fullscreen { Page::Fullscreen } else { Page::Dashboard };
        App {
            watched,
            charts: Vec::new(),
            screen: Screen::Page(page),
            table: Table::Below,
            view: View::Live,
            window: settings.window,
            zone: settings.zone,
            theme: settings.theme,
            now,
            size,
            chosen: String::new(),
        }
    }

    /// Takes in what happened at `now`.
    pub fn update(&mut self, now: Time, message: Message) -> Flow {
        self.now = now;
        match message {
            Message::Event(event) => {
                let is_stream = matches!(event, Event::Stream(_));
                self.watched.take(now, event);
                if is_stream {
                    self.charts = self
                        .watched
                        .stream
                        .as_ref()
                        .map_or_else(Vec::new, |stream| charts(&stream.schema));
                }
                Flow::Continue
            }
            Message::Key(key) if key.kind == KeyEventKind::Release => Flow::Continue,
            Message::Key(key) => {
                keys::action(key).map_or(Flow::Continue, |action| self.act(action))
            }
            Message::Resize(size) => {
                self.size = size;
                Flow::Continue
            }
            Message::Tick => Flow::Continue,
        }
    }

    fn act(&mut self, action: Action) -> Flow {
        match (action, self.screen) {
            (Action::Quit, _) => return Flow::Quit,
            (Action::Redraw, _) => return Flow::Redraw,
            (Action::Help, Screen::Page(page)) => self.screen = Screen::Help(page),
            (Action::Help | Action::Back, Screen::Help(page)) => self.screen = Screen::Page(page),
            // What lies behind the help stays as it is, and a chart alone has no table.
            (_, Screen::Help(_)) | (Action::Table, Screen::Page(Page::Fullscreen)) => {}
            (Action::Back, Screen::Page(_)) => self.screen = Screen::Page(Page::Dashboard),
            (Action::Fullscreen, Screen::Page(page)) => self.screen = Screen::Page(page.other()),
            (Action::NextChart, _) => self.choose_beside(1),
            (Action::PreviousChart, _) => self.choose_beside(self.charts.len().saturating_sub(1)),
            (Action::Chart(at), _) => self.choose(at),
            (Action::Table, Screen::Page(Page::Dashboard)) => self.table = self.table.next(),
            (Action::Pause, _) => self.view = self.paused_or_live(),
        }
        Flow::Continue
    }

    /// Whether a key does anything on the page that is shown, or on that behind the help.
    #[must_use]
    pub fn allows(&self, action: Action) -> bool {
        let (Screen::Page(page) | Screen::Help(page)) = self.screen;
        action != Action::Table || page == Page::Dashboard
    }

    fn choose(&mut self, at: usize) {
        if let Some(chart) = self.charts.get(at) {
            self.chosen.clone_from(&chart.title);
        }
    }

    fn choose_beside(&mut self, steps: usize) {
        let count = self.charts.len().max(1);
        self.choose((self.chosen() + steps) % count);
    }

    /// Where the chosen chart stands.
    #[must_use]
    pub fn chosen(&self) -> usize {
        self.charts.iter().position(|chart| chart.title == self.chosen).unwrap_or(0)
    }

    fn paused_or_live(&self) -> View {
        match (self.view, self.watched.store.newest()) {
            (View::Live, Some(newest)) => View::Paused(newest),
            (View::Live, None) | (View::Paused(_), _) => View::Live,
        }
    }

    /// The latest time that is shown: the newest sample's, or where the view stands still.
    #[must_use]
    pub fn shown_until(&self) -> Option<Time> {
        match self.view {
            View::Live => self.watched.store.newest(),
            View::Paused(time) => Some(time),
        }
    }

    /// How many samples of the store are not later than what is shown.
    #[must_use]
    pub fn shown_count(&self) -> usize {
        self.shown_until().map_or(0, |until| self.watched.store.count_until(until))
    }

    /// The latest sample that is shown.
    #[must_use]
    pub fn shown_newest(&self) -> Option<Kept<'_>> {
        self.watched.store.get(self.shown_count().checked_sub(1)?)
    }

    /// Whether what is shown may look live: rows arrive, or the view stands still and says so.
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        self.watched.state(self.now) == State::Live || matches!(self.view, View::Paused(_))
    }

    /// When the screen changes although nothing happens: a second is over, or the state another.
    #[must_use]
    pub fn changes_at(&self, now: Time) -> Time {
        let interval = self.watched.interval().unwrap_or(Duration::MAX);
        let is_ticking = self.watched.state(now) == State::Live && interval <= TICKING_MAX;
        let second = if is_ticking {
            now.as_millis() + TICK_MS
        } else {
            now.as_millis() + 1000 - now.as_millis() % 1000
        };
        let state = self.watched.changes_at(now).map_or(second, Time::as_millis);
        Time::from_millis(second.min(state))
    }
}

/// Rows that come at least so often make the clock go on.
const TICKING_MAX: Duration = Duration::from_secs(1);

/// When the clock goes on without a row that was due: a little later than the row.
const TICK_MS: i64 = 1100;

impl Page {
    fn other(self) -> Page {
        match self {
            Page::Dashboard => Page::Fullscreen,
            Page::Fullscreen => Page::Dashboard,
        }
    }
}

impl Table {
    fn next(self) -> Table {
        match self {
            Table::Below => Table::Alone,
            Table::Alone => Table::Off,
            Table::Off => Table::Below,
        }
    }
}
