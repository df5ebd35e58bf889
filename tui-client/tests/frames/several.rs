//! Several sources: overview, compare pages, and the way between.

use std::time::Duration;

use crossterm::event::{KeyCode, MouseButton, MouseEventKind};
use loadline::app::{Flow, Order, WindowEnd};
use loadline::event::{Event, Overdue};
use loadline::layout::Page;
use loadline::store::Window;
use loadline::watched::Watched;
use loadline_protocol::Time;

use crate::stage::{AppStage, START, check_frame, check_frames, server_values, stream};

const HOUR: Duration = Duration::from_hours(1);

fn page(stage: &AppStage) -> Page {
    stage.app.screen.page
}

/// Returns the names in the rows of the overview, top to bottom.
fn names(stage: &mut AppStage, width: u16, height: u16) -> Vec<String> {
    let frame = stage.frame(width, height);
    let words = frame.lines().skip(1).filter_map(|line| {
        let name = line.split_whitespace().find(|word| word.starts_with("web-"))?;
        Some(name.trim_end_matches(":1027").to_owned())
    });
    words.collect()
}

#[test]
fn three_twelve_and_a_hundred_sources_at_a_glance() {
    for count in [3, 12, 100] {
        check_frames(&format!("overview_{count}"), &mut AppStage::several_sources(count));
    }
    let mut stage = AppStage::several_sources(12);
    stage.app.theme.ascii = true;
    check_frame("overview_ascii", &mut stage, 120, 36);
    stage.type_keys("?");
    assert!(stage.frame(120, 36).is_ascii());
}

#[test]
fn names_and_values_are_shortened_only_where_there_is_no_room_and_stay_distinct() {
    let named = |at: usize| {
        let name = format!("127.0.0.1:1900{at}");
        Watched::new(&name, false, HOUR)
    };
    let mut stage = AppStage::watching(named(1));
    stage.app = stage.app.with_sources([named(2)]);
    for source in [0, 1] {
        stage.source_event(source, Event::Connected);
        let columns = "time:s seq cpu:% disk_used:% requests".parse().unwrap();
        stage.source_event(source, stream(columns));
        stage.source_event(source, Event::Live);
    }
    for (second, source) in (0..30).flat_map(|second| [(second, 0), (second, 1)]) {
        stage.source_row(source, second, 0, &[12.5, 24.5, 1234.0]);
    }
    check_frame("overview_long_names", &mut stage, 120, 10);
    let wide = stage.frame(120, 10);
    assert!(wide.contains("disk_used  24.5 %") && wide.contains("requests "), "{wide}");
    let small = stage.frame(40, 12);
    assert!(small.contains("~.1:19001") && small.contains("~.1:19002"), "{small}");
    stage.type_keys("v");
    let legend = stage.frame(40, 12);
    assert!(legend.contains(":19001 ") && legend.contains(":19002 "), "{legend}");
}

#[test]
fn a_hundred_sources_scroll_line_by_line_and_page_by_page() {
    let mut stage = AppStage::several_sources(100);
    assert_eq!(names(&mut stage, 80, 24)[..2], ["web-1", "web-2"]);
    assert_eq!(names(&mut stage, 80, 24).len(), 22);
    stage.type_keys("kj");
    assert_eq!(stage.app.sources.shown(), 1);
    stage.press_times(21, KeyCode::Down);
    assert_eq!(names(&mut stage, 80, 24).first().unwrap(), "web-2");
    stage.press(KeyCode::PageDown);
    assert_eq!(
        (stage.app.sources.shown(), names(&mut stage, 80, 24).last().unwrap().as_str()),
        (44, "web-45")
    );
    assert!(stage.frame(80, 24).contains("sources 24-45 of 100"));
    stage.press_times(9, KeyCode::PageDown);
    assert_eq!(
        (stage.app.sources.shown(), names(&mut stage, 80, 24).last().unwrap().as_str()),
        (99, "web-100")
    );
    // A larger screen has no empty rows at the end.
    assert_eq!(names(&mut stage, 80, 44).first().unwrap(), "web-59");
}

#[test]
fn the_hottest_sources_are_first_and_sources_that_are_not_live_last() {
    let mut stage = AppStage::several_sources(12);
    stage.type_keys("o");
    assert_eq!(stage.app.sources.order, Order::Hottest);
    let frame = stage.frame(120, 36);
    let lines: Vec<&str> = frame.lines().skip(1).take(12).collect();
    let is_live = |line: &&str| line.starts_with(" LIVE ");
    assert_eq!(lines.iter().take_while(|line| is_live(line)).count(), 8, "{frame}");
    assert!(lines[8..].iter().all(|line| !is_live(line)), "{frame}");
    let cpu = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let at = words.iter().position(|word| *word == "cpu").unwrap();
        words[at + 1].parse::<f64>().unwrap()
    };
    let heats: Vec<f64> = lines[..8].iter().map(|line| cpu(line)).collect();
    assert!(heats.windows(2).all(|pair| pair[0] >= pair[1]), "{heats:?}");
    check_frame("overview_hottest", &mut stage, 120, 36);
    // A hot source moves up, and the chosen source stays the same.
    stage.source_row(8, 240, 0, &[100.0, 2400.0, 43.0, 0.5, 0.4, 0.4]);
    assert_eq!(names(&mut stage, 120, 36)[0], "web-9");
    assert_eq!(stage.app.sources.shown(), 0);
    stage.type_keys("o");
    assert_eq!(names(&mut stage, 120, 36)[0], "web-1");
}

