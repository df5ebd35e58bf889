//! Statistics between mark and crosshair: a table with one row per series.

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr as _;

use super::text::{Piece, put, put_right, shortened};
use crate::app::{App, ColumnStats, Statistics};
use crate::charts::{Chart, ChartLine};
use crate::layout::Layout;
use crate::theme::STRONG;
use crate::units::span_text;

/// Column heads, from left to right.
const STATS: [&str; 4] = ["min", "mean", "max", "last"];

/// Spacing between table columns. One column is enough if each row shows its unit once.
const COLUMN_SPACING: usize = 2;
const COLUMN_SPACING_NARROW: usize = 1;

/// Minimum width of the name column. If less is left, each row shows its unit only once.
const NAME_WIDTH_MIN: usize = 12;

/// Row of the table: the statistics of one series.
struct StatsRow {
    name: String,
    colour: usize,
    /// Unit of all numbers. Empty if each number has its own.
    unit: String,
    numbers: [String; 4],
}

pub(super) fn render(app: &App, layout: &Layout, buf: &mut Buffer) {
    let area = layout.stats;
    let Some(span) = app.selection.statistics.as_ref().filter(|_| !area.is_empty()) else { return };
    let series = app.measured_series(layout);
    let [title, head_row, rows] = App::statistics_parts(area, series.len());
    let table = |row: fn(&Chart, &ChartLine, &Statistics) -> StatsRow| -> Vec<StatsRow> {
        series.iter().map(|(chart, line)| row(chart, line, span)).collect()
    };
    let width = usize::from(area.width);
    let (mut table_rows, mut between) = (table(StatsRow::with_units), COLUMN_SPACING);
    if columns_width(&table_rows, between) + NAME_WIDTH_MIN > width {
        (table_rows, between) = (table(StatsRow::with_one_unit), COLUMN_SPACING_NARROW);
    }
    let numbers = columns_width(&table_rows, between);
    let widths = column_widths(&table_rows);
    let names = table_rows.iter().map(|row| row.name.width()).max().unwrap_or(0);
    let names = names.max(NAME_WIDTH_MIN).min(width.saturating_sub(numbers));
    let places = |row| column_rects(row, names, widths, between);
    put(buf, title, &title_pieces(app, span, title.width));
    if title.is_empty() {
        let duration = Piece::new(duration_text(span.duration()), STRONG);
        put(buf, Rect { width: names as u16, ..head_row }, &[duration]);
    }
    let heads = ["", STATS[0], STATS[1], STATS[2], STATS[3]];
    for (place, head) in places(head_row).into_iter().zip(heads) {
        put_right(buf, place, &[Piece::new(head, app.theme.faint())]);
    }
    let (first, ..) = app.visible_series(layout);
    for (y, row) in (rows.top()..rows.bottom()).zip(table_rows.iter().skip(first)) {
        let place = Rect { y, height: 1, ..rows };
        let name = Piece::new(shortened(&row.name, names), app.theme.line(row.colour, true));
        put(buf, Rect { width: names as u16, ..place }, &[name]);
        let [unit, numbers @ ..] = places(place);
        put_right(buf, unit, &[Piece::new(row.unit.clone(), app.theme.faint())]);
        for (place, number) in numbers.into_iter().zip(&row.numbers) {
            put_right(buf, place, &[Piece::new(number.clone(), STRONG)]);
        }
    }
}

impl StatsRow {
    /// Creates a row with a unit at each number.
    fn with_units(chart: &Chart, line: &ChartLine, span: &Statistics) -> StatsRow {
        let numbers = stats_of_line(line, span).map(|number| chart.format.value(number));
        StatsRow { name: chart.line_name(line), colour: line.colour, unit: String::new(), numbers }
    }

    /// Creates a row with all numbers in the unit of the greatest one.
    fn with_one_unit(chart: &Chart, line: &ChartLine, span: &Statistics) -> StatsRow {
        let stats = stats_of_line(line, span);
        let greatest =
            stats.into_iter().fold(f64::NAN, |a, b| if a.abs() >= b.abs() { a } else { b });
        let numbers = stats.map(|number| chart.format.number_in_unit_of(number, greatest));
        let unit = chart.format.number_and_unit(greatest).1;
        StatsRow { name: chart.line_name(line), colour: line.colour, unit, numbers }
    }
}

fn stats_of_line(line: &ChartLine, span: &Statistics) -> [f64; 4] {
    let stat = span.columns.get(line.column).copied().flatten();
    stat.map_or([f64::NAN; 4], |ColumnStats { min, mean, max, last }| [min, mean, max, last])
}

/// Returns the widths of the columns after the name: the unit, then each number.
fn column_widths(rows: &[StatsRow]) -> [usize; 5] {
    let widest = |width_min: usize, texts: &dyn Fn(&StatsRow) -> usize| {
        rows.iter().map(texts).max().unwrap_or(0).max(width_min)
    };
    let number = |at: usize| widest(STATS[at].len(), &|row| row.numbers[at].width());
    [widest(0, &|row| row.unit.width()), number(0), number(1), number(2), number(3)]
}

/// Returns the total width of the columns after the name, with spacing.
fn columns_width(rows: &[StatsRow], between: usize) -> usize {
    column_widths(rows).into_iter().filter(|width| *width > 0).map(|width| width + between).sum()
}

/// Returns the areas of the columns after the name. A number that does not fit is left out, since
/// a cut number would be a different one.
fn column_rects(row: Rect, names: usize, widths: [usize; 5], between: usize) -> [Rect; 5] {
    let mut x = usize::from(row.x) + names;
    widths.map(|width| {
        x += if width > 0 { between + width } else { 0 };
        let fits = x <= usize::from(row.right());
        let place = Rect { x: x.saturating_sub(width) as u16, width: width as u16, ..row };
        if fits { place } else { Rect::default() }
    })
}

/// Returns the title: duration, start, end and number of samples, as far as they fit.
fn title_pieces(app: &App, span: &Statistics, width: u16) -> Vec<Piece> {
    let theme = app.theme;
    let (from, to) = (app.time_label(span.from), app.time_label(span.to));
    // If both ends are on the same day, the date is shown once.
    let day = from.split_once(' ').map(|(day, _)| day);
    let to = match to.split_once(' ') {
        Some((same, time)) if Some(same) == day => time.to_owned(),
        _ => to,
    };
    let arrow = if theme.ascii { "->" } else { "→" };
    let samples = if span.samples == 1 { "sample" } else { "samples" };
    let pieces = [
        Piece::new(duration_text(span.duration()), STRONG),
        Piece::new(format!("  {from} {arrow} {to}"), STRONG),
        Piece::new(format!("  {} {samples}", span.samples), theme.faint()),
    ];
    let mut used = 0;
    let fits = |piece: &Piece| {
        used += piece.width();
        used <= usize::from(width)
    };
    pieces.into_iter().take_while(fits).collect()
}

/// Formats a duration. Below a minute, it has milliseconds.
fn duration_text(duration: Duration) -> String {
    if duration < Duration::from_mins(1) {
        format!("{:.3} s", duration.as_secs_f64())
    } else {
        span_text(duration)
    }
}
