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

use super::text::{Piece, put, shortened};
use crate::app::{App, SourceView};
use crate::charts::{Chart, ChartKind, ChartLine, ReferenceLine};
use crate::layout::{ChartParts, ChartRect};
use crate::store::{Slots, StoredSample, Window};
use crate::thresholds::Level;
pub(super) use cells::{Cells, Layer};
use cells::{FilledArea, HorizontalRule};
pub(super) use crosshair::cross_cell;
pub(super) use strokes::Strokes;
pub(super) use title::TitleText;
pub(super) use value_axis::ValueAxis;

/// Columns before the name of a reference line.
const LABEL_MARGIN: u16 = 1;

/// Content of a chart, before its values are mapped to rows.
pub(super) struct ChartContent<'a> {
    /// Lines, names, colours and value format.
    pub(super) chart: &'a Chart,
    pub(super) title_text: TitleText<'a>,
    /// Data of the lines.
    pub(super) lines: Vec<ChartSeries>,
    /// Index of the line whose area is filled, if areas are filled.
    pub(super) filled_line: usize,
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

/// Context for drawing the parts of a chart.
struct ChartContext<'a> {
    app: &'a App,
    chart: &'a Chart,
    parts: ChartParts,
    window: Window,
    lines: Vec<ChartSeries>,
    filled_line: usize,
    axis: &'a ValueAxis,
}

/// Draws the charts of the shown source.
pub(super) fn render_all(app: &App, charts: &[ChartRect], buf: &mut Buffer) {
    let places: Vec<PlacedChart> =
        charts.iter().filter_map(|place| PlacedChart::of(app, *place)).collect();
    let mut done = vec![false; places.len()];
    for first in 0..places.len() {
        if done[first] {
            continue;
        }
        let Some(window) = places[first].window else {
            draw(app, places[first].content(app, Vec::new()), None, places[first].parts, buf);
            continue;
        };
        // Charts over the same window share one lookup of their slots.
        let together: Vec<usize> =
            (first..places.len()).filter(|at| places[*at].window == Some(window)).collect();
        let charts: Vec<&Chart> = together.iter().map(|at| places[*at].chart).collect();
        let series = series_of_charts(app, app.sources.shown(), &charts, window);
        for (at, lines) in together.into_iter().zip(series) {
            let PlacedChart { chart, parts, .. } = places[at];
            let axis = ValueAxis::of(app, chart, extent(&lines), parts);
            draw(app, places[at].content(app, lines), Some((window, &axis)), parts, buf);
            done[at] = true;
        }
    }
}

/// A chart of the shown source and its place on the screen.
struct PlacedChart<'a> {
    /// Index among the charts of the source.
    index: usize,
    chart: &'a Chart,
    parts: ChartParts,
    /// Time window; `None` without samples or without room.
    window: Option<Window>,
}

impl<'a> PlacedChart<'a> {
    fn of(app: &'a App, place: ChartRect) -> Option<PlacedChart<'a>> {
        let (chart, parts) = (app.sources.charts().get(place.index)?, app.chart_parts(place)?);
        Some(PlacedChart { index: place.index, chart, parts, window: window(app, parts) })
    }

    fn content(&self, app: &App, lines: Vec<ChartSeries>) -> ChartContent<'a> {
        let title_text = TitleText {
            title: &self.chart.title,
            number: Some(self.index),
            is_chosen: self.index == app.chosen_chart(),
            levels: levels(app.sources.shown_view(), self.chart, app.shown_sample()),
            values: values(self.chart, app.shown_sample()),
            fresh: app.is_fresh(),
        };
        let why_empty = app.sources.shown_view().empty_reason(self.chart);
        ChartContent {
            chart: self.chart,
            title_text,
            lines,
            filled_line: 0,
            empty_reason: why_empty,
        }
    }
}

/// Returns the time window of a panel; `None` without samples or without room.
pub(super) fn window(app: &App, parts: ChartParts) -> Option<Window> {
    app.window_of(parts.panel.width).filter(|_| !parts.panel.is_empty())
}

