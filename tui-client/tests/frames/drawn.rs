//! Lines that share cells, areas below lines, and legends with little room.

use crossterm::event::KeyCode;
use loadline::canvas::Canvas;
use loadline::charts::ChartKind;
use loadline::theme::{ColourDepth, Palette, Theme};
use loadline::view;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Color;

use crate::metrics::{all_metrics, with_cores, with_extra_columns};
use crate::stage::{AppStage, THEME, check_text, text, text_and_colours};

pub(crate) const MONO: Theme = Theme { palette: Palette::Mono, ..THEME };
pub(crate) const ASCII: Theme = Theme { ascii: true, ..THEME };
pub(crate) const TRUECOLOR: Theme = Theme { depth: ColourDepth::Truecolor, ..THEME };

/// Looks with different ways to distinguish lines.
const LOOKS: [(&str, Theme); 3] = [("colours", THEME), ("mono", MONO), ("ascii", ASCII)];

/// Returns a live server with four cores and these load averages.
fn with_loads(load: impl Fn(i64) -> [f64; 3], theme: Theme) -> AppStage {
    let mut stage = AppStage::new("web-1");
    stage.connect_live(7);
    for second in 0..300 {
        let [one, five, fifteen] = load(second);
        stage.row(second, &[12.5, 2400.0, 43.0, one, five, fifteen]);
    }
    stage.app.theme = theme;
    stage
}

/// Returns the area of a chart on the page.
fn area_of(stage: &AppStage, title: &str) -> Rect {
    let layout = stage.app.layout(stage.app.area());
    let charts = stage.app.sources.charts();
    let found = layout.charts.iter().find(|place| charts[place.index].title == title);
    found.unwrap_or_else(|| panic!("{title} is not on the page")).area
}

fn chart(stage: &mut AppStage, title: &str, width: u16, height: u16) -> (Buffer, Rect) {
    let buffer = stage.draw(width, height);
    let area = area_of(stage, title);
    (buffer, area)
}

fn check_chart(name: &str, stage: &mut AppStage, title: &str) {
    let (buffer, area) = chart(stage, title, 80, 24);
    check_text(name, &text_and_colours(&buffer, area));
}

#[test]
fn three_equal_lines_and_an_equal_reference_line_are_all_visible() {
    for (look, theme) in LOOKS {
        check_chart(&format!("equal_lines_{look}"), &mut with_loads(|_| [1.5; 3], theme), "Load");
        check_chart(
            &format!("equal_to_cores_{look}"),
            &mut with_loads(|_| [4.0; 3], theme),
            "Load",
        );
        let apart = |_| [1.55, 1.5, 1.4];
        check_chart(&format!("lines_in_a_row_{look}"), &mut with_loads(apart, theme), "Load");
    }
}

#[test]
fn a_line_that_crosses_others_has_no_hole_and_a_spike_keeps_its_colour() {
    let spike = |second| [if second == 200 { 3.5 } else { 1.5 }, 1.5, 1.5];
    check_chart("spike_among_equal_lines", &mut with_loads(spike, THEME), "Load");
}

#[test]
fn the_area_below_the_first_line_is_filled_the_denser_the_higher() {
    let looks = [("truecolor", TRUECOLOR), LOOKS[0], LOOKS[1], LOOKS[2]];
    for (look, theme) in looks {
        let mut stage = all_metrics();
        stage.app.theme = theme;
        stage.press(KeyCode::Char('F'));
        for title in ["CPU", "Load"] {
            check_chart(&format!("filled_{title}_{look}"), &mut stage, title);
        }
        let lines = stage.frame(80, 24);
        stage.press(KeyCode::Char('F'));
        assert_ne!(stage.frame(80, 24), lines);
    }
}

#[test]
fn a_reference_line_is_named_wherever_it_is_drawn() {
    // The window is full, and the axis is so long that the reference line lies in the row of the 0.
    let high = |second: i64| [if second % 100 == 50 { 39.5 } else { 1.0 }, 0.5, 0.2];
    check_chart("reference_in_the_lowest_row", &mut with_loads(high, THEME), "Load");
    // Lines everywhere: without room for its name, a reference line is not drawn.
    let noise = |second: i64| [(second % 2) as f64 * 4.3, 0.0, 4.0];
    let mut drawn = 0;
    for (width, height) in [(80, 24), (40, 12), (120, 36), (60, 36), (40, 36)] {
        for load in [&high as &dyn Fn(i64) -> [f64; 3], &noise, &|_| [4.0; 3], &|_| [0.0; 3]] {
            let mut stage = with_loads(load, THEME);
            let (buffer, area) = chart(&mut stage, "Load", width, height);
            let shown = text_and_colours(&buffer, area);
            assert!(!shown.contains('╌') || shown.contains("4 cores"), "{shown}");
            drawn += usize::from(shown.contains('╌'));
        }
    }
    assert!(drawn >= 10, "{drawn} charts of 20 have a reference line");
}

