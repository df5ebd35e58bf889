//! Statistics between mark and crosshair: a table with one row per series.

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Span;
use unicode_width::UnicodeWidthStr as _;

use super::text::{counted, put, put_right, put_spans, shortened};
use crate::app::{App, ColumnStats, Statistics};
use crate::charts::{Chart, ChartLine};
use crate::layout::Layout;
use crate::theme::STRONG;
use crate::units::span_text;

const STATS: [&str; 4] = ["min", "mean", "max", "last"];

/// Spacing between table columns. One column is enough if each row shows its unit once.
const COLUMN_SPACING: usize = 2;
const COLUMN_SPACING_NARROW: usize = 1;

/// Minimum width of the name column. If less is left, each row shows its unit only once.
const NAME_WIDTH_MIN: usize = 12;

struct StatsRow {
    name: String,
    colour: usize,
    /// Unit of all numbers, empty if each number has its own, and the numbers.
    cells: [String; 5],
}

struct StatsTable {
    rows: Vec<StatsRow>,
    /// Widths of the columns after the name.
    widths: [usize; 5],
    spacing: usize,
}

pub(super) fn render(app: &App, layout: &Layout, buf: &mut Buffer) {
    let area = layout.stats;
    let Some(span) = app.selection.statistics.as_ref().filter(|_| !area.is_empty()) else { return };
    let theme = app.theme;
    let series = app.measured_series(layout);
    let [title, head_row, rows] = App::statistics_parts(area, series.len());
    let width = usize::from(area.width);
    let mut table = StatsTable::new(&series, span, false);
    if table.cells_width() + NAME_WIDTH_MIN > width {
        table = StatsTable::new(&series, span, true);
    }
    let names = table.rows.iter().map(|row| row.name.width()).max().unwrap_or(0);
    let names = names.max(NAME_WIDTH_MIN).min(width.saturating_sub(table.cells_width()));
    put_spans(buf, title, &title_spans(app, span, title.width));
    if title.is_empty() {
        let place = Rect { width: names as u16, ..head_row };
        put(buf, place, &duration_text(span.duration()), STRONG);
    }
    for (place, head) in table.cell_rects(head_row, names)[1..].iter().zip(STATS) {
        put_right(buf, *place, head, theme.faint());
    }
    let (first, ..) = app.visible_series(layout);
    for (place, row) in rows.rows().zip(table.rows.iter().skip(first)) {
        let style = theme.line(row.colour, true);
        put(buf, Rect { width: names as u16, ..place }, &shortened(&row.name, names), style);
        let styles = [theme.faint(), STRONG, STRONG, STRONG, STRONG];
        for ((place, text), style) in
            table.cell_rects(place, names).into_iter().zip(&row.cells).zip(styles)
        {
            put_right(buf, place, text, style);
        }
    }
}

impl StatsRow {
    /// Creates a row with a unit at each number, or with all numbers in the unit of the greatest.
    fn new(chart: &Chart, line: &ChartLine, span: &Statistics, has_one_unit: bool) -> StatsRow {
        let format = &chart.format;
        let stats = span.columns.get(line.column).copied().flatten();
        let stats = stats
            .map_or([f64::NAN; 4], |ColumnStats { min, mean, max, last }| [min, mean, max, last]);
        let greatest =
            stats.into_iter().fold(f64::NAN, |a, b| if a.abs() >= b.abs() { a } else { b });
        let ([min, mean, max, last], unit) = if has_one_unit {
            let numbers = stats.map(|number| format.number_in_unit_of(number, greatest));
            (numbers, format.number_and_unit(greatest).1)
        } else {
            (stats.map(|number| format.value(number)), String::new())
        };
        let cells = [unit, min, mean, max, last];
        StatsRow { name: chart.line_name(line), colour: line.colour, cells }
    }
}

impl StatsTable {
    fn new(series: &[(&Chart, &ChartLine)], span: &Statistics, has_one_unit: bool) -> StatsTable {
        let row =
            |(chart, line): &(&Chart, &ChartLine)| StatsRow::new(chart, line, span, has_one_unit);
        let rows: Vec<StatsRow> = series.iter().map(row).collect();
        let widths = std::array::from_fn(|at| {
            let head = if at == 0 { 0 } else { STATS[at - 1].len() };
            rows.iter().map(|row| row.cells[at].width()).fold(head, usize::max)
        });
        let spacing = if has_one_unit { COLUMN_SPACING_NARROW } else { COLUMN_SPACING };
        StatsTable { rows, widths, spacing }
    }

    /// Returns the total width of the columns after the name, with spacing.
    fn cells_width(&self) -> usize {
        let widths = self.widths.into_iter().filter(|width| *width > 0);
        widths.map(|width| width + self.spacing).sum()
    }

    /// Returns the areas of the columns after the name. A number that does not fit is left out,
    /// since a cut number would be a different one.
    fn cell_rects(&self, row: Rect, names: usize) -> [Rect; 5] {
        let mut x = usize::from(row.x) + names;
        self.widths.map(|width| {
            x += if width > 0 { self.spacing + width } else { 0 };
            let fits = x <= usize::from(row.right());
            let place = Rect { x: x.saturating_sub(width) as u16, width: width as u16, ..row };
            if fits { place } else { Rect::default() }
        })
    }
}

/// Returns the title: duration, start, end and number of samples, as far as they fit.
fn title_spans(app: &App, span: &Statistics, width: u16) -> Vec<Span<'static>> {
    let theme = app.theme;
    let (from, to) = (app.time_label(span.from), app.time_label(span.to));
    // If both ends are on the same day, the date is shown once.
    let to = match (from.split_once(' '), to.split_once(' ')) {
        (Some((day, _)), Some((same, time))) if day == same => time,
        _ => &to,
    };
    let arrow = if theme.ascii { "->" } else { "→" };
    let spans = [
        Span::styled(duration_text(span.duration()), STRONG),
        Span::styled(format!("  {from} {arrow} {to}"), STRONG),
        Span::styled(format!("  {}", counted(span.samples as u64, "sample")), theme.faint()),
    ];
    let mut used = 0;
    let fits = |span: &Span| {
        used += span.width();
        used <= usize::from(width)
    };
    spans.into_iter().take_while(fits).collect()
}

/// Formats a duration. Below a minute, it has milliseconds.
fn duration_text(duration: Duration) -> String {
    if duration < Duration::from_mins(1) {
        format!("{:.3} s", duration.as_secs_f64())
    } else {
        span_text(duration)
    }
}
