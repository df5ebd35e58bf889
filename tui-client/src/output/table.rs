//! Table output for people: aligned columns, local time.

use std::fmt::Write as _;

use loadline_protocol::Column;
use unicode_width::UnicodeWidthStr as _;

use super::OutputFormatter;
use super::columns::{OutputRow, OutputStream};
use crate::zone::Zone;

pub(super) struct TableFormatter {
    /// Width of the column of names; `None` with a single source.
    name_width: Option<usize>,
    zone: Zone,
    /// Columns of the current headings, each with its index among the columns of the output: those
    /// of the only source, or of all sources together.
    columns: Vec<(usize, Column)>,
    /// True if the table has a column of sequence numbers.
    has_seq: bool,
}

/// `2026-11-22 14:03:07.123`
const TIME_FORMAT: &str = "%Y-%m-%d %H:%M:%S%.3f";
const TIME_WIDTH: usize = 23;

/// Minimum width of a column of values, and the width of sequence numbers.
const COLUMN_MIN: usize = 8;

/// Maximum width of the column of source names. A longer name shifts the rest of its row.
const NAME_WIDTH_MAX: usize = 24;

impl TableFormatter {
    pub(super) fn new(names: &[String], zone: Zone) -> TableFormatter {
        let widest = names.iter().map(|name| name.width()).max().unwrap_or(0);
        let name_width = (names.len() > 1).then(|| widest.clamp("source".len(), NAME_WIDTH_MAX));
        TableFormatter { name_width, zone, columns: Vec::new(), has_seq: false }
    }

    fn write_headings(&self, out: &mut String) {
        self.write_line(out, ["time", "source", "seq"], |_, column| column.heading());
    }

    fn write_line(
        &self,
        out: &mut String,
        [time, name, seq]: [&str; 3],
        cell: impl Fn(usize, &Column) -> String,
    ) {
        // Writing to a String does not fail.
        let _ = write!(out, "{time:TIME_WIDTH$}");
        if let Some(width) = self.name_width {
            let blanks = width.saturating_sub(name.width());
            let _ = write!(out, "  {name}{:blanks$}", "");
        }
        if self.has_seq {
            let _ = write!(out, "  {seq:>COLUMN_MIN$}");
        }
        for (at, column) in &self.columns {
            let text = cell(*at, column);
            let width = column.heading().width().max(COLUMN_MIN);
            let blanks = 2 + width.saturating_sub(text.width());
            let _ = write!(out, "{:blanks$}{text}", "");
        }
        out.push('\n');
    }
}

impl OutputFormatter for TableFormatter {
    fn begin(&mut self, columns: &[Column], out: &mut String) {
        if self.name_width.is_some() {
            self.has_seq = true;
            self.columns = columns.iter().cloned().enumerate().collect();
            self.write_headings(out);
        }
    }

    /// Repeats the headings if they change.
    fn set_stream(
        &mut self,
        stream: &OutputStream,
        columns: &[Column],
        out: &mut String,
    ) -> Option<String> {
        if self.name_width.is_none() {
            let places = stream.columns().filter_map(|(place, _)| place);
            self.columns = places.map(|at| (at, columns[at].clone())).collect();
            self.has_seq = stream.info.header.is_some();
            self.write_headings(out);
        } else if columns.len() > self.columns.len() {
            self.columns = columns.iter().cloned().enumerate().collect();
            self.write_headings(out);
        }
        None
    }

    fn write_row(&mut self, row: &OutputRow<'_>, out: &mut String) {
        let time = self.zone.local_time(row.sample.time).format(TIME_FORMAT).to_string();
        let seq = row.sample.seq.map_or(String::new(), |seq| seq.to_string());
        self.write_line(out, [&time, row.name, &seq], |at, _| row.value_text(at, "-"));
    }
}
