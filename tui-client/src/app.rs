//! The state of the screen, and what changes it. Pure: the time comes with each message.

mod act;
mod compare;
mod exceeded;
mod go_to;
mod navigate;
mod overview;
mod places;
mod pointer;
mod rows;
mod sources;
mod span;
mod time;

use std::collections::BTreeMap;
use std::time::Duration;

use crossterm::event::{KeyEvent, KeyEventKind, MouseEvent};
use loadline_protocol::Time;
use ratatui::layout::Size;

use crate::charts::Chart;
use crate::event::Event;
use crate::keys::Keys;
use crate::layout::{Page, Table};
use crate::store::Kept;
use crate::theme::Theme;
use crate::thresholds::Thresholds;
use crate::units::Units;
use crate::watched::Watched;
use crate::zone::Zone;
pub use compare::LINES_MAX;
pub use exceeded::Exceeded;
pub use go_to::TimeInput;
pub use overview::Order;
pub use pointer::Drag;
pub use rows::TableRow;
pub use sources::Seen;
pub use span::{Span, Stat};

/// How long a chart stands before the next one takes its place.
pub const CYCLE: Duration = Duration::from_secs(10);

/// How long a notice stands in the footer.
const NOTICE_MS: i64 = 4000;

/// Everything that can happen to the screen.
#[derive(Debug, Clone)]
pub enum Message {
    /// A source tells something.
    Event {
        /// Which, the first at 0.
        source: usize,
        /// What.
        event: Event,
    },
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
    /// An agent is to be asked for another interval.
    Ask {
        /// That of which source, the first at 0.
        source: usize,
        /// How far apart its rows should be.
        interval: Duration,
    },
    /// The terminal is given back, for as long as this source is tried with it.
    Lend {
        /// Which source, the first at 0.
        source: usize,
    },
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
    /// The charts' time span; `None`: what fits the samples.
    pub window: Option<Duration>,
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
    /// What is watched. **Invariant:** there is at least one, and `shown` is one of them.
    sources: Vec<Seen>,
    shown: usize,
    /// What is to be seen.
    pub screen: Screen,
    /// The order of the sources on the overview.
    pub order: Order,
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
    /// The first series of the statistics that is in sight, as it was left.
    first_series: usize,
    /// The time that is being typed.
    pub time_input: Option<TimeInput>,
    /// The part of the charts that is being drawn out with the mouse.
    pub drag: Option<Drag>,
    /// The units of what is shown.
    pub units: Units,
    /// The time zone of what is shown.
    pub zone: Zone,
    /// How the screen looks.
    pub theme: Theme,
    /// Which key does what.
    pub keys: Keys,
    /// From where on values are worth a look.
    thresholds: Thresholds,
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
    /// The first line of the overview that is in sight.
    first_line: usize,
    /// The page that comparing began on.
    behind: Page,
    /// The time span of the start; `None`: what fits the samples.
    window_first: Option<Duration>,
    /// Whether the time span still fits itself to the samples.
    fits: bool,
}

impl App {
    /// A screen that watches a source of which nothing is known yet.
    #[must_use]
    pub fn new(watched: Watched, settings: Settings, size: Size, now: Time) -> App {
        let page = if settings.fullscreen { Page::Fullscreen } else { Page::Dashboard };
        App {
            sources: vec![Seen::new(watched)],
            shown: 0,
            screen: Screen::Page(page),
            order: Order::default(),
            table: Table::Below,
            first_column: 0,
            view: View::Live,
            window: settings.window.unwrap_or(sources::FIT_SPANS[0]),
            cursor: None,
            mark: None,
            span: None,
            first_series: 0,
            time_input: None,
            drag: None,
            units: Units::default(),
            zone: settings.zone,
            theme: settings.theme,
            keys: Keys::default(),
            thresholds: Thresholds::default(),
            now,
            size,
            cycle: None,
            notice: None,
            chosen: String::new(),
            value_zoom: BTreeMap::new(),
            first_line: 0,
            behind: Page::Overview,
            window_first: settings.window,
            fits: settings.window.is_none(),
        }
    }

    /// The same screen with other keys, and with values that are worth a look.
    #[must_use]
    pub fn with(self, keys: Keys, thresholds: Thresholds) -> App {
        App { keys, thresholds, ..self }
    }

