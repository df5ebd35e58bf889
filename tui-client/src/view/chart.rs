//! One chart: a title with the values, dots, and two axes.
//!
//! ```text
//!  1 CPU ─────────────────────── 12.5 %      title, legend
//!    100%┤
//!        │          ⢀⡀                       value axis, panel
//!      0%┤⣀⣀⣀⣀⣀⣀⡠⠔⠊⠁⠈⠑⠢⣀⣀⣀⣀⣀⣀
//!        └────┬──────────┬─────              time axis, in local time: of the lowest chart of a column
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

/// Columns in front of the name of a reference line.
const LABEL_MARGIN: u16 = 1;

/// What a chart shows, before it is known where its values stand.
pub(super) struct ChartContent<'a> {
    /// Its lines, their names and colours, and how values look.
    pub(super) chart: &'a Chart,
    /// What stands in its title.
    pub(super) title_text: TitleText<'a>,
    /// What there is to draw of each line.
    pub(super) lines: Vec<ChartSeries>,
    /// The line whose area is filled, the first at 0, if areas are.
    pub(super) filled_line: usize,
    /// Why there is nothing to draw, if that is known.
    pub(super) empty_reason: Option<&'static str>,
}

/// A line of a chart, as there is of it to draw.
pub(super) struct ChartSeries {
    pub(super) slots: Slots,
    /// What its values are multiplied by before they are shown.
    pub(super) scale: f64,
    /// Whether it may look live.
    pub(super) fresh: bool,
}

/// What the parts of a chart are drawn from.
struct ChartContext<'a> {
    app: &'a App,
    chart: &'a Chart,
    parts: ChartParts,
    window: Window,
    lines: Vec<ChartSeries>,
    filled_line: usize,
    axis: &'a ValueAxis,
}

/// Draws the charts of the source that is shown.
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
        // Charts over the same window have the same slots: they are looked for once.
        let together: Vec<usize> =
            (first..places.len()).filter(|at| places[*at].window == Some(window)).collect();
        let charts: Vec<&Chart> = together.iter().map(|at| places[*at].chart).collect();
        let series = series_of_charts(app, app.shown_source(), &charts, window);
        for (at, lines) in together.into_iter().zip(series) {
            let PlacedChart { chart, parts, .. } = places[at];
            let axis = ValueAxis::of(app, chart, extent(&lines), parts);
            draw(app, places[at].content(app, lines), Some((window, &axis)), parts, buf);
            done[at] = true;
        }
    }
}

/// A chart of the source that is shown, and where it is drawn.
struct PlacedChart<'a> {
    /// Its position in the app.
    index: usize,
    chart: &'a Chart,
    parts: ChartParts,
    /// What it spans; `None` where there is nothing to draw, or no room.
    window: Option<Window>,
}

impl<'a> PlacedChart<'a> {
    fn of(app: &'a App, place: ChartRect) -> Option<PlacedChart<'a>> {
        let (chart, parts) = (app.charts().get(place.index)?, app.chart_parts(place)?);
        Some(PlacedChart { index: place.index, chart, parts, window: window(app, parts) })
    }

    fn content(&self, app: &App, lines: Vec<ChartSeries>) -> ChartContent<'a> {
        let title_text = TitleText {
            title: &self.chart.title,
            number: Some(self.index),
            is_chosen: self.index == app.chosen_chart(),
            levels: levels(app.shown_view(), self.chart, app.shown_sample()),
            values: values(self.chart, app.shown_sample()),
            fresh: app.is_fresh(),
        };
        let why_empty = app.shown_view().empty_reason(self.chart);
        ChartContent {
            chart: self.chart,
            title_text,
            lines,
            filled_line: 0,
            empty_reason: why_empty,
        }
    }
}

/// What a panel spans; nothing if there is none, or no sample.
pub(super) fn window(app: &App, parts: ChartParts) -> Option<Window> {
    app.window_of(parts.panel.width).filter(|_| !parts.panel.is_empty())
}

