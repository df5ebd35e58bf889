//! Whole frames as text: what a user sees, state by state and size by size.

use std::sync::Arc;
use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use loadline::app::{App, Flow, Message, Screen, Settings};
use loadline::event::{Event, Sample, Stream};
use loadline::layout::Page;
use loadline::theme::{Depth, Palette, Theme};
use loadline::view;
use loadline::watched::Watched;
use loadline::zone::Zone;
use loadline_protocol::{Header, Note, RunId, Schema, Stamp, Text, Time};
use proptest::prelude::*;
use ratatui::buffer::Buffer;
use ratatui::layout::{Rect, Size};
use ratatui::style::{Color, Modifier};

/// 2025-11-22 14:00:00 in a zone an hour east of UTC.
const START: i64 = 1_763_816_400_000;

/// What most terminals can show.
const THEME: Theme =
    Theme { palette: Palette::Dark, depth: Depth::Sixteen, colour: true, ascii: false };

/// A screen in the hands of a test, which knows what time it is.
struct Stage {
    app: App,
    now: i64,
}

impl Stage {
    fn new(name: &str) -> Stage {
        let watched = Watched::new(name, false, Duration::from_hours(24));
        let settings = Settings {
            window: Duration::from_mins(5),
            fullscreen: false,
            zone: Zone::Fixed(3600),
            theme: THEME,
        };
        let size = Size { width: 80, height: 24 };
        let app = App::new(watched, settings, size, Time::from_millis(START));
        Stage { app, now: START }
    }

    /// An agent that is connected, and has sampled a minute of a working server by now.
    fn live() -> Stage {
        let mut stage = Stage::new("127.0.0.1:1027");
        stage.connect(7);
        for second in 0..240 {
            stage.row(second, &working(second));
        }
        stage.event(Event::Live);
        stage
    }

    fn connect(&mut self, run: u32) {
        self.event(Event::Connected);
        let Ok(note) = Note::parse(&format!(
            "loadline/1 run={} host=web-1 interval=1000ms os=\"Debian GNU/Linux 12\" cores=4 \
             memory=67385159680 agent=0.1.0",
            RunId(run)
        )) else {
            panic!("the header is readable");
        };
        let Note::Header(header) = note else { panic!("it is a header") };
        let schema = Schema::plain(6).with_stamp(Stamp::TimeSeq);
        self.event(Event::Stream(Arc::new(Stream { header: Some(header), schema })));
    }

    fn down(&mut self, reason: &str) {
        let retry = Time::from_millis(self.now + 2000);
        self.event(Event::Down { reason: Text::new(reason), refused: false, retry });
    }

    /// A row that was sampled so many seconds after the start, and came 3 ms later.
    fn row(&mut self, second: i64, values: &[f64]) {
        self.now = START + second * 1000 + 3;
        let time = Time::from_millis(self.now - 3);
        let received = Time::from_millis(self.now);
        let seq = Some(second as u64 + 1);
        self.event(Event::Row(Sample { time, seq, received, values: values.to_vec(), line: None }));
    }

    fn event(&mut self, event: Event) {
        self.app.update(Time::from_millis(self.now), Message::Event(event));
    }

    fn wait(&mut self, ms: i64) {
        self.now += ms;
        self.app.update(Time::from_millis(self.now), Message::Tick);
    }

    fn press(&mut self, code: KeyCode) -> Flow {
        let key = KeyEvent::new(code, KeyModifiers::NONE);
        self.app.update(Time::from_millis(self.now), Message::Key(key))
    }

    fn typed(&mut self, keys: &str) {
        for key in keys.chars() {
            self.press(KeyCode::Char(key));
        }
    }

    fn draw(&mut self, width: u16, height: u16) -> Buffer {
        let size = Size { width, height };
        self.app.update(Time::from_millis(self.now), Message::Resize(size));
        let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
        view::render(&self.app, buffer.area, &mut buffer);
        buffer
    }

    fn frame(&mut self, width: u16, height: u16) -> String {
        text(&self.draw(width, height))
    }
}

/// The values of a server that is at work.
fn working(second: i64) -> Vec<f64> {
    let t = second as f64;
    let wave = (t / 17.0).sin();
    let cpu = (48.0 + 30.0 * wave + 12.0 * (t / 3.0).sin()).clamp(0.0, 100.0);
    let load = 1.8 + wave;
    let row = [cpu, 2400.0 + 300.0 * wave, 41.0 + t / 40.0, load, 1.6 + wave / 3.0, 1.4];
    row.iter().zip(Schema::plain(6).columns()).map(|(value, column)| column.round(*value)).collect()
}

