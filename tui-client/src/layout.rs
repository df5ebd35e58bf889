//! Positions of all parts of the screen. Pure functions, shared by drawing, mouse and paging.
//!
//! ```text
//!  header
//!  finding, while something is wrong
//!  ┌ chart ─┬ chart ─┐
//!  ├ chart ─┼ chart ─┤   or one chart, or only the table, or one line of values
//!  └ times ─┴ times ─┘   a time axis for each column of charts
//!  ├ stats ─┴────────┤   the statistics between mark and crosshair
//!  └ table ──────────┘
//!  footer
//! ```

mod grid;

use ratatui::layout::{Constraint, Rect};

use crate::digits;
use crate::units::LABEL_WIDTH;
use grid::grid;

/// Minimum rows of a screen with a footer.
const FOOTER_FROM_ROWS: u16 = 8;

/// Minimum rows of a body with a table besides the charts.
const TABLE_FROM_ROWS: u16 = 14;

/// Minimum and maximum rows of the table below the charts, its header included.
const TABLE_ROWS: (u16, u16) = (4, 12);

/// Minimum rows of a single chart: a title, two rows of dots, the time axis.
const CHART_ROWS_MIN: u16 = 4;

/// Columns of the value axis, its line included. Longer labels make an axis wider, up to two fifths
/// of the chart.
const GUTTER_WIDTH: u16 = LABEL_WIDTH + 1;

/// Minimum columns of a chart with a value axis.
const GUTTER_FROM_WIDTH: u16 = 20;

/// Minimum rows of a chart, without the time axis, to draw the time axis line.
const AXIS_LINE_FROM_ROWS: u16 = 6;

/// Minimum columns of a chart with names at the ends of its lines.
const NAMES_FROM_WIDTH: u16 = 36;

/// Columns of a compared value with its name, in two widths: normal and for low bodies.
const LEGEND_WIDTH: u16 = 28;
const LEGEND_WIDTH_LOW: u16 = 20;

/// Minimum rows of a body with [`LEGEND_WIDTH`].
const WIDE_LEGEND_FROM_ROWS: u16 = 16;

/// Fraction of a chart's rows that large digits may take: a third.
const DIGITS_HEIGHT_DIVISOR: u16 = 3;

/// Contents of the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Page {
    /// One row for each source.
    Overview,
    /// One metric of several sources in one chart.
    CompareOverlay,
    /// One metric in a chart for each source.
    CompareGrid,
    /// All charts of a source.
    Dashboard,
    /// The chosen chart only, with its newest value in large digits.
    Fullscreen,
}

/// Position of the table of samples or processes on the dashboard. In fullscreen, it is below or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TablePosition {
    Below,
    /// In place of the charts.
    Alone,
    Off,
}

/// Parts of the screen. A part without room is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Layout {
    pub(crate) header: Rect,
    /// Row of the finding.
    pub(crate) finding: Rect,
    /// Rows of the sources.
    pub(crate) sources: Rect,
    /// Visible charts, from left to right and then down.
    pub charts: Vec<ChartRect>,
    /// Values of the compared sources.
    pub legend: Rect,
    /// Number of values side by side in the legend.
    pub(crate) legend_columns: u16,
    pub(crate) stats: Rect,
    pub(crate) table: Rect,
    /// Newest values in one line, if no chart has room.
    pub(crate) value_line: Rect,
    pub(crate) footer: Rect,
}

/// Position of a chart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChartRect {
    /// Index of the chart, or of the source in compare.
    pub index: usize,
    /// Whole chart, with its time axis, if any, at the bottom.
    pub area: Rect,
    /// Rows of the time axis; 0 if a chart below has the axis.
    pub(crate) axis_rows: u16,
}

/// Properties, besides the area, on which a layout depends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LayoutShape {
    pub(crate) page: Page,
    pub(crate) table: TablePosition,
    pub(crate) chart_count: usize,
    /// Index of the chosen chart.
    pub(crate) chosen: usize,
    /// True if many charts are split into pages instead of shrunk.
    pub(crate) is_roomy: bool,
    /// Rows that the statistics between mark and crosshair need; 0 without a mark.
    pub(crate) stats_rows: u16,
    /// True if something is wrong with the source.
    pub(crate) has_finding: bool,
    /// Number of sources in one chart, if several are compared.
    pub(crate) compared_sources: usize,
}

