//! A screen driven by a test, and its content as text.

use std::sync::Arc;
use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use loadline::app::{App, Flow, Message, ScreenSettings};
use loadline::event::{Event, Rows, Sample, StreamInfo};
use loadline::keys::Keys;
use loadline::theme::{ColourDepth, Colours, Palette, Theme};
use loadline::thresholds::{ThresholdLevels, Thresholds};
use loadline::view;
use loadline::watched::Watched;
use loadline::zone::Zone;
use loadline_protocol::{Header, Note, RunId, SafeText, Schema, Seq, Stamp, Time};
use ratatui::buffer::Buffer;
use ratatui::layout::{Rect, Size};
use ratatui::style::Color;

/// 2025-11-22 14:00:00 in a zone one hour east of UTC.
pub(crate) const START: i64 = 1_763_816_400_000;

/// Theme that most terminals can show.
pub(crate) const THEME: Theme = Theme {
    palette: Palette::Dark,
    depth: ColourDepth::Sixteen,
    has_colour: true,
    ascii: false,
    utf8: true,
    overrides: Colours::NONE,
    fill: false,
};

/// A screen driven by a test, with the test's clock.
pub(crate) struct AppStage {
    pub(crate) app: App,
    pub(crate) now: i64,
    /// Events sent to the first source.
    pub(crate) sent_events: Vec<Event>,
}

impl AppStage {
    pub(crate) fn new(name: &str) -> AppStage {
        AppStage::with_retention(name, Duration::from_hours(24))
    }

    pub(crate) fn with_retention(name: &str, keep: Duration) -> AppStage {
        AppStage::watching(Watched::new(name, false, keep))
    }

    pub(crate) fn watching(watched: Watched) -> AppStage {
        AppStage::with_window(watched, None)
    }

    /// Creates a stage with a configured time span.
    pub(crate) fn with_window(watched: Watched, window: Option<Duration>) -> AppStage {
        let settings =
            ScreenSettings { window, fullscreen: false, zone: Zone::Fixed(3600), theme: THEME };
        let size = Size { width: 80, height: 24 };
        let app = App::new(watched, settings, size, Time::from_millis(START));
        AppStage { app, now: START, sent_events: Vec::new() }
    }

    /// Returns a connected agent with four minutes of samples of a working server.
    pub(crate) fn live() -> AppStage {
        let mut stage = AppStage::new("127.0.0.1:1027");
        stage.connect(7);
        stage.event(Event::Received { bytes: 10_000 });
        for second in 0..240 {
            stage.row(second, &server_values(second));
        }
        stage.event(Event::Live);
        stage
    }

    /// Returns a plain source with `columns` columns that has sent `rows` rows.
    pub(crate) fn plain(columns: usize, rows: i64) -> AppStage {
        let mut stage = AppStage::new("10.0.0.7:5555");
        stage.event(Event::Connected);
        stage.change_columns(columns);
        for second in 0..rows {
            let value =
                |at: usize| ((second as f64 / (4.0 + at as f64)).sin() * 100.0).round() / 10.0;
            stage.row(second, &(0..columns).map(value).collect::<Vec<_>>());
        }
        stage
    }

    /// Returns `count` agents of working servers, each a little later in its wave than the previous
    /// one. Of every six, the fifth fell silent ten seconds ago and the sixth lost its connection.
    /// The fourth agent's clock is 90 s ahead. From six agents on, the last one has never answered.
    pub(crate) fn several_sources(count: usize) -> AppStage {
        let name = |at: usize| format!("web-{}:1027", at + 1);
        let others = (1..count).map(|at| Watched::new(&name(at), false, Duration::from_hours(24)));
        let mut stage = AppStage::new(&name(0));
        stage.app = stage.app.with_sources(others.collect::<Vec<_>>());
        for source in (0..count).filter(|at| *at + 1 != count || count < 6) {
            stage.connect_source(source, 7);
            stage.source_event(source, Event::Live);
        }
        for second in 0..240 {
            for source in (0..count).filter(|at| *at + 1 != count || count < 6) {
                if source % 6 != 4 || second < 230 {
                    let ahead = if source == 3 { 90_000 } else { 0 };
                    stage.source_row(
                        source,
                        second,
                        ahead,
                        &server_values(second + 11 * source as i64),
                    );
                }
            }
        }
        for source in (0..count).filter(|at| at % 6 == 5) {
            stage.source_event(source, stage.disconnected("connection reset"));
        }
        if count >= 6 {
            stage.source_event(count - 1, stage.disconnected("host unreachable"));
        }
        stage
    }

    /// Sends a row of a source whose clock is `ahead_ms` ahead.
    pub(crate) fn source_row(&mut self, source: usize, second: i64, ahead_ms: i64, values: &[f64]) {
        self.now = self.now.max(START + second * 1000 + 3);
        let row = self.row_event(source, second, ahead_ms, values);
        self.source_event(source, row);
    }