#[test]
fn thresholds_of_load_are_lines_beside_the_number_of_cores() {
    let loads = || with_loads(|_| [2.5, 1.5, 0.5], THEME);
    let critical = ("load1", None, Some(3.0));
    let both = [critical, ("load15", Some(1.0), None)];
    let mut stage = loads().with_thresholds(&both);
    let (buffer, area) = chart(&mut stage, "Load", 120, 36);
    check_text("thresholds_of_load", &text_and_colours(&buffer, area));
    let mut stage = loads().with_thresholds(&[("load1/core", Some(0.5), Some(1.0))]);
    let screen = stage.frame(120, 36);
    assert!(screen.contains("warning 1m 2.00") && screen.contains("4 cores"), "{screen}");
}

#[test]
fn a_threshold_of_one_core_names_it_and_one_of_all_does_not() {
    let title = |limits: &[(&str, Option<f64>, Option<f64>)]| {
        let screen = with_cores(4).with_thresholds(limits).frame(120, 36);
        screen.lines().find(|line| line.contains("Cores")).unwrap().to_owned()
    };
    let one = title(&[("core3", Some(40.0), None)]);
    assert!(one.contains("╌ warning core3 40.0 %"), "{one}");
    let names = ["core0", "core1", "core2", "core3"];
    let all = title(&names.map(|name| (name, Some(40.0), None)));
    assert!(all.contains("╌ warning 40.0 %") && all.matches("warning").count() == 1, "{all}");
}

#[test]
fn a_gap_is_not_filled() {
    let mut stage = AppStage::new("web-1");
    stage.connect_live(7);
    for second in (0..100).chain(200..300) {
        let cpu = if (240..260).contains(&second) { f64::NAN } else { 60.0 };
        stage.row(second, &[cpu, 2400.0, 43.0, 0.5, 0.4, 0.3]);
    }
    stage.press(KeyCode::Char('F'));
    check_chart("filled_gap", &mut stage, "CPU");
}

#[test]
fn crosshair_and_mark_are_visible_in_a_filled_area() {
    let mut stage = AppStage::live();
    stage.type_keys("Fcm");
    stage.press_times(12, KeyCode::Left);
    check_chart("filled_cursor", &mut stage, "CPU");
}

#[test]
fn on_the_compare_page_the_line_of_the_chosen_source_is_filled() {
    let mut stage = AppStage::several_sources(3);
    stage.type_keys("Fvj");
    let buffer = stage.draw(80, 24);
    let filled: Vec<Color> = buffer
        .content
        .iter()
        .filter(|cell| ["⠡", "⢕", "⣞"].contains(&cell.symbol()))
        .map(|cell| cell.fg)
        .collect();
    assert!(!filled.is_empty() && filled.iter().all(|colour| *colour == Color::White));
}

#[test]
fn a_series_has_the_same_colour_among_several_sources_as_in_its_chart() {
    let mut stage = AppStage::several_sources(3);
    let overview = stage.draw(120, 36);
    let memory = text(&overview).lines().nth(1).unwrap().find("47.0").unwrap();
    assert_eq!(overview[(memory as u16, 1)].fg, Color::Green);
    stage.press(KeyCode::Enter);
    let (buffer, area) = chart(&mut stage, "Memory", 120, 36);
    let title = text_and_colours(&buffer, Rect { height: 1, ..area });
    assert!(title.ends_with("gggg g"), "{title}");
}

#[test]
fn heat_is_red_where_it_is_critical_and_nowhere_else() {
    let mut stage = with_cores(8).with_thresholds(&[("core3", Some(40.0), Some(90.0))]);
    stage.type_keys("5f");
    let (buffer, area) = chart(&mut stage, "Cores", 80, 24);
    check_text("heat_of_a_critical_core", &text_and_colours(&buffer, area));
}

/// Returns the bytes that a terminal of 120x36 gets per second, on average over a minute.
fn bytes_a_second(theme: Theme) -> usize {
    const SECONDS: i64 = 60;
    let mut stage = all_metrics();
    stage.app.theme = theme;
    let mut canvas = Canvas::new(stage.draw(120, 36).area);
    let mut bytes = Vec::new();
    canvas.draw(&mut stage.draw(120, 36), view::scrolling_rows(&stage.app), &mut bytes);
    bytes.clear();
    for second in 240..240 + SECONDS {
        stage.row(second, &crate::metrics::values(second));
        canvas.draw(&mut stage.draw(120, 36), view::scrolling_rows(&stage.app), &mut bytes);
    }
    bytes.len() / SECONDS as usize
}

#[test]
fn an_area_costs_few_bytes() {
    for theme in [THEME, TRUECOLOR, MONO, ASCII] {
        let (lines, filled) =
            (bytes_a_second(theme), bytes_a_second(Theme { fill: true, ..theme }));
        assert!(filled <= lines * 3 / 2, "{lines} B/s, filled {filled} B/s");
    }
}

