//! Processes in place of the data table, and their names in the titles of charts.

use std::sync::Arc;

use crossterm::event::{KeyCode, MouseButton, MouseEventKind};
use loadline::event::{Event, StreamInfo};
use loadline::layout::Page;
use loadline::theme::Theme;
use loadline::view;
use loadline_protocol::{Header, Look, Note, Time};

use crate::drawn::{ASCII, MONO};
use crate::stage::{AppStage, START, check_frame, check_frames, header, server_values};

/// Returns a look that an agent took `second` seconds after the start.
pub(crate) fn look(second: i64) -> Look {
    let time = Time::from_millis(START + second * 1000);
    let cpu = (server_values(second)[0] * 10.0).round() / 10.0;
    let hog = if (90..150).contains(&second) { "ffmpeg" } else { "postgres" };
    let (hog_cpu, other) = (cpu * 0.7, cpu * 0.1);
    let pid = if hog == "ffmpeg" { 81_412 } else { 77 };
    let text = format!(
        "# top time={time} over=5.0 processes=412 cpu={cpu} other={other:.1}\n\
         # proc pid={pid} name={hog} user=media unit=transcode-the-archive.service cpu={hog_cpu:.1} \
         mem=412000256 io=1048576\n\
         # proc pid=1203 name=日本語のプロセス名です user=日本語利用者の名前 cpu={:.1} mem=80412672\n\
         # proc pid=900 name=java user=app unit=docker-3f8a9c cpu={:.1} mem=3221225472 io=0\n\
         # proc pid=4194304 name=cc1plus user=1000 unit=user@1000.service cpu={:.1} mem=912000256 io=512\n\
         # proc pid=1 name=systemd user=root unit=init.scope cpu=0.0 mem=12000256\n\
         # proc pid=31 name=[kworker/0:1-events_power_efficient] user=root cpu=0.1 mem=0\n",
        cpu * 0.08,
        cpu * 0.07,
        cpu * 0.05,
    );
    parse(&text)
}

/// Returns the look in notes of a stream.
fn parse(text: &str) -> Look {
    let mut look = Look::default();
    for line in text.lines() {
        match Note::parse(line.trim_start_matches('#')) {
            Ok(Note::Top(top)) => look.top = top,
            Ok(Note::Process(process)) => look.processes.push(process),
            other => panic!("{line}: {other:?}"),
        }
    }
    look
}

/// Returns a connected agent with four minutes of samples, and a look every five seconds except in the
/// minute from 30 s on.
pub(crate) fn watching_processes() -> AppStage {
    let mut stage = AppStage::new("127.0.0.1:1027");
    stage.event(Event::Connected);
    stage.event(with_header(header(7), Some(5)));
    for second in 0..240 {
        stage.row(second, &server_values(second));
        if second % 5 == 4 && !(30..90).contains(&second) {
            stage.event(Event::Look(Arc::new(look(second))));
        }
    }
    stage.event(Event::Live);
    stage
}

/// Returns a header with this field `top`.
fn with_header(event: Event, top: Option<u16>) -> Event {
    let Event::Stream(stream) = event else { panic!("not a header") };
    let stream = Arc::unwrap_or_clone(stream);
    let header = stream.header.map(|header| Header { top, ..header });
    Event::Stream(Arc::new(StreamInfo { header, ..stream }))
}

/// Returns the rows between the charts, if any, and the statistics or the footer.
fn table(stage: &mut AppStage, width: u16, height: u16) -> Vec<String> {
    let frame = stage.frame(width, height);
    let charts = stage.app.layout(stage.app.area()).charts;
    let below = charts.iter().map(|place| place.area.bottom()).max().unwrap_or(1);
    let rows = usize::from(height - 1 - below);
    frame.lines().skip(usize::from(below)).take(rows).map(str::to_owned).collect()
}

/// Returns the first words of the rows of processes.
fn names(stage: &mut AppStage, width: u16, height: u16) -> Vec<String> {
    let rows = table(stage, width, height).into_iter().skip(1);
    rows.filter_map(|row| row.split_whitespace().next().map(str::to_owned)).collect()
}

