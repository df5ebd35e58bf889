//! State of the screen, and its changes. Pure: the time is passed with each message.

mod actions;
mod compare;
mod exceeded;
mod findings;
mod footer;
mod geometry;
mod go_to;
mod navigate;
mod overview;
mod past;
mod pointer;
mod processes;
mod rows;
mod screen;
mod selection;
mod sources;
mod statistics;
mod tick;
mod window;

use std::time::Duration;

use crossterm::event::{KeyEvent, KeyEventKind, MouseEvent};
use loadline_protocol::Time;
use ratatui::layout::Size;

use crate::event::{Event, PastEvent};
use crate::keys::Keys;
use crate::layout::Page;
use crate::store::StoredSample;
use crate::theme::Theme;
use crate::thresholds::Thresholds;
use crate::watched::Watched;
use crate::zone::Zone;
pub(crate) use compare::COMPARED_SOURCES_MAX;
pub(crate) use footer::{Footer, TimeInput};
pub use overview::Order;
pub(crate) use pointer::Drag;
pub(crate) use processes::ProcessTable;
pub(crate) use rows::TableRow;
pub(crate) use screen::Screen;
pub(crate) use selection::Selection;
pub(crate) use sources::{SourceView, Sources};
pub use statistics::{ColumnStats, Statistics};
pub use window::{TimeWindow, WindowEnd};

/// Input of [`App::update`].
#[derive(Debug, Clone)]
pub enum Message {
    /// From the link of a source.
    Event {
        /// Index of the source.
        source: usize,
        /// Event to apply to the source.
        event: Event,
    },
    /// Key press or release; releases are ignored.
    Key(KeyEvent),
    /// Click, drag or scroll.
    Mouse(MouseEvent),
    /// New size of the terminal.
    Resize(Size),
    /// Sent when the display may change without an event.
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

/// State of the screen.
#[derive(Debug, Clone)]
pub struct App {
    /// Watched sources.
    pub sources: Sources,
    /// Shown page.
    pub screen: Screen,
    /// Time window of the charts.
    pub window: TimeWindow,
    /// Crosshair, mark and chosen chart.
    pub selection: Selection,
    /// Message and input line in the footer.
    pub footer: Footer,
    pub(crate) zone: Zone,
    /// Colours and symbols.
    pub theme: Theme,
    pub(crate) keys: Keys,
    /// Time of the last message, by the client's clock.
    pub now: Time,
    /// Size of the terminal.
    pub(crate) size: Size,
}

impl App {
    /// Creates a screen for a source without samples.
    pub fn new(watched: Watched, settings: ScreenSettings, size: Size, now: Time) -> App {
        let page = if settings.fullscreen { Page::Fullscreen } else { Page::Dashboard };
        App {
            sources: Sources::new(watched),
            screen: Screen::new(page),
            window: TimeWindow::new(settings.window),
            selection: Selection::default(),
            footer: Footer::default(),
            zone: settings.zone,
            theme: settings.theme,
            keys: Keys::default(),
            now,
            size,
        }
    }

    /// Replaces the keys and the thresholds.
    pub fn with_keys_and_thresholds(mut self, keys: Keys, thresholds: Thresholds) -> App {
        self.keys = keys;
        self.sources.thresholds = thresholds;
        self
    }

    /// Adds further sources without samples. The screen then begins with the overview, unless it
    /// begins in fullscreen.
    pub fn with_sources(mut self, others: impl IntoIterator<Item = Watched>) -> App {
        self.sources.add(others);
        if self.screen.page == Page::Dashboard {
            self.screen.page = self.sources.home();
        }
        self
    }

    /// Processes a message that arrived at `now`.
    pub fn update(&mut self, now: Time, message: Message) -> Flow {
        if now < self.now {
            // The clock was set back.
            self.sources.set_now(now);
        }
        self.now = now;
        match message {
            Message::Event { source, event } => self.apply_event(source, event),
            Message::Key(_) | Message::Mouse(_) => return self.handle_input(&message),
            Message::Resize(size) => self.size = size,
            Message::Tick => self.handle_tick(),
        }
        Flow::Continue
    }

    /// Handles a key or the mouse, and loads the earlier samples of another view.
    fn handle_input(&mut self, message: &Message) -> Flow {
        let (view, destination) = (self.view(), self.selection.destination.take());
        let mut flow = Flow::Continue;
        match *message {
            Message::Key(key) if key.kind == KeyEventKind::Release => {}
            Message::Key(key) if self.is_for_time_input(key) => self.edit_time_input(key),
            Message::Key(key) => {
                let action = self.keys.action(key);
                flow = action.map_or(Flow::Continue, |action| self.handle_action(action));
            }
            Message::Mouse(mouse) => self.handle_mouse(mouse),
            Message::Event { .. } | Message::Resize(_) | Message::Tick => {}
        }
        if self.view() == view {
            // The user has not gone elsewhere.
            self.selection.destination = self.selection.destination.take().or(destination);
        } else {
            self.load_view();
        }
        flow
    }

