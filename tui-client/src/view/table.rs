//! The data table: a row a sample, the newest at the bottom.

use loadline_protocol::Column;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::header::age_text;
use super::text::{Piece, put, put_right, shortened};
use crate::app::{App, TableRow};
use crate::store::StoredSample;
use crate::units::{ValueFormat, number_text};

/// `14:03:07.123`
const TIME_WIDTH: u16 = 12;

/// The narrowest column: a value of a usual size and the space before it. The width of a column follows
/// from its name, its unit and the magnitude of its values, which only grows, so that columns stand still.
const COLUMN_WIDTH_MIN: usize = 9;

/// The widest column; a longer name is cut.
const COLUMN_WIDTH_MAX: usize = 18;

/// A column of the table.
enum TableColumn<'a> {
    Seq,
    Metric(MetricColumn<'a>),
}

/// A metric, and how it is written.
struct MetricColumn<'a> {
    index: usize,
    column: &'a Column,
    look: &'a ValueFormat,
}

pub(super) fn render(app: &App, area: Rect, buf: &mut Buffer) {
    if area.is_empty() || app.watched().columns().is_none() {
        return;
    }
    let columns = columns(app, area);
    render_head(app, &columns, area, buf);
    let style = if app.is_fresh() { Style::new() } else { app.theme.faint() };
    let rows = Rect { y: area.y + 1, height: area.height - 1, ..area };
    let store = app.watched().store();
    let cursor = app.crosshair_index();
    let mark = app.mark.map(|mark| app.sample_index(mark));
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
                if cursor == Some(at) {
                    buf.set_style(place, app.theme.highlight());
                } else if mark == Some(at) {
                    buf.set_style(place, app.theme.strong());
                }
            }
        }
    }
}

/// The columns that have room, and where: the sequence number, then the metrics from the first that is
/// asked for on.
fn columns(app: &App, area: Rect) -> Vec<(TableColumn<'_>, Rect)> {
    let store = app.watched().store();
    let all = app.watched().columns().unwrap_or_default();
    let looks = &app.shown_view().looks;
    let values = all.iter().zip(looks).enumerate().skip(app.first_column);
    let values = values
        .map(|(at, (column, look))| TableColumn::Metric(MetricColumn { index: at, column, look }));
    let seq = store.get(0).and_then(|sample| sample.seq()).map(|_| TableColumn::Seq);
    let mut columns = Vec::new();
    let mut right = area.x + TIME_WIDTH.min(area.width);
    for column in seq.into_iter().chain(values) {
        let wide = column.width();
        if right + wide > area.right() {
            break;
        }
        right += wide;
        columns.push((column, Rect { x: right - wide, width: wide, y: area.y, height: 1 }));
    }
    // The last column makes room for the sign that there are more.
    let hidden = hidden_count(app, &columns);
    let least = Piece::new(more_text(app, hidden).1, Style::new()).width() as u16 + 1;
    if hidden > 0 && columns.len() > 1 && area.right() - right < least {
        columns.pop();
    }
    columns
}

/// How many columns lie to the right of those that are shown.
fn hidden_count(app: &App, columns: &[(TableColumn, Rect)]) -> usize {
    let all = app.watched().columns().map_or(0, <[_]>::len);
    let last = columns.iter().rev().find_map(|(column, _)| match column {
        TableColumn::Metric(value) => Some(value.index + 1),
        TableColumn::Seq => None,
    });
    all.saturating_sub(last.unwrap_or(app.first_column))
}

/// What says that there are so many more columns to the right, where there is room and where there is
/// little.
fn more_text(app: &App, count: usize) -> (String, String) {
    let arrow = if app.theme.ascii { '>' } else { '→' };
    (format!("{count} more {arrow}"), format!("+{count} {arrow}"))
}

fn render_head(app: &App, columns: &[(TableColumn, Rect)], area: Rect, buf: &mut Buffer) {
    let faint = app.theme.faint();
    let head = Rect { height: 1, ..area };
    let time = match (app.first_column, app.theme.ascii) {
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
    let time = app.axis_time(app.shown_source(), sample.time());
    let time = app.row_time(time);
    let place = Rect { width: TIME_WIDTH.min(row.width), ..row };
    put(buf, place, &[Piece::new(time, app.theme.faint())]);
    for (column, place) in columns {
        let style = match column {
            TableColumn::Metric(value) if app.is_fresh() => {
                let level = app.shown_view().level(value.index, sample.value(value.index));
                app.theme.level(level, style)
            }
            TableColumn::Metric(_) | TableColumn::Seq => style,
        };
        let value = Piece::new(column.value(sample), style);
        put_right(buf, Rect { y: row.y, ..*place }, &[value]);
    }
}

/// A value in so many columns at most. One that is cut would be another value: it is rounded.
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
        let TableColumn::Metric(MetricColumn { column, look, .. }) = self else {
            return "seq".to_owned();
        };
        match look.table_unit {
            Some((unit, _)) => {
                // `load1/core` is one word, `mem GiB` are two.
                let blank = if unit.starts_with('/') { "" } else { " " };
                format!("{}{blank}{unit}", column.name())
            }
            // The unit stands behind each value.
            None if look.compact_width() > 0 || look.is_uptime() => column.name().to_owned(),
            None => column.heading(),
        }
    }

    fn width(&self) -> u16 {
        use unicode_width::UnicodeWidthStr;
        let value = match self {
            TableColumn::Metric(MetricColumn { look, .. }) if look.table_unit.is_none() => {
                look.compact_width().max(look.number_width()) + 1
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
    /// A value in so many columns at most.
    fn text(&self, value: f64, width: usize) -> String {
        if let Some((_, scale)) = self.look.table_unit {
            // Another unit than that of the stream is rounded as it is in the charts.
            return fit_number(value * scale, 2, width);
        }
        let compact = if self.look.is_uptime() && value >= 0.0 {
            Some(self.look.value(value))
        } else {
            self.look.compact(value)
        };
        let is_plain = self.look.is_unscaled();
        let decimals = if is_plain { self.look.decimals } else { self.column.decimals() };
        compact
            .filter(|text| text.len() <= width)
            .unwrap_or_else(|| fit_number(value, decimals, width))
    }
}

/// A sequence number; of one that is too long the end, which is what changes.
fn last_digits(seq: Option<u64>, width: usize) -> String {
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
        assert_eq!(last_digits(Some(12_345_678), 8), "12345678");
        assert_eq!(last_digits(Some(u64::MAX), 8), "~9551615");
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