fn titles(stage: &mut AppStage, width: u16, height: u16) -> String {
    stage.line(width, height, 1)
}

#[test]
fn the_processes_of_the_newest_look() {
    let mut stage = watching_processes();
    let samples = stage.frame(120, 36);
    assert!(samples.lines().last().unwrap().contains("w processes"), "{samples}");
    stage.type_keys("w");
    check_frames("processes", &mut stage);
    stage.type_keys("w");
    assert_eq!(stage.frame(120, 36), samples);
    stage.type_keys("w");
    stage.press(KeyCode::Esc);
    assert_eq!(stage.frame(120, 36), samples);
}

#[test]
fn the_processes_at_the_crosshair() {
    let mut stage = watching_processes();
    stage.frame(120, 36);
    stage.type_keys("wc");
    stage.type_keys(&"T".repeat(100));
    check_frames("processes_cursor", &mut stage);
    // A look covers the time since the look before.
    stage.type_keys(&"T".repeat(45));
    assert_eq!(stage.crosshair_s(), Some(94));
    assert_eq!(names(&mut stage, 120, 36)[0], "ffmpeg");
    stage.type_keys("TTTT");
    assert_eq!(names(&mut stage, 120, 36)[0], "ffmpeg");
}

#[test]
fn the_sums_from_the_mark_to_the_crosshair() {
    let mut stage = watching_processes();
    stage.frame(120, 36);
    stage.type_keys("wc");
    stage.type_keys(&"T".repeat(70));
    stage.type_keys("m");
    stage.type_keys(&"T".repeat(40));
    check_frames("processes_mark", &mut stage);
}

#[test]
fn a_look_that_arrives_later_counts_for_a_span_that_it_covers() {
    let mut stage = watching_processes();
    stage.frame(120, 36);
    stage.row(243, &server_values(243));
    stage.type_keys("wcmT");
    stage.row(244, &server_values(244));
    stage.type_keys("tt");
    let over = |stage: &mut AppStage| table(stage, 120, 36)[0].contains("14:04:04 over 5.0 s");
    assert!(!over(&mut stage));
    stage.event(Event::Look(Arc::new(look(244))));
    assert!(over(&mut stage), "{}", stage.frame(120, 36));
}

#[test]
fn processes_are_sorted_by_cpu_or_memory() {
    let mut stage = watching_processes();
    stage.frame(120, 36);
    stage.type_keys("wo");
    check_frame("processes_by_memory", &mut stage, 120, 36);
    stage.type_keys("o");
    assert!(names(&mut stage, 120, 36).starts_with(&["postgres".to_owned()]));
}

#[test]
fn more_processes_than_rows_are_scrolled_with_the_keys_of_the_table() {
    let mut stage = watching_processes();
    stage.frame(80, 24);
    stage.type_keys("w");
    let first = |stage: &mut AppStage| names(stage, 80, 24)[0].clone();
    assert_eq!(first(&mut stage), "postgres");
    stage.type_keys("jj");
    assert_eq!(first(&mut stage), "java");
    let footer = stage.line(80, 24, 23);
    assert!(footer.ends_with("processes 3-6 of 6"), "{footer}");
    stage.press_times(9, KeyCode::Down);
    assert_eq!(first(&mut stage), "java");
    // `other` stays in sight.
    assert_eq!(names(&mut stage, 80, 24).last().unwrap(), "other");
    stage.mouse(MouseEventKind::ScrollUp, 5, 20);
    assert_eq!(first(&mut stage), "postgres");
    // A click has no effect, and the samples are where they were.
    stage.drag(MouseButton::Left, (5, 20), (5, 20));
    assert_eq!((stage.crosshair_s(), stage.window_end_s()), (None, Some(239)));
}

