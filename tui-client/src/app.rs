//! The state of the screen, and what changes it. Pure: the time comes with each message.

mod act;
mod navigate;
mod places;
mod pointer;
mod rows;
mod span;

use std::collections::BTreeMap;
use std::time::Duration;

use crossterm::event::{KeyEvent, KeyEventKind, MouseEvent};
use loadline_protocol::Time;
use ratatui::layout::Size;

use crate::charts::{Chart, charts};
use crate::event::Event;
use crate::keys;
use crate::layout::{Page, Table};
use crate::store::Kept;
use crate::theme::Theme;
use crate::units::Units;
use crate::watched::{State, Watched};
use crate::zone::Zone;
pub use pointer::Drag;
pub use rows::TableRow;
pub use span::{Span, Stat};

/// How long a chart stands before the next one takes its place.
pub const CYCLE: Duration = Duration::from_secs(10);

/// A recording that is seen as a whole spans so much more than its samples do: a cell at the end.
const FIT_PART: u32 = 16;

/// The shortest time span that is drawn.
const FIT_MIN: Duration = Duration::from_secs(1);

/// How long a notice stands in the footer.
const NOTICE_MS: i64 = 4000;

/// Everything that can happen to the screen.
#[derive(Debug, Clone)]
pub enum Message {
    /// The source tells something.
    Event(Event),
    /// A key was pressed.
    Key(KeyEvent),
    /// The mouse was used.
    Mouse(MouseEvent),
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
    /// The terminal is given back, and the program stops until it is told to go on.
    Suspend,
    /// The agent is to be asked for rows this far apart.
    Ask(Duration),
    /// The terminal is given back, for as long as the source is tried with it.
    Lend,
    /// It ends.
    Quit,
}

/// What is to be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Screen {
    /// A page.
    Page(Page),
    /// The help, over a page.
    Help {
        /// What lies behind it.
        page: Page,
        /// The lines that are scrolled out at the top.
        scroll: u16,
    },
}

impl Screen {
    /// The page that is shown, or that behind the help.
    #[must_use]
    pub fn page(self) -> Page {
        match self {
            Screen::Page(page) | Screen::Help { page, .. } => page,
        }
    }
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
    /// Whether a recording is seen as a whole at first, whatever it spans.
    pub whole: bool,
    /// Begin with one chart over the whole screen.
    pub fullscreen: bool,
    /// The time zone of what is shown.
    pub zone: Zone,
    /// How it looks.
    pub theme: Theme,
}

