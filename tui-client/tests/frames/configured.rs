//! Other keys, and thresholds.

use crossterm::event::{KeyCode, KeyModifiers};
use loadline::app::Flow;
use loadline::keys::{Action, Key, Keys};
use loadline::layout::Page;
use loadline::theme::{Palette, Theme};
use loadline::thresholds::Thresholds;
use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier, Style};

use crate::metrics::all_metrics;
use crate::stage::{AppStage, THEME, check_frame, check_frames, text};

fn with_keys(stage: AppStage, changes: &[(Action, &[&str])]) -> AppStage {
    let parsed = |keys: &[&str]| keys.iter().map(|key| key.parse::<Key>().unwrap()).collect();
    let changes: Vec<_> = changes.iter().map(|(action, keys)| (*action, parsed(keys))).collect();
    let keys = Keys::with_changes(&changes).unwrap();
    AppStage { app: stage.app.with_keys_and_thresholds(keys, Thresholds::default()), ..stage }
}

const KEY_CHANGES: &[(Action, &[&str])] = &[
    (Action::Quit, &["F10"]),
    (Action::Help, &["h", "F1"]),
    (Action::Back, &["backspace"]),
    (Action::ColumnsLeft, &[]),
    (Action::Pause, &["ctrl-alt-shift-delete", "p"]),
    (Action::Left, &["alt-b"]),
    (Action::Up, &["i"]),
    (Action::Down, &["s"]),
    (Action::Chart(0), &["F5"]),
    (Action::Cycle, &[]),
];

#[test]
fn help_and_footer_name_the_keys_that_are_bound() {
    let mut stage = with_keys(AppStage::live(), KEY_CHANGES);
    check_frame("rebound_footer", &mut stage, 120, 36);
    stage.type_keys("h");
    check_frame("rebound_help", &mut stage, 120, 36);
    check_frame("rebound_help", &mut stage, 60, 20);
    let mut several = with_keys(AppStage::several_sources(3), KEY_CHANGES);
    several.type_keys("h");
    check_frame("rebound_help_of_several", &mut several, 120, 36);
}

#[test]
fn a_rebound_action_has_only_its_new_keys() {
    let mut stage = with_keys(AppStage::live(), KEY_CHANGES);
    assert_eq!(stage.press(KeyCode::Char('q')), Flow::Continue);
    stage.press(KeyCode::Char('?'));
    assert_eq!(stage.app.screen.page, Page::Dashboard);
    stage.press(KeyCode::F(1));
    assert!(stage.app.screen.help_scroll.is_some());
    stage.press(KeyCode::Esc);
    assert!(stage.app.screen.help_scroll.is_some());
    stage.press(KeyCode::Backspace);
    assert_eq!(stage.app.screen.page, Page::Dashboard);
    assert_eq!(stage.press(KeyCode::F(10)), Flow::Quit);
    assert_eq!(stage.press_with(KeyCode::Char('c'), KeyModifiers::CONTROL), Flow::Quit);
}

/// Returns a live server with the CPU at warning, memory at critical and load at normal level.
fn with_limits(theme: Theme) -> AppStage {
    let mut stage = AppStage::live().with_thresholds(&[
        ("cpu", Some(10.0), Some(99.5)),
        ("mem", Some(20.0), Some(40.0)),
        ("freq", None, Some(9000.0)),
        ("load1/core", Some(1.0), Some(2.0)),
    ]);
    stage.app.theme = theme;
    stage
}

#[test]
fn a_threshold_exceeded_on_another_page_is_in_the_header() {
    let disk = ("disk_used", Some(50.0), Some(60.0));
    let mut stage = all_metrics().with_thresholds(&[disk, ("swap", Some(10.0), Some(90.0))]);
    check_frames("exceeded", &mut stage);
    let number =
        1 + stage.app.sources.charts().iter().position(|it| it.title == "Disk space").unwrap();
    let buffer = stage.draw(120, 36);
    let header = stage.header(120, 36);
    let expected = format!("critical: Disk space 63.4 %  (chart {number}, 1 more)");
    assert!(header.contains(&expected), "{header}");
    assert_eq!(style_of(&buffer, 0, "critical").fg, Some(Color::Red));
    assert!(stage.header(40, 12).contains("critical: Disk space 63.4 %"));
    // A value whose chart is visible is not in the header.
    stage.press(KeyCode::BackTab);
    let header = stage.header(120, 36);
    assert!(!header.contains("Disk space"), "{header}");
    // An outdated value is not in the header.
    let mut silent = all_metrics().with_thresholds(&[disk]);
    silent.wait(60_000);
    assert!(!silent.frame(120, 36).contains("critical"));
}

