//! Properties for any stream, any size and any key.

use std::sync::Arc;
use std::time::Duration;

use crossterm::event::{KeyCode, KeyModifiers, MouseButton, MouseEventKind};
use loadline::app::Flow;
use loadline::event::{Event, StreamInfo};
use loadline::layout::Page;
use loadline::view;
use loadline::watched::Watched;
use loadline_protocol::{SafeText, Schema, Time};
use proptest::prelude::*;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::stage::AppStage;

/// Returns the screens that are drawn at every size, each with the divisor for [`is_tried`].
fn screens() -> Vec<(AppStage, u16)> {
    let screen = |keys: &str, wait_ms: i64| {
        let mut stage = AppStage::live();
        stage.type_keys(keys);
        stage.wait(wait_ms);
        stage
    };
    let mut lost = screen(" ", 0);
    lost.down("connection refused");
    let several = |keys: &str| {
        let mut stage = AppStage::several_sources(12);
        stage.type_keys(keys);
        stage
    };
    let all = [several(""), several("v"), several("vv"), several("vc"), several("of")];
    let one = [screen("", 0), screen("f", 0), screen("d", 0), screen("dd", 0), screen(" ", 60_000)];
    let one = one.into_iter().chain([lost]).map(|stage| (stage, 11));
    let narrow = [screen("g25:00", 0), screen("cmTT", 0)].map(|stage| (stage, 97));
    one.chain(all.map(|stage| (stage, 37))).chain(narrow).collect()
}

#[test]
fn every_size_draws_something_and_nothing_outside_its_area() {
    let check = |(mut stage, one_in): (AppStage, u16)| {
        for (width, height) in (0..=200).flat_map(|w| (0..=60).map(move |h| (w, h))) {
            if !is_tried(width, height, one_in) {
                continue;
            }
            check_size(&mut stage, width, height);
        }
    };
    std::thread::scope(|scope| {
        for screen in screens() {
            scope.spawn(|| check(screen));
        }
    });
}

#[test]
fn the_help_fits_any_size() {
    let mut stage = AppStage::live();
    stage.type_keys("?");
    for (width, height) in (0..=100).flat_map(|w| (0..=30).map(move |h| (w, h))) {
        if is_tried(width, height, 3) {
            check_size(&mut stage, width, height);
        }
    }
}

/// Returns whether a size is tried: every small one, and some large ones, which differ little.
fn is_tried(width: u16, height: u16, one_in: u16) -> bool {
    width <= 24 || height <= 14 || (width + height).is_multiple_of(one_in)
}