/// Divides the screen into its parts.
pub(crate) fn layout(area: Rect, shape: LayoutShape) -> Layout {
    let mut layout = Layout::default();
    if area.is_empty() {
        return layout;
    }
    let header = u16::from(area.height > 1);
    layout.header = Rect { height: header, ..area };
    let mut body = Rect { y: area.y + header, height: area.height - header, ..area };
    layout.footer = take_bottom(&mut body, u16::from(area.height >= FOOTER_FROM_ROWS));
    if shape.has_finding && area.height >= FOOTER_FROM_ROWS {
        layout.finding = Rect { height: 1, ..body };
        body = Rect { y: body.y + 1, height: body.height - 1, ..body };
    }
    if shape.stats_rows > 0 && body.height > CHART_ROWS_MIN {
        // Statistics take at most a third of the body and leave room for a chart.
        let rows_max = (body.height / 3).max(1).min(body.height - CHART_ROWS_MIN);
        layout.stats = take_bottom(&mut body, shape.stats_rows.min(rows_max));
    }
    match (shape.page, shape.table) {
        (Page::Overview, _) => layout.sources = body,
        (Page::CompareOverlay, _) if body.height > CHART_ROWS_MIN => {
            let sources = shape.compared_sources as u16;
            let is_low = body.height < WIDE_LEGEND_FROM_ROWS;
            let wide = if is_low { LEGEND_WIDTH_LOW } else { LEGEND_WIDTH };
            layout.legend_columns = (body.width / wide).clamp(1, sources.max(1));
            let rows = sources.div_ceil(layout.legend_columns).min(body.height - CHART_ROWS_MIN);
            layout.legend = take_bottom(&mut body, rows);
            layout.charts = single_chart(body, shape);
        }
        (Page::Dashboard, TablePosition::Alone) => layout.table = body,
        (Page::Dashboard | Page::Fullscreen, TablePosition::Below)
            if body.height >= TABLE_FROM_ROWS =>
        {
            let rows = (body.height * 3 / 10).clamp(TABLE_ROWS.0, TABLE_ROWS.1);
            layout.table = take_bottom(&mut body, rows);
            let is_single = shape.page == Page::Fullscreen;
            layout.charts = if is_single { single_chart(body, shape) } else { grid(body, shape) };
        }
        (Page::CompareGrid | Page::Dashboard, _) if body.height >= CHART_ROWS_MIN => {
            layout.charts = grid(body, shape);
        }
        (Page::Fullscreen, _) if body.height >= CHART_ROWS_MIN => {
            layout.charts = single_chart(body, shape);
        }
        _ => layout.value_line = Rect { height: body.height.min(1), ..body },
    }
    layout
}

/// Takes rows off the bottom of an area, limited to its height.
fn take_bottom(area: &mut Rect, rows: u16) -> Rect {
    let rows = rows.min(area.height);
    area.height -= rows;
    Rect { y: area.bottom(), height: rows, ..*area }
}

/// Column areas of the source list, each over all rows. A column without room is empty.
///
/// ```text
///  state     │ name          │ values                    │ age    │ clock      │ chart
///   LIVE       web-1:1027      cpu 12.5 %   mem 43.1 %     0.3 s    clock +90 s  ⣀⡠⠤⠒⠊
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct SourceRowParts {
    pub(crate) state: Rect,
    pub(crate) name: Rect,
    pub(crate) values: Rect,
    /// Number of values that have room.
    pub(crate) value_count: u16,
    /// Columns of a value, trailing spaces included.
    pub(crate) value_width: u16,
    pub(crate) age: Rect,
    /// Clock offsets, if any clock differs.
    pub(crate) clock: Rect,
    pub(crate) chart: Rect,
}

/// Columns of the parts of a row. A value is wider if its name is long and there is room.
const STATE_WIDTH: u16 = 14;
const VALUE_WIDTH: u16 = 14;
const AGE_WIDTH: u16 = 8;
const CLOCK_WIDTH: u16 = 14;

/// Minimum columns of a list with states.
const STATE_FROM_WIDTH: u16 = 36;

/// Maximum number of values in a row.
const VALUES_MAX: u16 = 3;

/// Minimum columns of a small chart: a narrower one is not readable.
pub(crate) const SPARKLINE_WIDTH_MIN: u16 = 10;

