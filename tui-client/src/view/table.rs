//! Data table: one row per sample, the newest at the bottom.

use std::time::Duration;

use loadline_protocol::{Column, Seq};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use unicode_width::UnicodeWidthStr as _;

use super::header::age_text;
use super::text::{put, put_right, shortened};
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

/// Column after the time.
struct TableColumn<'a> {
    /// `None` for the sequence number.
    metric: Option<Metric<'a>>,
    head: String,
    /// Place in the head row.
    place: Rect,
}

#[derive(Clone, Copy)]
struct Metric<'a> {
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
    let rows = Rect { y: area.y + 1, height: area.height - 1, ..area };
    let store = app.sources.watched().store();
    let crosshair = app.crosshair_index();
    let mark = app.selection.mark.map(|mark| app.sources.sample_index(mark));
    let interval = app.sources.watched().interval().unwrap_or_default();
    for (place, row) in rows.rows().zip(app.table_rows(rows.height)) {
        match row {
            TableRow::Gap(gap) => {
                put(buf, place, &gap_text(gap, interval), app.theme.faint());
            }
            TableRow::Sample(at) => {
                let Some(sample) = store.get(at) else { continue };
                render_sample(app, sample, &columns, place, buf);
                if crosshair == Some(at) {
                    buf.set_style(place, HIGHLIGHT);
                } else if mark == Some(at) {
                    buf.set_style(place, STRONG);
                }
            }
        }
    }
}

/// Describes a gap. A gap below 1.5 intervals lacks no sample: it lies between two streams.
fn gap_text(gap: Duration, interval: Duration) -> String {
    if gap < interval.mul_f64(1.5) {
        return "another stream".to_owned();
    }
    format!("no samples for {}", age_text(gap))
}

/// Returns the columns that fit: the sequence number, then the metrics from
/// [`Screen::first_column`](crate::app::Screen::first_column) on.
fn columns(app: &App, area: Rect) -> Vec<TableColumn<'_>> {
    let watched = app.sources.watched();
    let all = watched.columns().unwrap_or_default().iter().zip(&app.sources.shown_view().formats);
    let metrics = all.enumerate().skip(app.screen.first_column);
    let metrics = metrics.map(|(index, (column, format))| Some(Metric { index, column, format }));
    let seq = watched.store().get(0).and_then(|sample| sample.seq()).map(|_| None);
    let mut columns = Vec::new();
    let mut right = area.x + TIME_WIDTH.min(area.width);
    for metric in seq.into_iter().chain(metrics) {
        let head = metric.map_or("seq".to_owned(), Metric::head);
        let width = (head.width() + 2).max(metric.map_or(0, Metric::value_width));
        let width = width.clamp(COLUMN_WIDTH_MIN, COLUMN_WIDTH_MAX) as u16;
        if right + width > area.right() {
            break;
        }
        let place = Rect { x: right, width, y: area.y, height: 1 };
        right += width;
        columns.push(TableColumn { metric, head, place });
    }
    // The last column makes room for the number of hidden columns.
    let hidden = hidden_count(app, &columns);
    let least = more_text(app, hidden)[1].width() as u16;
    if hidden > 0 && columns.len() > 1 && area.right() - right < least {
        columns.pop();
    }
    columns
}

/// Returns the number of columns hidden to the right.
fn hidden_count(app: &App, columns: &[TableColumn]) -> usize {
    let all = app.sources.watched().columns().map_or(0, <[_]>::len);
    let last = columns.last().and_then(|column| column.metric);
    all.saturating_sub(last.map_or(app.screen.first_column, |metric| metric.index + 1))
}

/// Returns the text for `count` hidden columns on the right, in a long and a short form.
fn more_text(app: &App, count: usize) -> [String; 2] {
    let arrow = if app.theme.ascii { '>' } else { '→' };
    [format!(" {count} more {arrow}"), format!(" +{count} {arrow}")]
}

fn render_head(app: &App, columns: &[TableColumn], area: Rect, buf: &mut Buffer) {
    let faint = app.theme.faint();
    let time_place = Rect { width: TIME_WIDTH.min(area.width), height: 1, ..area };
    let time = match (app.screen.first_column, app.theme.ascii) {
        (0, _) => "time".to_owned(),
        (left, false) => format!("← {left} more"),
        (left, true) => format!("< {left} more"),
    };
    put(buf, time_place, &time, faint);
    for TableColumn { head, place, .. } in columns {
        let head = shortened(head, usize::from(place.width) - 1);
        put_right(buf, *place, &format!(" {head}"), faint);
    }
    let hidden = hidden_count(app, columns);
    if hidden == 0 {
        return;
    }
    let end = columns.last().map_or(time_place, |column| column.place).right();
    let room = Rect { x: end, width: area.right() - end, ..time_place };
    let texts = more_text(app, hidden);
    if let Some(text) = texts.iter().find(|text| text.width() <= usize::from(room.width)) {
        put_right(buf, room, text, faint);
    }
}

fn render_sample(
    app: &App,
    sample: StoredSample,
    columns: &[TableColumn],
    row: Rect,
    buf: &mut Buffer,
) {
    let fresh = app.is_fresh();
    let normal = if fresh { Style::new() } else { app.theme.faint() };
    let time = app.sources.axis_time(app.sources.shown(), sample.time());
    let place = Rect { width: TIME_WIDTH.min(row.width), ..row };
    put(buf, place, &app.row_time(time), app.theme.faint());
    for TableColumn { metric, place, .. } in columns {
        let width = usize::from(place.width) - 1;
        let (text, style) = match metric {
            None => (last_digits(sample.seq(), width), normal),
            Some(metric) => {
                let value = sample.value(metric.index);
                let level = app.sources.shown_view().level(metric.index, value);
                let style = if fresh { app.theme.level(level, normal) } else { normal };
                (metric.text(value, width), style)
            }
        };
        put_right(buf, Rect { y: row.y, ..*place }, &format!(" {text}"), style);
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

impl Metric<'_> {
    fn head(self) -> String {
        let Metric { column, format, .. } = self;
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

    /// Returns the columns of the longest value and a space; 0 with a table unit.
    fn value_width(self) -> usize {
        match self.format.table_unit {
            Some(_) => 0,
            None => self.format.compact_width().max(self.format.number_width()) + 1,
        }
    }

    /// Formats a value in at most `width` columns.
    fn text(self, value: f64, width: usize) -> String {
        let Metric { column, format, .. } = self;
        if let Some((_, scale)) = format.table_unit {
            // A unit other than the stream's has two decimals, as in the charts.
            return fit_number(value * scale, 2, width);
        }
        let compact = if format.is_uptime() && value >= 0.0 {
            Some(format.value(value))
        } else {
            format.compact(value)
        };
        let decimals = if format.is_unscaled() { format.decimals } else { column.decimals() };
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
    fn rows_of_two_streams_that_follow_each_other_lack_no_sample() {
        let second = Duration::from_secs(1);
        assert_eq!(gap_text(Duration::from_millis(23), second), "another stream");
        assert_eq!(gap_text(second, second), "another stream");
        assert_eq!(gap_text(2 * second, second), "no samples for 2.0 s");
        assert_eq!(gap_text(second, Duration::ZERO), "no samples for 1.0 s");
    }

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
