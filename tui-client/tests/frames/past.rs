//! Earlier samples, which are loaded as the user goes back.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use crossterm::event::KeyCode;
use loadline::event::{Event, PastEvent, Rows, Sample, StreamInfo};
use loadline::watched::Watched;
use loadline_protocol::{Header, RunId, Schema, Stamp, Time};
use proptest::prelude::*;

use crate::stage::{AppStage, START, answer, check_frames, server_values};

const DAY_S: i64 = 86_400;

/// Age of the oldest row when the screen begins.
const HISTORY_S: i64 = 600;

fn s(seconds: i64) -> Time {
    Time::from_millis(START + seconds * 1000)
}

/// Returns an agent that has a day of samples before the end of the first ten minutes, which the screen has.
fn agent() -> AppStage {
    let mut stage = AppStage::with_retention("127.0.0.1:1027", Duration::from_hours(48));
    connect(&mut stage, 0, Some(HISTORY_S - DAY_S));
    stage
}

fn connect(stage: &mut AppStage, source: usize, oldest_s: Option<i64>) {
    let Event::Stream(stream) = answer(7, None) else { panic!("no header") };
    let header = stream.header.clone().map(|header| Header { oldest: oldest_s.map(s), ..header });
    let stream = StreamInfo { header, schema: stream.schema.clone() };
    stage.source_event(source, Event::Connected);
    stage.source_event(source, Event::Stream(Arc::new(stream)));
    stage.source_event(source, Event::Received { bytes: 10_000 });
    stage.now = START + HISTORY_S * 1000 + 3;
    for second in 0..=HISTORY_S {
        stage.source_row(source, second, 1000 * (second - HISTORY_S), &server_values(second));
    }
    stage.source_event(source, Event::Live);
}

/// Sends earlier samples, as a link does.
fn send(stage: &mut AppStage, source: usize, times: Range<i64>) {
    let header =
        Header { run: Some(RunId(7)), interval: Some(Duration::from_secs(1)), ..Header::default() };
    let schema = Schema::plain(6).with_stamp(Stamp::TimeSeq);
    let stream = Arc::new(StreamInfo { header: Some(header), schema });
    stage.source_event(source, Event::Past(PastEvent::Stream(stream)));
    for second in times.clone() {
        let values = server_values(second.rem_euclid(1000));
        let sample = Sample {
            time: s(second),
            seq: None,
            received: Time::from_millis(stage.now),
            values: &values,
            line: None,
        };
        stage.source_event(source, Event::Past(PastEvent::Rows(Rows::one(sample))));
    }
    stage.source_event(source, Event::Past(PastEvent::Loaded(s(times.start)..s(times.end))));
}

/// Returns the times that the screen wants to see, in seconds after the start.
fn wanted(stage: &AppStage) -> Option<(i64, i64)> {
    wanted_of(stage, 0)
}

fn wanted_of(stage: &AppStage, source: usize) -> Option<(i64, i64)> {
    let range = stage.app.sources.all()[source].watched.wanted_past()?;
    let seconds = |time: Time| (time.as_millis() - START).div_euclid(1000);
    Some((seconds(range.start), seconds(range.end)))
}

/// Sends what the screen wants to see, in pieces. Returns the number of samples.
fn send_wanted(stage: &mut AppStage, piece_s: i64) -> i64 {
    let mut count = 0;
    while let Some((start, end)) = wanted(stage) {
        let at = start + count % (end - start);
        let stop = (at + piece_s).min(end + 1);
        send(stage, 0, at..stop);
        count += stop - at;
    }
    count
}

fn footer(stage: &mut AppStage) -> String {
    stage.frame(120, 24).lines().last().unwrap_or_default().trim().to_owned()
}

