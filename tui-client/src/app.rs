//! State of the screen, and its changes. Pure: the time comes with each message.

mod actions;
mod compare;
mod exceeded;
mod geometry;
mod go_to;
mod navigate;
mod overview;
mod pointer;
mod rows;
mod screen;
mod sources;
mod statistics;
mod tick;
mod window;

use std::collections::BTreeMap;
use std::time::Duration;

use crossterm::event::{KeyEvent, KeyEventKind, MouseEvent};
use loadline_protocol::Time;
use ratatui::layout::Size;

use crate::charts::Chart;
use crate::event::Event;
use crate::keys::Keys;
use crate::layout::Page;
use crate::store::StoredSample;
use crate::theme::Theme;
use crate::thresholds::Thresholds;
use crate::watched::Watched;
use crate::zone::Zone;
pub use compare::COMPARED_SOURCES_MAX;
pub use exceeded::ExceededThreshold;
pub use go_to::TimeInput;
pub use overview::Order;
pub use pointer::Drag;
pub use rows::TableRow;
pub use screen::{CYCLE_INTERVAL, Screen};
pub use sources::{SourceView, Sources};
pub use statistics::{ColumnStats, Statistics};
pub use window::{TimeWindow, WindowEnd};

/// Display time of a message in the footer.
const FOOTER_MESSAGE_TIME: Duration = Duration::from_secs(4);

/// Input of [`App::update`].
#[derive(Debug, Clone)]
pub enum Message {
    /// An event of a source.
    Event {
        /// Index of the source.
        source: usize,
        /// The event.
        event: Event,
    },
    /// A key was pressed.
    Key(KeyEvent),
    /// The mouse was used.
    Mouse(MouseEvent),
    /// The terminal was resized.
    Resize(Size),
    /// Time has passed.
    Tick,
}

/// Reaction of the program to a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Continue as before.
    Continue,
    /// Clear the terminal and draw everything again.
    Redraw,
    /// Release the terminal and suspend the process until it is continued.
    Suspend,
    /// Request another interval from an agent.
    RequestInterval {
        /// Index of the source.
        source: usize,
        /// Requested time between two rows.
        interval: Duration,
    },
    /// Release the terminal while this source connects, so that ssh can use it.
    LendTerminal {
        /// Index of the source.
        source: usize,
    },
    /// Quit the program.
    Quit,
}

/// Initial settings of a screen.
#[derive(Debug, Clone, Copy)]
pub struct ScreenSettings {
    /// Time span of the charts; `None` fits the samples.
    pub window: Option<Duration>,
    /// True to begin with one chart over the whole screen.
    pub fullscreen: bool,
    /// Time zone of the shown times.
    pub zone: Zone,
    /// Colours and symbols.
    pub theme: Theme,
}

/// Message to the user that disappears after a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FooterMessage {
    /// Text of the message.
    pub text: String,
    /// End of the display time.
    until: Time,
}

/// State of the screen.
#[derive(Debug, Clone)]
pub struct App {
    /// Watched sources.
    pub sources: Sources,
    /// Shown page.
    pub screen: Screen,
    /// Time window of the charts.
    pub window: TimeWindow,
    /// Time of the sample at the crosshair.
    pub crosshair: Option<Time>,
    /// Time of the mark, the other end of the measured span.
    pub mark: Option<Time>,
    /// Statistics between mark and crosshair.
    pub statistics: Option<Statistics>,
    /// Scroll position of the statistics: index of the first visible series.
    first_series: usize,
    /// Time that is being typed.
    pub time_input: Option<TimeInput>,
    /// Mouse drag in progress.
    pub drag: Option<Drag>,
    /// Time zone of the shown times.
    pub zone: Zone,
    /// Colours and symbols.
    pub theme: Theme,
    /// Key bindings.
    pub keys: Keys,
    /// Time of the last message, by the client's clock.
    pub now: Time,
    /// Size of the terminal.
    pub size: Size,
    /// Message in the footer.
    pub footer_message: Option<FooterMessage>,
    /// Title of the chosen chart. If no chart has this title, the first chart is chosen.
    chosen_title: String,
    /// Zoom of the value axes, by the title of the chart.
    value_zoom: BTreeMap<String, i8>,
}

