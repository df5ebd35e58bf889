//! Kind of a stream, as far as it is known.

use loadline_protocol::{Header, LineError, Note, Schema, Time};

use crate::link::columns::FieldCount;
use crate::link::record_columns::RecordColumns;

/// Kind of a stream, as far as it is known.
#[derive(Debug)]
pub(super) enum ReaderPhase {
    /// A header may follow, or the server may not know requests.
    Undecided(Vec<PendingLine>),
    /// No header came. The first row decides, together with the line above: possibly the column
    /// names, with the fault to report if the line names no columns.
    Headerless { expected_count: Option<usize>, heading: Option<(String, LineError)> },
    /// Rows of a plain stream.
    Plain(FieldCount),
    /// Rows below a line of column names.
    Table(RecordColumns),
    /// A header or a columns note came. After a header, the columns may still be missing.
    Subscribed { header: Option<Header>, schema: Option<Schema> },
}

impl ReaderPhase {
    /// Returns the header of the rows.
    pub(super) fn header(&self) -> Option<&Header> {
        let ReaderPhase::Subscribed { header, .. } = self else { return None };
        header.as_ref()
    }
}

impl Default for ReaderPhase {
    fn default() -> ReaderPhase {
        ReaderPhase::Undecided(Vec::new())
    }
}

/// Row or note that waits for a header.
#[derive(Debug)]
pub(super) enum PendingLine {
    Row { line: String, received: Time },
    Note(Note),
}
