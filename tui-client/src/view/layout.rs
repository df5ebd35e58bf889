//! Where everything stands. One pure function, for drawing as well as for what depends on it.
//!
//! ```text
//!  header
//!  ┌ chart ─┬ chart ─┐
//!  ├ chart ─┼ chart ─┤   or one chart, or the table alone, or one line of numbers
//!  └ table ──────────┘
//!  footer
//! ```

use ratatui::layout::{Constraint, Layout as Split, Rect};

use crate::app::{App, Page, Screen, Table};

/// A screen of fewer rows has no footer.
const FOOTER_FROM: u16 = 8;

/// A body of fewer rows has charts only.
const TABLE_FROM: u16 = 14;

/// The rows of the table below the charts, its head included.
const TABLE_ROWS: (u16, u16) = (4, 12);

/// A chart of fewer rows tells nothing: its title, two rows of dots, its times.
const CHART_ROWS: u16 = 4;

/// From this width on charts stand side by side.
const TWO_COLUMNS_FROM: u16 = 64;

/// From this width on they may, if there are more than fit one below the other.
const TWO_COLUMNS_MIN: u16 = 40;

/// Columns between two charts.
const BETWEEN: u16 = 2;

/// The parts of a screen; what has no room is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Layout {
    /// The source, its state, the clock.
    pub header: Rect,
    /// The charts that are shown, by their position, and where.
    pub charts: Vec<(usize, Rect)>,
    /// The data table.
    pub table: Rect,
    /// The newest values in one line, where no chart has room.
    pub numbers: Rect,
    /// The keys.
    pub footer: Rect,
}

/// What a layout depends on besides the room.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// What fills the screen.
    pub page: Page,
    /// Where the table stands.
    pub table: Table,
    /// How many charts there are.
    pub charts: usize,
    /// Which of them is chosen.
    pub chosen: usize,
}

impl Shape {
    /// The shape of an app's screen, or of what lies behind its help.
    #[must_use]
    pub fn of(app: &App) -> Shape {
        let (Screen::Page(page) | Screen::Help(page)) = app.screen;
        Shape { page, table: app.table, charts: app.charts.len(), chosen: app.chosen() }
    }
}

/// Parts the room.
#[must_use]
pub fn layout(area: Rect, shape: Shape) -> Layout {
    let mut layout = Layout::default();
    if area.is_empty() {
        return layout;
    }
    let header = u16::from(area.height > 1);
    let footer = u16::from(area.height >= FOOTER_FROM);
    let rows = [Constraint::Length(header), Constraint::Fill(1), Constraint::Length(footer)];
    let body;
    [layout.header, body, layout.footer] = Split::vertical(rows).areas(area);
    match (shape.page, shape.table) {
        (Page::Dashboard, Table::Alone) => layout.table = body,
        (Page::Dashboard, Table::Below) if body.height >= TABLE_FROM => {
            let rows = (body.height * 3 / 10).clamp(TABLE_ROWS.0, TABLE_ROWS.1);
            let rows = [Constraint::Fill(1), Constraint::Length(rows)];
            let charts;
            [charts, layout.table] = Split::vertical(rows).areas(body);
            layout.charts = grid(charts, shape);
        }
        (Page::Dashboard, Table::Below | Table::Off) if body.height >= CHART_ROWS => {
            layout.charts = grid(body, shape);
        }
        (Page::Fullscreen, _) if body.height >= CHART_ROWS => {
            let chosen = (shape.chosen < shape.charts).then_some((shape.chosen, body));
            layout.charts = chosen.into_iter().collect();
        }
        _ => layout.numbers = Rect { height: body.height.min(1), ..body },
    }
    layout
}

/// As many charts as fit, the chosen one among them, left to right and then down.
fn grid(area: Rect, shape: Shape) -> Vec<(usize, Rect)> {
    if shape.charts == 0 {
        return Vec::new();
    }
    let rows_max = usize::from(area.height / CHART_ROWS).max(1);
    let is_wide = area.width >= TWO_COLUMNS_FROM
        || (area.width >= TWO_COLUMNS_MIN && shape.charts > rows_max);
    let columns = if is_wide { shape.charts.min(2) } else { 1 };
    let rows = shape.charts.div_ceil(columns).min(rows_max);
    let shown = rows * columns;
    // Pages of as many charts as are shown, so that a chart does not move while others are chosen.
    let first = shape.chosen / shown * shown;
    let heights = Split::vertical(vec![Constraint::Fill(1); rows]).split(area);
    heights
        .iter()
        .flat_map(|row| {
            let widths = vec![Constraint::Fill(1); columns];
            Split::horizontal(widths).spacing(BETWEEN).split(*row).to_vec()
        })
        .enumerate()
        .map(|(at, area)| (first + at, area))
        .filter(|(at, _)| *at < shape.charts)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(layout: &Layout) -> Vec<Rect> {
        let charts = layout.charts.iter().map(|(_, area)| *area);
        let others = [layout.header, layout.table, layout.numbers, layout.footer];
        charts.chain(others).filter(|part| !part.is_empty()).collect()
    }

    #[test]
    fn at_any_size_the_parts_stay_inside_and_apart_and_something_is_shown() {
        for (page, table) in [
            (Page::Dashboard, Table::Below),
            (Page::Dashboard, Table::Alone),
            (Page::Dashboard, Table::Off),
            (Page::Fullscreen, Table::Below),
        ] {
            for (width, height) in (0..130).flat_map(|w| (0..60).map(move |h| (w, h))) {
                let area = Rect::new(0, 0, width, height);
                let shape = Shape { page, table, charts: 4, chosen: 3 };
                let layout = layout(area, shape);
                let parts = parts(&layout);
                assert_eq!(parts.is_empty(), area.is_empty(), "{area}");
                for (at, part) in parts.iter().enumerate() {
                    assert_eq!(part.intersection(area), *part, "{area}");
                    let apart = |other: &Rect| !part.intersects(*other);
                    assert!(parts[at + 1..].iter().all(apart), "{area}: {layout:?}");
                }
                let chosen = layout.charts.iter().any(|(at, _)| *at == 3);
                assert!(chosen || layout.charts.is_empty(), "{area}: {layout:?}");
            }
        }
    }

    #[test]
    fn a_usual_terminal_has_all_four_charts_and_the_table() {
        for (width, height) in [(120, 36), (80, 24)] {
            let shape = Shape { page: Page::Dashboard, table: Table::Below, charts: 4, chosen: 0 };
            let layout = layout(Rect::new(0, 0, width, height), shape);
            assert_eq!(layout.charts.len(), 4);
            assert!(layout.table.height >= 4 && !layout.footer.is_empty());
        }
    }
}