#[test]
fn a_threshold_exceeded_on_another_host_is_seen_in_the_overview_and_from_a_dashboard() {
    let mut stage =
        AppStage::several_sources(12).with_thresholds(&[("load15", Some(1.0), Some(1.3))]);
    check_frame("exceeded_overview", &mut stage, 120, 24);
    let first = stage.line(120, 24, 1);
    assert!(first.contains("load15  1.40") && first.contains("cpu   67.1 %"), "{first}");
    let narrow = stage.line(40, 24, 1);
    assert!(narrow.contains("load15  1.40"), "{narrow}");
    assert!(stage.header(80, 8).contains("critical: web-7:1027 Load 15m 1.40"));
    let mut stage =
        AppStage::several_sources(3).with_thresholds(&[("mem", Some(46.9), Some(99.0))]);
    stage.source_row(1, 240, 0, &[1.0, 1.0, 12.0, 1.0, 1.0, 1.0]);
    stage.press(KeyCode::Char('j'));
    stage.press(KeyCode::Enter);
    let header = stage.header(120, 36);
    assert!(header.contains("warning: web-1:1027 Memory 47.0 %  (1 more)"), "{header}");
}

#[test]
fn every_exceeded_threshold_is_in_its_row_or_in_the_header() {
    let limits = [("cpu", 2.0), ("freq", 9000.0), ("load15", 1.3)];
    let limits = limits.map(|(name, critical)| (name, Some(1.0), Some(critical)));
    let mut stage = AppStage::several_sources(2).with_thresholds(&limits);
    let frame = stage.frame(120, 24);
    let lines: Vec<&str> = frame.lines().take(2).collect();
    // The worst hidden value takes a place in the row. The header names the value without a place.
    assert!(lines[1].contains("cpu   67.1 %") && lines[1].contains("load15  1.40"), "{frame}");
    assert!(lines[0].contains("warning: web-1:1027 Frequency"), "{frame}");
    assert!(lines[0].contains("(1 more)"), "{frame}");
    // The only place stays with its own value, which is as bad.
    assert!(stage.line(40, 12, 1).contains("cpu   67.1 %"));
    assert!(stage.header(40, 12).contains("critical: web-1:1027 L"));
}

/// Returns the first row that contains a text.
fn row_of(buffer: &Buffer, text_to_find: &str) -> u16 {
    text(buffer).lines().position(|line| line.contains(text_to_find)).unwrap() as u16
}

/// Returns the style of the first cell of a text in a row of the screen.
fn style_of(buffer: &Buffer, row: u16, text_to_find: &str) -> Style {
    let line = text(buffer).lines().nth(usize::from(row)).unwrap().to_owned();
    let at = line.find(text_to_find).unwrap_or_else(|| panic!("{text_to_find} in {line}"));
    buffer[(line[..at].chars().count() as u16, row)].style()
}

#[test]
fn a_value_above_its_threshold_has_the_colour_of_its_level() {
    let mut stage = with_limits(THEME);
    check_frame("limits", &mut stage, 120, 36);
    let buffer = stage.draw(120, 36);
    let title_row = row_of(&buffer, "CPU ");
    let (cpu, mem) =
        (style_of(&buffer, title_row, "67.1 %"), style_of(&buffer, title_row, "47.0 %"));
    assert_eq!((cpu.fg, mem.fg), (Some(Color::Yellow), Some(Color::Red)));
    assert!(
        mem.add_modifier.contains(Modifier::REVERSED)
            && !cpu.add_modifier.contains(Modifier::REVERSED)
    );
    // The last row of the table is above the footer.
    let last = buffer.area.height - 2;
    assert_eq!(style_of(&buffer, last, "47.0").fg, Some(Color::Red), "in the table as well");
    // An outdated value has no colour.
    stage.wait(60_000);
    let buffer = stage.draw(120, 36);
    assert_eq!(style_of(&buffer, title_row, "47.0 %").fg, Some(Color::DarkGray));
}

#[test]
fn without_colours_a_value_above_its_threshold_is_underlined_or_reversed() {
    let mut stage = with_limits(Theme { palette: Palette::Mono, ..THEME });
    let buffer = stage.draw(120, 36);
    let title_row = row_of(&buffer, "CPU ");
    assert!(style_of(&buffer, title_row, "67.1 %").add_modifier.contains(Modifier::UNDERLINED));
    assert!(style_of(&buffer, title_row, "47.0 %").add_modifier.contains(Modifier::REVERSED));
    assert!(buffer.content.iter().all(|cell| cell.fg == Color::Reset));
}

#[test]
fn large_digits_and_the_overview_have_the_colours_of_levels_too() {
    let mut stage = with_limits(THEME);
    stage.type_keys("2f");
    let buffer = stage.draw(80, 24);
    let digits = buffer.content.iter().find(|cell| cell.symbol() == "█").unwrap();
    assert_eq!(digits.fg, Color::Red);
    let mut several = AppStage::several_sources(3).with_thresholds(&[("mem", Some(40.0), None)]);
    let buffer = several.draw(120, 24);
    let row = row_of(&buffer, "web-1:1027");
    assert_eq!(style_of(&buffer, row, "47.0 %").fg, Some(Color::Yellow));
}