impl App {
    /// Creates a screen for a source without samples.
    #[must_use]
    pub fn new(watched: Watched, settings: ScreenSettings, size: Size, now: Time) -> App {
        let page = if settings.fullscreen { Page::Fullscreen } else { Page::Dashboard };
        App {
            sources: Sources::new(watched),
            screen: Screen::new(page),
            window: TimeWindow::new(settings.window),
            crosshair: None,
            mark: None,
            statistics: None,
            first_series: 0,
            time_input: None,
            drag: None,
            zone: settings.zone,
            theme: settings.theme,
            keys: Keys::default(),
            now,
            size,
            footer_message: None,
            chosen_title: String::new(),
            value_zoom: BTreeMap::new(),
        }
    }

    /// Replaces the keys and the thresholds.
    #[must_use]
    pub fn with_keys_and_thresholds(mut self, keys: Keys, thresholds: Thresholds) -> App {
        self.keys = keys;
        self.sources.thresholds = thresholds;
        self
    }

    /// Processes a message that arrived at `now`.
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
            // The clock was set back: measured samples may be gone.
            Event::Rows(rows) => {
                let first = rows.iter().next().map(|sample| sample.time);
                (false, first.is_some() && view.watched.store.newest() >= first)
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
            self.sources.make_charts(source);
        }
        if is_stream {
            self.check_granted_interval(source);
            let sources = self.sources.all();
            self.value_zoom
                .retain(|title, _| sources.iter().any(|view| view.chart(title).is_some()));
        }
        if source != self.sources.shown() {
            return;
        }
        if columns_changed {
            (self.crosshair, self.mark, self.screen.first_column) = (None, None, 0);
        }
        if is_stream || goes_back {
            self.update_statistics();
        }
    }

    fn show_message(&mut self, text: String) {
        self.footer_message = Some(FooterMessage { text, until: self.now + FOOTER_MESSAGE_TIME });
    }

    fn choose_nth_chart(&mut self, at: usize) {
        // With other charts visible, other series come first.
        self.first_series = 0;
        let title = match self.screen.page {
            Page::CompareOverlay | Page::CompareGrid => {
                self.sources.metric_titles().get(at).map(|title| (*title).to_owned())
            }
            Page::Overview | Page::Dashboard | Page::Fullscreen => {
                self.sources.charts().get(at).map(|chart| chart.title.clone())
            }
        };
        if let Some(title) = title {
            self.chosen_title = title;
        }
    }

    /// Chooses the next or the previous chart.
    fn choose_adjacent_chart(&mut self, forward: bool) {
        let (here, count) = match self.screen.page {
            Page::CompareOverlay | Page::CompareGrid => {
                (self.compared_metric().map_or(0, |(at, _)| at), self.sources.metric_titles().len())
            }
            Page::Overview | Page::Dashboard | Page::Fullscreen => {
                (self.chosen_chart(), self.sources.charts().len())
            }
        };
        let count = count.max(1);
        self.choose_nth_chart((here + if forward { 1 } else { count - 1 }) % count);
    }

    /// Returns the index of the chosen chart.
    #[must_use]
    pub fn chosen_chart(&self) -> usize {
        self.sources.charts().iter().position(|chart| chart.title == self.chosen_title).unwrap_or(0)
    }

    /// Returns how often the span of a chart's value axis is halved, or doubled if negative.
    #[must_use]
    pub fn value_zoom(&self, chart: &Chart) -> i8 {
        self.value_zoom.get(&chart.title).copied().unwrap_or(0)
    }

    /// Returns the latest shown time on the axis: of the newest sample, or of the paused view.
    #[must_use]
    pub fn window_end_time(&self) -> Option<Time> {
        self.window.paused_at().or_else(|| self.sources.newest())
    }

    /// Returns the number of stored samples up to the latest shown time.
    #[must_use]
    pub fn count_until_window_end(&self) -> usize {
        self.window_end_time()
            .map_or(0, |until| self.sources.count_until(self.sources.shown(), until))
    }

    /// Returns the sample shown as numbers: at the crosshair, else the latest visible one.
    #[must_use]
    pub fn shown_sample(&self) -> Option<StoredSample<'_>> {
        let at = self.crosshair_index().or_else(|| self.count_until_window_end().checked_sub(1))?;
        self.sources.watched().store.get(at)
    }

    /// Returns whether the shown values are up to date or paused. Others are drawn faint.
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        self.is_source_fresh(self.sources.shown())
    }
}