/// Checks that each line of a chart on the page is named in its title or by large digits. A line is
/// recognized by its symbol or its colour.
fn check_legends(stage: &mut AppStage, width: u16, height: u16) {
    let buffer = stage.draw(width, height);
    let layout = stage.app.layout(stage.app.area());
    let theme = stage.app.theme;
    for place in layout.charts {
        let chart = &stage.app.sources.charts()[place.index];
        let parts = stage.app.chart_parts(place).unwrap();
        let large = parts.digits_size.map_or(0, |size| size.values);
        let mut title = parts.title.positions();
        for (line, member) in chart.lines.iter().enumerate() {
            // A single line has the name of its chart.
            let Some(letter) =
                member.legend.chars().next().filter(|_| chart.kind == ChartKind::Lines)
            else {
                continue;
            };
            let sign = if theme.has_line_symbols() { theme.line_symbol(line) } else { letter };
            let colour = theme.line(member.colour, true).fg.unwrap_or(Color::Reset);
            // Beside a value, the name is faint and the value has the colour.
            let colours = [colour, theme.faint().fg.unwrap_or(Color::Reset)];
            let is_named = |at: ratatui::layout::Position| {
                let cell = &buffer[at];
                cell.symbol() == sign.to_string()
                    && (theme.has_line_symbols() || colours.contains(&cell.fg))
            };
            let found = if line < large {
                parts.digits.positions().any(is_named)
            } else {
                title.any(is_named)
            };
            let frame = text(&buffer);
            assert!(found, "{width}x{height}: {} of {}:\n{frame}", member.legend, chart.title);
        }
    }
}

#[test]
fn at_any_width_each_line_that_is_drawn_is_named() {
    for (_, theme) in LOOKS {
        let mut stage = all_metrics();
        stage.app.theme = theme;
        for keys in ["", "7", "3f", "9"] {
            stage.type_keys(keys);
            // Wide screens differ little from each other: every eighth width is checked.
            for width in (20..=64).chain((72..=160).step_by(8)) {
                check_legends(&mut stage, width, 24);
            }
        }
    }
}

#[test]
fn at_any_size_each_source_with_a_line_is_in_the_legend() {
    let mut stage = AppStage::several_sources(12);
    stage.type_keys("v");
    for (width, height) in (20..=120).flat_map(|width| (8..=24).map(move |height| (width, height)))
    {
        let buffer = stage.draw(width, height);
        let legend = stage.app.layout(stage.app.area()).legend;
        let signs = legend.positions().filter(|at| buffer[*at].symbol() == "━").count();
        let frame = text(&buffer);
        assert_eq!(signs, stage.app.sources.compared().len(), "{width}x{height}:\n{frame}");
    }
}

/// Returns the titles of all charts at a size.
fn titles(stage: &mut AppStage, width: u16, height: u16) -> String {
    let mut found: Vec<String> = Vec::new();
    for chart in 0..stage.app.sources.charts().len() {
        let buffer = stage.draw(width, height);
        let layout = stage.app.layout(stage.app.area());
        for place in layout.charts.iter().filter(|place| place.index == chart) {
            let title = Rect { height: 1, ..place.area };
            found.push(title.positions().map(|at| buffer[at].symbol()).collect());
        }
        stage.press(KeyCode::Tab);
    }
    found.join("\n")
}

#[test]
fn a_title_shortens_values_and_names_before_it_drops_them() {
    let few = "temp:°C big net_rx:B/s net_tx:B/s disk_read:B/s disk_write:B/s";
    let mut stage = with_extra_columns(few, |_| vec![63.4, 21_633_256.0, 13.3e6, 140.0, 2e5, 0.0]);
    let mut shown: Vec<String> = Vec::new();
    let mut show = |stage: &mut AppStage, (width, height): (u16, u16)| {
        shown.push(format!("{width}x{height}\n{}", titles(stage, width, height)));
    };
    for size in [(40, 12), (40, 36), (60, 36), (80, 24)] {
        show(&mut stage, size);
    }
    for size in [(80, 24), (40, 12)] {
        show(&mut all_metrics(), size);
    }
    for size in [(40, 12), (80, 24)] {
        show(&mut AppStage::plain(13, 200), size);
    }
    check_text("short_titles", &shown.join("\n"));
}

#[test]
fn a_terminal_without_utf8_gets_ascii_only() {
    let mut stage = with_extra_columns("temp:°C naïve:µs 日本", |_| vec![71.0, 3.0, 1.0]);
    stage.app.theme = Theme { utf8: false, ..ASCII };
    for keys in ["", "d", "f", "?"] {
        for key in keys.chars() {
            stage.press(KeyCode::Char(key));
        }
        for (width, height) in [(120, 36), (80, 24), (20, 5)] {
            let shown = text(&stage.draw(width, height));
            assert!(shown.is_ascii(), "{shown}");
        }
    }
    stage.press(KeyCode::Esc);
    stage.press(KeyCode::Esc);
    let shown = text(&stage.draw(200, 50));
    assert!(shown.contains("na?ve") && shown.contains("oC"), "{shown}");
}
