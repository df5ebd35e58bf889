//! Time span of the charts, and going to a time.

use std::time::Duration;

use crossterm::event::{KeyCode, KeyModifiers};
use loadline::app::{Flow, WindowEnd};
use loadline::event::Event;
use loadline::layout::Page;
use loadline::watched::Watched;
use ratatui::style::Modifier;

use crate::stage::{AppStage, check_frame, check_frames, server_values, text};

/// Returns a server that has been watched for `seconds`.
fn watched_for(seconds: i64) -> AppStage {
    let mut stage = AppStage::new("127.0.0.1:1027");
    stage.connect_live(7);
    add_rows(&mut stage, 0, seconds);
    stage.event(Event::Live);
    stage
}

fn add_rows(stage: &mut AppStage, from: i64, to: i64) {
    for second in from..=to {
        stage.row(second, &server_values(second));
    }
}

/// Returns an hour and ten minutes of a server, with a gap from 14:20 to 14:40.
fn hour_with_gap() -> AppStage {
    let mut stage = AppStage::new("web-1");
    stage.connect_live(7);
    for second in (0..4200).filter(|second| !(1200..2400).contains(second)) {
        stage.row(second, &server_values(second % 900));
    }
    stage.event(Event::Live);
    stage.frame(120, 36);
    stage
}

/// Types a time.
fn go_to(stage: &mut AppStage, text: &str) {
    stage.type_keys("g");
    stage.type_keys(text);
    stage.press(KeyCode::Enter);
}

fn footer(stage: &mut AppStage, width: u16) -> String {
    stage.line(width, 24, 23)
}

#[test]
fn right_after_the_start_the_time_span_fits_the_samples() {
    for (watched, span) in
        [(0, 60), (20, 60), (56, 60), (57, 120), (112, 120), (113, 300), (600, 300)]
    {
        let mut stage = watched_for(watched);
        assert_eq!(stage.app.window.span.as_secs(), span, "after {watched} s");
        let oldest = stage.app.sources.oldest().unwrap().as_millis();
        let from = stage.app.window_of(31).unwrap().from_ms();
        assert_eq!(from <= oldest, watched <= 300, "all samples are visible after {watched} s");
        let text = format!("span {}m", span / 60);
        assert!(stage.frame(120, 36).contains(&text), "{text}");
    }
    check_frames("first_minute", &mut watched_for(20));
}

#[test]
fn the_time_span_is_the_users_once_it_is_zoomed_or_configured() {
    let mut zoomed = watched_for(20);
    zoomed.type_keys("+");
    add_rows(&mut zoomed, 21, 400);
    assert_eq!(zoomed.app.window.span.as_secs(), 30);
    zoomed.type_keys("0");
    assert_eq!(zoomed.app.window.span.as_secs(), 300, "the automatic time span again");
    let watched = Watched::new("web-1", false, Duration::from_hours(1));
    let mut configured = AppStage::with_window(watched, Some(Duration::from_secs(90)));
    configured.connect_live(7);
    add_rows(&mut configured, 0, 400);
    configured.type_keys("-0");
    assert_eq!(configured.app.window.span.as_secs(), 90);
}

#[test]
fn a_paused_view_keeps_its_time_span() {
    let mut stage = watched_for(20);
    stage.type_keys(" ");
    add_rows(&mut stage, 21, 200);
    assert_eq!(stage.app.window.span.as_secs(), 60);
    stage.type_keys(" ");
    add_rows(&mut stage, 201, 201);
    assert_eq!(stage.app.window.span.as_secs(), 300);
}

#[test]
fn the_source_with_the_most_samples_decides_the_time_span() {
    let mut stage = AppStage::new("web-1");
    let other = Watched::new("web-2", false, Duration::from_hours(1));
    stage.app = stage.app.with_sources([other]);
    for source in [0, 1] {
        stage.connect_source(source, 7);
        stage.source_event(source, Event::Live);
    }
    for second in 0..90 {
        stage.source_row(1, second, 0, &server_values(second));
    }
    stage.source_row(0, 90, 0, &server_values(90));
    assert_eq!(stage.app.window.span.as_secs(), 120);
}