/// A word to the user that goes by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// What is said.
    pub text: String,
    /// When it goes.
    until: Time,
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
    /// The first metric that the data table shows, counted from 0.
    pub first_column: usize,
    /// Which time is looked at.
    pub view: View,
    /// The charts' time span.
    pub window: Duration,
    /// The time of the sample that is pointed out.
    pub cursor: Option<Time>,
    /// The other end of the span that is measured.
    pub mark: Option<Time>,
    /// What there is between mark and cursor.
    pub span: Option<Span>,
    /// The part of the charts that is being drawn out with the mouse.
    pub drag: Option<Drag>,
    /// The units of what is shown.
    pub units: Units,
    /// The time zone of what is shown.
    pub zone: Zone,
    /// How the screen looks.
    pub theme: Theme,
    /// The time of the last message, by this machine's clock.
    pub now: Time,
    /// The size of the terminal.
    pub size: Size,
    /// When the next chart takes the place of this one, if they go by themselves.
    pub cycle: Option<Time>,
    /// What the user should know.
    pub notice: Option<Notice>,
    /// The title of the chosen chart; the first one if there is none of it.
    chosen: String,
    /// How far the value axes are zoomed in, by the title of their chart.
    value_zoom: BTreeMap<String, i8>,
    /// What the agent was asked for and has not answered yet.
    asked: Option<Duration>,
    /// The time span of the start.
    window_first: Duration,
    /// Whether that is the whole of a recording.
    whole: bool,
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
            first_column: 0,
            view: View::Live,
            window: settings.window,
            cursor: None,
            mark: None,
            span: None,
            drag: None,
            units: Units::default(),
            zone: settings.zone,
            theme: settings.theme,
            now,
            size,
            cycle: None,
            notice: None,
            chosen: String::new(),
            value_zoom: BTreeMap::new(),
            asked: None,
            window_first: settings.window,
            whole: settings.whole,
        }
    }

    /// Takes in what happened at `now`.
    pub fn update(&mut self, now: Time, message: Message) -> Flow {
        self.now = now;
        match message {
            Message::Event(event) => self.take(event),
            Message::Key(key) if key.kind == KeyEventKind::Release => {}
            Message::Key(key) => {
                return keys::action(key).map_or(Flow::Continue, |action| self.act(action));
            }
            Message::Mouse(mouse) => self.point(mouse),
            Message::Resize(size) => self.size = size,
            Message::Tick => self.pass(),
        }
        Flow::Continue
    }

    fn take(&mut self, event: Event) {
        let columns = self.watched.columns().map(<[_]>::to_vec);
        let (is_stream, taken_back) = match &event {
            Event::Stream(_) => (true, false),
            // A clock was set back: what had been measured may be gone.
            Event::Rows(rows) => {
                let first = rows.iter().next().map(|sample| sample.time);
                (false, first.is_some() && self.watched.store.newest() >= first)
            }
            _ => (false, false),
        };
        if let Event::Notice(text) = &event {
            self.tell(text.to_string());
        }
        let is_read = matches!(event, Event::Ended { .. });
        self.watched.take(self.now, event);
        self.fit();
        if is_read && self.watched.overflow() > 0 {
            let rows = self.watched.overflow();
            self.tell(format!("the oldest {rows} rows of this recording do not fit in memory"));
        }
        if is_stream {
            if columns.as_deref() != self.watched.columns() {
                (self.cursor, self.mark, self.first_column) = (None, None, 0);
            }
            self.told_interval();
            self.make_charts();
        }
        if is_stream || taken_back {
            self.measure();
        }
    }

    /// Keeps the whole of a recording in sight while it is read, until the user looks closer.
    fn fit(&mut self) {
        let span = self.watched.recorded_span().filter(|span| self.whole && !span.is_zero());
        let Some(span) = span else { return };
        // The newest sample is not at the end of its cell.
        let span = (span + span / FIT_PART).max(FIT_MIN);
        if self.window == self.window_first {
            self.window = span;
        }
        self.window_first = span;
    }

    fn make_charts(&mut self) {
        let stream = self.watched.stream.as_ref();
        let machine = self.watched.machine();
        self.charts =
            stream.map_or_else(Vec::new, |stream| charts(&stream.schema, self.units, machine));
        let charts = &self.charts;
        self.value_zoom.retain(|title, _| charts.iter().any(|chart| chart.title == *title));
    }

    /// What time alone changes.
    fn pass(&mut self) {
        if self.notice.as_ref().is_some_and(|notice| notice.until <= self.now) {
            self.notice = None;
        }
        if self.cycle.is_some_and(|next| next <= self.now) {
            self.cycle = Some(self.after(CYCLE.as_millis() as i64));
            self.choose_beside(1);
        }
    }

    fn tell(&mut self, text: String) {
        self.notice = Some(Notice { text, until: self.after(NOTICE_MS) });
    }

    fn after(&self, ms: i64) -> Time {
        Time::from_millis(self.now.as_millis().saturating_add(ms))
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

    /// How far the value axis of a chart is zoomed in: its span is halved so many times, or doubled.
    #[must_use]
    pub fn value_zoom(&self, chart: &Chart) -> i8 {
        self.value_zoom.get(&chart.title).copied().unwrap_or(0)
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

    /// The sample whose values are shown in numbers: that at the cursor, else the latest in sight.
    #[must_use]
    pub fn shown_sample(&self) -> Option<Kept<'_>> {
        let at = self.cursor_index().or_else(|| self.shown_count().checked_sub(1))?;
        self.watched.store.get(at)
    }

    /// Whether what is shown may look live: rows arrive, or it says that it is of another time.
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        let state = self.watched.state(self.now);
        matches!(state, State::Live | State::Replay(_)) || matches!(self.view, View::Paused(_))
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
        let notice = self.notice.as_ref().map(|notice| notice.until);
        let others = [self.watched.changes_at(now), self.cycle, notice];
        let next = others.into_iter().flatten().map(Time::as_millis).min().unwrap_or(second);
        Time::from_millis(second.min(next))
    }
}

/// Rows that come at least so often make the clock go on.
const TICKING_MAX: Duration = Duration::from_secs(1);

/// When the clock goes on without a row that was due: a little later than the row.
const TICK_MS: i64 = 1100;