#[test]
fn without_charts_the_processes_scroll_by_page() {
    let mut stage = watching_processes();
    stage.frame(40, 8);
    stage.type_keys("w");
    assert_eq!(names(&mut stage, 40, 8)[0], "postgres");
    stage.press(KeyCode::PageDown);
    assert_eq!(names(&mut stage, 40, 8)[3], "systemd");
    stage.press(KeyCode::PageUp);
    assert_eq!(names(&mut stage, 40, 8)[0], "postgres");
}

#[test]
fn the_processes_show_although_the_table_is_off() {
    let mut stage = watching_processes();
    stage.frame(80, 24);
    stage.type_keys("dd");
    let off = stage.frame(80, 24);
    stage.type_keys("w");
    assert!(names(&mut stage, 80, 24).contains(&"postgres".to_owned()));
    stage.type_keys("d");
    check_frame("processes_alone", &mut stage, 80, 24);
    stage.type_keys("d");
    assert_eq!(stage.frame(80, 24), off);
}

#[test]
fn fullscreen_names_three_processes_and_has_the_table_below_the_chart() {
    let mut stage = watching_processes();
    stage.frame(120, 36);
    stage.type_keys("f");
    check_frames("processes_fullscreen", &mut stage);
    stage.type_keys("2wc");
    check_frame("processes_fullscreen_memory", &mut stage, 120, 36);
    stage.type_keys("f");
    assert_eq!(stage.app.screen.page, Page::Dashboard);
    assert!(names(&mut stage, 120, 36).contains(&"postgres".to_owned()));
}

#[test]
fn a_narrow_title_leaves_out_the_process_before_any_number() {
    let mut stage = watching_processes();
    let title = |stage: &mut AppStage, width| titles(stage, width, 24);
    assert!(
        title(&mut stage, 80).starts_with(" 1  CPU ─ postgres 47 % ─────── 67.1 %    2  Memory")
    );
    assert_eq!(title(&mut stage, 34), " 1  CPU ─ postgres 47 % ── 67.1 %");
    assert_eq!(title(&mut stage, 33), " 1  CPU ─ postgr~ 47 % ── 67.1 %");
    assert_eq!(title(&mut stage, 32), " 1  CPU ─ postg~ 47 % ── 67.1 %");
    assert_eq!(title(&mut stage, 31), " 1  CPU ─────────────── 67.1 %");
    // Charts of other columns name no process.
    let frame = stage.frame(120, 36);
    let load = frame.lines().find(|line| line.contains(" 4  Load ")).unwrap();
    assert!(load.contains(" 3  Frequency ─────") && !load.contains(" MiB"), "{load}");
}

#[test]
fn a_time_without_a_look_names_no_process_and_says_so() {
    let mut stage = watching_processes();
    stage.frame(120, 36);
    stage.type_keys("wc");
    stage.type_keys(&"T".repeat(180));
    assert_eq!(stage.crosshair_s(), Some(59));
    assert_eq!(table(&mut stage, 120, 36)[0], "no look at the processes at 14:00:59.000");
    let title = titles(&mut stage, 120, 36);
    assert!(title.starts_with(" 1  CPU ────"), "{title}");
    stage.type_keys("mT");
    let expected = "no look at the processes from the mark to the crosshair";
    assert_eq!(table(&mut stage, 120, 36)[0], expected);
    // At the live edge, an old look is not that of now.
    stage.press(KeyCode::Esc);
    stage.press(KeyCode::Esc);
    stage.row(246, &server_values(246));
    assert!(titles(&mut stage, 120, 36).contains("postgres"));
    stage.row(247, &server_values(247));
    assert!(!titles(&mut stage, 120, 36).contains("postgres"));
    assert_eq!(table(&mut stage, 120, 36)[0], "no look at the processes at 14:04:07.000");
    stage.event(with_header(header(8), None));
    let expected = "no processes: the agent is older, or runs with --top 0";
    assert_eq!(table(&mut stage, 120, 36)[0], expected);
}

