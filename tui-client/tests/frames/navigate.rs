//! Navigation in time with the keys.

use std::time::Duration;

use crossterm::event::{KeyCode, KeyModifiers};
use loadline::app::{Flow, WindowEnd};
use loadline::event::Event;

use crate::stage::{AppStage, check_frame, check_frames, server_values};

/// Time of the newest sample of a live stage, seconds after the start.
const NEWEST: i64 = 239;

/// Returns a live stage with a window of one minute, on a screen of 80x24.
fn one_minute() -> AppStage {
    let mut stage = AppStage::live();
    stage.frame(80, 24);
    stage.type_keys("++");
    assert_eq!(stage.app.window.span, Duration::from_mins(1));
    stage
}

#[test]
fn panning_pauses_and_shows_the_distance_to_live_and_end_returns() {
    let mut stage = one_minute();
    stage.press(KeyCode::PageUp);
    assert_eq!(stage.window_end_s().unwrap(), NEWEST - 60);
    let frame = stage.frame(80, 24);
    assert!(frame.contains("PAUSED +60 s") && !frame.contains(" LIVE "), "{frame}");
    assert!(frame.contains("14:02:59.000") && !frame.contains("14:03:00.000"), "{frame}");
    check_frames("panned", &mut stage);
    stage.frame(80, 24);
    stage.press_with(KeyCode::Right, KeyModifiers::SHIFT);
    assert_eq!(stage.app.window.end, WindowEnd::Live);
    stage.press(KeyCode::Left);
    let step = NEWEST - stage.window_end_s().unwrap();
    assert!((1..=10).contains(&step), "a key pans by a part of the span: {step} s");
    stage.press(KeyCode::End);
    assert_eq!(stage.app.window.end, WindowEnd::Live);
}

#[test]
fn home_shows_the_oldest_samples_and_nothing_lies_before_them() {
    let mut stage = one_minute();
    stage.press(KeyCode::Home);
    assert_eq!(stage.window_end_s().unwrap(), 60);
    let charts = |frame: String| frame.lines().take(23).collect::<Vec<_>>().join("\n");
    let oldest = charts(stage.frame(80, 24));
    stage.press(KeyCode::Left);
    stage.press(KeyCode::PageUp);
    assert_eq!(charts(stage.frame(80, 24)), oldest);
    stage.type_keys("0");
    assert_eq!(
        (stage.app.window.end, stage.app.window.span),
        (WindowEnd::Live, Duration::from_mins(5))
    );
}

#[test]
fn the_time_span_is_zoomed_in_round_steps() {
    let mut stage = AppStage::live();
    stage.frame(80, 24);
    let spans = |stage: &mut AppStage, keys: &str| {
        let spans = keys.chars().map(|key| {
            stage.type_keys(&key.to_string());
            stage.app.window.span.as_secs()
        });
        spans.collect::<Vec<_>>()
    };
    assert_eq!(spans(&mut stage, "+=x"), [120, 60, 30]);
    assert_eq!(spans(&mut stage, "-X-X-"), [60, 120, 300, 600, 900]);
    assert_eq!(stage.app.window.end, WindowEnd::Live, "the newest sample stays at the right edge");
    let shortest = "+".repeat(40);
    assert_eq!(spans(&mut stage, &shortest).last(), Some(&10));
    let longest = "-".repeat(40);
    assert_eq!(spans(&mut stage, &longest).last(), Some(&31_536_000));
    stage.frame(80, 24);
}

#[test]
fn the_crosshair_stays_in_place_while_zooming() {
    let mut stage = AppStage::live();
    stage.frame(80, 24);
    stage.type_keys("c");
    stage.press_times(10, KeyCode::Left);
    let column =
        |stage: &mut AppStage| stage.line(80, 24, 2).chars().skip(8).position(|c| c == '│');
    let before = column(&mut stage).expect("the crosshair is in the first chart");
    stage.type_keys("+");
    let after = column(&mut stage).expect("the crosshair is still there");
    assert!(before.abs_diff(after) <= 1, "{before} {after}");
}

#[test]
fn the_crosshair_shows_the_values_of_one_sample_everywhere() {
    let mut stage = AppStage::live();
    stage.frame(80, 24);
    stage.type_keys("c");
    stage.type_keys("TTTTTTTTTTTTTTTTTTTTttt");
    assert_eq!(stage.crosshair_s(), Some(NEWEST - 17));
    assert_eq!(stage.app.window.end, WindowEnd::Live, "the crosshair does not pause the charts");
    let frame = stage.frame(80, 24);
    let expected = server_values(NEWEST - 17);
    assert!(frame.contains(&format!("{:.1} %", expected[0])), "{frame}");
    assert!(frame.contains(&format!("1m {:.2}", expected[3])), "{frame}");
    check_frames("cursor", &mut stage);
    // At the ends, the crosshair stays.
    stage.press(KeyCode::End);
    stage.type_keys("t");
    assert_eq!(stage.crosshair_s(), Some(NEWEST));
    stage.press(KeyCode::Home);
    stage.type_keys("T");
    assert_eq!(stage.crosshair_s(), Some(0));
    stage.press(KeyCode::Right);
    assert!(stage.crosshair_s() > Some(0));
    stage.press(KeyCode::Esc);
    assert_eq!(stage.crosshair_s(), None);
}

