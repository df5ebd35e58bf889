//! States and views of the screen.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use crossterm::event::KeyCode;
use loadline::app::Flow;
use loadline::event::{Event, Overdue, StreamInfo};
use loadline::layout::Page;
use loadline::link::{ReadOptions, StreamReader};
use loadline::theme::Palette;
use loadline::watched::Watched;
use loadline_protocol::{Header, Note, SafeText, Schema, Time};
use ratatui::style::{Color, Modifier};

use crate::stage::{AppStage, START, check_frame, check_frames, colour_of, server_values};

#[test]
fn the_dashboard_of_a_live_server() {
    check_frames("live", &mut AppStage::live());
    check_frame("live", &mut AppStage::live(), 20, 5);
    check_frame("live", &mut AppStage::live(), 60, 2);
}

#[test]
fn the_header_ends_with_the_agents_resource_use_if_there_is_room() {
    let mut stage = AppStage::live();
    let health = |text: &str| match Note::parse(text) {
        Ok(Note::Health(health)) => Event::Health(health),
        other => panic!("{other:?}"),
    };
    stage.event(health("agent cpu=0.05% rss=3.1MiB late=0 clients=3"));
    assert!(stage.header(120, 24).contains("  agent 0.05 % 3.1 MiB"));
    assert_eq!(stage.header(80, 24), AppStage::live().header(80, 24));
    // Late samples matter more than the agent's resource use.
    stage.event(health("agent cpu=0.05% late=7"));
    assert!(stage.header(120, 24).contains("  7 late  agent 0.05 %"));
    stage.event(Event::Connected);
    assert!(!stage.header(120, 24).contains("agent 0"), "no resource use of a lost agent");
}

#[test]
fn one_chart_over_the_whole_screen() {
    let mut stage = AppStage::live();
    stage.type_keys("4f");
    check_frames("fullscreen_load", &mut stage);
    assert_eq!(stage.app.screen.page, Page::Fullscreen);
    stage.press(KeyCode::Tab);
    assert!(stage.frame(80, 24).contains("1  CPU"));
    stage.press(KeyCode::BackTab);
    assert!(stage.frame(80, 24).contains("4  Load"));
    stage.press(KeyCode::Esc);
    assert_eq!(stage.frame(80, 24), AppStage::live().frame(80, 24));
}

#[test]
fn the_help_lists_every_key_and_esc_leaves_it() {
    let mut stage = AppStage::live();
    stage.type_keys("?");
    check_frames("help", &mut stage);
    for (width, height) in [(120, 36), (80, 24), (40, 12)] {
        let frame = stage.frame(width, height);
        let footer = frame.lines().last().unwrap();
        assert!(footer.contains("Esc back"), "{footer}");
        assert!(frame.lines().rev().nth(1).unwrap().contains('╰') || height > 24, "{frame}");
    }
    stage.press(KeyCode::Esc);
    assert_eq!(stage.frame(80, 24), AppStage::live().frame(80, 24));
}

#[test]
fn in_a_small_terminal_the_help_is_wrapped_and_scrolled_but_not_cut() {
    let mut stage = AppStage::live();
    stage.frame(40, 12);
    stage.type_keys("?");
    let mut seen = String::new();
    let mut rows = 0;
    for _ in 0..20 {
        let frame = stage.frame(40, 12);
        // Each page continues the previous one.
        let last = frame.lines().find_map(|line| line.split_once(" of ")?.0.rsplit(' ').next());
        let last: usize = last.unwrap().parse().unwrap();
        assert!(last <= rows + 9, "{rows}: {frame}");
        rows = last;
        seen += &frame;
        stage.press(KeyCode::PageDown);
    }
    assert!(!seen.contains('~'), "{seen}");
    for text in ["switch units: GiB,", "MHz, load per core", "zoom to the selected"] {
        assert!(seen.contains(text), "{text}: {seen}");
    }
    check_frame("help_end", &mut stage, 40, 12);
    stage.app.theme.ascii = true;
    check_frame("help_end_ascii", &mut stage, 40, 12);
}

#[test]
fn the_table_is_below_alone_or_off() {
    let mut stage = AppStage::live();
    stage.type_keys("d");
    check_frames("table", &mut stage);
    stage.type_keys("d");
    check_frames("no_table", &mut stage);
    stage.type_keys("d");
    assert_eq!(stage.frame(80, 24), AppStage::live().frame(80, 24));
}

