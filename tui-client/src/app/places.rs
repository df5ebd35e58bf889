//! Where everything stands, and what the charts span.

use ratatui::layout::{Position, Rect};

use super::App;
use crate::charts::Chart;
use crate::digits;
use crate::keys;
use crate::layout::{ChartShape, Layout, Page, Shape, layout, popup};
use crate::store::Window;

/// A longer name at the end of a line is cut.
const NAME_MAX: usize = 8;

/// The most rows that statistics could fill: more than any screen has.
const SPAN_ROWS_MAX: usize = 1000;

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
        let chosen = self.chosen();
        let lines = match page {
            Page::Dashboard => self.charts.iter().map(|chart| chart.lines.len()).sum(),
            Page::Fullscreen => self.charts.get(chosen).map_or(0, |chart| chart.lines.len()),
        };
        let span_rows = if self.mark.is_some() { lines.min(SPAN_ROWS_MAX) as u16 + 1 } else { 0 };
        let shape = Shape { page, table: self.table, charts: self.charts.len(), chosen, span_rows };
        layout(area, shape)
    }

    /// What the parts of a chart depend on.
    #[must_use]
    pub fn chart_shape(&self, chart: &Chart, area: Rect) -> ChartShape {
        match self.screen.page() {
            // The panels of charts one below the other are of one width, and so are their times.
            Page::Dashboard => ChartShape::default(),
            Page::Fullscreen => {
                let names = chart.lines.iter().map(|line| line.legend.chars().count());
                let names = names.max().unwrap_or(0).min(NAME_MAX) as u16;
                ChartShape { names, large: digits::size(chart.lines.len(), area) }
            }
        }
    }

    /// What a chart with a panel of so many columns spans.
    #[must_use]
    pub fn window_of(&self, panel_width: u16) -> Option<Window> {
        let (dots, _) = self.theme.charset().pixels_per_cell();
        let span_ms = i64::try_from(self.window.as_millis()).unwrap_or(i64::MAX);
        Some(Window::ending(self.shown_until()?, span_ms, usize::from(panel_width), dots))
    }

    /// Where the help stands, and how far it can be scrolled.
    #[must_use]
    pub fn help(&self) -> (Rect, u16) {
        let area = self.area();
        let columns = keys::help(area.width);
        let lines = columns.iter().map(Vec::len).max().unwrap_or(0);
        popup(area, columns.len() as u16 * keys::HELP_WIDTH, lines as u16)
    }
}
