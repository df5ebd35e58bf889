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

mod grid;

use ratatui::layout::{Constraint, Rect};

use crate::digits;
use crate::units::LABEL_WIDTH;
use grid::grid;

/// A screen of fewer rows has no footer.
const FOOTER_FROM: u16 = 8;

/// A body of fewer rows has charts only.
const TABLE_FROM: u16 = 14;

/// The rows of the table below the charts, its head included.
const TABLE_ROWS: (u16, u16) = (4, 12);

/// Fewest rows of a chart that stands alone: a title, two rows of dots, the time axis.
const CHART_ROWS: u16 = 4;

/// Columns of the value axis, its line included. An axis of longer labels is wider, up to two fifths of
/// the chart.
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
    /// Columns of each, with the blanks behind it.
    pub value: u16,
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

/// Columns of a value with its name, more where there is room for longer names, and the most of them.
const VALUE: u16 = 14;
const VALUES_MAX: u16 = 3;

/// Columns of an age, and of a difference of clocks.
const AGE: u16 = 8;
const CLOCK: u16 = 14;

/// A small chart of fewer columns tells nothing.
const SMALL_MIN: u16 = 10;

/// Parts the lines of a list of sources: `names` is what the longest name takes, `value` what the longest
/// value does with its name, and `has_clock` says whether any clock differs.
#[must_use]
pub fn line_parts(area: Rect, names: u16, value: u16, has_clock: bool) -> LineParts {
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
    let count = (first + more) / VALUE;
    let wider =
        (room.saturating_sub(SMALL_MIN) / count.max(1)).min(value.saturating_sub(VALUE - 2));
    let value = VALUE + wider;
    let values = take(count * value);
    let (age, clock) = (take(age), take(clock));
    let chart = if left.width >= SMALL_MIN { left } else { Rect::default() };
    LineParts { state, name, values, count, value, age, clock, chart }
}

/// The chosen chart alone.
fn single(area: Rect, shape: Shape) -> Option<ChartPlace> {
    let axis_rows = axis_rows(area.height, 1);
    (shape.chosen < shape.charts).then_some(ChartPlace { at: shape.chosen, area, axis_rows })
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
    let gutter = shape.labels.saturating_add(1).clamp(GUTTER, GUTTER.max(area.width * 2 / 5));
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

    #[test]
    fn the_parts_of_a_line_stay_inside_and_apart_and_the_wide_ones_have_all() {
        for (width, names, value, has_clock) in (0..200)
            .flat_map(|w| [(w, 4, 0, false), (w, 30, 20, true), (w, u16::MAX - 2, u16::MAX, true)])
        {
            let area = Rect::new(2, 3, width, 5);
            let parts = line_parts(area, names, value, has_clock);
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