fn text(buffer: &Buffer) -> String {
    let rows = buffer.content.chunks(usize::from(buffer.area.width).max(1));
    let line = |row: &[ratatui::buffer::Cell]| {
        let line: String = row.iter().map(ratatui::buffer::Cell::symbol).collect();
        line.trim_end().to_owned()
    };
    rows.map(line).collect::<Vec<_>>().join("\n")
}

/// The colour of the first cell that shows a character.
fn colour_of(buffer: &Buffer, symbol: &str) -> Option<Color> {
    buffer.content.iter().find(|cell| cell.symbol() == symbol).map(|cell| cell.fg)
}

macro_rules! assert_frame {
    ($name:literal, $frame:expr) => {
        insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!($name, $frame)
        })
    };
}

#[test]
fn the_dashboard_of_a_live_server() {
    assert_frame!("live_120x36", Stage::live().frame(120, 36));
    assert_frame!("live_80x24", Stage::live().frame(80, 24));
    assert_frame!("live_40x12", Stage::live().frame(40, 12));
    assert_frame!("live_20x5", Stage::live().frame(20, 5));
    assert_frame!("live_60x2", Stage::live().frame(60, 2));
}

#[test]
fn one_chart_over_the_whole_screen() {
    let mut stage = Stage::live();
    stage.typed("4f");
    assert_frame!("fullscreen_load_80x24", stage.frame(80, 24));
    assert_eq!(stage.app.screen, Screen::Page(Page::Fullscreen));
    stage.press(KeyCode::Tab);
    assert!(stage.frame(80, 24).contains("1  CPU"));
    stage.press(KeyCode::BackTab);
    assert!(stage.frame(80, 24).contains("4  Load"));
    stage.press(KeyCode::Esc);
    assert_eq!(stage.frame(80, 24), Stage::live().frame(80, 24));
}

#[test]
fn the_help_lists_every_key_and_esc_leaves_it() {
    let mut stage = Stage::live();
    stage.typed("?");
    assert_frame!("help_80x24", stage.frame(80, 24));
    stage.press(KeyCode::Esc);
    assert_eq!(stage.frame(80, 24), Stage::live().frame(80, 24));
}

#[test]
fn the_table_is_below_alone_or_off() {
    let mut stage = Stage::live();
    stage.typed("d");
    assert_frame!("table_80x12", stage.frame(80, 12));
    stage.typed("d");
    assert_frame!("no_table_80x24", stage.frame(80, 24));
    stage.typed("d");
    assert_eq!(stage.frame(80, 24), Stage::live().frame(80, 24));
}

#[test]
fn nothing_has_come_yet() {
    let mut stage = Stage::new("web-1:1027");
    assert_frame!("connecting_80x12", stage.frame(80, 12));
    stage.down("connection refused");
    assert_frame!("refused_80x24", stage.frame(80, 24));
    stage.event(Event::Connected);
    let faults = Event::Faults { count: 3, last: Text::new("field 1: \"HTTP/1.1\" is no number") };
    stage.event(faults);
    assert_frame!("no_rows_80x12", stage.frame(80, 12));
}

#[test]
fn stale_data_never_looks_live() {
    let mut stage = Stage::live();
    let live = stage.draw(80, 24);
    assert_eq!(colour_of(&live, "⠉"), Some(Color::Cyan));
    stage.wait(2990);
    assert!(stage.frame(80, 24).contains(" LIVE "));
    stage.wait(10);
    let silent = stage.draw(80, 24);
    assert_frame!("stale_80x24", text(&silent));
    assert_eq!(colour_of(&silent, "⠉"), Some(Color::DarkGray));
    stage.wait(60_000);
    assert!(stage.frame(80, 24).contains("age 63 s"));
}

#[test]
fn a_lost_connection_says_why_and_what_was_seen_stays() {
    let mut stage = Stage::live();
    stage.down("connection reset");
    assert_frame!("reconnecting_80x24", stage.frame(80, 24));
    assert_eq!(colour_of(&stage.draw(80, 24), "⠉"), Some(Color::DarkGray));
}

