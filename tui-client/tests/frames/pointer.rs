//! Mouse input on a screen of 80x24. The panels of the charts begin at column 8.

use crossterm::event::{MouseButton, MouseEventKind};
use loadline::app::WindowEnd;

use crate::stage::{AppStage, START};

fn stage() -> AppStage {
    let mut stage = AppStage::live();
    stage.frame(80, 24);
    stage
}

/// Returns the screen column of a time in the first chart, with the window of the start.
fn column_of(stage: &AppStage, second: i64) -> u16 {
    let window = stage.app.window_of(31).expect("there are samples");
    8 + window.cell_of(START + second * 1000).expect("the time is in the window") as u16
}

#[test]
fn a_click_chooses_a_chart_and_a_click_in_its_panel_sets_the_crosshair() {
    let mut stage = stage();
    // The title of the second chart.
    stage.drag(MouseButton::Left, (50, 1), (50, 1));
    assert_eq!((stage.app.chosen_chart(), stage.crosshair_s()), (1, None));
    let column = column_of(&stage, 100);
    stage.drag(MouseButton::Left, (column, 12), (column, 12));
    assert_eq!(stage.app.chosen_chart(), 2);
    let at = stage.crosshair_s().expect("a crosshair");
    assert!((90..=110).contains(&at), "{at}");
    assert_eq!(stage.app.window.end, WindowEnd::Live);
}

#[test]
fn a_click_on_a_row_of_the_table_sets_the_crosshair() {
    let mut stage = stage();
    let frame = stage.frame(80, 24);
    let row = frame.lines().position(|line| line.starts_with("14:03:57.000")).expect("a row");
    stage.drag(MouseButton::Left, (20, row as u16), (20, row as u16));
    assert_eq!(stage.crosshair_s(), Some(237));
    // The head of the table is not a row.
    stage.drag(MouseButton::Left, (20, 17), (20, 17));
    assert_eq!(stage.crosshair_s(), Some(237));
}

#[test]
fn the_wheel_zooms_under_the_pointer_and_at_the_right_edge_live_stays_live() {
    let mut stage = stage();
    stage.mouse(MouseEventKind::ScrollUp, 38, 4);
    assert_eq!((stage.app.window.span.as_secs(), stage.app.window.end), (120, WindowEnd::Live));
    stage.mouse(MouseEventKind::ScrollDown, 38, 4);
    let column = column_of(&stage, 100);
    stage.mouse(MouseEventKind::ScrollUp, column, 4);
    assert!(matches!(stage.app.window.end, WindowEnd::Paused(_)));
    let after = column_of(&stage, 100);
    assert!(after.abs_diff(column) <= 2, "{column} {after}");
    // Zooming out again leads back to the newest sample.
    stage.mouse(MouseEventKind::ScrollDown, column, 4);
    stage.mouse(MouseEventKind::ScrollDown, column, 4);
    assert_eq!(stage.app.window.end, WindowEnd::Live);
}

#[test]
fn the_wheel_scrolls_the_table_and_the_help() {
    let mut stage = stage();
    stage.mouse(MouseEventKind::ScrollUp, 10, 20);
    assert!(stage.frame(80, 24).contains("PAUSED +3.0 s"));
    stage.mouse(MouseEventKind::ScrollDown, 10, 20);
    assert_eq!(stage.app.window.end, WindowEnd::Live);
    stage.type_keys("?");
    stage.mouse(MouseEventKind::ScrollDown, 40, 12);
    assert_eq!(stage.app.screen.help_scroll, Some(1));
}

#[test]
fn a_drag_moves_the_charts() {
    let mut stage = stage();
    stage.type_keys("++");
    let column = column_of(&stage, 200);
    stage.drag(MouseButton::Left, (column, 4), (column + 9, 5));
    assert!(matches!(stage.app.window.end, WindowEnd::Paused(_)));
    assert_eq!(column_of(&stage, 200), column + 9);
    assert_eq!(stage.crosshair_s(), None, "a drag is not a click");
}

#[test]
fn a_drag_with_the_right_button_zooms_to_the_span() {
    let mut stage = stage();
    let (from, to) = (column_of(&stage, 60), column_of(&stage, 120));
    stage.mouse(MouseEventKind::Down(MouseButton::Right), to, 4);
    stage.mouse(MouseEventKind::Drag(MouseButton::Right), from, 4);
    assert!(stage.app.selection.drag.is_some());
    stage.mouse(MouseEventKind::Up(MouseButton::Right), from, 4);
    let span = stage.app.window.span.as_secs();
    assert!((50..=70).contains(&span), "{span}");
    let until = stage.window_end_s();
    assert!(until.is_some_and(|until| (110..=130).contains(&until)), "{until:?}");
    // A click with the right button changes nothing.
    stage.drag(MouseButton::Right, (20, 4), (20, 4));
    assert_eq!(stage.app.window.span.as_secs(), span);
}