#[test]
fn home_goes_to_the_oldest_sample_of_the_agent_and_loads_from_there() {
    let mut stage = agent();
    stage.frame(120, 36);
    stage.press(KeyCode::Home);
    let oldest = HISTORY_S - DAY_S;
    assert_eq!(wanted(&stage), Some((oldest, 0)));
    assert_eq!(stage.window_end_s(), Some(oldest + 300));
    assert!(stage.header(80, 24).contains("loading 0 %"), "{}", stage.header(80, 24));
    send(&mut stage, 0, oldest..oldest + 170);
    stage.event(Event::Received { bytes: 100_000 });
    check_frames("past", &mut stage);
    send(&mut stage, 0, oldest + 170..oldest + 32_000);
    assert!(stage.header(80, 24).contains("loading 37 %"), "{}", stage.header(80, 24));
    // Live rows go on.
    stage.source_row(0, HISTORY_S + 1, 0, &server_values(1));
    stage.press(KeyCode::Right);
    assert_eq!(wanted(&stage), Some((oldest, 0)), "the next step is loaded");
    send(&mut stage, 0, oldest + 32_000..0);
    assert_eq!(wanted(&stage), None);
    assert!(!stage.header(80, 24).contains("loading"));
    // No gap is left.
    stage.press(KeyCode::End);
    stage.type_keys("------");
    stage.frame(120, 36);
    let store = stage.app.sources.watched().store();
    assert_eq!(store.len() as i64, HISTORY_S + 2 - oldest);
    let samples = (0..store.len()).filter_map(|at| store.get(at));
    assert_eq!(samples.filter(|it| it.gap_before().is_some()).count(), 0);
}

#[test]
fn only_what_is_shown_is_loaded_and_one_more_window() {
    let mut stage = agent();
    stage.frame(120, 36);
    while stage.window_end_s().unwrap() > 320 {
        stage.press(KeyCode::Left);
        assert_eq!(wanted(&stage), None);
    }
    stage.press(KeyCode::Left);
    // The window begins before the first row.
    let end = stage.window_end_s().unwrap();
    assert!(end < 300);
    assert_eq!(wanted(&stage), Some((end - 600, 0)));
    send_wanted(&mut stage, 100);
    stage.press(KeyCode::PageUp);
    assert_eq!(wanted(&stage), None, "the next window is there");
    stage.press(KeyCode::PageUp);
    let end = stage.window_end_s().unwrap();
    // Times of cells are no whole seconds.
    let (from, until) = wanted(&stage).unwrap();
    assert!((end - 601..=end - 599).contains(&from) && (end - 1..=end + 1).contains(&until));
}

#[test]
fn a_longer_window_loads_what_it_spans() {
    let mut stage = agent();
    stage.frame(120, 36);
    stage.type_keys("-");
    assert_eq!(wanted(&stage), None, "ten minutes are there");
    stage.type_keys("-");
    assert_eq!(
        (stage.app.window.span.as_secs(), wanted(&stage)),
        (900, Some((HISTORY_S - 1800, 0)))
    );
    let header = stage.header(80, 24);
    assert!(header.contains(" LIVE ") && header.contains("loading 0 %"), "{header}");
    send_wanted(&mut stage, 300);
    stage.type_keys("--");
    assert_eq!(wanted(&stage), Some((HISTORY_S - 7200, HISTORY_S - 1800)));
    stage.type_keys("0");
    assert_eq!(wanted(&stage), None, "nothing more is shown");
}

#[test]
fn the_live_edge_ends_the_loading() {
    let mut stage = agent();
    stage.press(KeyCode::Home);
    assert!(wanted(&stage).is_some());
    stage.press(KeyCode::End);
    assert_eq!(wanted(&stage), None);
}

#[test]
fn the_crosshair_arrives_once_the_time_is_loaded() {
    let mut stage = agent();
    stage.frame(120, 36);
    // 14:10:00 is the newest sample.
    stage.type_keys("g03:12:30");
    stage.press(KeyCode::Enter);
    let there = -(10 * 3600 + 47 * 60 + 30);
    assert_eq!((stage.crosshair_s(), stage.window_end_s()), (None, Some(there + 150)));
    assert_eq!(wanted(&stage), Some((there - 450, there + 450)));
    send(&mut stage, 0, there - 450..there - 200);
    assert_eq!(stage.crosshair_s(), None);
    send(&mut stage, 0, there - 200..there + 451);
    assert_eq!((stage.crosshair_s(), wanted(&stage)), (Some(there), None));
    // The crosshair moves on where samples are loaded, and loads where none are.
    stage.press_times(2, KeyCode::PageUp);
    assert_eq!(stage.crosshair_s(), Some(there - 300));
    let end = stage.window_end_s().unwrap();
    let (from, until) = wanted(&stage).unwrap();
    assert!((end - 601..=end - 599).contains(&from) && until == there - 450);
    send_wanted(&mut stage, 1000);
    stage.press(KeyCode::PageUp);
    assert_eq!(stage.crosshair_s(), Some(there - 600));
}

