//! Selection of what a stream carries.

use loadline_protocol::Seq;

/// Columns of the rows of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Columns {
    /// The columns of the plain stream, without timestamp and sequence number.
    Plain,
    /// Timestamp, sequence number and all columns.
    All,
    /// Timestamp, sequence number and these columns, as indexes of ring columns from 0. Each index
    /// is valid.
    Chosen(Box<[u16]>),
}

/// Samples, columns and looks that a stream carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Selection {
    pub(crate) columns: Columns,
    /// The stream carries the samples whose sequence number is a multiple of this. Never 0.
    pub(crate) every: u64,
    /// Highest number of processes by CPU, and by memory, in each look: 0 without looks,
    /// [`Selection::ALL_PROCESSES`] for looks as they are.
    pub(crate) top: u16,
}

impl Selection {
    /// Value of [`Selection::top`] for all processes.
    pub(crate) const ALL_PROCESSES: u16 = u16::MAX;

    /// Selection of a client that sends no request.
    pub(crate) const PLAIN: Selection = Selection { columns: Columns::Plain, every: 1, top: 0 };

    /// Every sample with all columns, and all looks.
    pub(crate) const ALL: Selection =
        Selection { columns: Columns::All, every: 1, top: Selection::ALL_PROCESSES };

    pub(super) fn has(&self, Seq(seq): Seq) -> bool {
        seq.is_multiple_of(self.every)
    }

    /// Returns whether the stream carries a sample with a sequence number from `from` to `to`.
    pub(super) fn has_any(&self, Seq(from): Seq, Seq(to): Seq) -> bool {
        from.div_ceil(self.every) <= to / self.every
    }
}
