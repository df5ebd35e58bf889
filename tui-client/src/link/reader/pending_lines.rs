//! Lines that arrive before the kind of stream is known.

use std::ops::Range;

use loadline_protocol::{Note, Time, parse_plain_row};

/// Maximum of plain rows and notes that wait for a header. A source that sends more does not wait
/// for a request.
pub(super) const PENDING_LINES_MAX: usize = 1024;

/// Rows and notes that wait for a header.
#[derive(Debug, Default)]
pub(super) struct PendingLines {
    /// Text of all rows.
    text: String,
    lines: Vec<PendingEntry>,
}

#[derive(Debug)]
enum PendingEntry {
    /// Position in the text.
    Row {
        range: Range<usize>,
        received: Time,
    },
    Note(Note),
}

/// Row or note that waited for a header.
pub(super) enum PendingLine<'h> {
    Row { row: &'h str, received: Time },
    Note(&'h Note),
}

impl PendingLines {
    /// Adds a row. Returns false if the maximum is reached.
    pub(super) fn push_row(&mut self, row: &str, received: Time) -> bool {
        let begin = self.text.len();
        self.text.push_str(row);
        self.lines.push(PendingEntry::Row { range: begin..self.text.len(), received });
        self.lines.len() < PENDING_LINES_MAX
    }

    /// Adds a note. Returns false if the maximum is reached.
    pub(super) fn push_note(&mut self, note: Note) -> bool {
        self.lines.push(PendingEntry::Note(note));
        self.lines.len() < PENDING_LINES_MAX
    }

    /// Returns the number of fields of the last valid row. The first line may be no row, or half a
    /// row.
    pub(super) fn last_count(&self) -> Option<usize> {
        self.lines.iter().rev().find_map(|line| match line {
            PendingEntry::Row { range, .. } => {
                parse_plain_row(&self.text[range.clone()]).ok().map(|values| values.len())
            }
            PendingEntry::Note(_) => None,
        })
    }

    /// Returns the lines in order.
    pub(super) fn lines(&self) -> impl Iterator<Item = PendingLine<'_>> {
        self.lines.iter().map(|line| match line {
            PendingEntry::Row { range, received } => {
                PendingLine::Row { row: &self.text[range.clone()], received: *received }
            }
            PendingEntry::Note(note) => PendingLine::Note(note),
        })
    }
}
