//! Layout of the screen, and time windows of the charts.

use loadline_protocol::duration_ms;
use ratatui::layout::{Constraint, Layout as Split, Position, Rect};
use unicode_width::UnicodeWidthStr as _;

use super::App;
use crate::charts::{ChartKind, has_uncrowded_first_page};
use crate::digits;
use crate::keys::{HELP_WIDTH, HelpLine};
use crate::layout::{
    ChartParts, ChartRect, ChartShape, Layout, LayoutShape, Page, SourceRowParts, TablePosition,
    chart_parts, layout, popup, source_row_parts,
};
use crate::store::Window;
use crate::units::AxisRange;

/// Maximum length of a name at the end of a line. A longer name is cut.
const NAME_MAX: usize = 8;

/// Maximum number of rows of statistics: more than any screen has.
const STATISTICS_ROWS_MAX: usize = 1000;

/// Rows above the statistics: one for the span, one for the column heads.
const STATISTICS_HEADER_ROWS: u16 = 2;

/// With fewer rows for more series than fit, the span and the column heads share a row.
const SEPARATE_HEADERS_ROWS_MIN: usize = 4;

impl App {
    /// Returns the area of the whole terminal.
    pub fn area(&self) -> Rect {
        Rect::from((Position::ORIGIN, self.size))
    }

    /// Returns the layout of the screen in an area.
    pub fn layout(&self, area: Rect) -> Layout {
        let page = self.screen.page;
        let charts = self.sources.charts();
        let titles = self.chart_titles().len();
        let is_grid = page == Page::CompareGrid && titles > 0;
        let chart_count = if is_grid { self.sources.all().len() } else { titles };
        let chosen = self.chosen_place();
        let measured = match page {
            Page::Dashboard => charts,
            Page::Fullscreen => charts.get(chosen..=chosen).unwrap_or_default(),
            Page::Overview | Page::CompareOverlay | Page::CompareGrid => &[],
        };
        let series: usize = measured.iter().map(|chart| chart.lines.len()).sum();
        let stats_rows = match self.selection.mark {
            Some(_) if !self.screen.shows_all_sources() => {
                series.min(STATISTICS_ROWS_MAX) as u16 + STATISTICS_HEADER_ROWS
            }
            _ => 0,
        };
        let shape = LayoutShape {
            page,
            table: self.screen.table_position(),
            chart_count,
            chosen,
            is_roomy: page == Page::Dashboard && has_uncrowded_first_page(charts),
            stats_rows,
            has_finding: self.shows_finding(),
            compared_sources: self.sources.compared().len(),
        };
        let divided = layout(area, shape);
        if self.screen.shows_processes() && divided.table.is_empty() {
            // A low screen has room for the processes or for charts.
            return layout(
                area,
                LayoutShape { page: Page::Dashboard, table: TablePosition::Alone, ..shape },
            );
        }
        divided
    }

    /// Returns the areas of the statistics for `series` series: the span, the column heads and the
    /// series. The area of the span may be empty.
    pub(crate) fn statistics_parts(area: Rect, series: usize) -> [Rect; 3] {
        let wanted = SEPARATE_HEADERS_ROWS_MIN.min(series + usize::from(STATISTICS_HEADER_ROWS));
        let span = u16::from(usize::from(area.height) >= wanted);
        let rows = [Constraint::Length(span), Constraint::Length(1), Constraint::Fill(1)];
        Split::vertical(rows).areas(area)
    }

