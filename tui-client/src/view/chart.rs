//! Chart: a title with the values, a panel with dots, and two axes.
//!
//! ```text
//!  1 CPU ─────────────────────── 12.5 %      title, legend
//!    100%┤
//!        │          ⢀⡀                       value axis, panel
//!      0%┤⣀⣀⣀⣀⣀⣀⡠⠔⠊⠁⠈⠑⠢⣀⣀⣀⣀⣀⣀
//!        └────┬──────────┬─────              time axis in local time: lowest chart of a column
//!           14:02      14:03
//! ```

mod cells;
mod crosshair;
mod digits;
mod heat;
mod strokes;
mod time_axis;
mod title;
mod value_axis;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use unicode_width::UnicodeWidthStr as _;

use super::processes::highest_texts;
use super::text::{put, shortened};
use crate::app::{App, SourceView};
use crate::charts::{Chart, ChartKind, ChartLine, ReferenceLine};
use crate::layout::{ChartParts, ChartRect, Page};
use crate::store::{Slots, StoredSample, Window};
use crate::thresholds::Level;
pub(super) use cells::{Cells, Layer};
pub(super) use crosshair::cross_cell;
pub(super) use title::TitleText;
pub(super) use value_axis::ValueAxis;

/// Columns before the name of a reference line.
const LABEL_MARGIN: u16 = 1;

/// Number of processes that a title in fullscreen names.
const FULLSCREEN_PROCESSES: usize = 3;

/// Chart with its data and its place.
pub(super) struct Figure<'a> {
    pub(super) app: &'a App,
    /// Lines, names, colours and value format.
    pub(super) chart: &'a Chart,
    pub(super) parts: ChartParts,
    pub(super) title: TitleText<'a>,
    /// Data of the lines; empty without a window.
    pub(super) lines: Vec<ChartSeries>,
    /// Index of the line whose area is filled, if areas are filled.
    pub(super) filled_line: usize,
    pub(super) axis: ValueAxis,
    /// Reason for an empty chart, if known.
    pub(super) empty_reason: Option<&'static str>,
}

/// Data of one line within the time window.
pub(super) struct ChartSeries {
    pub(super) slots: Slots,
    /// Factor from the unit of the stream to the shown unit.
    pub(super) scale: f64,
    /// True if the line has its colour, false if it is faint because its values are outdated.
    pub(super) fresh: bool,
}

/// Draws the charts of the shown source.
pub(super) fn render_all(app: &App, places: &[ChartRect], buf: &mut Buffer) {
    let place = |place: &ChartRect| {
        Some((place.index, app.sources.charts().get(place.index)?, app.chart_parts(*place)?))
    };
    let mut charts: Vec<(usize, &Chart, ChartParts)> = places.iter().filter_map(place).collect();
    // Charts of the same width have the same window, and share one lookup of their slots.
    charts.sort_by_key(|(_, _, parts)| parts.panel.width);
    for group in charts.chunk_by(|a, b| a.2.panel.width == b.2.panel.width) {
        let lines = group.iter().flat_map(|(_, chart, _)| chart.lines_with_chart());
        let series = series(app, app.sources.shown(), lines, window(app, group[0].2));
        let mut series = series.into_iter();
        for (index, chart, parts) in group {
            let lines = series.by_ref().take(chart.lines.len()).collect();
            draw(shown_source_figure(app, *index, chart, *parts, lines), buf);
        }
    }
}

fn shown_source_figure<'a>(
    app: &'a App,
    index: usize,
    chart: &'a Chart,
    parts: ChartParts,
    lines: Vec<ChartSeries>,
) -> Figure<'a> {
    let (view, fresh) = (app.sources.shown_view(), app.is_fresh());
    let title = TitleText {
        title: &chart.title,
        number: Some(index),
        is_chosen: index == app.chosen_chart(),
        values: values(view, chart, app.shown_sample(), fresh),
        processes: process_texts(app, chart),
        fresh,
    };
    let axis = ValueAxis::of(app, chart, extent(&lines), parts);
    let empty_reason = view.empty_reason(chart);
    Figure { app, chart, parts, title, lines, filled_line: 0, axis, empty_reason }
}