    /// Takes in what happened at `now`.
    pub fn update(&mut self, now: Time, message: Message) -> Flow {
        self.notice(now);
        match message {
            Message::Event { source, event } => self.take(source, event),
            Message::Key(key) if key.kind == KeyEventKind::Release => {}
            Message::Key(key) if self.is_typed(key) => self.type_time(key),
            Message::Key(key) => {
                return self.keys.action(key).map_or(Flow::Continue, |action| self.act(action));
            }
            Message::Mouse(mouse) => self.point(mouse),
            Message::Resize(size) => self.size = size,
            Message::Tick => self.pass(),
        }
        Flow::Continue
    }

    fn take(&mut self, source: usize, event: Event) {
        if let Event::Notice(text) = &event {
            self.tell(text.to_string());
        }
        let is_read = matches!(event, Event::Ended { .. });
        let Some(seen) = self.sources.get_mut(source) else { return };
        let columns = seen.watched.columns().map(<[_]>::to_vec);
        let (is_stream, taken_back) = match &event {
            Event::Stream(_) => (true, false),
            // A clock was set back: what had been measured may be gone.
            Event::Rows(rows) => {
                let first = rows.iter().next().map(|sample| sample.time);
                (false, first.is_some() && seen.watched.store.newest() >= first)
            }
            _ => (false, false),
        };
        let is_learned = seen.take(self.now, event);
        let is_other = is_stream && columns.as_deref() != seen.watched.columns();
        let overflow = if is_read { seen.watched.overflow() } else { 0 };
        self.fit();
        if overflow > 0 {
            self.tell(format!("the oldest {overflow} rows of this recording do not fit in memory"));
        }
        if is_stream || is_learned {
            self.sources[source].make_charts(self.units, &self.thresholds);
        }
        if is_stream {
            self.told_interval(source);
            let sources = &self.sources;
            self.value_zoom
                .retain(|title, _| sources.iter().any(|seen| seen.chart(title).is_some()));
        }
        if source != self.shown {
            return;
        }
        if is_other {
            (self.cursor, self.mark, self.first_column) = (None, None, 0);
        }
        if is_stream || taken_back {
            self.measure();
        }
    }

    fn tell(&mut self, text: String) {
        self.notice = Some(Notice { text, until: self.after(NOTICE_MS) });
    }

    fn after(&self, ms: i64) -> Time {
        Time::from_millis(self.now.as_millis().saturating_add(ms))
    }

    fn choose(&mut self, at: usize) {
        // Other charts in sight, other series above the rest.
        self.first_series = 0;
        let title = match self.screen.page() {
            Page::Together | Page::Apart => self.metrics().get(at).map(|title| (*title).to_owned()),
            Page::Overview | Page::Dashboard | Page::Fullscreen => {
                self.charts().get(at).map(|chart| chart.title.clone())
            }
        };
        if let Some(title) = title {
            self.chosen = title;
        }
    }

    /// The next chart, or the one before.
    fn choose_beside(&mut self, forward: bool) {
        let (here, count) = match self.screen.page() {
            Page::Together | Page::Apart => {
                (self.metric().map_or(0, |(at, _)| at), self.metrics().len())
            }
            Page::Overview | Page::Dashboard | Page::Fullscreen => {
                (self.chosen(), self.charts().len())
            }
        };
        let count = count.max(1);
        self.choose((here + if forward { 1 } else { count - 1 }) % count);
    }

    /// Where the chosen chart stands.
    #[must_use]
    pub fn chosen(&self) -> usize {
        self.charts().iter().position(|chart| chart.title == self.chosen).unwrap_or(0)
    }

    /// How far the value axis of a chart is zoomed in: its span is halved so many times, or doubled.
    #[must_use]
    pub fn value_zoom(&self, chart: &Chart) -> i8 {
        self.value_zoom.get(&chart.title).copied().unwrap_or(0)
    }

    /// The latest time that is shown, on the axis: the newest sample's, or where the view stands still.
    #[must_use]
    pub fn shown_until(&self) -> Option<Time> {
        match self.view {
            View::Live => self.newest(),
            View::Paused(time) => Some(time),
        }
    }

    /// How many samples of the store are not later than what is shown.
    #[must_use]
    pub fn shown_count(&self) -> usize {
        self.shown_until().map_or(0, |until| self.count_of(self.shown, until))
    }

    /// The sample whose values are shown in numbers: that at the cursor, else the latest in sight.
    #[must_use]
    pub fn shown_sample(&self) -> Option<Kept<'_>> {
        let at = self.cursor_index().or_else(|| self.shown_count().checked_sub(1))?;
        self.watched().store.get(at)
    }

    /// Whether what is shown may look live: rows arrive, or it says that it is of another time.
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        self.is_fresh_of(self.shown)
    }
}