    fn row_event(&self, source: usize, second: i64, ahead_ms: i64, values: &[f64]) -> Event {
        let time = Time::from_millis(self.now - 3 + ahead_ms);
        let received = Time::from_millis(self.now);
        let stream = self.app.sources.all()[source].watched.ingest.stream.as_ref();
        // A plain source has no sequence numbers.
        let is_plain = stream.is_some_and(|stream| stream.header.is_none());
        let seq = (!is_plain).then_some(Seq(second as u64 + 1));
        Event::Rows(Rows::one(Sample { time, seq, received, values, line: None }))
    }

    /// Returns a connected source without a header that has these columns.
    pub(crate) fn of_columns(name: &str, columns: &str) -> AppStage {
        let mut stage = AppStage::new(name);
        stage.event(Event::Connected);
        stage.event(stream(columns.parse().unwrap()));
        stage
    }

    /// Returns the stage with thresholds for columns: warning and critical.
    pub(crate) fn with_thresholds(self, limits: &[(&str, Option<f64>, Option<f64>)]) -> AppStage {
        let limits = limits.iter().map(|(name, warn, critical)| {
            ((*name).to_owned(), ThresholdLevels { warn: *warn, critical: *critical })
        });
        let thresholds = Thresholds(limits.collect());
        let app = self.app.with_keys_and_thresholds(Keys::default(), thresholds);
        let mut stage = AppStage { app, ..self };
        // Changing the units twice applies the thresholds, as a new stream does.
        stage.type_keys("uu");
        stage
    }

    pub(crate) fn change_columns(&mut self, columns: usize) {
        self.event(stream(Schema::plain(columns)));
    }

    pub(crate) fn connect(&mut self, run: u32) {
        self.event(Event::Connected);
        self.event(header(run));
    }

    /// Connects to an agent that sends no history.
    pub(crate) fn connect_live(&mut self, run: u32) {
        self.connect(run);
        self.event(Event::Live);
    }

    pub(crate) fn connect_source(&mut self, source: usize, run: u32) {
        self.source_event(source, Event::Connected);
        self.source_event(source, header(run));
    }

    pub(crate) fn down(&mut self, reason: &str) {
        self.event(self.disconnected(reason));
    }

    pub(crate) fn disconnected(&self, reason: &str) -> Event {
        let retry_at = Some(Time::from_millis(self.now + 2000));
        Event::Disconnected { reason: SafeText::new(reason), refused: false, retry_at }
    }

    /// Sends a row that was sampled `second` seconds after the start and arrives 3 ms later.
    pub(crate) fn row(&mut self, second: i64, values: &[f64]) {
        self.now = START + second * 1000 + 3;
        self.event(Event::Received { bytes: 47 });
        self.event(self.row_event(0, second, 0, values));
    }

    pub(crate) fn event(&mut self, event: Event) {
        self.sent_events.push(event.clone());
        self.source_event(0, event);
    }

    /// Sends an event of a source.
    pub(crate) fn source_event(&mut self, source: usize, event: Event) {
        self.app.update(Time::from_millis(self.now), Message::Event { source, event });
    }

    pub(crate) fn wait(&mut self, ms: i64) {
        self.now += ms;
        self.app.update(Time::from_millis(self.now), Message::Tick);
    }

    pub(crate) fn press(&mut self, code: KeyCode) -> Flow {
        self.press_with(code, KeyModifiers::NONE)
    }

    pub(crate) fn press_times(&mut self, count: usize, code: KeyCode) {
        for _ in 0..count {
            self.press(code);
        }
    }

    pub(crate) fn press_with(&mut self, code: KeyCode, held: KeyModifiers) -> Flow {
        let key = KeyEvent::new(code, held);
        self.app.update(Time::from_millis(self.now), Message::Key(key))
    }

    /// Uses the mouse at a cell.
    pub(crate) fn mouse(&mut self, kind: MouseEventKind, column: u16, row: u16) {
        let mouse = MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE };
        self.app.update(Time::from_millis(self.now), Message::Mouse(mouse));
    }

    /// Presses a button at one cell and releases it at another.
    pub(crate) fn drag(&mut self, button: MouseButton, from: (u16, u16), to: (u16, u16)) {
        self.mouse(MouseEventKind::Down(button), from.0, from.1);
        if from != to {
            self.mouse(MouseEventKind::Drag(button), to.0, to.1);
        }
        self.mouse(MouseEventKind::Up(button), to.0, to.1);
    }

    pub(crate) fn type_keys(&mut self, keys: &str) {
        for key in keys.chars() {
            self.press(KeyCode::Char(key));
        }
    }

    pub(crate) fn draw(&mut self, width: u16, height: u16) -> Buffer {
        let size = Size { width, height };
        self.app.update(Time::from_millis(self.now), Message::Resize(size));
        let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
        view::render(&self.app, buffer.area, &mut buffer);
        buffer
    }

    pub(crate) fn frame(&mut self, width: u16, height: u16) -> String {
        text(&self.draw(width, height))
    }

    /// Returns a row of the screen.
    pub(crate) fn line(&mut self, width: u16, height: u16, row: usize) -> String {
        self.frame(width, height).lines().nth(row).unwrap_or_default().to_owned()
    }

    pub(crate) fn header(&mut self, width: u16, height: u16) -> String {
        self.line(width, height, 0)
    }

    /// Returns the crosshair's time, in seconds after the start.
    pub(crate) fn crosshair_s(&self) -> Option<i64> {
        self.app.selection.crosshair.map(seconds_since_start)
    }

    /// Returns the right edge of the charts, in seconds after the start.
    pub(crate) fn window_end_s(&self) -> Option<i64> {
        self.app.window_end_time().map(seconds_since_start)
    }
}