/// Returns the processes that the title of a chart names: three in fullscreen, else one.
fn process_texts(app: &App, chart: &Chart) -> Vec<(String, String)> {
    let count = if app.screen.page == Page::Fullscreen { FULLSCREEN_PROCESSES } else { 1 };
    chart.process_order().map_or(Vec::new(), |order| highest_texts(app, order, count))
}

/// Returns the time window of a panel; `None` without samples or without room.
pub(super) fn window(app: &App, parts: ChartParts) -> Option<Window> {
    app.window_of(parts.panel.width).filter(|_| !parts.panel.is_empty())
}

/// Returns the values of a chart's lines in a sample, NaN if unknown, and their levels. Outdated
/// values have no level.
pub(super) fn values(
    view: &SourceView,
    chart: &Chart,
    sample: Option<StoredSample<'_>>,
    fresh: bool,
) -> Vec<(f64, Level)> {
    let value = |line: &ChartLine| {
        let value = sample.map_or(f64::NAN, |sample| sample.value(line.column));
        (value, if fresh { view.level(line.column, value) } else { Level::Normal })
    };
    chart.lines.iter().map(value).collect()
}

/// Returns the data of lines of a source within a window, or nothing without a window.
pub(super) fn series<'a>(
    app: &App,
    source: usize,
    lines: impl Iterator<Item = (&'a Chart, &'a ChartLine)>,
    window: Option<Window>,
) -> Vec<ChartSeries> {
    let Some(window) = window else { return Vec::new() };
    let window = window.with_clock_offset(app.sources.clock_offset_ms(source));
    let fresh = app.is_source_fresh(source);
    let (columns, scales): (Vec<usize>, Vec<f64>) =
        lines.map(|(chart, line)| (line.column, chart.format.scale)).unzip();
    let slots = app.sources.all()[source].watched.store().slots_of(&columns, window);
    let series = slots.into_iter().zip(scales);
    series.map(|(slots, scale)| ChartSeries { slots, scale, fresh }).collect()
}

/// Returns the minimum and the maximum of all lines, in the shown unit.
pub(super) fn extent<'a>(lines: impl IntoIterator<Item = &'a ChartSeries>) -> Option<(f64, f64)> {
    let extents = lines.into_iter().filter_map(|line| {
        let (least, greatest) = line.slots.extent()?;
        Some((least * line.scale, greatest * line.scale))
    });
    extents.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
}

/// Draws a chart. Without a window, draws only its title.
pub(super) fn draw(mut figure: Figure<'_>, buf: &mut Buffer) {
    if figure.empty_reason.is_some() {
        figure.title.values.clear();
    }
    let window = window(figure.app, figure.parts);
    let references = window.map_or(Vec::new(), |_| title::references(&figure));
    let named_count = title::render(&figure, &references, buf);
    let Some(window) = window else { return };
    digits::render(&figure, buf);
    time_axis::render(&figure, window, buf);
    match (figure.empty_reason, figure.chart.kind) {
        (Some(reason), _) => figure.render_empty_reason(reason, buf),
        (None, ChartKind::Lines) => {
            value_axis::render(&figure, buf);
            figure.render_lines(window, named_count, buf);
            value_axis::render_overflow(&figure, buf);
            figure.render_names(buf);
        }
        (None, ChartKind::Heat) => heat::render(&figure, buf),
    }
    crosshair::render(&figure, window, buf);
}

