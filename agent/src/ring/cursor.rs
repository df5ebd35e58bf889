//! Cursors: the positions of readers in the ring.

use std::task::Waker;
use std::time::Duration;

use loadline_protocol::{History, Resume, RunId};

use super::samples::{Samples, Segment};
use super::{BATCH_BYTES, RingHandle, RingState};

/// Samples and columns that a stream carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Selection {
    pub(crate) columns: Columns,
    /// The stream carries the samples whose sequence number is a multiple of this. Never 0.
    pub(crate) every: u64,
}

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

impl Selection {
    /// Selection of a client that sends no request.
    pub(crate) const PLAIN: Selection = Selection { columns: Columns::Plain, every: 1 };

    /// Every sample with all columns.
    pub(crate) const ALL: Selection = Selection { columns: Columns::All, every: 1 };

    /// Returns whether the stream carries a sample with a sequence number from `from` to `to`.
    fn has_any(&self, from: u64, to: u64) -> bool {
        from.div_ceil(self.every) <= to / self.every
    }
}

/// Position of a reader in the ring. It has no buffer that could fill up.
pub(crate) struct Cursor {
    ring: RingHandle,
    /// Slot in [`Waiters`](super::waiters::Waiters).
    waiter: u32,
    /// 1 for a client, else 0.
    clients: u8,
    /// Number of the note that was read last.
    note_number: u32,
    position: Position,
    /// Position of the last sample of the history, until [`ReadOutcome::Live`].
    history_last: Option<u64>,
}

/// Position before a sample.
#[derive(Debug, Default)]
struct Position {
    next: u64,
    segment: Segment,
}

/// Result of [`Cursor::read`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReadOutcome {
    /// Lines were appended. More may follow.
    Rows,
    /// Rows were appended; the waker is registered as for [`ReadOutcome::Wait`].
    LastRows,
    /// The history, as of the [`Cursor::seek`], was read. Returned once.
    Live,
    /// The samples `from` to `to` are lost: evicted before they were read, or never in the ring.
    Skipped { from: u64, to: u64 },
    /// The next samples belong to another run.
    NewRun,
    /// All samples were read. The waker is called for the next sample, and when the ring is closed.
    Wait,
    /// All samples were read, and the ring is closed.
    Closed,
}

impl Cursor {
    /// Creates a cursor before the newest sample.
    pub(super) fn new(ring: &RingHandle, clients: u8) -> Cursor {
        let waiter = {
            let mut state = ring.lock();
            state.clients += u64::from(clients);
            state.waiters.register()
        };
        let (ring, position) = (ring.clone(), Position::default());
        let mut cursor =
            Cursor { ring, waiter, clients, note_number: 0, position, history_last: None };
        cursor.seek(History::None, None, 1);
        cursor
    }

    pub(crate) fn run(&self) -> RunId {
        self.position.segment.run
    }

    /// Sampling interval of that run.
    pub(crate) fn interval(&self) -> Duration {
        self.position.segment.interval
    }

    /// Moves to the beginning of a stream of every `every`th sample. `resume` has priority over
    /// `history`.
    pub(crate) fn seek(&mut self, history: History, resume: Option<Resume>, every: u64) {
        let RingState { samples, .. } = &*self.ring.lock();
        let newest = samples.newest();
        let resumed = resume.and_then(|resume| samples.position_after(resume));
        let at = |next| Position { next, segment: samples.segment_at(next) };
        let (position, history_last) = match (resumed, history) {
            (Some((next, segment)), _) => (Position { next, segment }, newest),
            (None, History::All) => (at(samples.tail), newest),
            (None, History::Last(span)) => (at(samples.first_within(span)), newest),
            (None, History::None) => {
                let next = samples.newest_multiple_of(every).unwrap_or(newest + 1);
                (at(next), next - 1)
            }
        };
        self.position = position;
        self.history_last = Some(history_last);
    }

    /// Appends the next lines, until `out` has [`BATCH_BYTES`] bytes; of the plain stream, one row.
    pub(crate) fn read(
        &mut self,
        selection: &Selection,
        out: &mut Vec<u8>,
        waker: &Waker,
    ) -> ReadOutcome {
        let mut guard = self.ring.lock();
        let state = &mut *guard;
        let samples = &mut state.samples;
        let last = samples.newest().min(self.history_last.unwrap_or(u64::MAX));
        let mut rows = 0;
        while rows == 0 {
            if let Some(outcome) = self.position.advance(samples, selection) {
                return outcome;
            }
            rows = self.position.copy_rows(samples, selection, last, out);
            if self.position.next > last {
                break;
            }
        }
        let has_new_note =
            state.latest_note.number != self.note_number && selection.columns != Columns::Plain;
        let outcome = match rows {
            0 if self.history_last.take_if(|last| self.position.next > *last).is_some() => {
                ReadOutcome::Live
            }
            0 if has_new_note => {
                out.extend_from_slice(state.latest_note.line.as_bytes());
                self.note_number = state.latest_note.number;
                ReadOutcome::Rows
            }
            0 if state.closed => ReadOutcome::Closed,
            0 => ReadOutcome::Wait,
            _ if self.history_last.is_some() || self.position.next <= last => ReadOutcome::Rows,
            _ if has_new_note || state.closed => ReadOutcome::Rows,
            _ => ReadOutcome::LastRows,
        };
        if !matches!(outcome, ReadOutcome::Wait | ReadOutcome::LastRows) {
            return outcome;
        }
        let outdated = state.waiters.set_waker(self.waiter, waker);
        drop(guard);
        drop(outdated);
        outcome
    }
}

impl Position {
    fn seq(&self) -> u64 {
        self.segment.seq_of(self.next)
    }

    /// Moves past evicted samples and into the next segment. Returns the outcome that the reader
    /// must see first, if there is one.
    fn advance(&mut self, samples: &Samples, selection: &Selection) -> Option<ReadOutcome> {
        let next = self.next.max(samples.tail);
        let segment = samples.segment_at(next);
        if next == self.next && segment == self.segment {
            return None;
        }
        let (run, from) = (self.segment.run, self.seq());
        *self = Position { next, segment };
        if segment.run != run {
            return Some(ReadOutcome::NewRun);
        }
        let to = self.seq().saturating_sub(1);
        (from <= to && selection.has_any(from, to)).then_some(ReadOutcome::Skipped { from, to })
    }

    /// Appends rows of the segment, up to the sample at `last`. Returns their number.
    fn copy_rows(
        &mut self,
        samples: &mut Samples,
        selection: &Selection,
        last: u64,
        out: &mut Vec<u8>,
    ) -> usize {
        let last = last.min(samples.last_of_segment(&self.segment));
        let rows_max = if selection.columns == Columns::Plain { 1 } else { usize::MAX };
        let mut rows = 0;
        while self.next <= last && rows < rows_max && (rows == 0 || out.len() < BATCH_BYTES) {
            let is_one = self.seq().is_multiple_of(selection.every);
            if is_one && samples.write_row(self.next, &selection.columns, out) {
                rows += 1;
            }
            self.next += 1;
        }
        rows
    }
}

impl Drop for Cursor {
    fn drop(&mut self) {
        let outdated = {
            let mut state = self.ring.lock();
            state.clients -= u64::from(self.clients);
            state.waiters.unregister(self.waiter)
        };
        drop(outdated);
    }
}