#[test]
fn a_time_is_typed_and_the_view_goes_there() {
    let mut stage = hour_with_gap();
    stage.type_keys("g");
    check_frames("go_to", &mut stage);
    stage.type_keys("14:50");
    let typed = footer(&mut stage, 80);
    assert!(typed.starts_with("go to 14:50"), "{typed}");
    stage.press(KeyCode::Enter);
    let there = 50 * 60;
    assert_eq!(stage.crosshair_s(), Some(there));
    assert_eq!(stage.window_end_s(), Some(there + 150), "in the middle of 5 minutes");
    check_frame("went_to", &mut stage, 120, 36);
    let frame = stage.frame(120, 36);
    assert!(frame.contains("PAUSED") && frame.contains(" 14:50:00.000 "), "{frame}");
    for (text, expected) in [
        ("-20m", 4199 - 1200),
        ("14:00:30", 30),
        ("2025-11-22 14:45:10", 2710),
        ("2025-11-22T13:05:00Z", 300),
    ] {
        go_to(&mut stage, text);
        assert_eq!(stage.crosshair_s(), Some(expected), "{text}");
        assert!(matches!(stage.app.window.end, WindowEnd::Paused(_)), "{text}");
        assert_eq!(stage.app.footer.message, None, "{text}");
    }
    // At both ends, the view stops where the samples end.
    go_to(&mut stage, "14:00");
    assert_eq!(stage.window_end_s(), Some(300));
    go_to(&mut stage, "-0s");
    assert_eq!(stage.app.window.end, WindowEnd::Paused(stage.app.sources.newest().unwrap()));
}

#[test]
fn a_time_without_samples_leads_to_the_nearest_one_with_a_message() {
    let mut stage = hour_with_gap();
    go_to(&mut stage, "14:25");
    assert_eq!(stage.crosshair_s(), Some(1199));
    assert_eq!(footer(&mut stage, 80), "no samples at 14:25, nearest: 14:19:59");
    go_to(&mut stage, "14:35");
    assert_eq!(footer(&mut stage, 80), "no samples at 14:35, nearest: 14:40:00");
    go_to(&mut stage, "yesterday 03:12");
    // The agent may have samples older than the loaded ones.
    let loaded = "no samples loaded at yesterday 03:12, nearest: 14:00:00";
    assert_eq!(footer(&mut stage, 80), loaded);
    stage.frame(120, 24);
    go_to(&mut stage, "yesterday 03:12");
    let hint = format!("{loaded}; restart with --from 'yesterday 03:12'");
    assert_eq!(footer(&mut stage, 120), hint);
    stage.frame(80, 24);
    go_to(&mut stage, "-2h");
    let hint = "no samples loaded at -2h, nearest: 14:00:00; restart with --from -2h";
    assert_eq!(footer(&mut stage, 80), hint);
    stage.frame(40, 12);
    go_to(&mut stage, "yesterday 03:12");
    assert_eq!(footer(&mut stage, 40), "nearest sample: 14:00:00");
    stage.wait(86_400_000);
    go_to(&mut stage, "2025-11-20 03:12");
    assert_eq!(footer(&mut stage, 40), "nearest sample: 11-22 14:00:00");
    // A source without a history has only the received samples.
    let mut plain = AppStage::plain(2, 300);
    plain.frame(80, 24);
    go_to(&mut plain, "-2h");
    assert_eq!(footer(&mut plain, 80), "no samples at -2h, nearest: 14:00:00");
    let mut empty = AppStage::new("web-1");
    empty.type_keys("g");
    assert_eq!(footer(&mut empty, 80), "no samples yet");
}

#[test]
fn an_invalid_time_can_be_corrected_and_esc_closes_the_input() {
    let mut stage = hour_with_gap();
    let before = stage.frame(80, 24);
    go_to(&mut stage, "25:00");
    let text = footer(&mut stage, 120);
    assert!(text.starts_with("go to 25:00") && text.contains("invalid; try 03:12, -2h"), "{text}");
    check_frame("go_to_wrong", &mut stage, 80, 24);
    check_frame("go_to_wrong", &mut stage, 40, 6);
    stage.press_times(4, KeyCode::Left);
    stage.press(KeyCode::Backspace);
    stage.type_keys("1");
    let text = footer(&mut stage, 120);
    assert!(text.starts_with("go to 15:00") && !text.contains("invalid"), "{text}");
    stage.press(KeyCode::Esc);
    assert_eq!(stage.frame(80, 24), before);
    // In the input line, keys are letters, except for commands with Ctrl.
    stage.type_keys("gq?5µ");
    assert!(footer(&mut stage, 80).starts_with("go to q?5 "), "{}", footer(&mut stage, 80));
    stage.type_keys(&"1".repeat(100));
    assert_eq!(stage.app.footer.time_input.as_ref().map(|it| it.input.value().len()), Some(40));
    stage.press_with(KeyCode::Char('u'), KeyModifiers::CONTROL);
    assert_eq!(stage.app.footer.time_input.as_ref().map(|it| it.input.value()), Some(""));
    assert_eq!(stage.press_with(KeyCode::Char('c'), KeyModifiers::CONTROL), Flow::Quit);
}

