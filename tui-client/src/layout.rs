//! Where everything stands. Pure: for drawing as well as for what a click or a page up means.
//!
//! ```text
//!  header
//!  ┌ chart ─┬ chart ─┐
//!  ├ chart ─┼ chart ─┤   or one chart, or the table alone, or one line of numbers
//!  └ times ─┴ times ─┘   a time axis for each column of charts
//!  ├ span ──┴────────┤   the values between mark and cursor
//!  └ table ──────────┘
//!  footer
//! ```

use ratatui::layout::{Constraint, Rect};

use crate::charts::CALM;
use crate::digits;
use crate::units::LABEL_WIDTH;

/// A screen of fewer rows has no footer.
const FOOTER_FROM: u16 = 8;

/// A body of fewer rows has charts only.
const TABLE_FROM: u16 = 14;

/// The rows of the table below the charts, its head included.
const TABLE_ROWS: (u16, u16) = (4, 12);

/// Fewest rows of a chart that stands alone: a title, two rows of dots, the time axis.
const CHART_ROWS: u16 = 4;

/// Fewest rows of a calm chart: a title and six rows of dots. Charts beyond the first [`CALM`] that would
/// leave the others less go to the next page.
const CALM_ROWS: u16 = 7;

/// From this width on charts stand side by side.
const TWO_COLUMNS_FROM: u16 = 64;

/// From this width on they may, if there are more than fit one below the other.
const TWO_COLUMNS_MIN: u16 = 40;

/// Fewest columns of a chart where more than two stand side by side: four labels of the time axis.
const MANY_COLUMNS_FROM: u16 = 60;

/// Columns per row of a chart that reads best: three times as wide as high, a cell being twice as high as
/// wide.
const BEST_RATIO: f64 = 6.0;

/// Columns between two charts.
const BETWEEN: u16 = 2;

/// Columns of the value axis, its line included. An axis of longer labels is wider, up to a third of the
/// chart.
const GUTTER: u16 = LABEL_WIDTH + 1;

/// A chart of fewer columns has no value axis.
const GUTTER_FROM: u16 = 20;

/// Charts of fewer rows, the time axis not counted, have no row for the line of the time axis.
const AXIS_LINE_FROM: u16 = 6;

/// A chart of fewer columns has no names at the ends of its lines.
const NAMES_FROM: u16 = 36;

/// Columns of a value that is compared with those of other sources, its name included: where there
/// are many rows, and where there are so few that names are better cut.
const COMPARED: u16 = 28;
const COMPARED_LOW: u16 = 20;

/// A body of fewer rows has no row to spare.
const SPARE_FROM: u16 = 16;

/// Large digits take at most this part of a chart's rows.
const DIGITS_SHARE: u16 = 3;

/// What fills the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Page {
    /// A line for each source.
    Overview,
    /// One metric of several sources in one chart.
    Together,
    /// One metric in a chart for each source.
    Apart,
    /// All charts of a source.
    Dashboard,
    /// The chosen chart alone, with its newest value in large digits.
    Fullscreen,
}

/// Where the data table stands on the dashboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    /// Below the charts.
    Below,
    /// Alone.
    Alone,
    /// Nowhere.
    Off,
}

/// The parts of a screen; what has no room is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Layout {
    /// The source, its state, the clock.
    pub header: Rect,
    /// A line for each source.
    pub sources: Rect,
    /// The charts that are shown, left to right and then down.
    pub charts: Vec<ChartPlace>,
    /// The values of the sources that stand in one chart.
    pub legend: Rect,
    /// How many of them stand side by side.
    pub legend_columns: u16,
    /// The statistics between mark and cursor.
    pub span: Rect,
    /// The data table.
    pub table: Rect,
    /// The newest values in one line, where no chart has room.
    pub numbers: Rect,
    /// The keys.
    pub footer: Rect,
}

