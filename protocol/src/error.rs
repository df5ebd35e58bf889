//! What can be wrong with a line, each a value that the reader counts and goes on after.

use thiserror::Error;

/// Why a line is a fault.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LineError {
    /// The line is longer than [`LINE_MAX`](crate::LINE_MAX); the decoder skips it to its end.
    #[error("line longer than {max} bytes", max = crate::LINE_MAX)]
    TooLong,
    /// The line is not UTF-8.
    #[error("line is not UTF-8")]
    NotUtf8,
    /// A row with another count of numbers than the stream has columns.
    #[error("{found} numbers where {expected} are due")]
    FieldCount {
        /// The numbers that a row of this stream has, time and sequence number included.
        expected: usize,
        /// The numbers that the line has.
        found: usize,
    },
    /// A field of a row that is no finite number and not `nan`.
    #[error("field {column}: {text:?} is no number")]
    Number {
        /// Which field, counted from 1.
        column: usize,
        /// The field, cut to a length that fits a message.
        text: String,
    },
    /// A field of a note or of a request that cannot be read.
    #[error("unreadable {key}: {text:?}")]
    Field {
        /// The name of the field.
        key: &'static str,
        /// What it says, cut to a length that fits a message.
        text: String,
    },
    /// A schema that names a column twice.
    #[error("column {0:?} is named twice")]
    DuplicateColumn(String),
    /// A schema with no column or with more than [`COLUMNS_MAX`](crate::COLUMNS_MAX).
    #[error("{0} columns where 1 to {max} are allowed", max = crate::COLUMNS_MAX)]
    ColumnCount(usize),
}

/// Characters of a field that an error message shows.
const SHOWN_MAX: usize = 40;

impl LineError {
    pub(crate) fn number(column: usize, text: &str) -> LineError {
        LineError::Number { column, text: excerpt(text) }
    }

    pub(crate) fn field(key: &'static str, text: &str) -> LineError {
        LineError::Field { key, text: excerpt(text) }
    }
}

/// The beginning of `text`, harmless for a terminal.
fn excerpt(text: &str) -> String {
    let mut shown = crate::text::sanitize(text).chars().take(SHOWN_MAX).collect::<String>();
    if shown.len() < text.len() && text.chars().count() > SHOWN_MAX {
        shown.push('…');
    }
    shown
}
