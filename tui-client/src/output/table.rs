//! A table for people: aligned, times in local time.

use std::fmt::Write as _;

use loadline_protocol::{Column, write_number};
use unicode_width::UnicodeWidthStr as _;

use super::Lines;
use crate::event::{Sample, Stream};
use crate::zone::Zone;

pub(super) struct Table {
    zone: Zone,
}

/// `2026-11-22 14:03:07.123`
const TIME_FORMAT: &str = "%Y-%m-%d %H:%M:%S%.3f";
const TIME_WIDTH: usize = 23;

/// The narrowest column of values, and that of the sequence numbers.
const COLUMN_MIN: usize = 8;

impl Table {
    pub(super) fn new(zone: Zone) -> Table {
        Table { zone }
    }
}

impl Lines for Table {
    fn stream(&mut self, stream: &Stream, out: &mut String) {
        let _ = write!(out, "{:TIME_WIDTH$}", "time");
        if stream.header.is_some() {
            let _ = write!(out, "  {:>COLUMN_MIN$}", "seq");
        }
        for column in stream.schema.columns() {
            pad(out, &column.heading(), width(column));
        }
        out.push('\n');
    }

    fn row(&mut self, stream: &Stream, sample: Sample<'_>, out: &mut String) {
        let time = self.zone.wall(sample.time).format(TIME_FORMAT).to_string();
        let _ = write!(out, "{time:TIME_WIDTH$}");
        if stream.header.is_some() {
            let seq = sample.seq.map_or(String::new(), |seq| seq.to_string());
            let _ = write!(out, "  {seq:>COLUMN_MIN$}");
        }
        for (column, value) in stream.schema.columns().iter().zip(sample.values) {
            let mut text = String::new();
            if value.is_nan() {
                text.push('-');
            } else {
                write_number(&mut text, *value, column.decimals());
            }
            pad(out, &text, width(column));
        }
        out.push('\n');
    }
}

fn width(column: &Column) -> usize {
    column.heading().width().max(COLUMN_MIN)
}

/// Appends `text` so that it ends at the right of a column.
fn pad(out: &mut String, text: &str, width: usize) {
    let blanks = 2 + width.saturating_sub(text.width());
    out.extend(std::iter::repeat_n(' ', blanks));
    out.push_str(text);
}
