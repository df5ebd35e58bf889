//! Grid of charts, with one time axis for each column.

use ratatui::layout::Rect;

use super::{CHART_ROWS_MIN, ChartRect, LayoutShape, axis_rows};
use crate::charts::FIRST_PAGE_CHARTS;

/// Minimum rows of a roomy chart: a title and six rows of dots. Charts beyond the first
/// [`FIRST_PAGE_CHARTS`] go to the next page if they would leave the others less.
const ROOMY_CHART_ROWS: u16 = 7;

/// Minimum columns of an area with two charts side by side.
const TWO_COLUMNS_FROM_WIDTH: u16 = 64;

/// Minimum columns for two charts side by side if there are more than fit one below the other.
const TWO_COLUMNS_WIDTH_MIN: u16 = 40;

/// Minimum columns of a chart when more than two are side by side: four labels of the time axis.
const MANY_COLUMNS_CHART_WIDTH_MIN: u16 = 60;

/// Ratio of columns to rows at which a chart reads best: three times as wide as high, because a
/// cell is twice as high as wide.
const BEST_ASPECT_RATIO: f64 = 6.0;

/// Columns between two charts.
const CHART_SPACING: u16 = 2;

/// Returns as many charts as fit, including the chosen one, from left to right and then down. The
/// lowest chart of each column has the time axis of the column.
pub(super) fn grid(area: Rect, shape: LayoutShape) -> Vec<ChartRect> {
    if shape.chart_count == 0 {
        return Vec::new();
    }
    let columns = grid_columns(area, shape);
    let rows = grid_rows(area.height, columns, shape);
    let shown = rows * columns;
    // Pages are as large as the grid, so that charts do not move while others are chosen.
    let first = shape.chosen / shown * shown;
    let end = shape.chart_count.min(first + shown);
    let axis_rows = axis_rows(area.height, rows);
    let between = CHART_SPACING * (columns as u16 - 1);
    let place = |at: usize| {
        let (row, column) = ((at - first) / columns, (at - first) % columns);
        let (y, height) = equal_part(area.height - axis_rows, rows, row);
        let (x, width) = equal_part(area.width - between, columns, column);
        // The lowest chart of a column has the time axis.
        let axis_rows = if at + columns >= end { axis_rows } else { 0 };
        let x = area.x + x + CHART_SPACING * column as u16;
        let area = Rect { x, y: area.y + y, width, height: height + axis_rows };
        ChartRect { index: at, area, axis_rows }
    };
    (first..end).map(place).collect()
}

/// Returns the start and the length of one of `parts` equal parts.
fn equal_part(length: u16, parts: usize, at: usize) -> (u16, u16) {
    let start = |at: usize| (usize::from(length) * at).div_ceil(parts) as u16;
    (start(at), start(at + 1) - start(at))
}

/// Returns the number of charts side by side: of the numbers that leave each chart enough columns,
/// the one with the ratio of width to height that is nearest to the best.
fn grid_columns(area: Rect, shape: LayoutShape) -> usize {
    let is_wide = area.width >= TWO_COLUMNS_FROM_WIDTH
        || (area.width >= TWO_COLUMNS_WIDTH_MIN
            && shape.chart_count > grid_rows(area.height, 1, shape));
    if !is_wide || shape.chart_count < 2 {
        return 1;
    }
    let columns_max =
        usize::from((area.width + CHART_SPACING) / (MANY_COLUMNS_CHART_WIDTH_MIN + CHART_SPACING))
            .max(2);
    let distance = |columns: usize| {
        let rows = grid_rows(area.height, columns, shape);
        let width = f64::from(area.width) / columns as f64;
        let height = f64::from(area.height) / rows as f64;
        (width / height / BEST_ASPECT_RATIO).ln().abs()
    };
    // A number that would leave a column empty does not count.
    let is_used = |columns: &usize| {
        *columns <= shape.chart_count.div_ceil(grid_rows(area.height, *columns, shape))
    };
    let best =
        (2..=columns_max).filter(is_used).min_by(|a, b| distance(*a).total_cmp(&distance(*b)));
    best.unwrap_or(1)
}

