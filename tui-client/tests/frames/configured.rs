//! Other keys, and thresholds.

use crossterm::event::{KeyCode, KeyModifiers};
use loadline::app::Flow;
use loadline::keys::{Action, Key, Keys};
use loadline::layout::Page;
use loadline::theme::{Palette, Theme};
use loadline::thresholds::{ThresholdLevels, Thresholds};
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
    (Action::Up, &["w"]),
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
    let stage = AppStage::live();
    let limits = |warn, critical| ThresholdLevels { warn: Some(warn), critical: Some(critical) };
    let thresholds = [
        ("cpu", limits(10.0, 99.5)),
        ("mem", limits(20.0, 40.0)),
        ("freq", ThresholdLevels { warn: None, critical: Some(9000.0) }),
        ("load1/core", limits(1.0, 2.0)),
    ];
    let thresholds = thresholds.map(|(name, limits)| (name.to_owned(), limits)).into();
    let app = stage.app.with_keys_and_thresholds(Keys::default(), Thresholds(thresholds));
    let mut stage = AppStage { app, ..stage };
    stage.app.theme = theme;
    // Changing the units twice applies the thresholds, as a new stream does.
    stage.type_keys("uu");
    stage
}

/// Returns the stage with thresholds for columns: warning and critical.
fn with_thresholds(stage: AppStage, limits: &[(&str, f64, f64)]) -> AppStage {
    let limits = limits.iter().map(|(name, warn, critical)| {
        let limits = ThresholdLevels { warn: Some(*warn), critical: Some(*critical) };
        ((*name).to_owned(), limits)
    });
    let app = stage.app.with_keys_and_thresholds(Keys::default(), Thresholds(limits.collect()));
    let mut stage = AppStage { app, ..stage };
    // Changing the units twice applies the thresholds, as a new stream does.
    stage.type_keys("uu");
    stage
}

#[test]
fn a_threshold_exceeded_on_another_page_is_in_the_header() {
    let mut stage =
        with_thresholds(all_metrics(), &[("disk_used", 50.0, 60.0), ("swap", 10.0, 90.0)]);
    check_frames("exceeded", &mut stage);
    let number =
        1 + stage.app.sources.charts().iter().position(|it| it.title == "Disk space").unwrap();
    let buffer = stage.draw(120, 36);
    let header = text(&buffer).lines().next().unwrap().to_owned();
    let expected = format!("critical: Disk space 63.4 %  (chart {number}, 1 more)");
    assert!(header.contains(&expected), "{header}");
    assert_eq!(style_of(&buffer, 0, "critical").fg, Some(Color::Red));
    assert!(stage.frame(40, 12).lines().next().unwrap().contains("critical: Disk space 63.4 %"));
    // A value whose chart is visible is not in the header.
    stage.press(KeyCode::BackTab);
    let header = stage.frame(120, 36).lines().next().unwrap().to_owned();
    assert!(!header.contains("Disk space"), "{header}");
    // An outdated value is not in the header.
    let mut silent = with_thresholds(all_metrics(), &[("disk_used", 50.0, 60.0)]);
    silent.wait(60_000);
    assert!(!silent.frame(120, 36).contains("critical"));
}

#[test]
fn a_threshold_exceeded_on_another_host_is_seen_in_the_overview_and_from_a_dashboard() {
    let mut stage = with_thresholds(AppStage::several_sources(12), &[("load15", 1.0, 1.3)]);
    check_frame("exceeded_overview", &mut stage, 120, 24);
    let first = stage.frame(120, 24).lines().nth(1).unwrap().to_owned();
    assert!(first.contains("load15  1.40") && first.contains("cpu   67.1 %"), "{first}");
    let narrow = stage.frame(40, 24).lines().nth(1).unwrap().to_owned();
    assert!(narrow.contains("load15  1.40"), "{narrow}");
    let scrolled = stage.frame(80, 8);
    assert!(scrolled.lines().next().unwrap().contains("critical: web-7:1027 Load 15m 1.40"));
    let mut stage = with_thresholds(AppStage::several_sources(3), &[("mem", 46.9, 99.0)]);
    stage.source_row(1, 240, 0, &[1.0, 1.0, 12.0, 1.0, 1.0, 1.0]);
    stage.press(KeyCode::Char('j'));
    stage.press(KeyCode::Enter);
    let header = stage.frame(120, 36).lines().next().unwrap().to_owned();
    assert!(header.contains("warning: web-1:1027 Memory 47.0 %  (1 more)"), "{header}");
}