#[test]
fn the_reason_of_a_source_without_new_samples_is_in_its_row() {
    let mut stage = AppStage::several_sources(12);
    stage.wait(10_000);
    stage.source_event(0, Event::Overdue(Overdue::Asked));
    let frame = stage.frame(140, 36);
    let lines: Vec<&str> = frame.lines().skip(1).take(12).collect();
    assert!(
        lines[0].contains(" STALE ") && lines[0].ends_with("no rows, asking the agent"),
        "{frame}"
    );
    assert!(lines[5].ends_with("connection reset"), "{frame}");
    // The crosshair is at an older time, of which there are samples.
    stage.type_keys("c");
    assert!(!stage.frame(140, 36).contains("asking"));
}

#[test]
fn enter_opens_a_dashboard_and_esc_leads_back() {
    let mut stage = AppStage::several_sources(12);
    stage.type_keys("jj");
    stage.press(KeyCode::Enter);
    check_frames("dashboard_of_several", &mut stage);
    assert_eq!(
        (page(&stage), stage.app.sources.watched().name.as_str()),
        (Page::Dashboard, "web-3:1027")
    );
    stage.type_keys("n");
    check_frame("dashboard_of_a_clock_ahead", &mut stage, 120, 36);
    assert!(stage.frame(120, 36).contains("clock +90 s"));
    stage.type_keys("NNNN");
    assert_eq!(stage.app.sources.watched().name, "web-12:1027");
    stage.type_keys("n");
    assert_eq!(stage.app.sources.watched().name, "web-1:1027");
    stage.type_keys("f");
    assert_eq!(page(&stage), Page::Fullscreen);
    for expected in [Page::Dashboard, Page::Overview, Page::Overview] {
        stage.press(KeyCode::Esc);
        assert_eq!(stage.app.screen.page, expected);
    }
}

#[test]
fn a_click_chooses_a_source_a_second_one_opens_it_and_the_wheel_scrolls() {
    let mut stage = AppStage::several_sources(100);
    stage.frame(80, 24);
    stage.mouse(MouseEventKind::ScrollDown, 20, 5);
    assert_eq!(names(&mut stage, 80, 24)[0], "web-4");
    stage.drag(MouseButton::Left, (20, 3), (20, 3));
    assert_eq!((stage.app.sources.shown(), page(&stage)), (5, Page::Overview));
    stage.drag(MouseButton::Left, (20, 3), (20, 3));
    assert_eq!((stage.app.sources.shown(), page(&stage)), (5, Page::Dashboard));
}

#[test]
fn one_metric_of_all_sources_in_one_chart_or_in_a_chart_each() {
    for count in [3, 12] {
        let mut stage = AppStage::several_sources(count);
        stage.type_keys("v");
        check_frames(&format!("together_{count}"), &mut stage);
        stage.type_keys("v");
        check_frames(&format!("apart_{count}"), &mut stage);
        stage.type_keys("v");
        assert_eq!(page(&stage), Page::Overview);
    }
    let mut stage = AppStage::several_sources(12);
    stage.type_keys("v4");
    let load = stage.frame(120, 36);
    assert!(load.contains("4  Load: 1m"), "{load}");
    stage.type_keys("v");
    assert!(stage.header(120, 36).contains("Load"));
    stage.type_keys("vv");
    stage.press(KeyCode::Tab);
    assert!(stage.frame(120, 36).contains("1  CPU"));
    stage.type_keys("NjkN");
    let others = stage.frame(120, 36);
    assert!(others.contains("sources 7-12 of 12") && others.contains("web-11:1027"), "{others}");
    stage.press(KeyCode::Enter);
    assert_eq!(stage.app.sources.watched().name, "web-11:1027");
    stage.type_keys("v");
    stage.press(KeyCode::Esc);
    assert_eq!(page(&stage), Page::Dashboard, "back to the page from which compare was opened");
}

#[test]
fn the_crosshair_shows_the_values_of_all_sources_at_one_time() {
    let mut stage = AppStage::several_sources(6);
    stage.type_keys("vc");
    stage.press_times(3, KeyCode::Left);
    let crosshair = stage.app.selection.crosshair.expect("a crosshair").as_millis();
    let second = (crosshair - START) / 1000;
    check_frames("together_cursor", &mut stage);
    let frame = stage.frame(120, 36);
    for source in [0, 1, 2, 3] {
        let value = server_values(second + 11 * source)[0];
        assert!(frame.contains(&format!("{value:.1} %")), "{source}: {value} in\n{frame}");
    }
    stage.type_keys("v");
    check_frame("apart_cursor", &mut stage, 120, 36);
    // The crosshair stays on the other pages. Each sample of any source is a step. The corrected
    // clock assumes no network delay, so its samples are 3 ms later.
    stage.type_keys("t");
    assert_eq!(stage.app.selection.crosshair.map(Time::as_millis), Some(crosshair + 997));
    stage.type_keys("TT");
    assert_eq!(stage.app.selection.crosshair.map(Time::as_millis), Some(crosshair - 3));
    stage.type_keys("v");
    assert!(stage.app.selection.crosshair.is_some());
    stage.press(KeyCode::Esc);
    assert_eq!((page(&stage), stage.app.selection.crosshair), (Page::Overview, None));
}

