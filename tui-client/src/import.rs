//! Import of tables that other programs wrote: their dialect, times and units. Pure: lines in, rows
//! out.
//!
//! ```text
//!  lines ─▶ Importer ─┬─▶ plain rows, with a decimal point
//!                     ├─▶ Table ─▶ rows with times, in order
//!                     └─▶ Refusal: one sentence and a hint
//! ```
//!
//! Nothing is guessed: a number, a date or a table that may mean two things is refused.

mod binary;
mod clock;
mod columns;
mod dates;
mod devices;
mod dialect;
mod find_time;
mod layout;
mod missing;
mod names;
mod rows;
mod sample;
mod table;
mod times;
mod tools;
mod units;
mod unix_time;

use std::fmt;

use loadline_protocol::{LineError, Time, sanitize};

pub(crate) use binary::check_first_bytes;
pub(crate) use dialect::PlainLine;
use layout::{Found, find_table};
pub(crate) use rows::ImportedRows;
pub(crate) use table::{RowError, Table};

use crate::zone::Zone;

/// Longest line of a file or a pipe: 256 KiB, 4,096 columns with long names.
pub(crate) const IMPORT_LINE_MAX: usize = 256 * 1024;

/// Maximum of bytes that are read before the rows are sorted: 32 MiB, about as many numbers as the
/// store of a source keeps, and less than 2 s. In a longer file, later rows must be in order.
const IMPORT_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Maximum number of lines above the first row: more than any program writes.
pub(crate) const PREAMBLE_LINES_MAX: usize = 64;

/// Options of an import.
#[derive(Debug, Clone)]
pub struct ImportOptions {
    /// Name of the column with the times.
    pub time_column: Option<String>,
    /// Format of times, as for strftime.
    pub time_format: Option<String>,
    /// Zone of times without one.
    pub zone: Zone,
    /// Time of the last row, for clock times without a date: the modification time of a file. `None`
    /// for rows that arrive now.
    pub written: Option<Time>,
}

impl Default for ImportOptions {
    fn default() -> ImportOptions {
        ImportOptions { time_column: None, time_format: None, zone: Zone::Local, written: None }
    }
}

/// Reason why an input is not read, and the way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    what: String,
    hint: String,
}

impl Refusal {
    fn new(what: &str, hint: &str) -> Refusal {
        // The first semicolon of a message separates the hint.
        let what = sanitize(what).replace("; ", ", ");
        Refusal { what, hint: sanitize(hint).into_owned() }
    }

    /// Returns the refusal of an input without rows.
    pub(crate) fn no_rows() -> Refusal {
        Refusal::new("no rows", "give a recording, a CSV file or rows of numbers")
    }

    /// Returns the refusal of a line that cannot be decoded.
    pub(crate) fn undecodable(fault: &LineError) -> Refusal {
        let hint = match fault {
            LineError::NotUtf8 => {
                "for another encoding, iconv -f LATIN1 -t UTF-8 FILE | loadline -"
            }
            _ => "give a recording, a CSV file or rows of numbers",
        };
        Refusal::new(&fault.to_string(), hint)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.what, self.hint)
    }
}

/// Findings of an import, for `--check`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recognized {
    /// Separator and decimal sign.
    pub(crate) format: String,
    /// Column, format and zone of the times; empty without times.
    pub(crate) time: String,
    /// Columns without numbers.
    pub(crate) left_out: String,
}

/// Line of an input.
#[derive(Debug)]
struct ImportLine {
    /// Text, of a comment without the `#`.
    text: Box<str>,
    is_comment: bool,
}

/// Decision about an input.
#[derive(Debug)]
pub(crate) enum Decision {
    /// No row came so far.
    NotYet,
    /// No row came, and none will.
    NoRows(Refusal),
    /// Rows of the line format behind `skipped` lines of text.
    Plain { skipped: Vec<Box<str>>, rows: Vec<Box<str>>, has_decimal_comma: bool },
    /// Table, and its rows so far.
    Table(Box<Table>, ImportedRows),
}

