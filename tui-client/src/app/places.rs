//! Where everything stands, and what the charts span.

use ratatui::layout::{Constraint, Layout as Split, Position, Rect};
use unicode_width::UnicodeWidthStr as _;

use super::App;
use crate::charts::{Kind, is_calm};
use crate::digits;
use crate::keys::{HELP_WIDTH, HelpLine};
use crate::layout::{
    ChartPlace, ChartShape, Layout, LineParts, Page, Parts, Shape, layout, line_parts, parts, popup,
};
use crate::store::Window;
use crate::units::Range;

/// A longer name at the end of a line is cut.
const NAME_MAX: usize = 8;

/// The most rows that statistics could fill: more than any screen has.
const SPAN_ROWS_MAX: usize = 1000;

/// Rows above the statistics: one for the span, one for what the numbers are.
const SPAN_HEADS: u16 = 2;

/// Where there are fewer rows for more series than have room, both share one.
const SPAN_HEADS_FROM: usize = 4;

impl App {
    /// The whole terminal.
    #[must_use]
    pub fn area(&self) -> Rect {
        Rect::from((Position::ORIGIN, self.size))
    }

    /// Where everything stands in an area.
    #[must_use]
    pub fn layout(&self, area: Rect) -> Layout {
        let page = self.screen.page();
        let (charts, chosen) = match page {
            Page::Overview | Page::Dashboard | Page::Fullscreen => {
                (self.charts().len(), self.chosen())
            }
            Page::Together => (self.metrics().len(), self.metric().map_or(0, |(at, _)| at)),
            Page::Apart => {
                (if self.metrics().is_empty() { 0 } else { self.sources().len() }, self.shown())
            }
        };
        let lines = match page {
            Page::Overview | Page::Together | Page::Apart => 0,
            Page::Dashboard => self.charts().iter().map(|chart| chart.lines.len()).sum(),
            Page::Fullscreen => self.charts().get(chosen).map_or(0, |chart| chart.lines.len()),
        };
        let is_measured = self.mark.is_some() && !self.is_of_all();
        let span_rows = if is_measured { lines.min(SPAN_ROWS_MAX) as u16 + SPAN_HEADS } else { 0 };
        let compared = self.compared().len();
        let is_calm = page == Page::Dashboard && is_calm(self.charts());
        let shape = Shape { page, table: self.table, charts, chosen, is_calm, span_rows, compared };
        layout(area, shape)
    }

    /// The parts of the statistics of so many series: the row for the span, which may have none of its
    /// own, that for what the numbers are, and those for the series.
    #[must_use]
    pub fn span_parts(area: Rect, series: usize) -> [Rect; 3] {
        let wanted = SPAN_HEADS_FROM.min(series + usize::from(SPAN_HEADS));
        let span = u16::from(usize::from(area.height) >= wanted);
        let rows = [Constraint::Length(span), Constraint::Length(1), Constraint::Fill(1)];
        Split::vertical(rows).areas(area)
    }

    /// Whether the page shows all sources, and not one of them.
    #[must_use]
    pub fn is_of_all(&self) -> bool {
        matches!(self.screen.page(), Page::Overview | Page::Together | Page::Apart)
    }

    /// The parts of a chart that the layout has placed, if there is one. The panels of charts one below the
    /// other are of one width, and so are their times.
    #[must_use]
    pub fn chart_parts(&self, place: ChartPlace) -> Option<Parts> {
        let shape = ChartShape { axis_rows: place.axis_rows, ..ChartShape::default() };
        let shape = match self.screen.page() {
            Page::Dashboard | Page::Fullscreen => {
                let chart = self.charts().get(place.at)?;
                let labels = self.shown_seen().label_width;
                // The names of a heat map stand where others have their values.
                if self.screen.page() == Page::Dashboard || chart.kind == Kind::Heat {
                    ChartShape { labels, ..shape }
                } else {
                    let names = chart.lines.iter().map(|line| line.legend.chars().count());
                    let names = names.max().unwrap_or(0).min(NAME_MAX) as u16;
                    let is_empty = self.shown_seen().why_empty(chart).is_some();
                    let large = digits::size(chart.lines.len(), place.area);
                    ChartShape { names, large: large.filter(|_| !is_empty), labels, ..shape }
                }
            }
            Page::Overview | Page::Together | Page::Apart => {
                let labels = self.sources().iter().map(|seen| seen.label_width).max().unwrap_or(0);
                ChartShape { labels, ..shape }
            }
        };
        Some(parts(place.area, shape))
    }

    /// The columns of the dots of the chosen chart, as it is drawn.
    pub(super) fn panel_width(&self) -> Option<u16> {
        let layout = self.layout(self.area());
        if self.screen.page() == Page::Overview {
            return Some(self.line_parts(layout.sources).chart.width);
        }
        let chosen = match self.screen.page() {
            Page::Apart => self.shown(),
            Page::Together => self.metric()?.0,
            Page::Overview | Page::Dashboard | Page::Fullscreen => self.chosen(),
        };
        let place = layout.charts.iter().find(|place| place.at == chosen)?;
        Some(self.chart_parts(*place)?.panel.width)
    }

    /// The parts of a line of the overview, the same for all.
    #[must_use]
    pub fn line_parts(&self, area: Rect) -> LineParts {
        let names = self.sources().iter().map(|seen| seen.watched.name.chars().count());
        let names = names.max().unwrap_or(0).min(usize::from(area.width)) as u16;
        let all = 0..self.sources().len();
        let has_clock = all.clone().any(|at| self.ahead_ms(at) != 0);
        let parts = |value| line_parts(area, names, value, has_clock);
        // How many values have room decides which.
        let count = usize::from(parts(0).count);
        let values = all.flat_map(|source| {
            let columns = self.columns_on_line(source, count).into_iter();
            columns.map(move |column| self.value_width(source, column))
        });
        parts(values.max().unwrap_or(0).min(usize::from(area.width)) as u16)
    }

    /// Columns of a value with its name, the same for all values of a percentage.
    fn value_width(&self, source: usize, column: usize) -> usize {
        let seen = &self.sources()[source];
        let (Some(look), Some(columns)) = (seen.looks.get(column), seen.watched.columns()) else {
            return 0;
        };
        let value = match look.range {
            Range::Fixed(most) => most / look.scale,
            Range::FromZero(_) | Range::Fitted => {
                self.sample_of(source).map_or(f64::NAN, |sample| sample.value(column))
            }
        };
        let value = look.value(value).width().max(look.compact_width());
        columns[column].name().width() + 1 + value
    }

    /// What a chart with a panel of so many columns spans.
    #[must_use]
    pub fn window_of(&self, panel_width: u16) -> Option<Window> {
        let (dots, _) = self.theme.charset().pixels_per_cell();
        let span_ms = i64::try_from(self.window.as_millis()).unwrap_or(i64::MAX);
        Some(Window::ending(self.shown_until()?, span_ms, usize::from(panel_width), dots))
    }

    /// The help in its columns, where it stands in an area, above the footer, and how far it can be
    /// scrolled.
    #[must_use]
    pub fn help(&self, area: Rect) -> (Vec<Vec<HelpLine>>, Rect, u16) {
        let columns = self.keys.help(area.width, !self.is_alone(), self.theme.ascii);
        let lines = columns.iter().map(Vec::len).max().unwrap_or(0);
        let room = Rect { height: area.height - self.layout(area).footer.height, ..area };
        let (place, most) = popup(room, columns.len() as u16 * HELP_WIDTH, lines as u16);
        (columns, place, most)
    }
}
