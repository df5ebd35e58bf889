//! Properties for any stream, any size and any key.

use std::sync::Arc;

use crossterm::event::{KeyCode, KeyModifiers, MouseButton, MouseEventKind};
use loadline::app::Flow;
use loadline::event::Event;
use loadline::layout::Page;
use loadline::view;
use loadline_protocol::{Schema, Time};
use proptest::prelude::*;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::processes::{look, watching_processes};
use crate::stage::{AppStage, START, stream};

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
    let processes = ["w", "wf", "wcm"].map(|keys| {
        let mut stage = watching_processes();
        stage.type_keys(keys);
        (stage, 53)
    });
    let narrow = [screen("g25:00", 0), screen("cmTT", 0)].map(|stage| (stage, 97));
    one.chain(all.map(|stage| (stage, 37))).chain(narrow).chain(processes).collect()
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

/// Step of a user, or of the source with this index.
#[derive(Debug, Clone)]
enum Step {
    Key(KeyCode, bool),
    Mouse(MouseEventKind, u16, u16),
    Wait(i64),
    Size(u16, u16),
    Row(usize, Vec<f64>, i64),
    Down(usize),
    Connect(usize, u32),
    Live(usize),
    Look(usize, i64),
    Columns(usize, usize),
}

fn user_step() -> impl Strategy<Value = Step> {
    use KeyCode::{BackTab, Down, End, Enter, Esc, Home, Left, PageDown, PageUp, Right, Tab, Up};
    use MouseEventKind::{Drag, ScrollDown, ScrollUp};
    const KEYS: [KeyCode; 12] =
        [Tab, BackTab, Esc, Enter, Left, Right, Up, Down, PageUp, PageDown, Home, End];
    let buttons = [MouseButton::Left, MouseButton::Right];
    let presses = buttons.map(|it| [MouseEventKind::Down(it), Drag(it), MouseEventKind::Up(it)]);
    let mouse = [&[ScrollUp, ScrollDown], &presses.concat()[..]].concat();
    // `q` ends the program.
    let letter = prop::char::range(' ', '~').prop_filter("ends the program", |c| *c != 'q');
    let key = prop_oneof![letter.prop_map(KeyCode::Char), prop::sample::select(&KEYS[..]),];
    let mouse = (prop::sample::select(mouse), 0..140_u16, 0..50_u16);
    prop_oneof![
        8 => (key, any::<bool>()).prop_map(|(key, shift)| Step::Key(key, shift)),
        2 => mouse.prop_map(|(kind, x, y)| Step::Mouse(kind, x, y)),
        1 => (0..100_000_i64).prop_map(Step::Wait),
        2 => (0..140_u16, 0..50_u16).prop_map(|(width, height)| Step::Size(width, height)),
    ]
}

/// Returns any event of one of the first `count` sources.
fn source_step(count: usize) -> impl Strategy<Value = Step> {
    // The clock offset is 0, some minutes, or as large as a clock can show.
    let ahead = prop_oneof![
        4 => Just(0),
        2 => -200_000..200_000_i64,
        1 => Just(i64::MAX / 8),
        1 => Just(-i64::MAX / 8),
    ];
    let row = prop::collection::vec(any::<f64>(), 6);
    prop_oneof![
        6 => (0..count, row, ahead).prop_map(|(source, row, at)| Step::Row(source, row, at)),
        1 => (0..count).prop_map(Step::Down),
        1 => (0..count, 0..3_u32).prop_map(|(source, run)| Step::Connect(source, run)),
        1 => (0..count).prop_map(Step::Live),
        2 => (0..count, -20..20_i64).prop_map(|(source, second)| Step::Look(source, second)),
        1 => (0..count, 1..20_usize).prop_map(|(source, columns)| Step::Columns(source, columns)),
    ]
}

fn any_step(count: usize) -> impl Strategy<Value = Step> {
    prop_oneof![user_step(), source_step(count)]
}

