//! A table for people: aligned, times in local time.

use std::fmt::Write as _;

use loadline_protocol::{Column, write_number};
use unicode_width::UnicodeWidthStr as _;

use super::OutputFormatter;
use crate::event::{Sample, StreamInfo};
use crate::zone::Zone;

pub(super) struct TableFormatter {
    /// The names of the sources.
    names: Vec<String>,
    zone: Zone,
    /// With several sources, the columns of all of them; of one, those of its stream.
    columns: Vec<Column>,
    /// Whether rows have a sequence number.
    has_seq: bool,
}

/// `2026-11-22 14:03:07.123`
const TIME_FORMAT: &str = "%Y-%m-%d %H:%M:%S%.3f";
const TIME_WIDTH: usize = 23;

/// The narrowest column of values, and that of the sequence numbers.
const COLUMN_MIN: usize = 8;

/// Columns are aligned behind names of this width; a longer one moves its row.
const NAME_WIDTH_MAX: usize = 24;

impl TableFormatter {
    pub(super) fn new(names: Vec<String>, zone: Zone) -> TableFormatter {
        TableFormatter { names, zone, columns: Vec::new(), has_seq: false }
    }

    fn is_single_source(&self) -> bool {
        self.names.len() == 1
    }

    fn name_width(&self) -> usize {
        let widest = self.names.iter().map(|name| name.width()).max().unwrap_or(0);
        widest.clamp("source".len(), NAME_WIDTH_MAX)
    }

    fn write_headings(&self, out: &mut String) {
        let _ = write!(out, "{:TIME_WIDTH$}", "time");
        if !self.is_single_source() {
            let wide = self.name_width();
            let _ = write!(out, "  {:wide$}", "source");
        }
        if self.has_seq {
            let _ = write!(out, "  {:>COLUMN_MIN$}", "seq");
        }
        for column in &self.columns {
            pad(out, &column.heading(), width(column));
        }
        out.push('\n');
    }
}

impl OutputFormatter for TableFormatter {
    fn begin(&mut self, columns: &[Column], out: &mut String) {
        if !self.is_single_source() {
            (self.columns, self.has_seq) = (columns.to_vec(), true);
            self.write_headings(out);
        }
    }

    /// The head comes again when it has to say something else.
    fn set_stream(&mut self, _: usize, stream: &StreamInfo, out: &mut String) {
        let theirs = stream.schema.columns();
        if self.is_single_source() {
            (self.columns, self.has_seq) = (theirs.to_vec(), stream.header.is_some());
            self.write_headings(out);
            return;
        }
        let count = self.columns.len();
        for column in theirs {
            if !self.columns.iter().any(|known| known.name() == column.name()) {
                self.columns.push(column.clone());
            }
        }
        if self.columns.len() > count {
            self.write_headings(out);
        }
    }

    fn write_row(
        &mut self,
        source: usize,
        stream: &StreamInfo,
        sample: Sample<'_>,
        out: &mut String,
    ) {
        let time = self.zone.local_time(sample.time).format(TIME_FORMAT).to_string();
        let _ = write!(out, "{time:TIME_WIDTH$}");
        if !self.is_single_source() {
            let wide = self.name_width();
            let name = &self.names[source];
            let blanks = wide.saturating_sub(name.width());
            let _ = write!(out, "  {name}{:blanks$}", "");
        }
        if self.has_seq {
            let seq = sample.seq.map_or(String::new(), |seq| seq.to_string());
            let _ = write!(out, "  {seq:>COLUMN_MIN$}");
        }
        for column in &self.columns {
            let at = stream.schema.position(column.name());
            let value = at.and_then(|at| sample.values.get(at)).copied();
            let mut text = String::new();
            match value {
                // What another source has, this one has not.
                None => {}
                Some(value) if value.is_nan() => text.push('-'),
                Some(value) => write_number(&mut text, value, column.decimals()),
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
