//! Kind of a stream, which a reader finds out.

use loadline_protocol::{Header, Note, Schema, Time, parse_plain_row};

use crate::import::{Importer, Table};
use crate::link::plain_columns::PlainColumns;

/// Kind of a stream, as far as it is known.
#[derive(Debug)]
pub(super) enum ReaderPhase {
    /// A header may follow, or the server may not know requests.
    Undecided(Vec<PendingLine>),
    /// No header came. The first row decides, together with the lines above.
    Headerless { expected_count: Option<usize>, importer: Importer },
    /// Rows of a plain stream.
    Plain { columns: PlainColumns, has_decimal_comma: bool },
    /// Rows of a table that another program wrote.
    Table(Box<Table>),
    /// A header or a columns note came. After a header, the columns may still be missing.
    Subscribed { header: Option<Header>, schema: Option<Schema> },
}

impl ReaderPhase {
    pub(super) fn headerless(expected_count: Option<usize>, is_whole: bool) -> ReaderPhase {
        ReaderPhase::Headerless { expected_count, importer: Importer::new(is_whole) }
    }

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

impl PendingLine {
    /// Returns the number of fields of a plain row.
    pub(super) fn field_count(&self) -> Option<usize> {
        let PendingLine::Row { line, .. } = self else { return None };
        parse_plain_row(line).ok().map(|values| values.len())
    }
}