/// Draws into the middle of a larger buffer filled with `x`.
fn check_size(stage: &mut AppStage, width: u16, height: u16) {
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
enum UserStep {
    Key(KeyCode, bool),
    Mouse(MouseEventKind, u16, u16),
    Wait(i64),
    Row(Vec<f64>),
    Down,
    Connect(u32),
    Columns(usize),
    Size(u16, u16),
}

fn user_step() -> impl Strategy<Value = UserStep> {
    let key = prop_oneof![
        prop::char::range(' ', '~').prop_map(KeyCode::Char),
        Just(KeyCode::Tab),
        Just(KeyCode::BackTab),
        Just(KeyCode::Esc),
        Just(KeyCode::Enter),
        Just(KeyCode::Left),
        Just(KeyCode::Right),
        Just(KeyCode::Up),
        Just(KeyCode::Down),
        Just(KeyCode::PageUp),
        Just(KeyCode::PageDown),
        Just(KeyCode::Home),
        Just(KeyCode::End),
    ];
    let mouse = prop_oneof![
        Just(MouseEventKind::ScrollUp),
        Just(MouseEventKind::ScrollDown),
        Just(MouseEventKind::Down(MouseButton::Left)),
        Just(MouseEventKind::Drag(MouseButton::Left)),
        Just(MouseEventKind::Up(MouseButton::Left)),
        Just(MouseEventKind::Down(MouseButton::Right)),
        Just(MouseEventKind::Drag(MouseButton::Right)),
        Just(MouseEventKind::Up(MouseButton::Right)),
    ];
    prop_oneof![
        8 => (key, any::<bool>()).prop_map(|(key, shift)| UserStep::Key(key, shift)),
        2 => (mouse, 0..140_u16, 0..50_u16).prop_map(|(kind, x, y)| UserStep::Mouse(kind, x, y)),
        1 => (0..100_000_i64).prop_map(UserStep::Wait),
        4 => prop::collection::vec(any::<f64>(), 6).prop_map(UserStep::Row),
        1 => Just(UserStep::Down),
        1 => (0..3_u32).prop_map(UserStep::Connect),
        1 => (1..20_usize).prop_map(UserStep::Columns),
        2 => (0..140_u16, 0..50_u16).prop_map(|(width, height)| UserStep::Size(width, height)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn after_any_rows_and_keys_esc_leads_home(
        steps in prop::collection::vec(user_step(), 0..60),
    ) {
        let mut stage = AppStage::live();
        let (mut second, mut columns, mut size) = (300, 6, (80, 24));
        for step in steps {
            match step {
                // `q` ends the program.
                UserStep::Key(KeyCode::Char('q'), _) => {}
                UserStep::Key(code, shift) => {
                    let held = if shift { KeyModifiers::SHIFT } else { KeyModifiers::NONE };
                    prop_assert!(stage.press_with(code, held) != Flow::Quit);
                }
                UserStep::Mouse(kind, x, y) => stage.mouse(kind, x, y),
                UserStep::Wait(ms) => stage.wait(ms),
                UserStep::Row(mut values) => {
                    second += 1;
                    values.retain(|value| !value.is_infinite());
                    values.resize(columns, f64::NAN);
                    stage.row(second, &values);
                }
                UserStep::Down => stage.down("gone"),
                UserStep::Connect(run) => {
                    columns = 6;
                    stage.connect(run);
                }
                UserStep::Columns(count) => {
                    columns = count;
                    stage.change_columns(count);
                }
                UserStep::Size(width, height) => {
                    (size.0, size.1) = (width, height);
                }
            }
            stage.draw(size.0, size.1);
        }
        // Leaves the time input, a drag, the help, mark, crosshair, fullscreen, and the table
        // alone.
        for _ in 0..7 {
            stage.press(KeyCode::Esc);
        }
        prop_assert_eq!(stage.app.screen.page, Page::Dashboard);
        let pointed = (stage.app.selection.drag, stage.app.selection.mark, stage.app.selection.crosshair);
        prop_assert_eq!(pointed, (None, None, None));
        prop_assert!(stage.app.footer.time_input.is_none());
    }
}

#[derive(Debug, Clone)]
enum SourceStep {
    Row(Vec<f64>, i64),
    Down,
    Connect(u32),
    Live,
    Columns(usize),
}

/// Returns any event of a source.
fn source_step() -> impl Strategy<Value = SourceStep> {
    // The clock offset is 0, some minutes, or as large as a clock can show.
    let ahead = prop_oneof![
        4 => Just(0),
        2 => -200_000..200_000_i64,
        1 => Just(i64::MAX / 8),
        1 => Just(-i64::MAX / 8),
    ];
    prop_oneof![
        6 => (prop::collection::vec(any::<f64>(), 6), ahead).prop_map(|(row, at)| SourceStep::Row(row, at)),
        1 => Just(SourceStep::Down),
        1 => (0..3_u32).prop_map(SourceStep::Connect),
        1 => Just(SourceStep::Live),
        1 => (1..20_usize).prop_map(SourceStep::Columns),
    ]
}

/// Applies a random step of a user or a source. Only `q` would end the program.
fn apply_step(stage: &mut AppStage, columns: &mut [usize], size: &mut (u16, u16), step: AnyStep) {
    match step {
        // `q` ends the program. Events of sources have their own steps.
        AnyStep::User(
            UserStep::Key(KeyCode::Char('q'), _)
            | UserStep::Row(_)
            | UserStep::Down
            | UserStep::Connect(_)
            | UserStep::Columns(_),
        ) => {}
        AnyStep::User(UserStep::Key(code, shift)) => {
            let held = if shift { KeyModifiers::SHIFT } else { KeyModifiers::NONE };
            assert!(stage.press_with(code, held) != Flow::Quit);
        }
        AnyStep::User(UserStep::Mouse(kind, x, y)) => stage.mouse(kind, x, y),
        AnyStep::User(UserStep::Wait(ms)) => stage.wait(ms),
        AnyStep::User(UserStep::Size(width, height)) => *size = (width, height),
        AnyStep::Source(source, step) => {
            let source = source % columns.len();
            match step {
                SourceStep::Row(mut values, ahead_ms) => {
                    values.retain(|value| !value.is_infinite());
                    values.resize(columns[source], f64::NAN);
                    let second = (stage.now - crate::stage::START) / 1000 + 1;
                    stage.source_row(source, second, ahead_ms, &values);
                }
                SourceStep::Down => {
                    let retry = Time::from_millis(stage.now + 2000);
                    let reason = SafeText::new("gone");
                    stage.source_event(
                        source,
                        Event::Disconnected { reason, refused: false, retry_at: retry },
                    );
                }
                SourceStep::Connect(run) => {
                    columns[source] = 6;
                    stage.connect_source(source, run);
                }
                SourceStep::Live => stage.source_event(source, Event::Live),
                SourceStep::Columns(count) => {
                    columns[source] = count;
                    let stream = StreamInfo { header: None, schema: Schema::plain(count) };
                    stage.source_event(source, Event::Stream(Arc::new(stream)));
                }
            }
        }
    }
    stage.draw(size.0, size.1);
}

#[derive(Debug, Clone)]
enum AnyStep {
    User(UserStep),
    Source(usize, SourceStep),
}

fn any_step() -> impl Strategy<Value = AnyStep> {
    prop_oneof![
        1 => user_step().prop_map(AnyStep::User),
        1 => (0..100_usize, source_step()).prop_map(|(source, step)| AnyStep::Source(source, step)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn after_any_events_and_keys_of_several_sources_esc_leads_to_the_overview(
        steps in prop::collection::vec(any_step(), 0..60),
        count in 2..9_usize,
    ) {
        let mut stage = AppStage::several_sources(count);
        let (mut columns, mut size) = (vec![6; count], (80, 24));
        // The last of six or more sources has not connected yet.
        stage.connect_source(count - 1, 7);
        for step in steps {
            apply_step(&mut stage, &mut columns, &mut size, step);
        }
        // Leaves the time input, a drag, the help, mark, crosshair, compare, fullscreen, the table
        // and a dashboard.
        for _ in 0..10 {
            stage.press(KeyCode::Esc);
        }
        prop_assert_eq!(stage.app.screen.page, Page::Overview);
        let pointed = (stage.app.selection.drag, stage.app.selection.mark, stage.app.selection.crosshair);
        prop_assert_eq!(pointed, (None, None, None));
    }

    #[test]
    fn events_of_one_source_change_nothing_of_the_others(
        steps in prop::collection::vec(source_step(), 0..40),
    ) {
        let mut stage = AppStage::several_sources(3);
        let before: Vec<_> = (1..3).map(|at| source_snapshot(&stage, at)).collect();
        let (mut columns, mut size) = (vec![6; 3], (80, 24));
        for step in steps {
            apply_step(&mut stage, &mut columns[..1], &mut size, AnyStep::Source(0, step));
        }
        // Only the time has passed.
        let after: Vec<_> = (1..3).map(|at| source_snapshot(&stage, at)).collect();
        prop_assert_eq!(before, after);
    }
}

/// Returns the rows, the clock offset and the state of a source by its own clock.
fn source_snapshot(stage: &AppStage, source: usize) -> (Vec<(i64, Vec<u64>)>, i64, String) {
    let watched = &stage.app.sources.all()[source].watched;
    let rows = (0..watched.store().len()).filter_map(|at| watched.store().get(at)).map(|sample| {
        let values = (0..6).map(|column| sample.value(column).to_bits()).collect();
        (sample.time().as_millis(), values)
    });
    let word = watched.state(Time::from_millis(crate::stage::START + 239_003)).word();
    (rows.collect(), watched.clock_offset_ms(), word.to_owned())
}

/// Returns the dots of the first chart.
fn panel(stage: &mut AppStage) -> Vec<Vec<String>> {
    let buffer = stage.draw(80, 24);
    let rows = 2..7;
    let row = |y| (8..39).map(|x| buffer[(x, y)].symbol().to_owned()).collect();
    rows.map(row).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn as_time_passes_the_dots_move_by_whole_cells_and_change_nothing_else(
        values in prop::collection::vec(prop_oneof![12 => 0.0..100.0, 1 => Just(f64::NAN)], 60..400),
        gaps in prop::collection::vec(1..60_i64, 0..3),
        cells in 1..12_usize,
    ) {
        let watched = Watched::new("web-1", false, Duration::from_hours(24));
        let mut stage = AppStage::with_window(watched, Some(Duration::from_mins(5)));
        stage.connect(7);
        let mut second = 0;
        for (at, value) in values.iter().enumerate() {
            let is_gap = gaps.contains(&(at as i64 % 97));
            second += if is_gap { 20 } else { 1 };
            stage.row(second, &[*value, 2400.0, 43.0, 0.5, 0.4, 0.4]);
        }
        // Fill the last cell first: only there, dots are added in place.
        let cell_ms = stage.app.window_of(31).unwrap().cell_ms();
        let full = |second: i64| (crate::stage::START + second * 1000 + 1000).rem_euclid(cell_ms) < 1000;
        while !full(second) {
            second += 1;
            stage.row(second, &[50.0, 2400.0, 43.0, 0.5, 0.4, 0.4]);
        }
        let window = |stage: &AppStage| stage.app.window_of(31).unwrap().from_ms();
        let (before, from) = (panel(&mut stage), window(&stage));
        while window(&stage) < from + cells as i64 * cell_ms {
            second += 1;
            stage.row(second, &[20.0, 2400.0, 43.0, 0.5, 0.4, 0.4]);
        }
        let after = panel(&mut stage);
        for (before, after) in before.iter().zip(&after) {
            // The previous last cell is joined to new samples.
            let kept = before.len() - cells - 1;
            prop_assert_eq!(&before[cells..cells + kept], &after[..kept]);
        }
    }
}