/// The place of a chart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChartPlace {
    /// Position of the chart in the list of charts, or of its source in that of sources.
    pub at: usize,
    /// The whole chart; its time axis, if it has one, at the bottom.
    pub area: Rect,
    /// Rows of the time axis: 0 where the chart below has it.
    pub axis_rows: u16,
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
    /// Whether they do not crowd the page, however many there are.
    pub is_calm: bool,
    /// Rows that the statistics between mark and cursor would fill; 0 without a mark.
    pub span_rows: u16,
    /// How many sources stand in one chart, if it is one for several.
    pub compared: usize,
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
    layout.header = Rect { height: header, ..area };
    let mut body = Rect { y: area.y + header, height: area.height - header, ..area };
    layout.footer = take_bottom(&mut body, footer);
    if shape.span_rows > 0 && body.height > CHART_ROWS {
        // They may take a third, and leave room for a chart.
        let most = (body.height / 3).max(1).min(body.height - CHART_ROWS);
        layout.span = take_bottom(&mut body, shape.span_rows.min(most));
    }
    match (shape.page, shape.table) {
        (Page::Overview, _) => layout.sources = body,
        (Page::Apart, _) if body.height >= CHART_ROWS => layout.charts = grid(body, shape),
        (Page::Together, _) if body.height > CHART_ROWS => {
            let wide = if body.height < SPARE_FROM { COMPARED_LOW } else { COMPARED };
            layout.legend_columns = (body.width / wide).clamp(1, shape.compared.max(1) as u16);
            let rows = (shape.compared as u16).div_ceil(layout.legend_columns);
            let rows = rows.min(body.height - CHART_ROWS);
            layout.legend = take_bottom(&mut body, rows);
            layout.charts = single(body, shape).into_iter().collect();
        }
        (Page::Dashboard, Table::Alone) => layout.table = body,
        (Page::Dashboard, Table::Below) if body.height >= TABLE_FROM => {
            let rows = (body.height * 3 / 10).clamp(TABLE_ROWS.0, TABLE_ROWS.1);
            layout.table = take_bottom(&mut body, rows);
            layout.charts = grid(body, shape);
        }
        (Page::Dashboard, Table::Below | Table::Off) if body.height >= CHART_ROWS => {
            layout.charts = grid(body, shape);
        }
        (Page::Fullscreen, _) if body.height >= CHART_ROWS => {
            layout.charts = single(body, shape).into_iter().collect();
        }
        _ => layout.numbers = Rect { height: body.height.min(1), ..body },
    }
    layout
}

/// Takes rows off the bottom of an area, as many as it has at most.
fn take_bottom(area: &mut Rect, rows: u16) -> Rect {
    let rows = rows.min(area.height);
    area.height -= rows;
    Rect { y: area.bottom(), height: rows, ..*area }
}

/// The parts of the line of a source, as high as the whole list; what has no room is empty.
///
/// ```text
///  state     │ name          │ values                    │ age    │ clock      │ chart
///   LIVE       web-1:1027      cpu 12.5 %   mem 43.1 %     0.3 s    clock +90 s  ⣀⡠⠤⠒⠊
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LineParts {
    /// Its state in a word.
    pub state: Rect,
    /// Its name.
    pub name: Rect,
    /// Its newest values, one or more.
    pub values: Rect,
    /// How many of them have room.
    pub count: u16,
    /// How old they are.
    pub age: Rect,
    /// By how much its clock differs.
    pub clock: Rect,
    /// What it did of late.
    pub chart: Rect,
}

/// Columns of a state word, and a list of fewer columns has none.
const STATE: u16 = 14;
const STATE_FROM: u16 = 36;

/// Columns of a value with its name, and the most of them.
pub const VALUE: u16 = 14;
const VALUES_MAX: u16 = 3;

/// Columns of an age, and of a difference of clocks.
const AGE: u16 = 8;
const CLOCK: u16 = 14;

/// A small chart of fewer columns tells nothing.
const SMALL_MIN: u16 = 10;

/// Parts the lines of a list of sources: `names` is what the longest name takes, and `has_clock`
/// says whether any clock differs.
#[must_use]
pub fn line_parts(area: Rect, names: u16, has_clock: bool) -> LineParts {
    let mut left = area;
    let mut take = |width: u16| {
        let part = Rect { width: width.min(left.width), ..left };
        left = Rect { x: left.x + part.width, width: left.width - part.width, ..left };
        part
    };
    let state = take(if area.width >= STATE_FROM { STATE } else { 0 });
    let name = take((names + 2).min((area.width / 4).max(SMALL_MIN)));
    let mut room = area.width - state.width - name.width;
    let mut spend = |wanted: bool, width: u16, reserved: u16| {
        let is_spent = wanted && room >= width + reserved;
        room -= if is_spent { width } else { 0 };
        if is_spent { width } else { 0 }
    };
    // What matters most has room first, and stands further left.
    let first = spend(true, VALUE, 0);
    let age = spend(true, AGE, 0);
    let clock = spend(has_clock, CLOCK, 0);
    let more = (1..VALUES_MAX).map(|_| spend(first > 0, VALUE, SMALL_MIN)).sum::<u16>();
    let values = take(first + more);
    let (age, clock) = (take(age), take(clock));
    let chart = if left.width >= SMALL_MIN { left } else { Rect::default() };
    LineParts { state, name, values, count: values.width / VALUE, age, clock, chart }
}