#[test]
fn a_key_lends_the_terminal_to_ssh_during_an_outage() {
    let mut watched = Watched::new("me@web-1", false, Duration::from_hours(1));
    watched.may_prompt = true;
    let mut stage = AppStage::watching(watched);
    stage.type_keys("r");
    let screen = stage.frame(80, 24);
    assert!(screen.contains("no ssh connection to retry") && !screen.contains("ssh prompt"));
    stage.app.footer.message = None;
    stage.down("me@web-1: Permission denied (publickey)");
    check_frame("ssh_refused", &mut stage, 100, 24);
    assert_eq!(stage.press(KeyCode::Char('r')), Flow::LendTerminal { source: 0 });
    // The key works in the help as well, since the state is visible there.
    stage.type_keys("?");
    assert_eq!(stage.press(KeyCode::Char('r')), Flow::LendTerminal { source: 0 });
}

#[test]
fn a_login_that_is_not_repeated_waits_for_a_key() {
    let mut watched = Watched::new("me@web-1", false, Duration::from_hours(1));
    watched.may_prompt = true;
    let mut stage = AppStage::watching(watched);
    let reason = SafeText::new("me@web-1: Permission denied (publickey,password)");
    stage.event(Event::Disconnected { reason, refused: false, retry_at: None });
    let screen = stage.frame(120, 24);
    assert!(screen.contains("(no more attempts, press r to log in)"), "{screen}");
    assert!(!screen.contains("retry"), "{screen}");
    assert_eq!(stage.press(KeyCode::Char('r')), Flow::LendTerminal { source: 0 });
}

#[test]
fn no_sample_has_arrived_yet() {
    let mut stage = AppStage::new("web-1:1027");
    check_frames("connecting", &mut stage);
    stage.down("connection refused");
    check_frames("refused", &mut stage);
    stage.event(Event::Connected);
    let last = SafeText::new("field 1: invalid number \"HTTP/1.1\"");
    stage.event(Event::Faults { count: 3, first: last.clone(), last });
    check_frames("no_rows", &mut stage);
}

#[test]
fn stale_data_never_looks_live() {
    let mut stage = AppStage::live();
    let live = stage.draw(80, 24);
    assert_eq!(colour_of(&live, "⠉"), Some(Color::Cyan));
    stage.wait(2990);
    assert!(stage.frame(80, 24).contains(" LIVE "));
    stage.wait(10);
    let silent = stage.draw(80, 24);
    check_frames("stale", &mut stage);
    assert_eq!(colour_of(&silent, "⠉"), Some(Color::DarkGray));
    stage.wait(60_000);
    assert!(stage.frame(80, 24).contains("age 63 s"));
}

#[test]
fn a_stale_source_says_why_until_the_next_row() {
    let mut stage = AppStage::live();
    stage.wait(10_000);
    stage.event(Event::Overdue(Overdue::Asked));
    let header = stage.header(100, 24);
    assert!(header.contains(" STALE   no rows, asking the agent"), "{header}");
    stage.event(Event::Overdue(Overdue::NotSampling));
    assert!(stage.header(80, 24).contains(" STALE   the agent answers, but takes no samples"));
    stage.event(Event::Live);
    assert!(stage.header(80, 24).contains(" STALE   the agent answers"));
    stage.down("no answer for 10 s");
    assert!(stage.header(80, 24).contains(" RECONNECTING   no answer for 10 s"));
    stage.connect(8);
    stage.wait(10_000);
    let header = stage.header(120, 24);
    assert!(header.contains(" STALE ") && !header.contains("agent answers"), "{header}");
}

#[test]
fn a_lost_connection_shows_its_reason_and_keeps_the_charts() {
    let mut stage = AppStage::live();
    stage.down("connection reset");
    check_frames("reconnecting", &mut stage);
    assert_eq!(colour_of(&stage.draw(80, 24), "⠉"), Some(Color::DarkGray));
}

#[test]
fn a_long_reason_of_an_outage_is_shortened_not_left_out() {
    let mut stage = AppStage::live();
    stage.down("the server's certificate has an unknown issuer; give its CA with --tls-ca");
    let wide = stage.header(160, 12);
    assert!(wide.contains("with --tls-ca (retry in "), "{wide}");
    let narrow = stage.header(80, 12);
    assert!(narrow.contains("the server's certificate has an unknown issuer"), "{narrow}");
    assert!(narrow.trim_end().ends_with('~'), "{narrow}");
    let least = stage.header(40, 12);
    assert!(!least.contains("certificate"), "{least}");
}