#[test]
fn a_source_without_looks_says_why() {
    let reason = |mut stage: AppStage| {
        stage.frame(80, 24);
        stage.type_keys("w");
        let frame = stage.frame(80, 24);
        let found = frame.lines().find(|line| line.starts_with("no "));
        found.unwrap_or_else(|| panic!("{frame}")).to_owned()
    };
    let mut old = AppStage::live();
    old.frame(80, 24);
    assert!(!old.line(80, 24, 23).contains("processes"));
    assert_eq!(reason(old), "no processes: the agent is older, or runs with --top 0");
    let mut young = AppStage::new("web-1");
    young.event(Event::Connected);
    young.event(with_header(header(7), Some(5)));
    young.row(0, &server_values(0));
    assert_eq!(reason(young), "no look at the processes yet");
    let plain = AppStage::plain(6, 9);
    assert_eq!(reason(plain), "no processes: the source sends only rows");
    let mut live = AppStage::live();
    live.type_keys("w");
    check_frame("processes_none", &mut live, 80, 24);
}

#[test]
fn the_overview_and_compare_stay_and_the_key_opens_the_chosen_source() {
    let mut stage = AppStage::several_sources(3);
    let pages = |stage: &mut AppStage| {
        let overview = stage.frame(120, 36);
        stage.type_keys("v");
        let overlay = stage.frame(120, 36);
        stage.type_keys("v");
        let grid = stage.frame(120, 36);
        stage.type_keys("v");
        [overview, overlay, grid]
    };
    let before = pages(&mut stage);
    for source in 0..3 {
        stage.source_event(source, Event::Look(Arc::new(look(239))));
    }
    assert_eq!(pages(&mut stage), before);
    stage.type_keys("jw");
    assert_eq!((stage.app.screen.page, stage.app.sources.shown()), (Page::Dashboard, 1));
    assert_eq!(names(&mut stage, 120, 36)[0], "postgres");
    stage.type_keys("n");
    assert_eq!(names(&mut stage, 120, 36)[0], "postgres");
    stage.type_keys("Nw");
    stage.press(KeyCode::Esc);
    assert_eq!(stage.frame(120, 36), before[0]);
}

#[test]
fn times_of_looks_are_those_of_the_axis() {
    let mut stage = AppStage::several_sources(6);
    // The clock of the fourth source is 90 s ahead.
    stage.source_event(3, Event::Look(Arc::new(look(239 + 90))));
    stage.frame(120, 36);
    stage.type_keys("jjjw");
    let head = table(&mut stage, 120, 36)[0].clone();
    assert!(head.starts_with("14:03:59 over 5.0 s"), "{head}");
}

#[test]
fn themes_without_colours_and_ascii_show_the_order() {
    for (name, theme) in [("mono", MONO), ("ascii", Theme { utf8: false, ..ASCII })] {
        let mut stage = watching_processes();
        stage.app.theme = theme;
        stage.frame(80, 24);
        stage.type_keys("wc");
        check_frame(&format!("processes_{name}"), &mut stage, 80, 24);
    }
}

#[test]
fn a_name_from_outside_cannot_reach_the_terminal() {
    let mut stage = watching_processes();
    let long = "\u{202e}x".repeat(300);
    let hostile = format!(
        "# top time={} over=1e300 cpu=1e300\n# proc pid=1 name=\"\x1b[2J\u{7}\" user={long} unit={long} cpu=1e300 mem=18446744073709551615 io=1e300",
        Time::from_millis(START + 239_000)
    );
    stage.event(Event::Look(Arc::new(parse(&hostile))));
    stage.frame(120, 36);
    stage.type_keys("w");
    for (width, height) in [(120, 36), (80, 24), (30, 10)] {
        let frame = stage.frame(width, height);
        let is_unsafe = |c: char| c.is_control() && c != '\n' || c == '\u{202e}';
        assert!(!frame.contains(is_unsafe), "{frame}");
        assert!(frame.contains("[2J"), "{frame}");
    }
}

#[test]
fn the_rows_of_processes_do_not_move_up_with_each_sample() {
    let mut stage = watching_processes();
    stage.frame(80, 24);
    assert!(!view::scrolling_rows(&stage.app).is_empty());
    stage.type_keys("w");
    assert!(view::scrolling_rows(&stage.app).is_empty());
}