/// The chosen chart alone.
fn single(area: Rect, shape: Shape) -> Option<ChartPlace> {
    let axis_rows = axis_rows(area.height, 1);
    (shape.chosen < shape.charts).then_some(ChartPlace { at: shape.chosen, area, axis_rows })
}

/// As many charts as fit, the chosen one among them, left to right and then down. Below the lowest chart
/// of a column stands the time axis of all of them.
fn grid(area: Rect, shape: Shape) -> Vec<ChartPlace> {
    if shape.charts == 0 {
        return Vec::new();
    }
    let columns = grid_columns(area, shape);
    let rows = grid_rows(area.height, columns, shape);
    let shown = rows * columns;
    // Pages of as many charts as are shown, so that a chart does not move while others are chosen.
    let first = shape.chosen / shown * shown;
    let end = shape.charts.min(first + shown);
    let axis_rows = axis_rows(area.height, rows);
    let between = BETWEEN * (columns as u16 - 1);
    let place = |at: usize| {
        let (row, column) = ((at - first) / columns, (at - first) % columns);
        let (y, height) = share(area.height - axis_rows, rows, row);
        let (x, width) = share(area.width - between, columns, column);
        // The lowest chart of a column has the time axis.
        let axis_rows = if at + columns >= end { axis_rows } else { 0 };
        let x = area.x + x + BETWEEN * column as u16;
        let area = Rect { x, y: area.y + y, width, height: height + axis_rows };
        ChartPlace { at, area, axis_rows }
    };
    (first..end).map(place).collect()
}

/// Where one of so many equal parts of a length begins, and how long it is.
fn share(length: u16, parts: usize, at: usize) -> (u16, u16) {
    let start = |at: usize| (usize::from(length) * at).div_ceil(parts) as u16;
    (start(at), start(at + 1) - start(at))
}

/// Number of charts side by side: of the numbers that leave each chart enough columns the one whose
/// charts have about the best ratio of width and height.
fn grid_columns(area: Rect, shape: Shape) -> usize {
    let is_wide = area.width >= TWO_COLUMNS_FROM
        || (area.width >= TWO_COLUMNS_MIN && shape.charts > grid_rows(area.height, 1, shape));
    if !is_wide || shape.charts < 2 {
        return 1;
    }
    let most = usize::from((area.width + BETWEEN) / (MANY_COLUMNS_FROM + BETWEEN)).max(2);
    let distance = |columns: usize| {
        let rows = grid_rows(area.height, columns, shape);
        let width = f64::from(area.width) / columns as f64;
        let height = f64::from(area.height) / rows as f64;
        (width / height / BEST_RATIO).ln().abs()
    };
    // A number that leaves a column empty is none.
    let is_used = |columns: &usize| {
        *columns <= shape.charts.div_ceil(grid_rows(area.height, *columns, shape))
    };
    let best = (2..=most).filter(is_used).min_by(|a, b| distance(*a).total_cmp(&distance(*b)));
    best.unwrap_or(1)
}

/// Number of charts one below the other in so many columns.
fn grid_rows(height: u16, columns: usize, shape: Shape) -> usize {
    let most = usize::from(height / CHART_ROWS).max(1);
    let calm = usize::from(height.saturating_sub(1) / CALM_ROWS).max(CALM.div_ceil(columns));
    let most = if shape.is_calm { most.min(calm) } else { most };
    shape.charts.div_ceil(columns).min(most)
}

/// Rows of the time axis below so many rows of charts: its labels, and its line where there is room.
fn axis_rows(height: u16, rows: usize) -> u16 {
    let has_line = usize::from(height) >= rows * usize::from(AXIS_LINE_FROM) + 2;
    1 + u16::from(has_line)
}