#[test]
fn the_crosshair_shows_no_value_in_a_gap_of_a_source() {
    let mut stage = AppStage::several_sources(6);
    stage.type_keys("vc");
    let frame = stage.frame(120, 36);
    // The fifth source fell silent ten seconds earlier.
    let line = frame.lines().find(|line| line.contains("web-5:1027")).unwrap();
    let cell = &line[line.find("web-5:1027").unwrap()..];
    assert_eq!(cell.split_whitespace().nth(1), Some("-"), "{frame}");
}

#[test]
fn a_clock_offset_does_not_shift_a_source_on_the_axis() {
    let mut stage = AppStage::several_sources(6);
    // Rows take 3 ms, which is not known to the client.
    assert_eq!(stage.app.sources.newest().map(Time::as_millis), Some(START + 239_003));
    let window = stage.app.window_of(60).unwrap();
    let peak = |stage: &AppStage, source: usize, window: Window| {
        let window = window.with_clock_offset(stage.app.sources.clock_offset_ms(source));
        let slots = stage.app.sources.all()[source].watched.store().slots(0, window).slots;
        let maxima = (0..).zip(&slots).filter_map(|(at, slot)| Some((at, slot.as_ref()?.max)));
        maxima.max_by(|a, b| a.1.total_cmp(&b.1)).expect("the window has samples").0
    };
    // A source without a shifted wave, and the one whose clock is ahead.
    for second in 0..240 {
        let values = server_values(second + 33);
        stage.source_row(0, 300 + second, 0, &values);
        stage.source_row(3, 300 + second, 90_000, &values);
    }
    let later = stage.app.window_of(60).unwrap();
    assert!(later.from_ms() > window.from_ms());
    assert_eq!(peak(&stage, 0, later), peak(&stage, 3, later));
    assert_eq!(
        stage.app.sources.all()[3].watched.store().newest().map(|time| time.as_millis() - START),
        Some(539_000 + 90_000),
        "the store has times by the agent's clock"
    );
}

#[test]
fn pause_pan_and_zoom_apply_to_all_pages() {
    let mut stage = AppStage::several_sources(12);
    stage.type_keys(" ");
    let WindowEnd::Paused(until) = stage.app.window.end else { panic!("the view is not paused") };
    let before = stage.frame(120, 36);
    for second in 240..260 {
        stage.source_row(0, second, 0, &server_values(second));
    }
    let after = stage.frame(120, 36);
    let line = |frame: &str| frame.lines().nth(1).unwrap()[70..].to_owned();
    assert_eq!(line(&before), line(&after), "chart and values do not change");
    assert!(after.contains("PAUSED +19 s"), "{after}");
    stage.press(KeyCode::Enter);
    assert_eq!(stage.app.window_end_time(), Some(until));
    stage.press(KeyCode::Esc);
    stage.type_keys("+");
    assert_eq!(stage.app.window.span.as_secs(), 120);
    stage.press(KeyCode::Left);
    assert!(stage.app.window_end_time() < Some(until));
    stage.type_keys("0");
    assert_eq!((stage.app.window.end, stage.app.window.span.as_secs()), (WindowEnd::Live, 300));
}

#[test]
fn an_interval_is_requested_from_the_chosen_agent() {
    let mut stage = AppStage::several_sources(3);
    stage.type_keys("j");
    let Flow::RequestInterval { source, interval } = stage.press(KeyCode::Char(']')) else {
        panic!("no interval is requested")
    };
    assert_eq!((source, interval.as_secs()), (1, 2));
}

#[test]
fn with_one_source_there_is_nothing_to_compare() {
    let mut stage = AppStage::live();
    for key in ["v", "o", "n", "N"] {
        stage.type_keys(key);
        assert_eq!(page(&stage), Page::Dashboard);
        assert!(stage.frame(80, 24).contains("this is the only source"), "{key}");
        stage.wait(5000);
    }
    stage.type_keys("?");
    assert!(!stage.frame(120, 60).contains("Several sources"));
}

#[test]
fn no_source_has_sent_a_sample_yet() {
    let mut stage = AppStage::new("web-1:1027");
    stage.app = stage.app.with_sources([Watched::new("web-2:1027", false, HOUR)]);
    check_frame("overview_connecting", &mut stage, 80, 24);
    stage.source_event(1, stage.disconnected("connection refused"));
    stage.type_keys("v");
    check_frame("together_connecting", &mut stage, 80, 24);
    stage.type_keys("v");
    check_frame("apart_connecting", &mut stage, 80, 24);
}
