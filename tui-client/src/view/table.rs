//! Data table: one row per sample, the newest at the bottom.

use loadline_protocol::{Column, Seq};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::header::age_text;
use super::text::{Piece, put, put_right, shortened};
use crate::app::{App, TableRow};
use crate::store::StoredSample;
use crate::theme::{HIGHLIGHT, STRONG};
use crate::units::{ValueFormat, number_text};

/// Width of `14:03:07.123`.
const TIME_WIDTH: u16 = 12;

/// Minimum column width: a value of common size and a leading space. The width depends on name,
/// unit and magnitude of the values. A magnitude only grows, so columns do not jump.
const COLUMN_WIDTH_MIN: usize = 9;

/// Maximum column width. A longer name is cut.
const COLUMN_WIDTH_MAX: usize = 18;

enum TableColumn<'a> {
    Seq,
    Metric(MetricColumn<'a>),
}

/// A metric and its format.
struct MetricColumn<'a> {
    index: usize,
    column: &'a Column,
    format: &'a ValueFormat,
}

pub(super) fn render(app: &App, area: Rect, buf: &mut Buffer) {
    if area.is_empty() || app.sources.watched().columns().is_none() {
        return;
    }
    let columns = columns(app, area);
    render_head(app, &columns, area, buf);
    let style = if app.is_fresh() { Style::new() } else { app.theme.faint() };
    let rows = Rect { y: area.y + 1, height: area.height - 1, ..area };
    let store = app.sources.watched().store();
    let crosshair = app.crosshair_index();
    let mark = app.selection.mark.map(|mark| app.sources.sample_index(mark));
    for (y, row) in (rows.top()..rows.bottom()).zip(app.table_rows(rows.height)) {
        let place = Rect { y, height: 1, ..rows };
        match row {
            TableRow::Gap(gap) => {
                let text = format!("no samples for {}", age_text(gap));
                put(buf, place, &[Piece::new(text, app.theme.faint())]);
            }
            TableRow::Sample(at) => {
                let Some(sample) = store.get(at) else { continue };
                render_sample(app, sample, &columns, style, place, buf);
                if crosshair == Some(at) {
                    buf.set_style(place, HIGHLIGHT);
                } else if mark == Some(at) {
                    buf.set_style(place, STRONG);
                }
            }
        }
    }
}

/// Returns the columns that fit, with their places: the sequence number, then the metrics from
/// [`App::first_column`] on.
fn columns(app: &App, area: Rect) -> Vec<(TableColumn<'_>, Rect)> {
    let store = app.sources.watched().store();
    let all = app.sources.watched().columns().unwrap_or_default();
    let formats = &app.sources.shown_view().formats;
    let values = all.iter().zip(formats).enumerate().skip(app.screen.first_column);
    let values = values.map(|(at, (column, format))| {
        TableColumn::Metric(MetricColumn { index: at, column, format })
    });
    let seq = store.get(0).and_then(|sample| sample.seq()).map(|_| TableColumn::Seq);
    let mut columns = Vec::new();
    let mut right = area.x + TIME_WIDTH.min(area.width);
    for column in seq.into_iter().chain(values) {
        let width = column.width();
        if right + width > area.right() {
            break;
        }
        right += width;
        columns.push((column, Rect { x: right - width, width, y: area.y, height: 1 }));
    }
    // The last column makes room for the number of hidden columns.
    let hidden = hidden_count(app, &columns);
    let least = Piece::new(more_text(app, hidden).1, Style::new()).width() as u16 + 1;
    if hidden > 0 && columns.len() > 1 && area.right() - right < least {
        columns.pop();
    }
    columns
}

/// Returns the number of columns hidden to the right.
fn hidden_count(app: &App, columns: &[(TableColumn, Rect)]) -> usize {
    let all = app.sources.watched().columns().map_or(0, <[_]>::len);
    let last = columns.iter().rev().find_map(|(column, _)| match column {
        TableColumn::Metric(value) => Some(value.index + 1),
        TableColumn::Seq => None,
    });
    all.saturating_sub(last.unwrap_or(app.screen.first_column))
}

/// Returns the text for `count` hidden columns on the right, in a long and a short form.
fn more_text(app: &App, count: usize) -> (String, String) {
    let arrow = if app.theme.ascii { '>' } else { '→' };
    (format!("{count} more {arrow}"), format!("+{count} {arrow}"))
}

fn render_head(app: &App, columns: &[(TableColumn, Rect)], area: Rect, buf: &mut Buffer) {
    let faint = app.theme.faint();
    let head = Rect { height: 1, ..area };
    let time = match (app.screen.first_column, app.theme.ascii) {
        (0, _) => "time".to_owned(),
        (left, false) => format!("← {left} more"),
        (left, true) => format!("< {left} more"),
    };
    put(buf, Rect { width: TIME_WIDTH.min(area.width), ..head }, &[Piece::new(time, faint)]);
    for (column, place) in columns {
        let head = shortened(&column.head(), usize::from(place.width) - 1);
        put_right(buf, *place, &[Piece::new(format!(" {head}"), faint)]);
    }
    let hidden = hidden_count(app, columns);
    if hidden == 0 {
        return;
    }
    let end =
        columns.last().map_or(area.x + TIME_WIDTH.min(area.width), |(_, place)| place.right());
    let room = Rect { x: end, width: area.right() - end, ..head };
    let (long, short) = more_text(app, hidden);
    let texts = [long, short].map(|text| Piece::new(format!(" {text}"), faint));
    if let Some(text) = texts.into_iter().find(|text| text.width() <= usize::from(room.width)) {
        put_right(buf, room, &[text]);
    }
}

