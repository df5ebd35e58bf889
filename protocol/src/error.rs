//! Errors of lines. Readers count an error and continue with the next line.

use thiserror::Error;

/// Error in a line of a stream.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LineError {
    /// The line is longer than `max` bytes: [`LINE_MAX`](crate::LINE_MAX), or the maximum of the
    /// decoder. The decoder skips the whole line.
    #[error("line longer than {max} bytes")]
    TooLong {
        /// Maximum in bytes.
        max: usize,
    },
    /// The line is not UTF-8.
    #[error("line is not valid UTF-8")]
    NotUtf8,
    /// The line ends in the middle, and another stream begins there.
    #[error("the line is cut off")]
    CutOff,
    /// A column of a table begins below its first rows.
    #[error("column {0:?} begins in the middle and is left out")]
    ColumnBegins(String),
    /// The number of fields in a row differs from the schema.
    #[error("wrong number of fields: {found} instead of {expected}")]
    FieldCount {
        /// Fields in a row of the schema, timestamp and sequence number included.
        expected: usize,
        /// Fields in the line.
        found: usize,
    },
    /// A field of a row is neither a finite number nor `nan`.
    #[error("field {column}: invalid number {text:?}")]
    Number {
        /// Position of the field, from 1.
        column: usize,
        /// Text of the field, cut to a length that fits a message.
        text: String,
    },
    /// The timestamp of a row is not after that of the previous row.
    #[error("time {0} is not after the previous row")]
    TimeNotIncreasing(crate::Time),
    /// A row follows a header without columns.
    #[error("row before the columns note")]
    RowBeforeColumns,
    /// A field of a note or of a request is invalid.
    #[error("invalid {key} {text:?}")]
    Field {
        /// Name of the field.
        key: &'static str,
        /// Value of the field, cut to a length that fits a message.
        text: String,
    },
    /// A schema has two columns of the same name.
    #[error("duplicate column {0:?}")]
    DuplicateColumn(String),
    /// A schema has no columns, or more than [`COLUMNS_MAX`](crate::COLUMNS_MAX).
    #[error("wrong number of columns: {0} instead of 1 to {max}", max = crate::COLUMNS_MAX)]
    ColumnCount(usize),
}

/// Maximum number of characters of a field in an error message.
const SHOWN_MAX: usize = 40;

impl LineError {
    pub(crate) fn number(column: usize, text: &str) -> LineError {
        LineError::Number { column, text: excerpt(text) }
    }

    pub(crate) fn field(key: &'static str, text: &str) -> LineError {
        LineError::Field { key, text: excerpt(text) }
    }
}

/// Returns the beginning of `text`, sanitized for a terminal.
fn excerpt(text: &str) -> String {
    let text = crate::text::sanitize(text);
    match text.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.into_owned(),
    }
}