/// Applies steps, and draws after each. All sources begin with six columns.
fn apply(stage: &mut AppStage, steps: Vec<Step>) {
    let (mut columns, mut size) = (vec![6; stage.app.sources.all().len()], (80, 24));
    for step in steps {
        match step {
            Step::Key(code, shift) => {
                let held = if shift { KeyModifiers::SHIFT } else { KeyModifiers::NONE };
                assert!(stage.press_with(code, held) != Flow::Quit);
            }
            Step::Mouse(kind, x, y) => stage.mouse(kind, x, y),
            Step::Wait(ms) => stage.wait(ms),
            Step::Size(width, height) => size = (width, height),
            Step::Row(source, mut values, ahead_ms) => {
                values.retain(|value| !value.is_infinite());
                values.resize(columns[source], f64::NAN);
                let second = (stage.now - START) / 1000 + 1;
                stage.source_row(source, second, ahead_ms, &values);
            }
            Step::Down(source) => stage.source_event(source, stage.disconnected("gone")),
            Step::Connect(source, run) => {
                columns[source] = 6;
                stage.connect_source(source, run);
            }
            Step::Look(source, second) => {
                let look = look((stage.now - START) / 1000 + second);
                stage.source_event(source, Event::Look(Arc::new(look)));
            }
            Step::Live(source) => stage.source_event(source, Event::Live),
            Step::Columns(source, count) => {
                columns[source] = count;
                stage.source_event(source, stream(Schema::plain(count)));
            }
        }
        stage.draw(size.0, size.1);
    }
}

/// Presses Esc until nothing is left: the time input, a drag, the help, mark, crosshair, compare,
/// fullscreen, the table alone, and a dashboard of several.
fn check_way_home(mut stage: AppStage, home: Page) -> Result<(), TestCaseError> {
    stage.press_times(10, KeyCode::Esc);
    prop_assert_eq!(stage.app.screen.page, home);
    let selection = &stage.app.selection;
    prop_assert_eq!((selection.drag, selection.mark, selection.crosshair), (None, None, None));
    prop_assert!(stage.app.footer.time_input.is_none());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn after_any_rows_and_keys_esc_leads_home(
        steps in prop::collection::vec(any_step(1), 0..60),
    ) {
        let mut stage = AppStage::live();
        apply(&mut stage, steps);
        check_way_home(stage, Page::Dashboard)?;
    }

    #[test]
    fn after_any_events_and_keys_of_several_sources_esc_leads_to_the_overview(
        (count, steps) in (2..9_usize)
            .prop_flat_map(|count| (Just(count), prop::collection::vec(any_step(count), 0..60))),
    ) {
        let mut stage = AppStage::several_sources(count);
        // The last of six or more sources has not connected yet.
        stage.connect_source(count - 1, 7);
        apply(&mut stage, steps);
        check_way_home(stage, Page::Overview)?;
    }

    #[test]
    fn events_of_one_source_change_nothing_of_the_others(
        steps in prop::collection::vec(source_step(1), 0..40),
    ) {
        let mut stage = AppStage::several_sources(3);
        let snapshots = |stage: &AppStage| [1, 2].map(|at| source_snapshot(stage, at));
        let before = snapshots(&stage);
        apply(&mut stage, steps);
        // Only the time has passed.
        prop_assert_eq!(before, snapshots(&stage));
    }
}

/// Returns the rows, the clock offset and the state of a source by its own clock.
fn source_snapshot(stage: &AppStage, source: usize) -> (Vec<(i64, Vec<u64>)>, i64, String) {
    let watched = &stage.app.sources.all()[source].watched;
    let rows = (0..watched.store().len()).filter_map(|at| watched.store().get(at)).map(|sample| {
        let values = (0..6).map(|column| sample.value(column).to_bits()).collect();
        (sample.time().as_millis(), values)
    });
    let word = watched.state(Time::from_millis(START + 239_003)).word();
    (rows.collect(), watched.clock_offset_ms(), word.to_owned())
}