#[test]
fn an_outage_is_drawn_as_a_gap() {
    let mut stage = AppStage::live();
    stage.down("connection refused");
    stage.now += 60_000;
    stage.connect(8);
    for second in 300..310 {
        stage.row(second, &server_values(second));
    }
    stage.event(Event::Live);
    stage.event(Event::Skipped { count: 5 });
    check_frames("gap", &mut stage);
}

#[test]
fn a_paused_view_stands_still_while_samples_are_kept() {
    let mut stage = AppStage::live();
    let charts = |frame: String| frame.lines().skip(1).take(16).collect::<Vec<_>>().join("\n");
    let before = charts(stage.frame(80, 24));
    stage.type_keys(" ");
    for second in 240..277 {
        stage.row(second, &server_values(second));
    }
    assert_eq!(charts(stage.frame(80, 24)), before);
    check_frames("paused", &mut stage);
    stage.type_keys(" ");
    let after = stage.frame(80, 24);
    assert!(after.contains(" LIVE ") && after.contains("14:04:36.000"), "{after}");
}

#[test]
fn a_paused_view_shows_paused_at_any_width() {
    let mut stage = AppStage::live();
    stage.type_keys(" ");
    stage.wait(60_000);
    for width in 14..80 {
        assert!(stage.frame(width, 10).contains("PAUSED"), "{width}");
        assert!(stage.frame(width, 1).contains("PAUSED"), "{width}");
    }
}

#[test]
fn a_plain_source_of_two_columns() {
    let mut stage = AppStage::plain(2, 0);
    for second in 0..120 {
        let t = second as f64;
        stage.row(second, &[(t / 9.0).sin(), (t / 20.0).cos() * 1000.0]);
    }
    check_frames("plain", &mut stage);
}

#[test]
fn a_metric_that_the_system_does_not_provide() {
    let mut stage = AppStage::new("127.0.0.1:1027");
    stage.connect_live(7);
    for second in 0..60 {
        let mut values = server_values(second);
        values[1] = f64::NAN;
        stage.row(second, &values);
    }
    check_frames("no_frequency", &mut stage);
}

#[test]
fn an_ascii_terminal_gets_ascii_only() {
    let mut stage = AppStage::live();
    stage.app.theme.ascii = true;
    check_frames("ascii", &mut stage);
    stage.type_keys("?");
    assert!(stage.frame(120, 36).is_ascii());
    stage.type_keys("?f");
    assert!(stage.frame(120, 36).is_ascii());
}

#[test]
fn without_colour_there_is_bold_and_reverse_and_no_colour() {
    let mut stage = AppStage::live();
    stage.app.theme.has_colour = false;
    let buffer = stage.draw(80, 24);
    assert!(buffer.content.iter().all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset));
    assert!(buffer.content.iter().any(|cell| cell.modifier.contains(Modifier::BOLD)));
    assert!(buffer.content.iter().any(|cell| cell.modifier.contains(Modifier::REVERSED)));
    let title = buffer.content.iter().find(|cell| cell.symbol() == "C").unwrap();
    assert_eq!(title.modifier, Modifier::BOLD, "the rule after a title does not dim the title");
}

#[test]
fn no_background_is_ever_painted() {
    let mut stage = AppStage::live();
    stage.type_keys("?");
    assert!(stage.draw(120, 36).content.iter().all(|cell| cell.bg == Color::Reset));
}

#[test]
fn four_hundred_columns_and_a_long_name_are_drawn() {
    let name = "a-very-long-host-name-".repeat(20);
    let mut stage = AppStage::new(&name);
    stage.event(Event::Connected);
    let schema = Schema::plain(400);
    stage.event(Event::Stream(Arc::new(StreamInfo { header: Some(Header::default()), schema })));
    stage.event(Event::Live);
    stage.row(0, &[1.0; 400]);
    stage.row(1, &[2.0; 400]);
    stage.press(KeyCode::BackTab);
    check_frames("columns_400", &mut stage);
}

#[test]
fn one_three_and_twelve_charts() {
    for count in [1, 3, 12] {
        check_frames(&format!("charts_{count}"), &mut AppStage::plain(count, 200));
    }
    let mut stage = AppStage::plain(12, 200);
    stage.press(KeyCode::BackTab);
    check_frame("charts_12_end", &mut stage, 80, 24);
}

#[test]
fn two_hundred_columns_are_pages_of_charts() {
    let mut stage = AppStage::plain(200, 200);
    check_frames("columns_200", &mut stage);
    stage.type_keys("f");
    check_frame("columns_200_chart", &mut stage, 120, 36);
}