fn render_sample(
    app: &App,
    sample: StoredSample,
    columns: &[(TableColumn, Rect)],
    style: Style,
    row: Rect,
    buf: &mut Buffer,
) {
    let time = app.sources.axis_time(app.sources.shown(), sample.time());
    let time = app.row_time(time);
    let place = Rect { width: TIME_WIDTH.min(row.width), ..row };
    put(buf, place, &[Piece::new(time, app.theme.faint())]);
    for (column, place) in columns {
        let style = match column {
            TableColumn::Metric(value) if app.is_fresh() => {
                let level = app.sources.shown_view().level(value.index, sample.value(value.index));
                app.theme.level(level, style)
            }
            TableColumn::Metric(_) | TableColumn::Seq => style,
        };
        let value = Piece::new(column.value(sample), style);
        put_right(buf, Rect { y: row.y, ..*place }, &[value]);
    }
}

/// Formats a value in at most `width` columns: rounded, since a cut value would be wrong.
fn fit_number(value: f64, decimals: usize, width: usize) -> String {
    if value.is_nan() {
        return "-".to_owned();
    }
    let plain = number_text(value, decimals);
    let is_small = value != 0.0 && value.abs() < 0.001;
    let rounded =
        (0..decimals).rev().filter(|_| !is_small).map(|digits| format!("{value:.digits$}"));
    let scientific = (0..=3).rev().map(|digits| format!("{value:.digits$e}"));
    let mut texts = std::iter::once(plain).chain(rounded).chain(scientific);
    texts.find(|text| text.len() <= width).unwrap_or_else(|| "#".to_owned())
}

impl TableColumn<'_> {
    fn head(&self) -> String {
        let TableColumn::Metric(MetricColumn { column, format, .. }) = self else {
            return "seq".to_owned();
        };
        match format.table_unit {
            Some((unit, _)) => {
                // `load1/core` is one word, `mem GiB` are two.
                let space = if unit.starts_with('/') { "" } else { " " };
                format!("{}{space}{unit}", column.name())
            }
            // The unit is shown after each value.
            None if format.compact_width() > 0 || format.is_uptime() => column.name().to_owned(),
            None => column.heading(),
        }
    }

    fn width(&self) -> u16 {
        use unicode_width::UnicodeWidthStr;
        let value = match self {
            TableColumn::Metric(MetricColumn { format, .. }) if format.table_unit.is_none() => {
                format.compact_width().max(format.number_width()) + 1
            }
            _ => 0,
        };
        (self.head().width() + 2).max(value).clamp(COLUMN_WIDTH_MIN, COLUMN_WIDTH_MAX) as u16
    }

    fn value(&self, sample: StoredSample<'_>) -> String {
        let width = usize::from(self.width()) - 1;
        let text = match self {
            TableColumn::Seq => last_digits(sample.seq(), width),
            TableColumn::Metric(value) => value.text(sample.value(value.index), width),
        };
        format!(" {text}")
    }
}

impl MetricColumn<'_> {
    /// Formats a value in at most `width` columns.
    fn text(&self, value: f64, width: usize) -> String {
        if let Some((_, scale)) = self.format.table_unit {
            // A unit other than the stream's has two decimals, as in the charts.
            return fit_number(value * scale, 2, width);
        }
        let compact = if self.format.is_uptime() && value >= 0.0 {
            Some(self.format.value(value))
        } else {
            self.format.compact(value)
        };
        let is_plain = self.format.is_unscaled();
        let decimals = if is_plain { self.format.decimals } else { self.column.decimals() };
        compact
            .filter(|text| text.len() <= width)
            .unwrap_or_else(|| fit_number(value, decimals, width))
    }
}

/// Formats a sequence number. If it is too long, keeps the last digits: these change.
fn last_digits(seq: Option<Seq>, width: usize) -> String {
    let text = seq.map_or(String::new(), |seq| seq.to_string());
    if text.len() <= width {
        return text;
    }
    format!("~{}", &text[text.len() - (width - 1)..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_sequence_number_shows_its_last_digits() {
        assert_eq!(last_digits(Some(Seq(12_345_678)), 8), "12345678");
        assert_eq!(last_digits(Some(Seq(u64::MAX)), 8), "~9551615");
        assert_eq!(last_digits(None, 8), "");
    }

    #[test]
    fn value_that_does_not_fit_is_rounded_never_cut() {
        for (value, expected) in [
            (12.5, "12.50"),
            (945.005_263_1, "945.01"),
            (67_385_159_680.0, "6.739e10"),
            (1_763_836_800.5, "1.764e9"),
            (12_345_678.9, "12345679"),
            (1.224_646_799_147_353_2e-16, "1.22e-16"),
            (-1.234_567e-300, "-1e-300"),
            (f64::NAN, "-"),
        ] {
            let text = fit_number(value, 2, 8);
            assert!(text.len() <= 8, "{text}");
            let wider = fit_number(value, 2, 9);
            assert!(text == expected || wider == expected, "{text}, {wider}: {expected}");
        }
    }
}
