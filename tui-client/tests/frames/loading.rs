//! A history that arrives over a slow link.

use crossterm::event::{KeyCode, MouseEventKind};
use loadline::event::Event;
use loadline_protocol::Time;
use proptest::prelude::*;
use ratatui::style::{Color, Modifier};

use crate::stage::{AppStage, START, answer, check_frame, check_frames, server_values};

/// Age of the history in seconds.
const HISTORY_S: i64 = 600;

/// Returns an agent, asked now for ten minutes, of which `received_s` seconds have arrived. An old agent does not
/// tell its time.
fn loading(received_s: i64, tells_time: bool) -> AppStage {
    let mut stage = AppStage::new("127.0.0.1:1027");
    load(&mut stage, 0, received_s, tells_time);
    stage
}

fn load(stage: &mut AppStage, source: usize, received_s: i64, tells_time: bool) {
    stage.now = START + HISTORY_S * 1000;
    stage.source_event(source, Event::Connected);
    stage.source_event(source, Event::RequestSent { at: Time::from_millis(stage.now) });
    stage.source_event(source, answer(7, tells_time.then_some(stage.now)));
    stage.source_event(source, Event::Received { bytes: 10_000 });
    for second in 0..=received_s {
        let ago = HISTORY_S * 1000 - second * 1000;
        stage.source_row(source, second, -ago, &server_values(second));
    }
}

#[test]
fn a_history_is_loading_with_its_progress_and_the_age_of_its_newest_sample() {
    let mut stage = loading(223, true);
    assert!(stage.header(80, 24).contains(" LOADING 37 %   age 6 min"), "{}", stage.header(80, 24));
    check_frames("loading", &mut stage);
    for width in 14..200 {
        let header = stage.header(width, 24);
        assert!(header.contains("LOADING 37 %") || width < 27, "{width}: {header}");
    }
    assert!(stage.frame(40, 1).starts_with("LOADING 37 %"), "{}", stage.frame(40, 1));
    stage.app.theme.has_colour = false;
    let buffer = stage.draw(80, 24);
    assert!(buffer.content.iter().all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset));
    let label = buffer.content.iter().find(|cell| cell.symbol() == "L").unwrap();
    assert!(label.modifier.contains(Modifier::REVERSED));
}

#[test]
fn an_old_agent_is_loading_without_progress() {
    let mut stage = loading(223, false);
    check_frame("loading_old_agent", &mut stage, 120, 36);
    check_frame("loading_old_agent", &mut stage, 80, 24);
    let header = stage.header(80, 24);
    assert!(header.contains(" LOADING   age 6 min") && !header.contains('%'), "{header}");
}

#[test]
fn a_history_that_stops_arriving_is_stale() {
    let mut stage = loading(223, true);
    stage.wait(2990);
    assert!(stage.header(80, 24).contains(" LOADING 37 % "));
    stage.wait(10);
    assert!(stage.header(80, 24).contains(" STALE "), "{}", stage.header(80, 24));
}

#[test]
fn several_sources_load_at_the_same_time() {
    let mut stage = AppStage::several_sources(4);
    load(&mut stage, 1, 223, true);
    load(&mut stage, 2, 100, false);
    for source in [0, 3] {
        stage.source_row(source, HISTORY_S, if source == 3 { 90_000 } else { 0 }, &[1.0; 6]);
    }
    check_frame("loading_overview", &mut stage, 120, 36);
    check_frame("loading_overview", &mut stage, 80, 24);
    stage.type_keys("vv");
    check_frame("loading_apart", &mut stage, 120, 36);
}

#[test]
fn a_paused_view_shows_that_more_is_loading() {
    let mut stage = loading(223, true);
    stage.type_keys(" ");
    let header = stage.header(80, 24);
    assert!(header.contains("PAUSED") && header.contains("LOADING 37 %"), "{header}");
    // The view stands still while older samples arrive.
    let charts = |frame: String| frame.lines().skip(1).take(16).collect::<Vec<_>>().join("\n");
    let before = charts(stage.frame(80, 24));
    for second in 224..300 {
        stage.source_row(0, second, second * 1000 - HISTORY_S * 1000, &server_values(second));
    }
    assert_eq!(charts(stage.frame(80, 24)), before);
    assert!(stage.header(80, 24).contains("LOADING 49 %"));
}

#[test]
fn keys_and_mouse_work_while_a_history_is_loading() {
    let mut stage = loading(223, true);
    stage.type_keys("c");
    stage.press(KeyCode::Left);
    let time = stage.crosshair_s();
    assert!(time.is_some());
    stage.source_row(0, 224, 224_000 - HISTORY_S * 1000, &server_values(224));
    assert_eq!(stage.crosshair_s(), time, "the crosshair stays at its time");
    stage.mouse(MouseEventKind::ScrollUp, 40, 5);
    stage.press(KeyCode::End);
    assert!(stage.header(80, 24).contains("LOADING 37 %"));
}

/// Step of a stream: a row of a later second, the end of the history, or time alone.
#[derive(Debug, Clone)]
enum Step {
    Row { seconds: i64, wait_ms: i64 },
    Live,
    Wait(i64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1..60_i64, 0..20_000_i64)
            .prop_map(|(seconds, wait_ms)| Step::Row { seconds, wait_ms }),
        1 => Just(Step::Live),
        1 => (0..20_000_i64).prop_map(Step::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_source_is_live_only_while_its_newest_sample_is_recent(
        steps in prop::collection::vec(step(), 1..60),
        ahead in -100_000_000..100_000_000_i64,
        tells_time: bool,
    ) {
        let mut stage = AppStage::new("web-1");
        stage.now = START + HISTORY_S * 1000;
        // Samples are taken by a clock that is `ahead`. The newest one is at most an interval old.
        let answered_at = stage.now;
        stage.event(Event::Connected);
        stage.event(Event::RequestSent { at: Time::from_millis(answered_at) });
        stage.event(answer(7, tells_time.then_some(answered_at + ahead)));
        let mut second = 0;
        let mut is_live = false;
        for step in steps {
            match step {
                Step::Row { seconds, wait_ms } => {
                    stage.now += wait_ms;
                    let newest = (stage.now - START) / 1000;
                    // The history of an agent ends with the newest sample at the time of the answer.
                    let last = if is_live { newest } else { (answered_at - START) / 1000 };
                    second = (second + seconds).min(last);
                    let ago = stage.now - START - second * 1000;
                    stage.source_row(0, 0, ahead - ago, &server_values(second));
                }
                Step::Live => {
                    if !is_live {
                        second = (answered_at - START) / 1000;
                        let ago = stage.now - START - second * 1000;
                        stage.source_row(0, 0, ahead - ago, &server_values(second));
                    }
                    is_live = true;
                    stage.event(Event::Live);
                }
                Step::Wait(ms) => stage.wait(ms),
            }
            let age_ms = stage.now - START - second * 1000;
            let header = stage.header(120, 24);
            prop_assert!(!header.contains(" LIVE ") || age_ms <= 7003, "{age_ms}: {header}");
            prop_assert!(!header.contains(" LOADING ") || !is_live || age_ms > 5000, "{header}");
        }
    }
}