impl Figure<'_> {
    fn line_style(&self, line: usize) -> Style {
        self.app.theme.line(self.chart.lines[line].colour, self.lines[line].fresh)
    }

    /// Returns the dot rows of a line's values in the panel, possibly outside.
    fn dot_row<'a>(&'a self, line: &'a ChartSeries) -> impl Fn(f64) -> i64 + 'a {
        move |value| self.axis.dot_row(value * line.scale)
    }

    /// Draws the reason for an empty chart in the middle of its panel.
    fn render_empty_reason(&self, reason: &str, buf: &mut Buffer) {
        let panel = self.parts.panel;
        let text = shortened(reason, usize::from(panel.width));
        let width = text.width() as u16;
        let (x, y) = (panel.x + (panel.width - width) / 2, panel.y + (panel.height - 1) / 2);
        put(buf, Rect { x, y, width, height: 1 }, &text, self.app.theme.faint());
    }

    /// Draws the lines and the reference lines. The title names the first `named_count` reference
    /// lines. Another one is drawn only if its name has room in the panel.
    fn render_lines(&self, window: Window, named_count: usize, buf: &mut Buffer) {
        let theme = self.app.theme;
        let panel = self.parts.panel;
        let layers = self.lines.iter().enumerate().map(|(at, line)| {
            Layer::new(&line.slots, self.dot_row(line), at, self.line_style(at), theme)
        });
        let mut cells = Cells::new(theme, window, layers.collect());
        let filled = self.lines.get(self.filled_line).filter(|_| theme.fill);
        cells.area = filled.map(|line| {
            let colour = self.chart.lines[self.filled_line].colour;
            (self.filled_line, theme.area(colour, line.fresh))
        });
        let mut references = self.references();
        loop {
            let rules = references.iter().map(|(_, row, it)| (*row, theme.threshold(it.level)));
            cells.rules = rules.collect();
            cells.render(panel, buf);
            let nameless = references.iter().position(|&(at, row, reference)| {
                // In the lowest row, a reference line without a name looks like the axis.
                let is_named = at < named_count;
                let is_lowest = row + 1 == panel.height;
                let is_labelled =
                    (!is_named || is_lowest) && self.name_reference(row, reference, buf);
                !is_named && !is_labelled
            });
            let Some(nameless) = nameless else { return };
            references.remove(nameless);
            for position in panel.positions() {
                buf[position].reset();
            }
        }
    }

    /// Returns the reference lines within the panel: their indexes, rows and values.
    fn references(&self) -> Vec<(usize, u16, &ReferenceLine)> {
        let references = self.chart.references.iter().enumerate();
        let within = references.filter_map(|(at, it)| Some((at, self.axis.row(it.value)?, it)));
        within.collect()
    }

    /// Draws the name of a reference line where nothing else is drawn: in the row of the line,
    /// above or below. Returns false if there is no room.
    fn name_reference(&self, row: u16, reference: &ReferenceLine, buf: &mut Buffer) -> bool {
        let panel = self.parts.panel;
        let label = format!(" {} ", reference.label);
        let width = label.width() as u16;
        let sign = self.app.theme.symbols().reference;
        let is_free = |x: u16, y: u16, buf: &Buffer| {
            let symbol = buf[(x, y)].symbol();
            is_blank(symbol) || symbol.starts_with(sign)
        };
        let rows = [Some(row), row.checked_sub(1), Some(row + 1)].into_iter().flatten();
        for y in rows.filter(|row| *row < panel.height).map(|row| panel.y + row) {
            let mut places = panel.x + LABEL_MARGIN..(panel.right() + 1).saturating_sub(width);
            if let Some(x) = places.find(|x| (*x..x + width).all(|x| is_free(x, y, buf))) {
                let place = Rect { x, y, width, height: 1 };
                put(buf, place, &label, self.app.theme.threshold(reference.level));
                return true;
            }
        }
        false
    }

    /// Draws the lines' names beside their latest values. If a row is taken, a name moves down.
    fn render_names(&self, buf: &mut Buffer) {
        let names = self.parts.names;
        if names.is_empty() {
            return;
        }
        let end = |(at, line): (usize, &ChartSeries)| {
            let last = line.slots.slots.iter().rev().flatten().next()?.last;
            Some((self.axis.row(last * line.scale)?, at))
        };
        let mut ends: Vec<(u16, usize)> = self.lines.iter().enumerate().filter_map(end).collect();
        ends.sort_unstable();
        let mut free = 0;
        for (count, (row, at)) in ends.iter().enumerate() {
            // Leave room for the names that follow.
            let lowest = usize::from(names.height).saturating_sub(ends.len() - count);
            let y = (*row).min(lowest as u16).max(free);
            if y >= names.height {
                break;
            }
            free = y + 1;
            let place = Rect { x: names.x + 1, y: names.y + y, width: names.width - 1, height: 1 };
            put(buf, place, &self.chart.lines[*at].legend, self.line_style(*at));
        }
    }
}

/// Returns whether nothing is drawn in a cell.
fn is_blank(symbol: &str) -> bool {
    matches!(symbol, " " | "\u{2800}")
}
