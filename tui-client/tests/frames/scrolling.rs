//! As time passes, charts move by whole cells.

use std::time::Duration;

use loadline::layout::ChartRect;
use loadline::theme::Theme;
use loadline::watched::Watched;
use proptest::prelude::*;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Color;

use crate::drawn::{ASCII, MONO, TRUECOLOR};
use crate::stage::{AppStage, START, THEME};

/// Returns a connected agent with a window of five minutes.
fn stage(theme: Theme) -> AppStage {
    let watched = Watched::new("web-1", false, Duration::from_hours(24));
    let mut stage = AppStage::with_window(watched, Some(Duration::from_mins(5)));
    stage.app.theme = theme;
    stage.connect_live(7);
    stage
}

/// Returns the symbol and the colour of each cell of a panel.
fn cells(buffer: &Buffer, panel: Rect) -> Vec<Vec<(String, Color)>> {
    let cell = |x, y| {
        let cell = &buffer[(x, y)];
        (cell.symbol().to_owned(), cell.fg)
    };
    panel.rows().map(|row| row.columns().map(|it| cell(it.x, it.y)).collect()).collect()
}

/// Adds rows from `second` on until the last cell of a chart is full, and others until the chart has
/// moved by `cells_moved`. Checks that the rest of its panel is the same.
fn check(
    stage: &mut AppStage,
    title: &str,
    mut second: i64,
    [fill, more]: [&[f64; 6]; 2],
    cells_moved: usize,
) -> Result<(), TestCaseError> {
    stage.draw(80, 24);
    let layout = stage.app.layout(stage.app.area());
    let has_title = |place: &&ChartRect| stage.app.sources.charts()[place.index].title == title;
    let place = *layout.charts.iter().find(has_title).unwrap();
    let panel = stage.app.chart_parts(place).unwrap().panel;
    let window = |stage: &AppStage| stage.app.window_of(panel.width).unwrap();
    let cell_ms = window(stage).cell_ms();
    // Only in the last cell, dots are added in place.
    let is_full = |second: i64| (START + second * 1000).rem_euclid(cell_ms) < 1000;
    while !is_full(second) {
        stage.row(second, fill);
        second += 1;
    }
    let from = window(stage).from_ms();
    let before = cells(&stage.draw(80, 24), panel);
    while window(stage).from_ms() < from + cells_moved as i64 * cell_ms {
        stage.row(second, more);
        second += 1;
    }
    let after = cells(&stage.draw(80, 24), panel);
    let mut compared = 0;
    for (before, after) in before.iter().zip(&after) {
        // The name of the reference line stays, and the last cell is joined to new samples.
        let kept = before.len() - cells_moved - 1;
        let is_label = |cells: &[(String, Color)]| {
            let text: String = cells.iter().map(|(symbol, _)| symbol.as_str()).collect();
            text.contains("cores")
        };
        // Without room for its name, the reference line is not drawn.
        let has_line = |cells: &[(String, Color)]| {
            cells.iter().any(|(symbol, _)| ["╌", "-"].contains(&symbol.as_str()))
        };
        let is_drawn_alike = has_line(before) == has_line(after);
        if is_drawn_alike && !is_label(before) && !is_label(after) {
            prop_assert_eq!(&before[cells_moved..cells_moved + kept], &after[..kept]);
            compared += 1;
        }
    }
    prop_assert!(compared + 3 >= before.len(), "{compared} of {} rows", before.len());
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn lines_with_gaps_move_by_whole_cells_and_change_nothing_else(
        values in prop::collection::vec(prop_oneof![12 => 0.0..100.0, 1 => Just(f64::NAN)], 60..400),
        gaps in prop::collection::vec(1..60_i64, 0..3),
        cells_moved in 1..12_usize,
    ) {
        let mut stage = stage(THEME);
        let mut second = 0;
        for (at, value) in values.iter().enumerate() {
            stage.row(second, &[*value, 2400.0, 43.0, 0.5, 0.4, 0.4]);
            second += if gaps.contains(&(at as i64 % 97)) { 20 } else { 1 };
        }
        let row = |cpu| [cpu, 2400.0, 43.0, 0.5, 0.4, 0.4];
        check(&mut stage, "CPU", second, [&row(50.0), &row(20.0)], cells_moved)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn shared_cells_and_areas_move_by_whole_cells_and_change_nothing_else(
        values in prop::collection::vec((0..4_u8, 0..3_u8, 0..3_u8), 60..300),
        cells_moved in 1..9_usize,
        look in 0..4_usize,
        fill in any::<bool>(),
    ) {
        let mut stage = stage(Theme { fill, ..[THEME, TRUECOLOR, MONO, ASCII][look] });
        let row = |(one, five, fifteen): (u8, u8, u8)| {
            [50.0, 2400.0, 43.0, f64::from(one) + 1.0, f64::from(five) + 1.0, f64::from(fifteen) + 1.0]
        };
        for (second, value) in (0..).zip(&values) {
            stage.row(second, &row(*value));
        }
        check(&mut stage, "Load", values.len() as i64, [&row((1, 1, 1)); 2], cells_moved)?;
    }
}