/// Divides the rows of a list of sources. `name_width` is the width of the longest name, and
/// `longest_value` of the longest value with its name. `has_clock` is true if any clock differs.
pub(crate) fn source_row_parts(
    area: Rect,
    name_width: u16,
    longest_value: u16,
    has_clock: bool,
) -> SourceRowParts {
    let mut left = area;
    let mut take = |width: u16| {
        let part = Rect { width: width.min(left.width), ..left };
        left = Rect { x: left.x + part.width, width: left.width - part.width, ..left };
        part
    };
    let state = take(if area.width >= STATE_FROM_WIDTH { STATE_WIDTH } else { 0 });
    let name = take((name_width + 2).min((area.width / 4).max(SPARKLINE_WIDTH_MIN)));
    let mut width_left = area.width - state.width - name.width;
    let mut spend = |wanted: bool, width: u16, reserved: u16| {
        let is_spent = wanted && width_left >= width + reserved;
        width_left -= if is_spent { width } else { 0 };
        if is_spent { width } else { 0 }
    };
    // The most important parts get room first and are further left.
    let first = spend(true, VALUE_WIDTH, 0);
    let age = spend(true, AGE_WIDTH, 0);
    let clock = spend(has_clock, CLOCK_WIDTH, 0);
    let more =
        (1..VALUES_MAX).map(|_| spend(first > 0, VALUE_WIDTH, SPARKLINE_WIDTH_MIN)).sum::<u16>();
    let value_count = (first + more) / VALUE_WIDTH;
    let wider = width_left.saturating_sub(SPARKLINE_WIDTH_MIN) / value_count.max(1);
    let value_width = VALUE_WIDTH + wider.min(longest_value.saturating_sub(VALUE_WIDTH - 2));
    let values = take(value_count * value_width);
    let (age, clock) = (take(age), take(clock));
    let chart = if left.width >= SPARKLINE_WIDTH_MIN { left } else { Rect::default() };
    SourceRowParts { state, name, values, value_count, value_width, age, clock, chart }
}

/// Returns the chosen chart over the whole area, if it exists.
fn single_chart(area: Rect, shape: LayoutShape) -> Vec<ChartRect> {
    let axis_rows = axis_rows(area.height, 1);
    let chosen = (shape.chosen < shape.chart_count).then_some(shape.chosen);
    chosen.into_iter().map(|index| ChartRect { index, area, axis_rows }).collect()
}

/// Returns the rows of the time axis below `rows` charts: its labels, and its line if it has room.
fn axis_rows(height: u16, rows: usize) -> u16 {
    let has_line = usize::from(height) >= rows * usize::from(AXIS_LINE_FROM_ROWS) + 2;
    1 + u16::from(has_line)
}

/// Parts of a chart's area. A part without room is empty.
///
/// ```text
///  title                        1 CPU ─────────────────── 12.5 %
///  digits                         12.5 %                            in fullscreen
///  gutter │ panel │ names       100%┤       ⢀⡠⠤⠒           1m
///         │ axis_line               └────┬─────────┬────
///  times, below the gutter too         14:02     14:03
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ChartParts {
    /// Number, name and newest values.
    pub title: Rect,
    /// Newest values in large digits.
    pub digits: Rect,
    /// Size of the digits; `None` without digits.
    pub digits_size: Option<digits::DigitSize>,
    pub(crate) gutter: Rect,
    /// Dots.
    pub panel: Rect,
    /// Names of the lines, at their ends.
    pub(crate) names: Rect,
    /// Line of the time axis; empty if another chart has the axis.
    pub(crate) axis_line: Rect,
    /// Labels of the time axis; empty if another chart has the axis.
    pub(crate) times: Rect,
}

/// Properties, besides the area, on which the parts of a chart depend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct ChartShape {
    /// Columns of the longest name of a line; 0 without names.
    pub(crate) name_width: u16,
    /// Maximum size of the digits; `None` without digits.
    pub(crate) digits_size: Option<digits::DigitSize>,
    /// Columns of the longest label of the value axis.
    pub(crate) label_width: u16,
    /// Rows of the time axis: 2 with its line; 0 if another chart has the axis.
    pub(crate) axis_rows: u16,
}

/// Divides the area of a chart into its parts.
pub(crate) fn chart_parts(area: Rect, shape: ChartShape) -> ChartParts {
    let title = u16::from(area.height >= 2);
    let digits_size =
        shape.digits_size.filter(|size| size.rows() < area.height / DIGITS_HEIGHT_DIVISOR);
    // An empty row separates the digits from the dots.
    let digits = digits_size.map_or(0, |size| size.rows() + 1);
    let times = u16::from(shape.axis_rows > 0 && area.height >= CHART_ROWS_MIN);
    let axis_line = u16::from(shape.axis_rows > 1 && area.height >= AXIS_LINE_FROM_ROWS + 2);
    let has_gutter = area.width >= GUTTER_FROM_WIDTH;
    let gutter_max = if has_gutter { GUTTER_WIDTH.max(area.width * 2 / 5) } else { 0 };
    let gutter = shape.label_width.saturating_add(1).max(GUTTER_WIDTH).min(gutter_max);
    let has_names = shape.name_width > 0 && area.width >= NAMES_FROM_WIDTH;
    let names = if has_names { (shape.name_width + 1).min(area.width / 4) } else { 0 };
    let rows = area.height - title - digits - times - axis_line;
    let right = Rect { x: area.x + gutter, width: area.width - gutter - names, ..area };
    let top = area.y + title + digits;
    let below = top + rows;
    ChartParts {
        title: Rect { height: title, ..area },
        digits: Rect { y: area.y + title, height: digits, ..area },
        digits_size,
        gutter: Rect { y: top, width: gutter, height: rows, ..area },
        panel: Rect { y: top, height: rows, ..right },
        names: Rect { x: right.right(), y: top, width: names, height: rows },
        axis_line: Rect { y: below, height: axis_line, ..right },
        times: Rect { y: below + axis_line, height: times, ..right },
    }
}