fn seconds_since_start(time: Time) -> i64 {
    (time.as_millis() - START) / 1000
}

/// Returns the columns of a source without a header.
pub(crate) fn stream(schema: Schema) -> Event {
    Event::Stream(Arc::new(StreamInfo { header: None, schema }))
}

/// Returns the header of an agent.
pub(crate) fn header(run: u32) -> Event {
    answer(run, None)
}

/// Returns the header of an agent whose clock shows `now`, if it says so.
pub(crate) fn answer(run: u32, now: Option<i64>) -> Event {
    let Ok(note) = Note::parse(&format!(
        "loadline/1 run={} host=web-1 interval=1000ms os=\"Debian GNU/Linux 12\" cores=4 \
         memory=67385159680 agent=0.1.0",
        RunId(run)
    )) else {
        panic!("the header is invalid");
    };
    let Note::Header(header) = note else { panic!("the note is not a header") };
    let header = Header { now: now.map(Time::from_millis), ..header };
    let schema = Schema::plain(6).with_stamp(Stamp::TimeSeq);
    Event::Stream(Arc::new(StreamInfo { header: Some(header), schema }))
}

/// Returns the values of a working server.
pub(crate) fn server_values(second: i64) -> Vec<f64> {
    let t = second as f64;
    let wave = (t / 17.0).sin();
    let cpu = (48.0 + 30.0 * wave + 12.0 * (t / 3.0).sin()).clamp(0.0, 100.0);
    let load = 1.8 + wave;
    let row = [cpu, 2400.0 + 300.0 * wave, 41.0 + t / 40.0, load, 1.6 + wave / 3.0, 1.4];
    row.iter().zip(Schema::plain(6).columns()).map(|(value, column)| column.round(*value)).collect()
}

pub(crate) fn text(buffer: &Buffer) -> String {
    let rows = buffer.content.chunks(usize::from(buffer.area.width).max(1));
    let line = |row: &[ratatui::buffer::Cell]| {
        let line: String = row.iter().map(ratatui::buffer::Cell::symbol).collect();
        line.trim_end().to_owned()
    };
    rows.map(line).collect::<Vec<_>>().join("\n")
}

/// Returns the colour of the first cell that shows a symbol.
pub(crate) fn colour_of(buffer: &Buffer, symbol: &str) -> Option<Color> {
    buffer.content.iter().find(|cell| cell.symbol() == symbol).map(|cell| cell.fg)
}

/// Returns the cells of an area as text. Letters beside each row represent the cells' colours.
pub(crate) fn text_and_colours(buffer: &Buffer, area: Rect) -> String {
    let mut mixed: Vec<Color> = Vec::new();
    let mut letter = |colour: Color| match colour {
        Color::Reset => '-',
        Color::Cyan => 'c',
        Color::White => 'w',
        Color::Magenta => 'm',
        Color::Green => 'g',
        Color::LightBlue => 'b',
        Color::LightMagenta => 'p',
        Color::DarkGray => '.',
        Color::Yellow => 'Y',
        Color::Red => 'R',
        // Other colours are A, B, … in order of appearance.
        other => {
            let at = mixed.iter().position(|it| *it == other).unwrap_or(mixed.len());
            if at == mixed.len() {
                mixed.push(other);
            }
            char::from(b'A' + at as u8)
        }
    };
    let rows = area.rows().map(|row| {
        let cells: Vec<_> = row.columns().map(|cell| &buffer[(cell.x, cell.y)]).collect();
        let text: String = cells.iter().map(|cell| cell.symbol()).collect();
        let colours = cells.iter().map(|cell| match cell.symbol() {
            " " | "\u{2800}" => ' ',
            _ => letter(cell.fg),
        });
        format!("{text}  {}", colours.collect::<String>()).trim_end().to_owned()
    });
    rows.collect::<Vec<_>>().join("\n")
}

/// Checks a scene against its snapshots, at the common sizes.
pub(crate) fn check_frames(name: &str, stage: &mut AppStage) {
    for (width, height) in [(120, 36), (80, 24), (40, 12)] {
        check_frame(name, stage, width, height);
    }
}

pub(crate) fn check_frame(name: &str, stage: &mut AppStage, width: u16, height: u16) {
    let frame = stage.frame(width, height);
    check_text(&format!("{name}_{width}x{height}"), &frame);
}

/// Checks a text against its snapshot.
pub(crate) fn check_text(name: &str, text: &str) {
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!(name.to_owned(), text);
    });
}