    /// Returns the parts of a chart at its place in the layout, if the chart exists. Panels below
    /// each other have the same width, so their time axes agree.
    pub fn chart_parts(&self, place: ChartRect) -> Option<ChartParts> {
        let mut shape = ChartShape { axis_rows: place.axis_rows, ..ChartShape::default() };
        if self.screen.shows_all_sources() {
            let labels = self.sources.all().iter().map(|view| view.label_width);
            shape.label_width = labels.max().unwrap_or(0);
            return Some(chart_parts(place.area, shape));
        }
        let view = self.sources.shown_view();
        let chart = view.charts.get(place.index)?;
        shape.label_width = view.label_width;
        // In a heat map, the names of the columns replace the value labels.
        if self.screen.page == Page::Fullscreen && chart.kind != ChartKind::Heat {
            let names = chart.lines.iter().map(|line| line.legend.chars().count());
            shape.name_width = names.max().unwrap_or(0).min(NAME_MAX) as u16;
            if view.empty_reason(chart).is_none() {
                shape.digits_size = digits::size(chart.lines.len(), place.area);
            }
        }
        Some(chart_parts(place.area, shape))
    }

    /// Returns the index of the chosen chart in the layout.
    fn chosen_place(&self) -> usize {
        match self.screen.page {
            Page::CompareGrid => self.sources.shown(),
            Page::Overview | Page::CompareOverlay | Page::Dashboard | Page::Fullscreen => {
                self.chosen_chart()
            }
        }
    }

    /// Returns the width of the chosen chart's panel in columns.
    pub(super) fn panel_width(&self) -> Option<u16> {
        let layout = self.layout(self.area());
        if self.screen.page == Page::Overview {
            return Some(self.line_parts(layout.sources).chart.width);
        }
        let chosen = self.chosen_place();
        let place = layout.charts.iter().find(|place| place.index == chosen)?;
        Some(self.chart_parts(*place)?.panel.width)
    }

    /// Returns the parts of a row of the overview, the same for all rows.
    pub(crate) fn line_parts(&self, area: Rect) -> SourceRowParts {
        let names = self.sources.all().iter().map(|view| view.watched.name.chars().count());
        let names = names.max().unwrap_or(0).min(usize::from(area.width)) as u16;
        let all = 0..self.sources.all().len();
        let has_clock = all.clone().any(|at| self.sources.clock_offset_ms(at) != 0);
        let parts = |value| source_row_parts(area, names, value, has_clock);
        // The number of values that fit decides which are shown.
        let count = usize::from(parts(0).value_count);
        let values = all.flat_map(|source| {
            let columns = self.overview_columns(source, count).into_iter();
            columns.map(move |column| self.value_width(source, column))
        });
        parts(values.max().unwrap_or(0).min(usize::from(area.width)) as u16)
    }

    /// Returns the columns of a value with its name, the same for all values of a percentage.
    fn value_width(&self, source: usize, column: usize) -> usize {
        let view = &self.sources.all()[source];
        let (Some(format), Some(columns)) = (view.formats.get(column), view.watched.columns())
        else {
            return 0;
        };
        let value = self.sample_of(source).map_or(f64::NAN, |sample| sample.value(column));
        let value = match format.range {
            // A percentage may exceed the end.
            AxisRange::Fixed(end) => value.max(end / format.scale),
            AxisRange::FromZero(_) | AxisRange::Fitted => value,
        };
        let value = format.value(value).width().max(format.compact_width());
        columns[column].name().width() + 1 + value
    }

    /// Returns the time window of a chart with a panel of `panel_width` columns.
    pub fn window_of(&self, panel_width: u16) -> Option<Window> {
        let dots = self.theme.dot_columns();
        let span_ms = duration_ms(self.window.span);
        Some(Window::ending(self.window_end_time()?, span_ms, usize::from(panel_width), dots))
    }

    /// Returns the help in its columns, its area above the footer, and its maximum scroll position.
    pub fn help_layout(&self, area: Rect) -> (Vec<Vec<HelpLine>>, Rect, u16) {
        let columns = self.keys.help(area.width, !self.sources.is_single(), self.theme.ascii);
        let lines = columns.iter().map(Vec::len).max().unwrap_or(0);
        let available = Rect { height: area.height - self.layout(area).footer.height, ..area };
        let (place, scroll_max) = popup(available, columns.len() as u16 * HELP_WIDTH, lines as u16);
        (columns, place, scroll_max)
    }
}