/// Returns the values of a chart's lines in a sample. NaN if unknown.
pub(super) fn values(chart: &Chart, sample: Option<StoredSample<'_>>) -> Vec<f64> {
    let value = |line: &ChartLine| sample.map_or(f64::NAN, |sample| sample.value(line.column));
    chart.lines.iter().map(value).collect()
}

/// Returns the levels of the values of a chart's lines in a sample.
pub(super) fn levels(
    view: &SourceView,
    chart: &Chart,
    sample: Option<StoredSample<'_>>,
) -> Vec<Level> {
    let values = values(chart, sample);
    chart.lines.iter().zip(values).map(|(line, value)| view.level(line.column, value)).collect()
}

/// Returns the data of a chart's lines within a window.
pub(super) fn chart_series(
    app: &App,
    source: usize,
    chart: &Chart,
    window: Window,
) -> Vec<ChartSeries> {
    series_of_charts(app, source, &[chart], window).pop().unwrap_or_default()
}

/// Returns the data of the lines of several charts within a window.
fn series_of_charts(
    app: &App,
    source: usize,
    charts: &[&Chart],
    window: Window,
) -> Vec<Vec<ChartSeries>> {
    let fresh = app.is_source_fresh(source);
    let window = window.with_clock_offset(app.sources.clock_offset_ms(source));
    let lines = charts.iter().flat_map(|chart| &chart.lines);
    let columns: Vec<usize> = lines.map(|line| line.column).collect();
    let mut slots =
        app.sources.all()[source].watched.store().slots_of(&columns, window).into_iter();
    let chart_lines = |chart: &&Chart| -> Vec<ChartSeries> {
        let slots = slots.by_ref().take(chart.lines.len());
        slots.map(|slots| ChartSeries { slots, scale: chart.format.scale, fresh }).collect()
    };
    charts.iter().map(chart_lines).collect()
}

/// Returns the minimum and the maximum of all lines, in the shown unit.
pub(super) fn extent(lines: &[ChartSeries]) -> Option<(f64, f64)> {
    let extents = lines.iter().filter_map(|line| {
        let (least, greatest) = line.slots.extent()?;
        Some((least * line.scale, greatest * line.scale))
    });
    extents.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
}

/// Draws a chart. Without a window and an axis, draws only its title.
pub(super) fn draw(
    app: &App,
    figure: ChartContent<'_>,
    place: Option<(Window, &ValueAxis)>,
    parts: ChartParts,
    buf: &mut Buffer,
) {
    let ChartContent { chart, mut title_text, lines, filled_line: filled, empty_reason: why_empty } =
        figure;
    if why_empty.is_some() {
        title_text.values.clear();
    }
    let named_count =
        title::render(app, chart, &title_text, place.map(|(_, axis)| axis), parts, buf);
    let Some((window, axis)) = place else { return };
    let context = ChartContext { app, chart, parts, window, lines, filled_line: filled, axis };
    digits::render(&context, &title_text, buf);
    time_axis::render(&context, buf);
    match (why_empty, chart.kind) {
        (Some(reason), _) => context.render_empty_reason(reason, buf),
        (None, ChartKind::Lines) => {
            value_axis::render(&context, buf);
            context.render_lines(named_count, buf);
            value_axis::render_overflow(&context, buf);
            context.render_names(buf);
        }
        (None, ChartKind::Heat) => heat::render(&context, buf),
    }
    crosshair::render(&context, buf);
}

