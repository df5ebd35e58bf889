//! Lines and rows. A line is a row, a note or blank.

use crate::{LineError, Note, Schema, Seq, Time};

/// Word in front of a line of the past.
const PAST: &str = "past";

/// Parsed row: the values in the order of a [`Schema`], and the stamp if there is one.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Row {
    /// Time of the sample by the agent's clock. `None` in a plain stream.
    pub time: Option<Time>,
    /// Sequence number within the run. `None` in a plain stream.
    pub seq: Option<Seq>,
    /// Values in the units of the schema. NaN is a missing value.
    pub values: Vec<f64>,
}

/// Line of a stream. The numbers of a row are not parsed yet.
#[derive(Debug, Clone, PartialEq)]
pub enum Line<'a> {
    /// Blank line, ignored.
    Blank,
    /// Header or event.
    Note(Note),
    /// Text of a row, for [`Schema::parse_row`].
    Row(&'a str),
    /// `# past …`: a line of a second stream, with samples from before those of this one. It has a
    /// header, columns, rows and notes of its own, and ends with `# past live`. Only for a client that
    /// asked for it by [`Request::before`](crate::Request::before); else a comment.
    Past(&'a str),
}

impl Line<'_> {
    /// Classifies a line, and parses it if it is a note.
    ///
    /// # Errors
    /// A field of a known note is invalid.
    pub fn parse(text: &str) -> Result<Line<'_>, LineError> {
        let text = text.trim_matches([' ', '\t']);
        if text.is_empty() {
            Ok(Line::Blank)
        } else if let Some(note) = text.strip_prefix('#') {
            match note.trim().split_once(char::is_whitespace) {
                Some((PAST, line)) => Ok(Line::Past(line)),
                _ => Note::parse(note).map(Line::Note),
            }
        } else {
            Ok(Line::Row(text))
        }
    }
}

impl Row {
    /// Formats the row as a line of `schema`, without the line end.
    #[must_use]
    pub fn to_line(&self, schema: &Schema) -> String {
        let mut line = String::new();
        schema.write_row(&mut line, self.time, self.seq, self.values.iter().copied());
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_blank_a_note_or_a_row() {
        assert_eq!(Line::parse(""), Ok(Line::Blank));
        assert_eq!(Line::parse(" \t "), Ok(Line::Blank));
        assert_eq!(Line::parse("  # live"), Ok(Line::Note(Note::Live)));
        assert_eq!(Line::parse("# past 1 2 3"), Ok(Line::Past("1 2 3")));
        assert_eq!(Line::parse("# past # live"), Ok(Line::Past("# live")));
        assert_eq!(Line::parse(" 1 2 3 "), Ok(Line::Row("1 2 3")));
        assert_eq!(Line::parse("hello"), Ok(Line::Row("hello")));
    }

    #[test]
    fn the_documented_row_round_trips() {
        let schema: Schema = "time:s seq cpu:% freq:MHz mem:% load1 load5 load15".parse().unwrap();
        let line = "1763836800.123 4712 12.5 2400.0 43.1 0.52 0.44 0.40";
        assert_eq!(schema.parse_row(line).unwrap().to_line(&schema), line);
    }
}