#[test]
fn on_the_overview_a_time_applies_to_all_sources() {
    let mut stage = AppStage::several_sources(6);
    stage.frame(120, 36);
    go_to(&mut stage, "14:02");
    assert_eq!(stage.crosshair_s(), Some(120));
    assert_eq!(stage.app.screen.page, Page::Overview);
    check_frame("overview_cursor", &mut stage, 120, 36);
    let buffer = stage.draw(120, 36);
    let frame = text(&buffer);
    let pointed = |row: u16| -> Vec<u16> {
        let is_pointed = |x: &u16| buffer[(*x, row)].modifier.contains(Modifier::REVERSED);
        (0..120).filter(is_pointed).collect()
    };
    // The header highlights the time, and each row highlights a column of its chart.
    let at = stage.header(120, 36).find("at 14:02:00").unwrap() as u16;
    assert!(pointed(0).contains(&at), "{frame}");
    let column = *pointed(2).last().unwrap();
    assert!(column > 80, "{column}: {frame}");
    assert!((2..6).all(|row| pointed(row).contains(&column)), "{frame}");
    // Values of an earlier time have no age.
    assert!(!frame.lines().skip(1).any(|line| line.contains("0.0 s")), "{frame}");
    assert!(stage.header(40, 12).contains("at 14:02:00"));
    stage.press(KeyCode::Esc);
    stage.press(KeyCode::End);
    assert!(stage.frame(120, 36).contains("0.0 s"));
}

#[test]
fn zooming_keeps_the_crosshair_else_the_middle_of_a_paused_view_else_the_live_edge() {
    let middle = |stage: &AppStage| {
        stage.window_end_s().unwrap() - stage.app.window.span.as_secs() as i64 / 2
    };
    let mut stage = hour_with_gap();
    stage.type_keys("+");
    assert_eq!(stage.app.window.end, WindowEnd::Live);
    go_to(&mut stage, "14:50");
    stage.press(KeyCode::Esc);
    let before = middle(&stage);
    stage.type_keys("+");
    assert_eq!((middle(&stage), stage.app.window.span.as_secs()), (before, 60));
    stage.type_keys("---");
    assert_eq!((middle(&stage), stage.app.window.span.as_secs()), (before, 600));
    stage.type_keys("c");
    let column = |stage: &AppStage| {
        let window = stage.app.window_of(100).unwrap();
        window.cell_of(stage.app.selection.crosshair.unwrap().as_millis()).unwrap()
    };
    let before = column(&stage);
    stage.type_keys("+");
    assert!(column(&stage).abs_diff(before) <= 1, "{before} {}", column(&stage));
}

#[test]
fn labels_have_a_date_if_it_is_not_todays_or_the_charts_span_days() {
    let mut today = hour_with_gap();
    today.type_keys("cTTm");
    let frame = today.frame(120, 36);
    assert!(frame.contains(" 15:09:57.000 ") && !frame.contains("2025-11-22"), "{frame}");
    // On a later day, and over more than a day.
    let mut later = hour_with_gap();
    later.wait(86_400_000);
    later.type_keys("cm");
    later.type_keys(&"T".repeat(9));
    check_frames("dated", &mut later);
    let frame = later.frame(120, 36);
    assert!(frame.contains("2025-11-22 15:09:50.000 → 15:09:59.000"), "{frame}");
    let mut wide = hour_with_gap();
    wide.type_keys("c");
    wide.type_keys(&"-".repeat(11));
    assert!(wide.app.window.span > Duration::from_hours(24));
    assert!(wide.frame(120, 36).contains("2025-11-22 15:09:59.000"));
}

#[test]
fn labels_beside_the_crosshairs_time_are_whole_or_missing() {
    let mut stage = AppStage::new("web-1");
    stage.connect_live(7);
    for row in 0..300 {
        stage.row(row * 600, &server_values(row));
    }
    stage.type_keys(&"-".repeat(11));
    for (width, height) in [(80, 24), (40, 12), (120, 36)] {
        stage.type_keys("c");
        for _ in 0..100 {
            stage.type_keys("T");
            let screen = stage.frame(width, height);
            let times = screen.lines().rfind(|line| line.contains("Nov") || line.contains("11-2"));
            let mut words = times.unwrap_or(&screen).split_whitespace().peekable();
            while let Some(word) = words.next() {
                let is_date = word == "Nov" && words.next_if(|day| day.len() == 2).is_some();
                // `12:00` or the crosshair's `2025-11-22 18:10:00.000`.
                let is_whole = word.len() >= 5 && word.contains([':', '-']);
                assert!(is_date || is_whole, "{times:?}");
            }
        }
        stage.press(KeyCode::Esc);
    }
}