/// Returns the number of charts one below the other, for this number of columns.
fn grid_rows(height: u16, columns: usize, shape: LayoutShape) -> usize {
    let rows_max = usize::from(height / CHART_ROWS_MIN).max(1);
    let roomy_rows = usize::from(height.saturating_sub(1) / ROOMY_CHART_ROWS)
        .max(FIRST_PAGE_CHARTS.div_ceil(columns));
    let rows_max = if shape.is_roomy { rows_max.min(roomy_rows) } else { rows_max };
    shape.chart_count.div_ceil(columns).min(rows_max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::{ChartShape, Page, TablePosition, chart_parts, layout};

    /// Returns the shape of a dashboard that has nothing but charts.
    fn dashboard(charts: usize, chosen: usize) -> LayoutShape {
        LayoutShape {
            page: Page::Dashboard,
            table: TablePosition::Below,
            chart_count: charts,
            chosen,
            is_roomy: charts > FIRST_PAGE_CHARTS,
            stats_rows: 0,
            has_finding: false,
            compared_sources: 1,
        }
    }

    #[test]
    fn at_any_size_each_column_of_charts_has_one_time_axis_below_its_lowest_chart() {
        for (charts, chosen) in [(1, 0), (4, 3), (11, 0), (11, 10), (34, 20)] {
            for (width, height) in (1..130).flat_map(|w| (CHART_ROWS_MIN..60).map(move |h| (w, h)))
            {
                let area = Rect::new(3, 2, width, height);
                let places = grid(area, dashboard(charts, chosen));
                assert!(places.iter().any(|place| place.index == chosen), "{places:?}");
                let rows = places.iter().map(|it| it.area.height - it.axis_rows);
                let (least, most) = (rows.clone().min(), rows.max());
                assert!(least.zip(most).is_none_or(|(a, b)| b - a <= 1), "{places:?}");
                for (at, place) in places.iter().enumerate() {
                    assert_eq!(place.area.intersection(area), place.area, "{places:?}");
                    let others = &places[at + 1..];
                    assert!(others.iter().all(|other| !other.area.intersects(place.area)));
                    let mut column = places.iter().filter(|it| it.area.x == place.area.x);
                    let has_lower = column.clone().any(|other| other.area.y > place.area.y);
                    assert_eq!(place.axis_rows == 0, has_lower, "{places:?}");
                    // A column has one width, and so a single time axis.
                    assert!(column.all(|other| other.area.width == place.area.width));
                    let shape = ChartShape { axis_rows: place.axis_rows, ..ChartShape::default() };
                    let parts = chart_parts(place.area, shape);
                    let has = parts.times.height + parts.axis_line.height;
                    assert_eq!(has, place.axis_rows, "{place:?}");
                    assert!(parts.panel.height >= 2, "{places:?}");
                }
            }
        }
    }

    #[test]
    fn wide_screens_have_more_columns_of_charts_that_are_wide_enough() {
        let columns = |charts: usize, width: u16, height: u16| {
            let layout = layout(Rect::new(0, 0, width, height), dashboard(charts, 0));
            let top = layout.charts.first().map(|place| place.area.y);
            let first = layout.charts.iter().filter(|place| Some(place.area.y) == top);
            (first.count(), layout.charts.len())
        };
        assert_eq!(columns(11, 80, 24), (2, 4));
        assert_eq!(columns(11, 120, 36), (2, 6));
        assert_eq!(columns(11, 200, 50), (3, 11));
        assert_eq!(columns(11, 300, 80), (3, 11));
        assert_eq!(columns(4, 300, 80), (2, 4));
        assert_eq!(columns(34, 300, 80), (4, 34));
    }

    #[test]
    fn common_terminal_sizes_show_four_charts_and_the_table() {
        for (width, height) in [(120, 36), (80, 24)] {
            let layout = layout(Rect::new(0, 0, width, height), dashboard(4, 0));
            assert_eq!(layout.charts.len(), 4);
            assert!(layout.table.height >= 4 && !layout.footer.is_empty());
        }
    }
}