#[test]
fn after_an_outage_a_gap_is_a_gap() {
    let mut stage = Stage::live();
    stage.down("connection refused");
    stage.now += 60_000;
    stage.connect(8);
    for second in 300..310 {
        stage.row(second, &working(second));
    }
    stage.event(Event::Live);
    stage.event(Event::Skipped { count: 5 });
    assert_frame!("gap_120x36", stage.frame(120, 36));
}

#[test]
fn a_paused_view_stands_still_while_samples_are_kept() {
    let mut stage = Stage::live();
    let charts = |frame: String| frame.lines().skip(1).take(16).collect::<Vec<_>>().join("\n");
    let before = charts(stage.frame(80, 24));
    stage.typed(" ");
    for second in 240..277 {
        stage.row(second, &working(second));
    }
    assert_eq!(charts(stage.frame(80, 24)), before);
    assert_frame!("paused_80x24", stage.frame(80, 24));
    stage.typed(" ");
    let after = stage.frame(80, 24);
    assert!(after.contains(" LIVE ") && after.contains("14:04:36.000"), "{after}");
}

#[test]
fn a_view_that_does_not_live_says_so_however_narrow_the_screen() {
    let mut stage = Stage::live();
    stage.typed(" ");
    stage.wait(60_000);
    for width in 14..80 {
        assert!(stage.frame(width, 10).contains("PAUSED"), "{width}");
        assert!(stage.frame(width, 1).contains("PAUSED"), "{width}");
    }
}

#[test]
fn a_plain_source_of_two_columns() {
    let mut stage = Stage::new("10.0.0.7:5555");
    stage.event(Event::Connected);
    let stream = Stream { header: None, schema: Schema::plain(2) };
    stage.event(Event::Stream(Arc::new(stream)));
    for second in 0..120 {
        let t = second as f64;
        stage.row(second, &[(t / 9.0).sin(), (t / 20.0).cos() * 1000.0]);
    }
    assert_frame!("plain_80x24", stage.frame(80, 24));
}

#[test]
fn a_metric_that_the_system_does_not_tell() {
    let mut stage = Stage::new("127.0.0.1:1027");
    stage.connect(7);
    for second in 0..60 {
        let mut values = working(second);
        values[1] = f64::NAN;
        stage.row(second, &values);
    }
    assert_frame!("no_frequency_80x24", stage.frame(80, 24));
}

#[test]
fn a_terminal_that_knows_ascii_only_gets_no_other_character() {
    let mut stage = Stage::live();
    stage.app.theme.ascii = true;
    assert_frame!("ascii_80x24", stage.frame(80, 24));
    stage.typed("?");
    assert!(stage.frame(120, 36).is_ascii());
    stage.typed("?f");
    assert!(stage.frame(120, 36).is_ascii());
}

#[test]
fn without_colour_there_is_bold_and_reverse_and_no_colour() {
    let mut stage = Stage::live();
    stage.app.theme.colour = false;
    let buffer = stage.draw(80, 24);
    assert!(buffer.content.iter().all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset));
    assert!(buffer.content.iter().any(|cell| cell.modifier.contains(Modifier::BOLD)));
    assert!(buffer.content.iter().any(|cell| cell.modifier.contains(Modifier::REVERSED)));
    let title = buffer.content.iter().find(|cell| cell.symbol() == "C").unwrap();
    assert_eq!(title.modifier, Modifier::BOLD, "the rule below a title does not dim it");
}

#[test]
fn no_background_is_ever_painted() {
    let mut stage = Stage::live();
    stage.typed("?");
    assert!(stage.draw(120, 36).content.iter().all(|cell| cell.bg == Color::Reset));
}

#[test]
fn four_hundred_columns_and_a_name_that_is_too_long_still_make_a_screen() {
    let name = "a-very-long-host-name-".repeat(20);
    let mut stage = Stage::new(&name);
    stage.event(Event::Connected);
    let schema = Schema::plain(400);
    stage.event(Event::Stream(Arc::new(Stream { header: Some(Header::default()), schema })));
    stage.row(0, &[1.0; 400]);
    stage.row(1, &[2.0; 400]);
    stage.press(KeyCode::BackTab);
    assert_frame!("columns_400_80x24", stage.frame(80, 24));
}