impl ChartContext<'_> {
    /// Draws the reason for an empty chart in the middle of its panel.
    fn render_empty_reason(&self, reason: &'static str, buf: &mut Buffer) {
        let panel = self.parts.panel;
        let row = Rect { y: panel.y + (panel.height - 1) / 2, height: 1, ..panel };
        let text = Piece::new(shortened(reason, usize::from(row.width)), self.app.theme.faint());
        let left = (row.width - text.width() as u16) / 2;
        put(buf, Rect { x: row.x + left, width: row.width - left, ..row }, &[text]);
    }

    /// Draws the lines and the reference lines. The title names the first `named_count` reference
    /// lines. Another one is drawn only if its name has room in the panel.
    fn render_lines(&self, named_count: usize, buf: &mut Buffer) {
        let theme = self.app.theme;
        let panel = self.parts.panel;
        let (_, dots) = theme.charset().pixels_per_cell();
        let rows = i64::from(panel.height) * dots as i64;
        let layers = self.lines.iter().enumerate().map(|(at, line)| {
            let row = |value: f64| self.axis.dot_row(value * line.scale, rows);
            let style = theme.line(self.chart.lines[at].colour, line.fresh);
            Layer::new(Strokes::of(&line.slots, row), at, style, theme)
        });
        let mut cells = Cells::new(theme, self.window, layers.collect());
        cells.area =
            self.lines.get(self.filled_line).filter(|_| theme.fill).map(|line| FilledArea {
                line: self.filled_line,
                styles: theme.area(self.chart.lines[self.filled_line].colour, line.fresh),
            });
        let mut references = self.references();
        loop {
            let rule = |&(_, row, reference): &(usize, u16, &ReferenceLine)| HorizontalRule {
                row,
                style: theme.threshold(reference.level),
            };
            cells.rules = references.iter().map(rule).collect();
            cells.render(panel, buf);
            let nameless = references.iter().position(|&(at, row, reference)| {
                // In the lowest row, a reference line without a name looks like the axis.
                let is_named = at < named_count;
                let is_lowest = row + 1 == panel.height;
                let is_labelled =
                    (!is_named || is_lowest) && self.render_reference_label(row, reference, buf);
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
        let (_, dots) = self.app.theme.charset().pixels_per_cell();
        let row = |(at, reference)| -> Option<(usize, u16, &ReferenceLine)> {
            let reference: &ReferenceLine = reference;
            Some((at, self.axis.row(reference.value, self.parts.panel.height, dots)?, reference))
        };
        self.chart.references.iter().enumerate().filter_map(row).collect()
    }

    /// Draws the name of a reference line where nothing else is drawn: in the row of the line,
    /// above or below. Returns false if there is no room.
    fn render_reference_label(
        &self,
        row: u16,
        reference: &ReferenceLine,
        buf: &mut Buffer,
    ) -> bool {
        let panel = self.parts.panel;
        let label = format!(" {} ", reference.label);
        let label = Piece::new(label, self.app.theme.threshold(reference.level));
        let sign = self.app.theme.symbols().reference;
        let y = panel.y + row;
        let rows = [Some(y), y.checked_sub(1), Some(y + 1)].into_iter().flatten();
        let rows = rows.filter(|y| (panel.top()..panel.bottom()).contains(y));
        for y in rows {
            let is_free = |x: u16, buf: &Buffer| {
                let symbol = buf[(x, y)].symbol();
                is_blank(symbol) || symbol.starts_with(sign)
            };
            let width = label.width() as u16;
            let mut places = panel.x + LABEL_MARGIN..(panel.right() + 1).saturating_sub(width);
            if let Some(x) = places.find(|x| (*x..x + width).all(|x| is_free(x, buf))) {
                put(buf, Rect { x, y, width, height: 1 }, &[label]);
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
        let theme = self.app.theme;
        let (_, dots) = theme.charset().pixels_per_cell();
        let mut ends: Vec<(u16, usize)> = self
            .lines
            .iter()
            .enumerate()
            .filter_map(|(at, line)| {
                let last = line.slots.slots.iter().rev().flatten().next()?.last;
                let row = self.axis.row(last * line.scale, names.height, dots)?;
                Some((row, at))
            })
            .collect();
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
            let name = self.chart.lines[*at].legend.clone();
            let place = Rect { x: names.x + 1, y: names.y + y, width: names.width - 1, height: 1 };
            put(
                buf,
                place,
                &[Piece::new(
                    name,
                    theme.line(self.chart.lines[*at].colour, self.lines[*at].fresh),
                )],
            );
        }
    }
}

/// Returns whether nothing is drawn in a cell.
fn is_blank(symbol: &str) -> bool {
    matches!(symbol, " " | "\u{2800}")
}