/// Returns a stage that has read an unrequested stream from a pipe.
fn from_pipe(text: &str) -> AppStage {
    let mut stage = AppStage::new("stdin");
    stage.event(Event::Connected);
    let mut reader = StreamReader::without_request(ReadOptions::default());
    for line in text.split_inclusive('\n') {
        reader.feed(line.as_bytes(), Time::from_millis(stage.now));
        for event in reader.drain_events() {
            stage.event(event);
        }
        stage.now += 1000;
    }
    stage.now -= 1000;
    stage
}

#[test]
fn the_output_of_vmstat_is_drawn_without_options() {
    let heading =
        " r  b   swpd   free   buff  cache   si   so    bi    bo   in   cs us sy id wa st\n";
    let mut text =
        "procs -----------memory---------- ---swap-- -----io---- -system-- ------cpu-----\n"
            .to_owned();
    for second in 0..90_u32 {
        if second % 20 == 0 {
            text += heading;
        }
        let busy = second * 7 % 60;
        let _ = writeln!(
            text,
            " {} 0      0 {} 85236 {}    0    0     5    {} {} {} {} 3 {}  0  0",
            second % 3,
            21_000_000 - 900 * second,
            2_200_000 + 300 * second,
            second * 13 % 90,
            600 + busy,
            900 + 2 * busy,
            busy,
            97 - busy,
        );
    }
    check_frames("vmstat", &mut from_pipe(&text));
}

#[test]
fn two_columns_of_a_sine_are_drawn_without_options() {
    let row = |second: i32| {
        let phase = f64::from(second) / 12.0;
        format!("{:.4}\t{:.4}\n", phase.sin(), phase.cos())
    };
    check_frames("sine", &mut from_pipe(&(0..120).map(row).collect::<String>()));
}

#[test]
fn a_csv_file_with_a_heading_is_drawn_without_options() {
    let mut text = "time,room temp (°C),fan,rx:B/s,tx:B/s,host\n".to_owned();
    for second in 0..200 {
        let wave = (f64::from(second) / 15.0).sin();
        let fan =
            if second % 40 < 30 { format!("{:.0}", 900.0 + 300.0 * wave) } else { String::new() };
        let _ = writeln!(
            text,
            "{},{:.1},{fan},{:.0},{:.0},web-1",
            START / 1000 + i64::from(second),
            21.0 + 2.0 * wave,
            80_000.0 * (1.1 + wave),
            20_000.0 * (1.3 - wave)
        );
    }
    check_frames("csv", &mut from_pipe(&text));
}

#[test]
fn fullscreen_has_large_digits() {
    let mut stage = AppStage::live();
    stage.type_keys("f");
    check_frames("presenter", &mut stage);
    stage.wait(60_000);
    let silent = stage.draw(120, 36);
    assert_eq!(colour_of(&silent, "█"), Some(Color::DarkGray), "stale digits are grey too");
}

#[test]
fn every_theme_distinguishes_series_and_paints_no_background() {
    let mut stage = AppStage::live();
    for palette in [Palette::Dark, Palette::Light, Palette::Mono] {
        assert_eq!(stage.app.theme.palette, palette);
        let buffer = stage.draw(120, 36);
        assert!(buffer.content.iter().all(|cell| cell.bg == Color::Reset), "{palette:?}");
        let lines: Vec<_> = (0..3).map(|line| stage.app.theme.line(line, true).fg).collect();
        let differ = lines[0] != lines[1] && lines[1] != lines[2] && lines[0] != lines[2];
        assert_eq!(differ, palette != Palette::Mono);
        stage.type_keys("C");
    }
    stage.type_keys("CC");
    check_frame("mono", &mut stage, 120, 36);
}

#[test]
fn the_help_scrolls_to_its_end() {
    let mut stage = AppStage::live();
    stage.frame(80, 24);
    stage.type_keys("?");
    assert!(!stage.frame(80, 24).contains("right drag"));
    stage.press(KeyCode::PageDown);
    stage.press(KeyCode::PageDown);
    let end = stage.frame(80, 24);
    let most = stage.app.help_layout(stage.app.area()).2;
    assert_eq!(stage.app.screen.help_scroll, Some(most));
    assert!(end.contains("right drag"), "{end}");
    stage.press(KeyCode::Up);
    assert_ne!(stage.frame(80, 24), end);
}