/// Returns the area of a box with `width` columns and `height` rows inside, and the maximum number
/// of rows to scroll its contents by.
pub(crate) fn popup(area: Rect, width: u16, height: u16) -> (Rect, u16) {
    let [outer_width, outer_height] =
        [width, height].map(|inside| Constraint::Length(inside.saturating_add(2)));
    let place = area.centered(outer_width, outer_height);
    (place, height.saturating_sub(place.height.saturating_sub(2)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rects(layout: &Layout) -> Vec<Rect> {
        let charts = layout.charts.iter().map(|place| place.area);
        let others = [
            layout.header,
            layout.finding,
            layout.sources,
            layout.legend,
            layout.stats,
            layout.table,
            layout.value_line,
            layout.footer,
        ];
        charts.chain(others).filter(|part| !part.is_empty()).collect()
    }

    #[test]
    fn parts_stay_inside_and_never_overlap_at_any_size() {
        for (page, table, stats_rows) in [
            (Page::Dashboard, TablePosition::Below, 0),
            (Page::Dashboard, TablePosition::Below, 7),
            (Page::Dashboard, TablePosition::Alone, 7),
            (Page::Dashboard, TablePosition::Off, 0),
            (Page::Fullscreen, TablePosition::Below, 3),
            (Page::Fullscreen, TablePosition::Off, 3),
            (Page::Overview, TablePosition::Alone, 0),
            (Page::CompareOverlay, TablePosition::Below, 0),
            (Page::CompareGrid, TablePosition::Off, 0),
        ] {
            for (width, height) in (0..130).flat_map(|w| (0..60).map(move |h| (w, h))) {
                let area = Rect::new(0, 0, width, height);
                let shape = LayoutShape {
                    page,
                    table,
                    chart_count: 4,
                    chosen: 3,
                    is_roomy: false,
                    stats_rows,
                    has_finding: stats_rows == 3,
                    compared_sources: 5,
                };
                let layout = layout(area, shape);
                let parts = rects(&layout);
                assert_eq!(parts.is_empty(), area.is_empty(), "{area}");
                for (at, part) in parts.iter().enumerate() {
                    assert_eq!(part.intersection(area), *part, "{area}");
                    let apart = |other: &Rect| !part.intersects(*other);
                    assert!(parts[at + 1..].iter().all(apart), "{area}: {layout:?}");
                }
                let chosen = layout.charts.iter().any(|place| place.index == 3);
                assert!(chosen || layout.charts.is_empty(), "{area}: {layout:?}");
            }
        }
    }

    #[test]
    fn parts_of_a_source_row_never_overlap_and_wide_rows_have_all() {
        for (width, names, value, has_clock) in (0..200)
            .flat_map(|w| [(w, 4, 0, false), (w, 30, 20, true), (w, u16::MAX - 2, u16::MAX, true)])
        {
            let area = Rect::new(2, 3, width, 5);
            let parts = source_row_parts(area, names, value, has_clock);
            let SourceRowParts { state, name, values, age, clock, chart, .. } = parts;
            let mut end = area.x;
            for part in [state, name, values, age, clock, chart] {
                assert!(part.is_empty() || part.x >= end, "{width}: {parts:?}");
                end = end.max(part.right());
            }
            assert!(end <= area.right() && name.is_empty() == area.is_empty(), "{parts:?}");
            let is_whole =
                !chart.is_empty() && parts.value_count == 3 && clock.is_empty() != has_clock;
            assert!(is_whole || width < 120, "{width}: {parts:?}");
        }
    }

    #[test]
    fn parts_of_a_chart_never_overlap() {
        for (width, height) in (0..60).flat_map(|w| (0..40).map(move |h| (w, h))) {
            for (names, values, labels, axis_rows) in
                [(0, 1, 0, 2), (3, 3, 7, 1), (200, 2, 10, 0), (0, 1, u16::MAX, 2)]
            {
                let area = Rect::new(2, 3, width, height);
                let large = digits::size(values, area);
                let found = chart_parts(
                    area,
                    ChartShape {
                        name_width: names,
                        digits_size: large,
                        label_width: labels,
                        axis_rows,
                    },
                );
                let ChartParts { title, digits, gutter, panel, names, axis_line, times, .. } =
                    found;
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