#[test]
fn every_exceeded_threshold_is_in_its_row_or_in_the_header() {
    let limits = [("cpu", 1.0, 2.0), ("freq", 1.0, 9000.0), ("load15", 1.0, 1.3)];
    let mut stage = with_thresholds(AppStage::several_sources(2), &limits);
    let frame = stage.frame(120, 24);
    let lines: Vec<&str> = frame.lines().take(2).collect();
    // The worst hidden value takes a place in the row. The header names the value without a place.
    assert!(lines[1].contains("cpu   67.1 %") && lines[1].contains("load15  1.40"), "{frame}");
    assert!(lines[0].contains("warning: web-1:1027 Frequency"), "{frame}");
    assert!(lines[0].contains("(1 more)"), "{frame}");
    // The only place stays with its own value, which is as bad.
    let narrow = stage.frame(40, 12);
    assert!(narrow.lines().nth(1).unwrap().contains("cpu   67.1 %"), "{narrow}");
    assert!(narrow.lines().next().unwrap().contains("critical: web-1:1027 L"), "{narrow}");
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
    let frame = text(&buffer);
    let titles: Vec<u16> = (0..)
        .zip(frame.lines())
        .filter(|(_, line)| line.contains("CPU "))
        .map(|(y, _)| y)
        .collect();
    let (cpu, mem) =
        (style_of(&buffer, titles[0], "67.1 %"), style_of(&buffer, titles[0], "47.0 %"));
    assert_eq!((cpu.fg, mem.fg), (Some(Color::Yellow), Some(Color::Red)));
    assert!(
        mem.add_modifier.contains(Modifier::REVERSED)
            && !cpu.add_modifier.contains(Modifier::REVERSED)
    );
    let last = (0..).zip(frame.lines()).filter(|(_, line)| line.contains("47.0")).last().unwrap().0;
    assert_eq!(style_of(&buffer, last, "47.0").fg, Some(Color::Red), "in the table as well");
    // An outdated value has no colour.
    stage.wait(60_000);
    let buffer = stage.draw(120, 36);
    assert_eq!(style_of(&buffer, titles[0], "47.0 %").fg, Some(Color::DarkGray));
}

#[test]
fn without_colours_a_value_above_its_threshold_is_underlined_or_reversed() {
    let mut stage = with_limits(Theme { palette: Palette::Mono, ..THEME });
    let buffer = stage.draw(120, 36);
    let titles: Vec<u16> = (0..)
        .zip(text(&buffer).lines())
        .filter(|(_, line)| line.contains("CPU "))
        .map(|(y, _)| y)
        .collect();
    assert!(style_of(&buffer, titles[0], "67.1 %").add_modifier.contains(Modifier::UNDERLINED));
    assert!(style_of(&buffer, titles[0], "47.0 %").add_modifier.contains(Modifier::REVERSED));
    assert!(buffer.content.iter().all(|cell| cell.fg == Color::Reset));
}

#[test]
fn large_digits_and_the_overview_have_the_colours_of_levels_too() {
    let mut stage = with_limits(THEME);
    stage.type_keys("2f");
    let buffer = stage.draw(80, 24);
    let digits = buffer.content.iter().find(|cell| cell.symbol() == "█").unwrap();
    assert_eq!(digits.fg, Color::Red);
    let several = AppStage::several_sources(3);
    let limits = ThresholdLevels { warn: Some(40.0), critical: None };
    let thresholds = Thresholds([("mem".to_owned(), limits)].into());
    let app = several.app.with_keys_and_thresholds(Keys::default(), thresholds);
    let mut several = AppStage { app, ..several };
    several.type_keys("uu");
    let buffer = several.draw(120, 24);
    let frame = text(&buffer);
    let row = (0..).zip(frame.lines()).find(|(_, line)| line.contains("web-1:1027")).unwrap().0;
    assert_eq!(style_of(&buffer, row, "47.0 %").fg, Some(Color::Yellow), "{frame}");
}