#[test]
fn the_window_follows_the_crosshair() {
    let mut stage = one_minute();
    stage.type_keys("c");
    stage.press_with(KeyCode::Left, KeyModifiers::SHIFT);
    assert_eq!(stage.crosshair_s(), Some(NEWEST - 60));
    stage.press(KeyCode::PageUp);
    assert_eq!(stage.crosshair_s(), Some(NEWEST - 120));
    let frame = stage.frame(80, 24);
    assert!(frame.contains("PAUSED") && frame.contains("14:01:59.000"), "{frame}");
    stage.press(KeyCode::PageDown);
    stage.press(KeyCode::PageDown);
    assert_eq!((stage.crosshair_s(), stage.app.window.end), (Some(NEWEST), WindowEnd::Live));
}

#[test]
fn the_table_scrolls_by_rows_and_follows_the_crosshair() {
    let mut stage = AppStage::live();
    stage.type_keys("d");
    stage.frame(80, 24);
    stage.type_keys("kk");
    stage.press(KeyCode::Up);
    assert_eq!(stage.window_end_s().unwrap(), NEWEST - 3);
    stage.type_keys("j");
    assert_eq!(stage.window_end_s().unwrap(), NEWEST - 2);
    assert!(stage.line(80, 24, 22).starts_with("14:03:57.000"));
    // A page has as many rows as are visible.
    stage.press(KeyCode::PageUp);
    assert_eq!(stage.window_end_s().unwrap(), NEWEST - 2 - 21);
    stage.press(KeyCode::Home);
    stage.type_keys("c");
    stage.press(KeyCode::Home);
    assert!(stage.line(80, 24, 2).starts_with("14:00:00.000"));
}

#[test]
fn hidden_columns_are_reached_by_scrolling_sideways() {
    let mut stage = AppStage::plain(12, 30);
    stage.type_keys("d");
    stage.frame(80, 12);
    stage.type_keys(">>>l");
    check_frame("columns_sideways", &mut stage, 80, 12);
    stage.type_keys("<<<<<<<h");
    assert_eq!(stage.app.screen.first_column, 0);
    stage.type_keys(&">".repeat(50));
    assert!(stage.frame(80, 12).contains("c12"));
}

#[test]
fn the_value_axis_of_the_chosen_chart_is_zoomed_and_no_other() {
    let mut stage = AppStage::live();
    stage.frame(120, 36);
    stage.type_keys("2yyy");
    check_frame("values_zoomed", &mut stage, 120, 36);
    let frame = stage.frame(120, 36);
    assert!(frame.contains("values x8") && frame.contains("100%"), "{frame}");
    stage.type_keys("YYYY");
    let frame = stage.frame(120, 36);
    assert!(frame.contains("values x0.5") && frame.contains("200%"), "{frame}");
    stage.type_keys("0");
    assert!(!stage.frame(120, 36).contains("values"));
}

#[test]
fn units_change_in_charts_and_table() {
    let mut stage = AppStage::live();
    stage.type_keys("u");
    check_frames("other_units", &mut stage);
    stage.type_keys("u");
    assert_eq!(stage.frame(80, 24), AppStage::live().frame(80, 24));
}

#[test]
fn another_interval_is_requested_from_the_agent() {
    let mut stage = AppStage::live();
    let requested = |stage: &mut AppStage, key| match stage.press(KeyCode::Char(key)) {
        Flow::RequestInterval { source: 0, interval } => Some(interval.as_millis()),
        _ => None,
    };
    assert_eq!(requested(&mut stage, ']'), Some(2000));
    assert_eq!(requested(&mut stage, ']'), Some(5000));
    assert_eq!(requested(&mut stage, '['), Some(2000));
    assert!(stage.frame(80, 24).contains("requested an interval of 2s"));
    // The agent keeps its interval of one second.
    stage.connect_live(7);
    assert!(stage.frame(80, 24).contains("the agent granted an interval of 1s"));
    stage.wait(5000);
    assert!(stage.frame(80, 24).contains("quit"), "the message disappears");
    assert_eq!(requested(&mut stage, '['), Some(500));
    assert_eq!(requested(&mut stage, '['), Some(250));
    assert_eq!(requested(&mut stage, '['), None);
    assert!(stage.frame(80, 24).contains("no agent has a shorter interval than 250ms"));
    let mut plain = AppStage::plain(3, 10);
    assert_eq!(requested(&mut plain, ']'), None);
    assert!(plain.frame(80, 24).contains("the interval of this source cannot be changed"));
}

#[test]
fn charts_cycle_on_a_wall_screen() {
    let mut stage = AppStage::live();
    stage.type_keys("a");
    assert!(stage.frame(120, 36).contains("1  CPU"));
    for title in ["2  Memory", "3  Frequency", "4  Load", "1  CPU"] {
        stage.wait(9000);
        assert!(!stage.frame(120, 36).contains(title));
        stage.wait(1100);
        assert!(stage.frame(120, 36).contains(title), "{title}");
    }
    stage.type_keys("a");
    stage.wait(30_000);
    assert!(stage.frame(120, 36).contains("1  CPU"));
    stage.press(KeyCode::Esc);
    assert!(stage.frame(120, 36).contains("4  Load"));
}

#[test]
fn everything_works_in_fullscreen_too() {
    let mut stage = AppStage::live();
    stage.type_keys("f");
    stage.frame(120, 36);
    stage.type_keys("cm");
    stage.press_times(12, KeyCode::Left);
    check_frames("presenter_measured", &mut stage);
    stage.type_keys("+ ");
    stage.event(Event::Received { bytes: 0 });
    let frame = stage.frame(120, 36);
    assert!(frame.contains("span 2m") && frame.contains("1  CPU"), "{frame}");
    stage.press_times(3, KeyCode::Esc);
    assert!(stage.frame(120, 36).contains("4  Load"));
}