#[test]
fn a_user_who_goes_elsewhere_meanwhile_stays_there() {
    let mut stage = agent();
    stage.frame(120, 36);
    stage.type_keys("c");
    stage.press(KeyCode::Home);
    stage.type_keys("g-5h");
    stage.press(KeyCode::Enter);
    stage.press(KeyCode::End);
    let oldest = HISTORY_S - DAY_S;
    send(&mut stage, 0, oldest..0);
    assert_eq!((stage.crosshair_s(), stage.window_end_s()), (None, Some(HISTORY_S)));
    stage.type_keys("c");
    stage.press(KeyCode::Home);
    assert_eq!(stage.crosshair_s(), Some(oldest));
}

#[test]
fn home_moves_the_crosshair_to_the_oldest_sample_once_it_is_loaded() {
    let mut stage = agent();
    stage.frame(120, 36);
    stage.type_keys("c");
    stage.press(KeyCode::Home);
    assert_eq!(stage.crosshair_s(), Some(HISTORY_S));
    let oldest = HISTORY_S - DAY_S;
    send(&mut stage, 0, oldest..oldest + 60);
    assert_eq!(stage.crosshair_s(), Some(oldest));
}

#[test]
fn statistics_and_table_follow_the_samples_in_between() {
    let mut stage = agent();
    stage.frame(120, 36);
    stage.type_keys(&"-".repeat(9));
    stage.type_keys("cm");
    let oldest = wanted(&stage).unwrap().0;
    send(&mut stage, 0, oldest..oldest + 100);
    stage.type_keys("g-23h 59m");
    stage.press(KeyCode::Enter);
    let there = HISTORY_S - DAY_S + 60;
    let measured = |stage: &AppStage| {
        let statistics = stage.app.selection.statistics.as_ref();
        (stage.crosshair_s(), statistics.map(|it| it.samples as i64))
    };
    assert_eq!(measured(&stage), (Some(there), Some(40 + HISTORY_S + 1)));
    send(&mut stage, 0, oldest + 100..0);
    assert_eq!(measured(&stage), (Some(there), Some(HISTORY_S + 1 - there)));
    let count = stage.app.sources.watched().store().len() as i64;
    assert_eq!(count, HISTORY_S + 1 - oldest);
}

#[test]
fn nothing_is_loaded_that_would_be_dropped() {
    let keep = Duration::from_hours(1);
    let mut stage = AppStage::watching(Watched::new("web-1", false, keep));
    connect(&mut stage, 0, Some(-DAY_S));
    stage.press(KeyCode::Home);
    assert_eq!(wanted(&stage), Some((HISTORY_S - 3600, 0)));
    stage.press(KeyCode::Home);
    assert_eq!(footer(&mut stage), "earlier samples are not kept; restart with a longer --keep");
}

#[test]
fn the_footer_says_why_nothing_is_older() {
    let mut stage = agent();
    stage.press(KeyCode::Home);
    stage.press(KeyCode::Left);
    assert_eq!(footer(&mut stage), "the agent has no earlier samples");
    let mut old = AppStage::new("web-1");
    connect(&mut old, 0, None);
    old.press(KeyCode::Home);
    old.press(KeyCode::Left);
    assert_eq!(wanted(&old), None);
    let text =
        "this agent sends earlier samples only at the start: restart with a longer --history";
    assert_eq!(footer(&mut old), text);
    let mut plain = AppStage::plain(6, 500);
    plain.press(KeyCode::Home);
    plain.press(KeyCode::Left);
    assert_eq!(
        (wanted(&plain), footer(&mut plain)),
        (None, "this source has no earlier samples".to_owned())
    );
    stage.event(Event::Past(PastEvent::Failed));
    assert_eq!(
        (wanted(&stage), footer(&mut stage)),
        (None, "the agent does not send the earlier samples".to_owned())
    );
}

