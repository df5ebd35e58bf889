//! What came before it is known what it means.

use std::ops::Range;

use loadline_protocol::{Note, Time, parse_plain_row};

/// Plain rows and notes that are held while it is open whether a header will follow. A source that
/// sends more meanwhile does not wait for a request.
pub(super) const HELD_MAX: usize = 1024;

/// What is held while it is open what it means.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// The rows, one after the other.
    text: String,
    lines: Vec<HeldLine>,
}

#[derive(Debug)]
enum HeldLine {
    /// Where in the text it stands.
    Row {
        place: Range<usize>,
        received: Time,
    },
    Note(Note),
}

/// A line that was held.
pub(super) enum Line<'h> {
    Row { row: &'h str, received: Time },
    Note(&'h Note),
}

impl Held {
    /// Holds a row; false if they are too many now.
    pub(super) fn row(&mut self, row: &str, received: Time) -> bool {
        let begin = self.text.len();
        self.text.push_str(row);
        self.lines.push(HeldLine::Row { place: begin..self.text.len(), received });
        self.lines.len() < HELD_MAX
    }

    /// Holds a note; false if they are too many now.
    pub(super) fn note(&mut self, note: Note) -> bool {
        self.lines.push(HeldLine::Note(note));
        self.lines.len() < HELD_MAX
    }

    /// How many numbers the last row has that has any: the first line may be something else, or half
    /// a row.
    pub(super) fn last_count(&self) -> Option<usize> {
        self.lines.iter().rev().find_map(|line| match line {
            HeldLine::Row { place, .. } => {
                parse_plain_row(&self.text[place.clone()]).ok().map(|values| values.len())
            }
            HeldLine::Note(_) => None,
        })
    }

    /// The lines, in their order.
    pub(super) fn lines(&self) -> impl Iterator<Item = Line<'_>> {
        self.lines.iter().map(|line| match line {
            HeldLine::Row { place, received } => {
                Line::Row { row: &self.text[place.clone()], received: *received }
            }
            HeldLine::Note(note) => Line::Note(note),
        })
    }
}