/// The values of the lines of a chart in a sample; NaN where there is none.
pub(super) fn values(chart: &Chart, sample: Option<StoredSample<'_>>) -> Vec<f64> {
    let value = |line: &ChartLine| sample.map_or(f64::NAN, |sample| sample.value(line.column));
    chart.lines.iter().map(value).collect()
}

/// Which of these values are worth a look.
pub(super) fn levels(
    view: &SourceView,
    chart: &Chart,
    sample: Option<StoredSample<'_>>,
) -> Vec<Level> {
    let values = values(chart, sample);
    chart.lines.iter().zip(values).map(|(line, value)| view.level(line.column, value)).collect()
}

/// What there is to draw of a chart of a source.
pub(super) fn chart_series(
    app: &App,
    source: usize,
    chart: &Chart,
    window: Window,
) -> Vec<ChartSeries> {
    series_of_charts(app, source, &[chart], window).pop().unwrap_or_default()
}

/// What there is to draw of each of some charts of a source.
fn series_of_charts(
    app: &App,
    source: usize,
    charts: &[&Chart],
    window: Window,
) -> Vec<Vec<ChartSeries>> {
    let fresh = app.is_source_fresh(source);
    let window = window.with_clock_offset(app.clock_offset_ms(source));
    let lines = charts.iter().flat_map(|chart| &chart.lines);
    let columns: Vec<usize> = lines.map(|line| line.column).collect();
    let mut slots = app.sources()[source].watched.store().slots_of(&columns, window).into_iter();
    let chart_lines = |chart: &&Chart| -> Vec<ChartSeries> {
        let slots = slots.by_ref().take(chart.lines.len());
        slots.map(|slots| ChartSeries { slots, scale: chart.format.scale, fresh }).collect()
    };
    charts.iter().map(chart_lines).collect()
}

/// The least and the greatest value of all lines as they are shown.
pub(super) fn extent(lines: &[ChartSeries]) -> Option<(f64, f64)> {
    let extents = lines.iter().filter_map(|line| {
        let (least, greatest) = line.slots.extent()?;
        Some((least * line.scale, greatest * line.scale))
    });
    extents.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
}

/// Draws a figure; without a window and an axis, no more than its title.
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
    /// The reason why a chart is empty, where its lines would be.
    fn render_empty_reason(&self, reason: &'static str, buf: &mut Buffer) {
        let panel = self.parts.panel;
        let row = Rect { y: panel.y + (panel.height - 1) / 2, height: 1, ..panel };
        let text = Piece::new(shortened(reason, usize::from(row.width)), self.app.theme.faint());
        let left = (row.width - text.width() as u16) / 2;
        put(buf, Rect { x: row.x + left, width: row.width - left, ..row }, &[text]);
    }

    /// Draws the lines, and those references that the title names or that have room for their names. The
    /// title names the first `named_count` references.
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
                // At the lowest row, a line without its name beside it would be taken for the axis.
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

    /// The values that others are compared with: their numbers, and their rows in the panel.
    fn references(&self) -> Vec<(usize, u16, &ReferenceLine)> {
        let (_, dots) = self.app.theme.charset().pixels_per_cell();
        let row = |(at, reference)| -> Option<(usize, u16, &ReferenceLine)> {
            let reference: &ReferenceLine = reference;
            Some((at, self.axis.row(reference.value, self.parts.panel.height, dots)?, reference))
        };
        self.chart.references.iter().enumerate().filter_map(row).collect()
    }

    /// The name of a reference line in the line itself where nothing else is drawn, or in a free place of
    /// the row above or below. Returns whether there is one.
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

    /// The names of the lines at their ends, each beside its latest value, or below a name that stands
    /// there already.
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
            // Room is left for those that follow.
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

/// Whether nothing is drawn in a cell.
fn is_blank(symbol: &str) -> bool {
    matches!(symbol, " " | "\u{2800}")
}
