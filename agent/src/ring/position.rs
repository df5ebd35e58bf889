//! Positions of samples in the ring, and their sequence numbers.

use std::time::Duration;

use loadline_protocol::{RunId, Seq};

/// Position of a sample. Positions count samples through all runs; sequence numbers count within a
/// run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Position(pub(super) u64);

impl Position {
    /// Position of the first sample of a ring. Positions on both sides are free: for samples of
    /// earlier agents, and for the samples from before the ring from which a client may resume.
    pub(super) const FIRST: Position = Position(1 << 62);

    pub(super) fn next(self) -> Position {
        Position(self.0 + 1)
    }

    /// Moves the position by the difference of two.
    pub(super) fn shift(&mut self, from: Position, to: Position) {
        self.0 = self.0.wrapping_add(to.0).wrapping_sub(from.0);
    }

    pub(super) fn previous(self) -> Position {
        Position(self.0.saturating_sub(1))
    }
}

/// Samples of a run with consecutive sequence numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Segment {
    pub(super) run: RunId,
    /// Sampling interval of the run.
    pub(super) interval: Duration,
    pub(super) first_position: Position,
    pub(super) first_seq: Seq,
}

impl Segment {
    /// Returns the sequence number of the sample at a position.
    pub(super) fn seq_of(&self, Position(at): Position) -> Seq {
        Seq(self.first_seq.0.saturating_add_signed(at.wrapping_sub(self.first_position.0) as i64))
    }

    /// Returns the position of the sample with a sequence number.
    pub(super) fn position_of(&self, Seq(seq): Seq) -> Position {
        Position(self.first_position.0.saturating_add(seq).saturating_sub(self.first_seq.0))
    }
}