/// The screens at which every size is tried.
fn screens() -> Vec<Stage> {
    let screen = |keys: &str, wait_ms: i64| {
        let mut stage = Stage::live();
        stage.typed(keys);
        stage.wait(wait_ms);
        stage
    };
    let mut lost = screen(" ", 0);
    lost.down("connection refused");
    vec![screen("", 0), screen("f", 0), screen("d", 0), screen("dd", 0), screen(" ", 60_000), lost]
}

#[test]
fn every_size_draws_something_and_nothing_outside_its_area() {
    for mut stage in screens() {
        for (width, height) in (0..=200).flat_map(|w| (0..=60).map(move |h| (w, h))) {
            // Large sizes differ little from each other: one in eleven will do.
            if width > 24 && height > 14 && (width + height) % 11 != 0 {
                continue;
            }
            check_size(&mut stage, width, height);
        }
    }
}

#[test]
fn the_help_fits_any_size() {
    let mut stage = Stage::live();
    stage.typed("?");
    for (width, height) in (0..=100).flat_map(|w| (0..=30).map(move |h| (w, h))) {
        check_size(&mut stage, width, height);
    }
}

/// Draws into the middle of a larger buffer that is full of `x`.
fn check_size(stage: &mut Stage, width: u16, height: u16) {
    let area = Rect::new(1, 1, width, height);
    let mut buffer =
        Buffer::filled(Rect::new(0, 0, width + 2, height + 2), ratatui::buffer::Cell::new("x"));
    for x in area.left()..area.right() {
        for y in area.top()..area.bottom() {
            buffer[(x, y)].reset();
        }
    }
    view::render(&stage.app, area, &mut buffer);
    for (at, cell) in buffer.content.iter().enumerate() {
        let (x, y) = buffer.pos_of(at);
        let inside = area.contains((x, y).into());
        assert!(inside || cell.symbol() == "x", "{width}x{height}: {x},{y} is {cell:?}");
    }
    let shown = buffer.content.iter().any(|cell| !matches!(cell.symbol(), "x" | " "));
    assert_eq!(shown, !area.is_empty(), "{width}x{height}");
}

#[derive(Debug, Clone)]
enum Step {
    Key(KeyCode),
    Wait(i64),
    Row(Vec<f64>),
    Down,
    Connect(u32),
    Columns(usize),
    Size(u16, u16),
}

fn step() -> impl Strategy<Value = Step> {
    let key = prop_oneof![
        prop::char::range(' ', '~').prop_map(KeyCode::Char),
        Just(KeyCode::Tab),
        Just(KeyCode::BackTab),
        Just(KeyCode::Esc),
        Just(KeyCode::Enter),
    ];
    prop_oneof![
        4 => key.prop_map(Step::Key),
        1 => (0..100_000_i64).prop_map(Step::Wait),
        4 => prop::collection::vec(any::<f64>(), 6).prop_map(Step::Row),
        1 => Just(Step::Down),
        1 => (0..3_u32).prop_map(Step::Connect),
        1 => (1..20_usize).prop_map(Step::Columns),
        2 => (0..140_u16, 0..50_u16).prop_map(|(width, height)| Step::Size(width, height)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn whatever_comes_and_is_pressed_the_screen_is_drawn_and_esc_leads_home(
        steps in prop::collection::vec(step(), 0..60),
    ) {
        let mut stage = Stage::live();
        let (mut second, mut columns) = (300, 6);
        for step in steps {
            match step {
                // `q` ends the program.
                Step::Key(KeyCode::Char('q')) => {}
                Step::Key(code) => prop_assert!(stage.press(code) != Flow::Quit),
                Step::Wait(ms) => stage.wait(ms),
                Step::Row(mut values) => {
                    second += 1;
                    values.retain(|value| !value.is_infinite());
                    values.resize(columns, f64::NAN);
                    stage.row(second, &values);
                }
                Step::Down => stage.down("gone"),
                Step::Connect(run) => {
                    columns = 6;
                    stage.connect(run);
                }
                Step::Columns(count) => {
                    columns = count;
                    let schema = Schema::plain(count);
                    stage.event(Event::Stream(Arc::new(Stream { header: None, schema })));
                }
                Step::Size(width, height) => {
                    stage.draw(width, height);
                }
            }
        }
        stage.draw(80, 24);
        stage.press(KeyCode::Esc);
        stage.press(KeyCode::Esc);
        prop_assert_eq!(stage.app.screen, Screen::Page(Page::Dashboard));
    }
}