/// Lines of an input until its kind is known.
#[derive(Debug)]
pub(crate) struct Importer {
    lines: Vec<ImportLine>,
    bytes: usize,
    /// True if all lines are there at once, so that they can be sorted.
    is_whole: bool,
    is_head_checked: bool,
    /// Number of lines of text that are reported as faults already.
    reported: usize,
}

impl Importer {
    /// Creates an importer; of a file that is there as a whole if `is_whole`.
    pub(crate) fn new(is_whole: bool) -> Importer {
        Importer { lines: Vec::new(), bytes: 0, is_whole, is_head_checked: false, reported: 0 }
    }

    fn no_rows(&self) -> Refusal {
        if self.lines.iter().any(|line| line.text.contains('\u{1b}')) {
            let what = "text with colours of a terminal, not rows";
            return Refusal::new(
                what,
                "let the program write a file, for example dstat --output FILE",
            );
        }
        Refusal::no_rows()
    }

    pub(crate) fn push(&mut self, text: &str, is_comment: bool) {
        self.bytes += text.len();
        self.lines.push(ImportLine { text: text.into(), is_comment });
    }

    /// Returns whether no text came, comments not counted.
    pub(crate) fn is_empty(&self) -> bool {
        self.lines.iter().all(|line| line.is_comment)
    }

    /// Returns whether the comments so far name the fields of a row of numbers: many, or a time.
    pub(crate) fn names_fields(&self, row: &str) -> bool {
        layout::names_fields(&self.lines, row)
    }

    /// Returns the text above the last line that is not reported yet. The last line may name columns.
    pub(crate) fn report_text(&mut self) -> Vec<Box<str>> {
        let texts = self.lines.iter().filter(|line| !line.is_comment).map(|line| &line.text);
        let count = texts.clone().count().saturating_sub(1);
        let begin = self.reported;
        let texts = texts.take(count).skip(begin).cloned().collect();
        self.reported = begin.max(count);
        texts
    }

    /// Removes all lines but comments. Returns those that are not reported yet.
    pub(crate) fn take_text(&mut self) -> Vec<Box<str>> {
        let lines = std::mem::take(&mut self.lines).into_iter();
        let begin = std::mem::take(&mut self.reported);
        lines.filter(|line| !line.is_comment).map(|line| line.text).skip(begin).collect()
    }

    /// Decides what the lines so far are; at the end of the input if `is_end`. Rows that arrive now
    /// are at `now`.
    ///
    /// # Errors
    /// The input is not understood.
    pub(crate) fn decide(
        &mut self,
        options: &ImportOptions,
        is_end: bool,
        now: Time,
    ) -> Result<Decision, Refusal> {
        let is_full = self.bytes >= IMPORT_BYTES_MAX;
        // A whole file is decided at its end, unless its first lines show that it has no rows.
        let is_premature = self.is_whole && !is_end && !is_full;
        let has_head = self.lines.len() >= PREAMBLE_LINES_MAX;
        if is_premature && (!has_head || std::mem::replace(&mut self.is_head_checked, true)) {
            return Ok(Decision::NotYet);
        }
        match find_table(&self.lines, options.time_format.is_some())? {
            Found::Nothing if is_end || has_head => Ok(Decision::NoRows(self.no_rows())),
            Found::Nothing => Ok(Decision::NotYet),
            Found::Table(_) if is_premature => Ok(Decision::NotYet),
            Found::Plain { first, has_decimal_comma } => {
                let first = first.saturating_sub(self.reported);
                let mut lines = self.take_text();
                let rows = lines.split_off(first.min(lines.len()));
                Ok(Decision::Plain { skipped: lines, rows, has_decimal_comma })
            }
            Found::Table(place) => {
                let end = options.written.unwrap_or(now);
                let (mut table, lines) =
                    (Table::detect(&self.lines, &place, options, end)?, &self.lines);
                let rows = ImportedRows::read(&mut table, &lines[place.first..])?;
                self.lines = Vec::new();
                Ok(Decision::Table(Box::new(table), rows))
            }
        }
    }
}

/// Returns the first 40 characters of a text, safe for a terminal.
fn excerpt(text: &str) -> String {
    sanitize(text).chars().take(40).collect()
}
