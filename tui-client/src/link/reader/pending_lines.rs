//! What came before it is known what it means.

use std::ops::Range;

use loadline_protocol::{Note, Time, parse_plain_row};

/// Plain rows and notes that are held while it is open whether a header will follow. A source that
/// sends more meanwhile does not wait for a request.
pub(super) const PENDING_LINES_MAX: usize = 1024;

/// What is held while it is open what it means.
#[derive(Debug, Default)]
pub(super) struct PendingLines {
    /// The rows, one after the other.
    text: String,
    lines: Vec<PendingEntry>,
}

#[derive(Debug)]
enum PendingEntry {
    /// Where in the text it stands.
    Row {
        range: Range<usize>,
        received: Time,
    },
    Note(Note),
}

/// A line that was held.
pub(super) enum PendingLine<'h> {
    Row { row: &'h str, received: Time },
    Note(&'h Note),
}

impl PendingLines {
    /// Holds a row; false if they are too many now.
    pub(super) fn push_row(&mut self, row: &str, received: Time) -> bool {
        let begin = self.text.len();
        self.text.push_str(row);
        self.lines.push(PendingEntry::Row { range: begin..self.text.len(), received });
        self.lines.len() < PENDING_LINES_MAX
    }

    /// Holds a note; false if they are too many now.
    pub(super) fn push_note(&mut self, note: Note) -> bool {
        self.lines.push(PendingEntry::Note(note));
        self.lines.len() < PENDING_LINES_MAX
    }

    /// How many numbers the last row has that has any: the first line may be something else, or half
    /// a row.
    pub(super) fn last_count(&self) -> Option<usize> {
        self.lines.iter().rev().find_map(|line| match line {
            PendingEntry::Row { range, .. } => {
                parse_plain_row(&self.text[range.clone()]).ok().map(|values| values.len())
            }
            PendingEntry::Note(_) => None,
        })
    }

    /// The lines, in their order.
    pub(super) fn lines(&self) -> impl Iterator<Item = PendingLine<'_>> {
        self.lines.iter().map(|line| match line {
            PendingEntry::Row { range, received } => {
                PendingLine::Row { row: &self.text[range.clone()], received: *received }
            }
            PendingEntry::Note(note) => PendingLine::Note(note),
        })
    }
}