/// The parts of a chart's area; what has no room is empty.
///
/// ```text
///  title                        1 CPU ─────────────────── 12.5 %
///  digits                         12.5 %                            on a page of its own
///  gutter │ panel │ names       100%┤       ⢀⡠⠤⠒           1m
///         │ axis_line               └────┬─────────┬────
///  times, below the gutter too         14:02     14:03
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Parts {
    /// Its number, its name, the newest values.
    pub title: Rect,
    /// The newest values in large digits.
    pub digits: Rect,
    /// How large they are; `None` where there are none.
    pub large: Option<digits::Size>,
    /// The labels of the value axis and its line.
    pub gutter: Rect,
    /// The dots.
    pub panel: Rect,
    /// The names of the lines, at their ends.
    pub names: Rect,
    /// The line of the time axis; empty where another chart has it.
    pub axis_line: Rect,
    /// The labels of the time axis; empty where another chart has it.
    pub times: Rect,
}

/// What the parts of a chart depend on besides the room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ChartShape {
    /// The widest name of its lines, columns; 0 if they have none.
    pub names: u16,
    /// How large its digits may be; `None` where there are none.
    pub large: Option<digits::Size>,
    /// Columns of the longest label of the value axis.
    pub labels: u16,
    /// Rows of the time axis: 2 with its line, 0 where another chart has it.
    pub axis_rows: u16,
}

/// Parts the room of a chart.
#[must_use]
pub fn parts(area: Rect, shape: ChartShape) -> Parts {
    let title = u16::from(area.height >= 2);
    // A blank row is below them.
    let large = shape.large.filter(|size| size.rows < area.height / DIGITS_SHARE);
    let digits = large.map_or(0, |size| size.rows + 1);
    let times = u16::from(shape.axis_rows > 0 && area.height >= CHART_ROWS);
    let axis_line = u16::from(shape.axis_rows > 1 && area.height >= AXIS_LINE_FROM + 2);
    let gutter = shape.labels.saturating_add(1).clamp(GUTTER, GUTTER.max(area.width / 3));
    let gutter = if area.width >= GUTTER_FROM { gutter } else { 0 };
    let names = if shape.names > 0 && area.width >= NAMES_FROM { shape.names + 1 } else { 0 };
    let names = names.min(area.width / 4);
    let rows = area.height - title - digits - times - axis_line;
    let right = Rect { x: area.x + gutter, width: area.width - gutter - names, ..area };
    let top = area.y + title + digits;
    let below = top + rows;
    Parts {
        title: Rect { height: title, ..area },
        digits: Rect { y: area.y + title, height: digits, ..area },
        large,
        gutter: Rect { y: top, width: gutter, height: rows, ..area },
        panel: Rect { y: top, height: rows, ..right },
        names: Rect { x: right.right(), y: top, width: names, height: rows },
        axis_line: Rect { y: below, height: axis_line, ..right },
        times: Rect { y: below + axis_line, height: times, ..right },
    }
}

