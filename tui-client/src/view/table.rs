//! The data table: a row a sample, the newest at the bottom.

use loadline_protocol::{Column, write_number};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::header::age_text;
use super::text::{Piece, put, put_right};
use crate::app::App;
use crate::store::Kept;

/// `14:03:07.123`
const TIME_WIDTH: u16 = 12;

/// The narrowest column: a value of a usual size and the space before it.
const COLUMN_MIN: usize = 9;

/// The widest column; a longer name is cut.
const COLUMN_MAX: usize = 18;

/// A column of the table.
enum Shown<'a> {
    Seq,
    Value(usize, &'a Column),
}

pub(super) fn render(app: &App, area: Rect, buf: &mut Buffer) {
    let Some(stream) = &app.watched.stream else { return };
    if area.is_empty() {
        return;
    }
    let store = &app.watched.store;
    let values = stream.schema.columns().iter().enumerate().map(|(at, c)| Shown::Value(at, c));
    let seq = store.get(0).and_then(|sample| sample.seq()).map(|_| Shown::Seq);
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
    let faint = app.theme.faint();
    let head = Rect { height: 1, ..area };
    put(buf, Rect { width: TIME_WIDTH.min(area.width), ..head }, &[Piece::new("time", faint)]);
    for (column, place) in &columns {
        put_right(buf, *place, &[Piece::new(format!(" {}", column.head()), faint)]);
    }
    let style = if app.is_fresh() { Style::new() } else { faint };
    let rows = Rect { y: area.y + 1, height: area.height - 1, ..area };
    for (y, line) in (rows.top()..rows.bottom()).zip(lines(app, rows.height)) {
        let row = Rect { y, height: 1, ..rows };
        match line {
            Line::Gap(text) => {
                put(buf, row, &[Piece::new(text, faint)]);
            }
            Line::Sample(sample) => {
                let time = app.zone.wall(sample.time()).format("%H:%M:%S%.3f").to_string();
                put(
                    buf,
                    Rect { width: TIME_WIDTH.min(row.width), ..row },
                    &[Piece::new(time, faint)],
                );
                for (column, place) in &columns {
                    let value = Piece::new(column.value(sample), style);
                    put_right(buf, Rect { y, ..*place }, &[value]);
                }
            }
        }
    }
}

/// A line below the head.
enum Line<'a> {
    Sample(Kept<'a>),
    Gap(String),
}

/// The last lines, as many as fit, the oldest first.
fn lines(app: &App, count: u16) -> Vec<Line<'_>> {
    let store = &app.watched.store;
    let mut lines = Vec::new();
    for sample in (0..app.shown_count()).rev().filter_map(|at| store.get(at)) {
        if lines.len() >= usize::from(count) {
            break;
        }
        lines.push(Line::Sample(sample));
        if let Some(gap) = sample.gap_before() {
            lines.push(Line::Gap(format!("no samples for {}", age_text(gap))));
        }
    }
    lines.truncate(usize::from(count));
    lines.reverse();
    lines
}

/// A value in so many columns at most. One that is cut would be another value: it is rounded.
fn fitting(value: f64, decimals: usize, width: usize) -> String {
    if value.is_nan() {
        return "-".to_owned();
    }
    let mut exact = String::new();
    write_number(&mut exact, value, decimals);
    let is_small = value != 0.0 && value.abs() < 0.001;
    let rounded = (0..=6).rev().filter(|_| !is_small).map(|digits| format!("{value:.digits$}"));
    let scientific = (0..=3).rev().map(|digits| format!("{value:.digits$e}"));
    let mut texts = std::iter::once(exact).chain(rounded).chain(scientific);
    texts.find(|text| text.len() <= width).unwrap_or_else(|| "#".to_owned())
}

impl Shown<'_> {
    fn head(&self) -> String {
        match self {
            Shown::Seq => "seq".to_owned(),
            Shown::Value(_, column) => column.heading(),
        }
    }

    fn width(&self) -> u16 {
        use unicode_width::UnicodeWidthStr;
        (self.head().width() + 2).clamp(COLUMN_MIN, COLUMN_MAX) as u16
    }

    fn value(&self, sample: Kept<'_>) -> String {
        let width = usize::from(self.width()) - 1;
        let text = match self {
            Shown::Seq => last_digits(sample.seq(), width),
            Shown::Value(at, column) => fitting(sample.value(*at), column.decimals(), width),
        };
        format!(" {text}")
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
    fn of_a_long_sequence_number_the_end_is_shown_and_that_it_is_one() {
        assert_eq!(last_digits(Some(12_345_678), 8), "12345678");
        assert_eq!(last_digits(Some(u64::MAX), 8), "~9551615");
        assert_eq!(last_digits(None, 8), "");
    }

    #[test]
    fn a_value_that_does_not_fit_is_rounded_and_never_cut() {
        for (value, expected) in [
            (12.5, "12.50"),
            (945.005_263_1, "945.0053"),
            (67_385_159_680.0, "6.739e10"),
            (1_763_836_800.5, "1.764e9"),
            (12_345_678.9, "12345679"),
            (1.224_646_799_147_353_2e-16, "1.225e-16"),
            (-1.234_567e-300, "-1e-300"),
            (f64::NAN, "-"),
        ] {
            let text = fitting(value, 2, 8);
            assert!(text.len() <= 8, "{text}");
            let wider = fitting(value, 2, 9);
            assert!(text == expected || wider == expected, "{text}, {wider}: {expected}");
        }
    }
}