#[test]
fn a_page_of_several_sources_loads_all_of_them() {
    let others = [Watched::new("web-2:1027", false, Duration::from_hours(24))];
    let mut stage = AppStage::new("web-1:1027");
    stage.app = stage.app.with_sources(others);
    connect(&mut stage, 0, Some(-DAY_S));
    connect(&mut stage, 1, Some(-7200));
    stage.frame(120, 36);
    stage.type_keys("v");
    stage.press(KeyCode::Home);
    let oldest = -DAY_S + HISTORY_S;
    assert_eq!([0, 1].map(|at| wanted_of(&stage, at)), [Some((oldest, 0)), None]);
    stage.type_keys("g-2h");
    stage.press(KeyCode::Enter);
    assert_eq!(wanted_of(&stage, 1).map(|(start, _)| start), Some(HISTORY_S - 7200 - 450));
    // The dashboard of one loads that one.
    stage.press(KeyCode::Esc);
    stage.press(KeyCode::Enter);
    stage.press(KeyCode::Home);
    assert_eq!(wanted_of(&stage, 1), None);
    assert!(stage.header(80, 24).contains("loading 0 %"), "{}", stage.header(80, 24));
}

/// Step of a user, or of the link.
#[derive(Debug, Clone)]
enum Step {
    Key(KeyCode),
    /// The next samples of what is wanted.
    Slice(i64),
    Row,
    Lost,
}

fn step() -> impl Strategy<Value = Step> {
    let keys = [
        KeyCode::Home,
        KeyCode::End,
        KeyCode::Left,
        KeyCode::Right,
        KeyCode::PageUp,
        KeyCode::PageDown,
        KeyCode::Char('-'),
        KeyCode::Char('+'),
        KeyCode::Char('c'),
        KeyCode::Char('m'),
        KeyCode::Char('t'),
        KeyCode::Char(' '),
    ];
    prop_oneof![
        6 => prop::sample::select(keys.to_vec()).prop_map(Step::Key),
        4 => (1..4000_i64).prop_map(Step::Slice),
        1 => Just(Step::Row),
        1 => Just(Step::Lost),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn whatever_the_user_does_no_sample_is_wanted_twice(
        steps in prop::collection::vec(step(), 1..40),
    ) {
        let mut stage = agent();
        stage.frame(80, 24);
        let (mut loaded, mut next_row) = (std::collections::BTreeSet::new(), HISTORY_S + 1);
        for step in steps {
            match step {
                Step::Key(code) => {
                    stage.press(code);
                }
                Step::Slice(length) => {
                    // A link leaves out what is there.
                    let Some((start, end)) = wanted(&stage) else { continue };
                    let mut missing = (start..=end).filter(|at| *at < 0 && !loaded.contains(at));
                    let Some(start) = missing.next() else { continue };
                    let end = (start + 1..=end).take(length as usize)
                        .find(|at| loaded.contains(at)).unwrap_or((start + length).min(end + 1)).min(0);
                    send(&mut stage, 0, start..end);
                    loaded.extend(start..end);
                }
                Step::Row => {
                    stage.source_row(0, next_row, 0, &server_values(next_row));
                    next_row += 1;
                }
                Step::Lost => stage.event(Event::Past(PastEvent::Failed)),
            }
            if let Some((start, end)) = wanted(&stage) {
                prop_assert!(start >= HISTORY_S - DAY_S && end <= 0 && start < end.max(1), "{start} {end}");
                prop_assert!((start..=end).any(|at| at < 0 && !loaded.contains(&at)), "{start} {end}");
            }
            let store = stage.app.sources.watched().store();
            let times: Vec<i64> = (0..store.len())
                .map(|at| (store.get(at).unwrap().time().as_millis() - START) / 1000)
                .collect();
            let expected: Vec<i64> = loaded.iter().copied().chain(0..next_row).collect();
            prop_assert!(times == expected);
        }
        stage.frame(80, 24);
    }
}
