//! The state of the screen, and what changes it. Pure: the time comes with each message.

mod actions;
mod compare;
mod exceeded;
mod geometry;
mod go_to;
mod navigate;
mod overview;
mod pointer;
mod rows;
mod sources;
mod statistics;
mod tick;

use std::collections::BTreeMap;
use std::time::Duration;

use crossterm::event::{KeyEvent, KeyEventKind, MouseEvent};
use loadline_protocol::Time;
use ratatui::layout::Size;

use crate::charts::Chart;
use crate::event::Event;
use crate::keys::Keys;
use crate::layout::{Page, TablePosition};
use crate::store::StoredSample;
use crate::theme::Theme;
use crate::thresholds::Thresholds;
use crate::units::Units;
use crate::watched::Watched;
use crate::zone::Zone;
pub use compare::COMPARED_SOURCES_MAX;
pub use exceeded::ExceededThreshold;
pub use go_to::TimeInput;
pub use overview::Order;
pub use pointer::Drag;
pub use rows::TableRow;
pub use sources::SourceView;
pub use statistics::{ColumnStats, Statistics};

/// How long a chart stands before the next one takes its place.
pub const CYCLE_INTERVAL: Duration = Duration::from_secs(10);

/// How long a notice stands in the footer.
const FOOTER_MESSAGE_TIME: Duration = Duration::from_secs(4);

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
    RequestInterval {
        /// That of which source, the first at 0.
        source: usize,
        /// How far apart its rows should be.
        interval: Duration,
    },
    /// The terminal is given back, for as long as this source is tried with it.
    LendTerminal {
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
pub enum WindowEnd {
    /// That of the newest sample.
    Live,
    /// A fixed one; samples are kept meanwhile.
    Paused(Time),
}

/// What a screen is told to begin with.
#[derive(Debug, Clone, Copy)]
pub struct ScreenSettings {
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
pub struct FooterMessage {
    /// What is said.
    pub text: String,
    /// When it goes.
    until: Time,
}

/// The state of the screen.
#[derive(Debug, Clone)]
pub struct App {
    /// What is watched. **Invariant:** there is at least one, and `shown_source` is one of them.
    sources: Vec<SourceView>,
    shown_source: usize,
    /// What is to be seen.
    pub screen: Screen,
    /// The order of the sources on the overview.
    pub order: Order,
    /// Where the data table stands.
    pub table: TablePosition,
    /// The first metric that the data table shows, counted from 0.
    pub first_column: usize,
    /// Which time is looked at.
    pub window_end: WindowEnd,
    /// The charts' time span.
    pub window: Duration,
    /// The time of the sample that is pointed out.
    pub crosshair: Option<Time>,
    /// The other end of the span that is measured.
    pub mark: Option<Time>,
    /// What there is between mark and cursor.
    pub statistics: Option<Statistics>,
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
    pub cycle_at: Option<Time>,
    /// What the user should know.
    pub footer_message: Option<FooterMessage>,
    /// The title of the chosen chart; the first one if there is none of it.
    chosen_title: String,
    /// How far the value axes are zoomed in, by the title of their chart.
    value_zoom: BTreeMap<String, i8>,
    /// The first line of the overview that is in sight.
    first_overview_line: usize,
    /// The page that comparing began on.
    page_before_compare: Page,
    /// The time span of the start; `None`: what fits the samples.
    initial_window: Option<Duration>,
    /// Whether the time span still fits itself to the samples.
    is_window_automatic: bool,
}

impl App {
    /// A screen that watches a source of which nothing is known yet.
    #[must_use]
    pub fn new(watched: Watched, settings: ScreenSettings, size: Size, now: Time) -> App {
        let page = if settings.fullscreen { Page::Fullscreen } else { Page::Dashboard };
        App {
            sources: vec![SourceView::new(watched)],
            shown_source: 0,
            screen: Screen::Page(page),
            order: Order::default(),
            table: TablePosition::Below,
            first_column: 0,
            window_end: WindowEnd::Live,
            window: settings.window.unwrap_or(sources::FITTED_WINDOWS[0]),
            crosshair: None,
            mark: None,
            statistics: None,
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
            cycle_at: None,
            footer_message: None,
            chosen_title: String::new(),
            value_zoom: BTreeMap::new(),
            first_overview_line: 0,
            page_before_compare: Page::Overview,
            initial_window: settings.window,
            is_window_automatic: settings.window.is_none(),
        }
    }

    /// The same screen with other keys, and with values that are worth a look.
    #[must_use]
    pub fn with_keys_and_thresholds(self, keys: Keys, thresholds: Thresholds) -> App {
        App { keys, thresholds, ..self }
    }

    /// Takes in what happened at `now`.
    pub fn update(&mut self, now: Time, message: Message) -> Flow {
        self.set_now(now);
        match message {
            Message::Event { source, event } => self.apply_event(source, event),
            Message::Key(key) if key.kind == KeyEventKind::Release => {}
            Message::Key(key) if self.is_for_time_input(key) => self.edit_time_input(key),
            Message::Key(key) => {
                return self
                    .keys
                    .action(key)
                    .map_or(Flow::Continue, |action| self.handle_action(action));
            }
            Message::Mouse(mouse) => self.handle_mouse(mouse),
            Message::Resize(size) => self.size = size,
            Message::Tick => self.handle_tick(),
        }
        Flow::Continue
    }

    fn apply_event(&mut self, source: usize, event: Event) {
        if let Event::Warning(text) = &event {
            self.show_message(text.to_string());
        }
        let has_ended = matches!(event, Event::Ended { .. });
        let Some(view) = self.sources.get_mut(source) else { return };
        let columns = view.watched.columns().map(<[_]>::to_vec);
        let (is_stream, goes_back) = match &event {
            Event::Stream(_) => (true, false),
            // A clock was set back: what had been measured may be gone.
            Event::Rows(rows) => {
                let first = rows.iter().next().map(|sample| sample.time);
                (false, first.is_some() && view.watched.store().newest() >= first)
            }
            _ => (false, false),
        };
        let charts_changed = view.apply(self.now, event);
        let columns_changed = is_stream && columns.as_deref() != view.watched.columns();
        let overflow = if has_ended { view.watched.overflow() } else { 0 };
        self.fit_window();
        if overflow > 0 {
            self.show_message(format!(
                "the oldest {overflow} rows of this recording do not fit in memory"
            ));
        }
        if is_stream || charts_changed {
            self.sources[source].make_charts(self.units, &self.thresholds);
        }
        if is_stream {
            self.check_granted_interval(source);
            let sources = &self.sources;
            self.value_zoom
                .retain(|title, _| sources.iter().any(|view| view.chart(title).is_some()));
        }
        if source != self.shown_source {
            return;
        }
        if columns_changed {
            (self.crosshair, self.mark, self.first_column) = (None, None, 0);
        }
        if is_stream || goes_back {
            self.update_statistics();
        }
    }

    fn show_message(&mut self, text: String) {
        self.footer_message = Some(FooterMessage { text, until: self.now + FOOTER_MESSAGE_TIME });
    }

    fn choose_nth_chart(&mut self, at: usize) {
        // Other charts in sight, other series above the rest.
        self.first_series = 0;
        let title = match self.screen.page() {
            Page::CompareOverlay | Page::CompareGrid => {
                self.metric_titles().get(at).map(|title| (*title).to_owned())
            }
            Page::Overview | Page::Dashboard | Page::Fullscreen => {
                self.charts().get(at).map(|chart| chart.title.clone())
            }
        };
        if let Some(title) = title {
            self.chosen_title = title;
        }
    }

    /// The next chart, or the one before.
    fn choose_adjacent_chart(&mut self, forward: bool) {
        let (here, count) = match self.screen.page() {
            Page::CompareOverlay | Page::CompareGrid => {
                (self.compared_metric().map_or(0, |(at, _)| at), self.metric_titles().len())
            }
            Page::Overview | Page::Dashboard | Page::Fullscreen => {
                (self.chosen_chart(), self.charts().len())
            }
        };
        let count = count.max(1);
        self.choose_nth_chart((here + if forward { 1 } else { count - 1 }) % count);
    }

    /// Where the chosen chart stands.
    #[must_use]
    pub fn chosen_chart(&self) -> usize {
        self.charts().iter().position(|chart| chart.title == self.chosen_title).unwrap_or(0)
    }

    /// How far the value axis of a chart is zoomed in: its span is halved so many times, or doubled.
    #[must_use]
    pub fn value_zoom(&self, chart: &Chart) -> i8 {
        self.value_zoom.get(&chart.title).copied().unwrap_or(0)
    }

    /// The latest time that is shown, on the axis: the newest sample's, or where the view stands still.
    #[must_use]
    pub fn window_end_time(&self) -> Option<Time> {
        match self.window_end {
            WindowEnd::Live => self.newest(),
            WindowEnd::Paused(time) => Some(time),
        }
    }

    /// How many samples of the store are not later than what is shown.
    #[must_use]
    pub fn count_until_window_end(&self) -> usize {
        self.window_end_time().map_or(0, |until| self.count_until(self.shown_source, until))
    }

    /// The sample whose values are shown in numbers: that at the cursor, else the latest in sight.
    #[must_use]
    pub fn shown_sample(&self) -> Option<StoredSample<'_>> {
        let at = self.crosshair_index().or_else(|| self.count_until_window_end().checked_sub(1))?;
        self.watched().store().get(at)
    }

    /// Whether what is shown may look live: rows arrive, or it says that it is of another time.
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        self.is_source_fresh(self.shown_source)
    }
}