/// Where a box of `wide` columns and `lines` rows inside stands, and how far what is in it can be
/// scrolled.
#[must_use]
pub fn popup(area: Rect, wide: u16, lines: u16) -> (Rect, u16) {
    let width = Constraint::Length(wide.saturating_add(2));
    let place = area.centered(width, Constraint::Length(lines.saturating_add(2)));
    (place, lines.saturating_sub(place.height.saturating_sub(2)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rects(layout: &Layout) -> Vec<Rect> {
        let charts = layout.charts.iter().map(|place| place.area);
        let others = [
            layout.header,
            layout.sources,
            layout.legend,
            layout.span,
            layout.table,
            layout.numbers,
            layout.footer,
        ];
        charts.chain(others).filter(|part| !part.is_empty()).collect()
    }

    #[test]
    fn at_any_size_the_parts_stay_inside_and_apart_and_something_is_shown() {
        for (page, table, span_rows) in [
            (Page::Dashboard, Table::Below, 0),
            (Page::Dashboard, Table::Below, 7),
            (Page::Dashboard, Table::Alone, 7),
            (Page::Dashboard, Table::Off, 0),
            (Page::Fullscreen, Table::Below, 3),
            (Page::Overview, Table::Alone, 0),
            (Page::Together, Table::Below, 0),
            (Page::Apart, Table::Off, 0),
        ] {
            for (width, height) in (0..130).flat_map(|w| (0..60).map(move |h| (w, h))) {
                let area = Rect::new(0, 0, width, height);
                let shape = Shape {
                    page,
                    table,
                    charts: 4,
                    chosen: 3,
                    is_calm: false,
                    span_rows,
                    compared: 5,
                };
                let layout = layout(area, shape);
                let parts = rects(&layout);
                assert_eq!(parts.is_empty(), area.is_empty(), "{area}");
                for (at, part) in parts.iter().enumerate() {
                    assert_eq!(part.intersection(area), *part, "{area}");
                    let apart = |other: &Rect| !part.intersects(*other);
                    assert!(parts[at + 1..].iter().all(apart), "{area}: {layout:?}");
                }
                let chosen = layout.charts.iter().any(|place| place.at == 3);
                assert!(chosen || layout.charts.is_empty(), "{area}: {layout:?}");
            }
        }
    }

    /// The dashboard of so many charts without anything else.
    fn dashboard(charts: usize, chosen: usize) -> Shape {
        Shape {
            page: Page::Dashboard,
            table: Table::Below,
            charts,
            chosen,
            is_calm: charts > CALM,
            span_rows: 0,
            compared: 1,
        }
    }

    #[test]
    fn at_any_size_each_column_of_charts_has_one_time_axis_below_its_lowest_chart() {
        for (charts, chosen) in [(1, 0), (4, 3), (11, 0), (11, 10), (34, 20)] {
            for (width, height) in (1..130).flat_map(|w| (CHART_ROWS..60).map(move |h| (w, h))) {
                let area = Rect::new(3, 2, width, height);
                let places = grid(area, dashboard(charts, chosen));
                assert!(places.iter().any(|place| place.at == chosen), "{places:?}");
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
                    // A column has one width, and so one time axis.
                    assert!(column.all(|other| other.area.width == place.area.width));
                    let shape = ChartShape { axis_rows: place.axis_rows, ..ChartShape::default() };
                    let parts = parts(place.area, shape);
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
    fn a_usual_terminal_has_all_four_charts_and_the_table() {
        for (width, height) in [(120, 36), (80, 24)] {
            let layout = layout(Rect::new(0, 0, width, height), dashboard(4, 0));
            assert_eq!(layout.charts.len(), 4);
            assert!(layout.table.height >= 4 && !layout.footer.is_empty());
        }
    }

    #[test]
    fn the_parts_of_a_line_stay_inside_and_apart_and_the_wide_ones_have_all() {
        for (width, names, has_clock) in
            (0..200).flat_map(|w| [(w, 4, false), (w, 30, true), (w, u16::MAX - 2, true)])
        {
            let area = Rect::new(2, 3, width, 5);
            let parts = line_parts(area, names, has_clock);
            let LineParts { state, name, values, age, clock, chart, .. } = parts;
            let mut end = area.x;
            for part in [state, name, values, age, clock, chart] {
                assert!(part.is_empty() || part.x >= end, "{width}: {parts:?}");
                end = end.max(part.right());
            }
            assert!(end <= area.right() && name.is_empty() == area.is_empty(), "{parts:?}");
            let is_whole = !chart.is_empty() && parts.count == 3 && clock.is_empty() != has_clock;
            assert!(is_whole || width < 120, "{width}: {parts:?}");
        }
    }

    #[test]
    fn the_parts_of_a_chart_stay_inside_and_apart() {
        for (width, height) in (0..60).flat_map(|w| (0..40).map(move |h| (w, h))) {
            for (names, values, labels, axis_rows) in
                [(0, 1, 0, 2), (3, 3, 7, 1), (200, 2, 10, 0), (0, 1, u16::MAX, 2)]
            {
                let area = Rect::new(2, 3, width, height);
                let large = digits::size(values, area);
                let found = parts(area, ChartShape { names, large, labels, axis_rows });
                let Parts { title, digits, gutter, panel, names, axis_line, times, .. } = found;
                let all = [title, digits, gutter, panel, names, axis_line, times];
                let all: Vec<_> = all.into_iter().filter(|part| !part.is_empty()).collect();
                for (at, part) in all.iter().enumerate() {
                    assert_eq!(part.intersection(area), *part, "{area}: {found:?}");
                    assert!(
                        all[at + 1..].iter().all(|other| !part.intersects(*other)),
                        "{found:?}"
                    );
                }
            }
        }
    }
}