    fn apply_event(&mut self, source: usize, event: Event) {
        if let Event::Warning(text) = &event {
            self.show_warning(text.as_str());
        }
        let Some(SourceView { watched, .. }) = self.sources.all().get(source) else { return };
        let has_ended = matches!(event, Event::Ended { .. });
        let has_past_failed = has_past_failed(&event);
        // Columns of samples keep their place. Without samples, others may take it.
        let was_empty = watched.store().is_empty();
        let mut has_other_columns = false;
        let (is_stream, is_measured) = match &event {
            Event::Stream(stream) => {
                let before = watched.ingest.stream.as_ref();
                has_other_columns = before.is_none_or(|before| before.schema != stream.schema);
                (true, false)
            }
            Event::Past(PastEvent::Loaded(_)) => (false, true),
            // The clock was set back: samples in the statistics may have been dropped.
            Event::Rows(rows) => {
                let first = rows.iter().next().map(|sample| sample.time);
                (false, first.is_some() && watched.store().newest() >= first)
            }
            Event::Look(look) => (false, self.is_look_measured(source, look)),
            _ => (false, false),
        };
        self.sources.apply(source, self.now, event);
        self.sources.diagnose(source, self.window.paused_at().is_some());
        self.fit_window();
        let overflow = self.sources.all()[source].watched.overflow();
        if has_ended && overflow > 0 {
            self.show_message(format!(
                "the oldest {overflow} rows of this recording do not fit in memory"
            ));
        }
        if is_stream {
            let remark = self.sources.all()[source].watched.ingest.column_remark();
            if let Some(remark) = remark.filter(|_| has_other_columns) {
                self.show_message(remark);
            }
            self.check_granted_interval(source);
            self.selection.retain_value_zoom(&self.sources);
        }
        if let Some(has_failed) = has_past_failed {
            self.arrive(has_failed);
        }
        if source != self.sources.shown() {
            return;
        }
        if is_stream && was_empty {
            self.selection.clear();
            self.screen.first_column = 0;
        }
        if is_stream || is_measured {
            self.selection.measure(&self.sources);
        }
    }

    fn show_source(&mut self, at: usize) {
        if self.sources.show(at) {
            self.screen.first_column = 0;
        }
        self.selection.measure(&self.sources);
        self.scroll_to_shown_source();
    }

    fn step_source(&mut self, steps: usize) {
        if self.sources.is_single() {
            self.show_message("this is the only source");
        } else {
            self.show_source((self.sources.shown() + steps) % self.sources.all().len());
        }
    }

    fn fit_window(&mut self) {
        // Beside a live source, a recording does not decide the time span.
        let is_recorded = |SourceView { watched, .. }: &SourceView| {
            watched.connection.is_recording() && !watched.store().is_empty()
        };
        let is_whole = self.sources.all().iter().all(is_recorded);
        self.window.fit(is_whole, || self.sources.oldest().zip(self.sources.newest()));
    }

    fn show_message(&mut self, text: impl Into<String>) {
        self.footer.show_message(text.into(), self.now);
    }

    /// Shows a warning in the footer, after those that are already there.
    pub(crate) fn show_warning(&mut self, text: &str) {
        self.footer.show_warning(text.replace("; ", ": "), self.now);
    }

    /// Returns the titles of the charts to choose from.
    fn chart_titles(&self) -> Vec<&str> {
        if self.screen.is_compare() {
            return self.sources.metric_titles();
        }
        self.sources.charts().iter().map(|chart| chart.title.as_str()).collect()
    }

    fn choose_nth_chart(&mut self, at: usize) {
        // The statistics list visible charts first, so their order changes: scroll to the top.
        self.selection.first_series = 0;
        if let Some(title) = self.chart_titles().get(at).map(|title| (*title).to_owned()) {
            self.selection.chart_title = title;
        }
    }

    fn choose_adjacent_chart(&mut self, forward: bool) {
        let count = self.chart_titles().len().max(1);
        let steps = if forward { 1 } else { count - 1 };
        self.choose_nth_chart((self.chosen_chart() + steps) % count);
    }

    fn zoom_values(&mut self, by: i8) {
        let chosen = self.chart_titles().get(self.chosen_chart()).map(|title| (*title).to_owned());
        if let Some(title) = chosen {
            self.selection.zoom_values(title, by);
        }
    }

    /// Returns the index of the chosen chart, or of the compared metric.
    pub fn chosen_chart(&self) -> usize {
        self.selection.chosen_of(&self.chart_titles())
    }

    /// Returns the end of the window: the time of the newest sample, or of the paused view.
    pub fn window_end_time(&self) -> Option<Time> {
        self.window.paused_at().or_else(|| self.sources.newest())
    }

    pub(crate) fn count_until_window_end(&self) -> usize {
        self.window_end_time()
            .map_or(0, |until| self.sources.count_until(self.sources.shown(), until))
    }

    /// Returns the index of the sample shown as numbers: at the crosshair, else the latest visible.
    fn shown_index(&self) -> Option<usize> {
        self.crosshair_index().or_else(|| self.count_until_window_end().checked_sub(1))
    }

    /// Returns the sample shown as numbers.
    pub(crate) fn shown_sample(&self) -> Option<StoredSample<'_>> {
        self.sources.watched().store().get(self.shown_index()?)
    }

    /// Returns the sample of a source whose values are compared: at the crosshair, else the latest
    /// visible. `None` if the source has a gap at that time.
    pub(crate) fn sample_of(&self, source: usize) -> Option<StoredSample<'_>> {
        self.sources.sample_at(source, self.selection.crosshair.or(self.window.paused_at()))
    }

    /// Returns whether a source's values are up to date or paused. Others are drawn faint.
    pub fn is_source_fresh(&self, source: usize) -> bool {
        let is_well = || self.sources.all()[source].watched.state(self.now).is_up_to_date();
        self.window.paused_at().is_some() || is_well()
    }

    /// Returns whether the shown values are up to date or paused. Others are drawn faint.
    pub(crate) fn is_fresh(&self) -> bool {
        self.is_source_fresh(self.sources.shown())
    }
}

/// Returns whether a request for earlier samples has failed; `None` for other events than its end.
fn has_past_failed(event: &Event) -> Option<bool> {
    match event {
        Event::Past(PastEvent::Loaded(_)) => Some(false),
        Event::Past(PastEvent::Failed) => Some(true),
        _ => None,
    }
}
