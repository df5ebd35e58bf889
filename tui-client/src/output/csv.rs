//! CSV output: a heading line, then one line per row. A missing value is an empty field.
//!
//! Each line has as many fields as the heading. Columns that come later are left out with a message,
//! except those of a stream that has no column of the heading: it begins another heading.
//!
//! A text that a spreadsheet would run as a formula begins with a single quote. Names come from servers.

use std::borrow::Cow;

use loadline_protocol::Column;

use super::OutputFormatter;
use super::columns::{OutputRow, OutputStream};
use crate::zone::utc_text;

#[derive(Default)]
pub(super) struct CsvFormatter {
    /// Number of columns in the heading: the first columns of the output.
    heading_columns: usize,
}

impl CsvFormatter {
    fn write_heading(&mut self, columns: &[Column], out: &mut String) {
        self.heading_columns = columns.len();
        let fixed = ["timestamp", "received", "source", "seq"].into_iter();
        let names: Vec<_> = columns.iter().map(|column| text_cell(column.name())).collect();
        write_record(out, fixed.chain(names.iter().map(AsRef::as_ref)));
    }
}

impl OutputFormatter for CsvFormatter {
    fn begin(&mut self, columns: &[Column], out: &mut String) {
        self.write_heading(columns, out);
    }

    fn set_stream(
        &mut self,
        stream: &OutputStream,
        columns: &[Column],
        out: &mut String,
    ) -> Option<String> {
        let is_headed = |place: Option<usize>| place.is_some_and(|at| at < self.heading_columns);
        let left_out: Vec<&str> = stream
            .columns()
            .filter(|(place, _)| !is_headed(*place))
            .map(|(place, column)| place.map_or(column, |at| &columns[at]).name())
            .collect();
        if left_out.len() == stream.info.schema.columns().len() {
            self.write_heading(columns, out);
            return None;
        }
        let first = left_out.first()?;
        let more = match left_out.len() {
            1 => String::new(),
            count => format!(" and {} more", count - 1),
        };
        let what = "columns changed, but csv keeps those of its header";
        Some(format!("{what}: without {first}{more}"))
    }

    fn write_row(&mut self, row: &OutputRow<'_>, out: &mut String) {
        let sample = row.sample;
        let mut fields = vec![
            utc_text(sample.time),
            utc_text(sample.received),
            text_cell(row.name).into_owned(),
            sample.seq.map_or(String::new(), |seq| seq.to_string()),
        ];
        fields.extend((0..self.heading_columns).map(|column| row.value_text(column, "")));
        write_record(out, fields.iter().map(String::as_str));
    }
}

/// First characters of formulas, also in full width, and the control characters that some spreadsheets skip.
const FORMULA_MARKS: [char; 10] = ['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠'];

/// Returns a text with a quote in front if a spreadsheet could take it for a formula.
pub(super) fn text_cell(text: &str) -> Cow<'_, str> {
    if text.trim_start_matches(' ').starts_with(FORMULA_MARKS) {
        return format!("'{text}").into();
    }
    text.into()
}

pub(super) fn write_record<'a>(out: &mut String, fields: impl Iterator<Item = &'a str>) {
    let mut writer = csv::Writer::from_writer(Vec::new());
    // Writing to memory does not fail.
    let _ = writer.write_record(fields);
    let line = writer.into_inner().unwrap_or_default();
    out.push_str(&String::from_utf8_lossy(&line));
}
