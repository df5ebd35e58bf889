//! Recordings look like the live screen.

use std::fmt::Write as _;

use loadline::event::{Event, RecordingState};
use loadline::link::{ReadOptions, Recorder, StreamReader};
use loadline::watched::Watched;
use loadline_protocol::Time;

use crate::stage::{AppStage, check_frame, check_frames, server_values};

/// Returns a screen that has read these lines as a whole recording.
fn replay(name: &str, text: &str, now: i64) -> AppStage {
    let mut stage = AppStage::new(name);
    stage.now = now;
    replay_on(&mut stage, text);
    stage
}

fn replay_on(stage: &mut AppStage, text: &str) {
    replay_as(stage, 0, text);
}

/// Feeds these lines to a source as a recording.
fn replay_as(stage: &mut AppStage, source: usize, text: &str) {
    stage.source_event(source, Event::Replaying);
    let first = Time::from_millis(stage.now);
    let mut reader = StreamReader::for_recording(
        ReadOptions::default(),
        first,
        std::time::Duration::from_secs(1),
    );
    reader.feed(text.as_bytes(), first);
    reader.finish();
    let reason = loadline_protocol::SafeText::new("end of input");
    let end = [Event::Live, Event::Ended { reason, failed: false }];
    for event in reader.drain_events().chain(end) {
        stage.source_event(source, event);
    }
}

#[test]
fn a_large_recording_shows_its_read_progress() {
    let mut stage = AppStage::new("big.load");
    stage.event(Event::Replaying);
    stage.event(Event::ReadProgress(43));
    assert!(stage.header(120, 36).contains("REPLAY   reading 43 %"));
    stage.event(Event::ReadProgress(100));
    assert!(!stage.frame(120, 36).contains("reading"));
}

#[test]
fn the_header_says_that_a_recording_is_on_at_any_width() {
    let mut stage = AppStage::live();
    stage.event(Event::Recording(RecordingState::On));
    for (width, height) in [(120, 36), (80, 24), (40, 12), (28, 8), (20, 4)] {
        let header = stage.header(width, height);
        assert!(header.contains(" LIVE   REC"), "{width}x{height}: {header}");
    }
    stage.event(Event::Recording(RecordingState::Stopped));
    for (width, height) in [(120, 36), (28, 8)] {
        let header = stage.header(width, height);
        assert!(header.contains(" LIVE   REC stopped"), "{width}x{height}: {header}");
    }
}

fn record(events: &[Event]) -> String {
    let (mut recorder, mut text) = (Recorder::new(None), String::new());
    for event in events {
        recorder.record(event, &mut text);
    }
    text
}

/// Returns a frame without its header row.
fn below_the_header(stage: &mut AppStage, width: u16, height: u16) -> String {
    let frame = stage.frame(width, height);
    frame.split_once('\n').map_or("", |(_, rest)| rest).to_owned()
}

#[test]
fn a_replay_looks_like_the_live_screen_at_that_time() {
    let mut agent = AppStage::live();
    agent.event(Event::Skipped { count: 3 });
    agent.row(243, &server_values(243));
    agent.down("connection reset");
    agent.connect_live(8);
    for second in 260..290 {
        agent.row(second, &server_values(second));
    }
    for mut live in [agent, AppStage::plain(2, 200), AppStage::plain(17, 90)] {
        let mut replay = replay("a.load", &record(&live.sent_events), live.now);
        for stage in [&mut live, &mut replay] {
            stage.app.window.span = std::time::Duration::from_mins(5);
        }
        for keys in ["", "c", "f", "fd", "du"] {
            for stage in [&mut live, &mut replay] {
                stage.type_keys(keys);
            }
            for (width, height) in [(120, 36), (80, 24), (40, 12)] {
                assert_eq!(
                    below_the_header(&mut replay, width, height),
                    below_the_header(&mut live, width, height),
                    "after {keys:?}"
                );
            }
        }
    }
}

#[test]
fn a_recording_cut_off_at_any_byte_still_opens() {
    let mut live = AppStage::live();
    live.sent_events.truncate(30);
    let text = record(&live.sent_events);
    assert!(text.len() > 500);
    for length in 0..text.len() {
        let part = &text[..length];
        let stage = replay("a.load", part, live.now);
        let rows = part
            .split_inclusive('\n')
            .filter(|line| line.ends_with('\n') && !line.starts_with('#'));
        assert_eq!(stage.app.sources.watched().store().len(), rows.count(), "{length}");
        let is_whole = part.is_empty() || part.ends_with('\n');
        assert_eq!(stage.app.sources.watched().ingest.faults, u64::from(!is_whole), "{length}");
    }
}

#[test]
fn a_recording_that_does_not_fit_shows_a_message() {
    let names: Vec<String> = (1..=998).map(|number| format!("x{number}")).collect();
    let mut text = format!("# columns time:s {}\n", names.join(" "));
    let rows = loadline::store::VALUES_MAX / 1000 + 7;
    let values = " 1".repeat(998);
    for second in 1..=rows {
        writeln!(text, "{second}{values}").unwrap();
    }
    let mut stage = AppStage::with_retention("large.load", std::time::Duration::MAX);
    replay_on(&mut stage, &text);
    let frame = stage.frame(100, 24);
    assert!(frame.contains("the oldest 7 rows of this recording do not fit"), "{frame}");
}

#[test]
fn a_recording_is_shown_as_a_whole() {
    let mut live = AppStage::live();
    // Another run, half an hour later.
    live.connect_live(8);
    for second in 2040..2280 {
        live.row(second, &server_values(second));
    }
    let text = record(&live.sent_events);
    let now = crate::stage::START + 100_000_000;
    check_frames("replay", &mut replay("server-room.load", &text, now));
    check_frames("replay_empty", &mut replay("empty.load", "", now));
}

#[test]
fn several_recordings_are_shown_as_a_whole_on_one_axis() {
    let mut live = AppStage::live();
    let early = record(&live.sent_events);
    live.sent_events.truncate(2);
    for second in 3000..3240 {
        live.row(second, &server_values(second));
    }
    let late = record(&live.sent_events);
    let mut stage = AppStage::new("monday.load");
    let keep = std::time::Duration::MAX;
    stage.app = stage.app.with_sources([Watched::new("tuesday.load", false, keep)]);
    stage.now = crate::stage::START + 100_000_000;
    replay_as(&mut stage, 0, &early);
    replay_as(&mut stage, 1, &late);
    assert!(stage.app.window.span.as_secs() >= 3239, "{:?}", stage.app.window.span);
    let frame = stage.frame(120, 36);
    assert!(frame.contains("2 sources") && frame.contains(" 2 REPLAY "), "{frame}");
    assert!(!frame.contains("clock"), "the clock offset of a recording is unknown: {frame}");
    check_frame("replay_beside", &mut stage, 120, 36);
    stage.type_keys("v");
    check_frame("replay_together", &mut stage, 120, 36);
}

#[test]
fn a_recording_beside_a_live_server_does_not_change_the_time_span() {
    let text = record(&AppStage::live().sent_events);
    let mut stage = AppStage::several_sources(3);
    let keep = std::time::Duration::MAX;
    stage.app = stage.app.with_sources([Watched::new("monday.load", false, keep)]);
    let span = stage.app.window.span;
    replay_as(&mut stage, 3, &text);
    assert_eq!(stage.app.window.span, span);
    let frame = stage.frame(120, 36);
    assert!(frame.contains(" 3 LIVE ") && frame.contains(" 1 REPLAY "), "{frame}");
    // A recording has no more rows to come, so it is as fresh as the live sources.
    assert!(stage.app.is_source_fresh(3));
}
