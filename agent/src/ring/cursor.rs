//! A reader of the ring.

use std::task::Waker;
use std::time::Duration;

use loadline_protocol::{History, Resume, RunId};

use super::samples::{Samples, Segment};
use super::{BATCH_BYTES, RingHandle, RingState};

/// Which samples a stream has, and what of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Selection {
    pub(crate) columns: Columns,
    /// The stream has the samples whose number is a multiple of this. Not 0.
    pub(crate) every: u64,
}

/// Which columns the rows of a stream have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Columns {
    /// Those of the plain stream, without a stamp.
    Plain,
    /// The stamp, and all.
    All,
    /// The stamp, and these, counted from 0; each is one that the ring has.
    Chosen(Box<[u16]>),
}

impl Selection {
    /// What a client gets that says nothing.
    pub(crate) const PLAIN: Selection = Selection { columns: Columns::Plain, every: 1 };

    /// Every sample, with all that is known of it.
    pub(crate) const ALL: Selection = Selection { columns: Columns::All, every: 1 };

    /// Whether the stream has any of the samples `from` to `to`.
    fn has_any(&self, from: u64, to: u64) -> bool {
        from.div_ceil(self.every) <= to / self.every
    }
}

/// A reader: a place in the ring, and nothing that could fill up.
pub(crate) struct Cursor {
    ring: RingHandle,
    /// Where it waits.
    waiter: u32,
    /// 1 if it is a client, else 0.
    clients: u8,
    /// The number of the news that were read last.
    note_number: u32,
    position: Position,
    /// Where the last sample of the history is, until it is through.
    history_last: Option<u64>,
}

/// A place before a sample.
#[derive(Debug, Default)]
struct Position {
    /// Where the sample is.
    next: u64,
    /// What it belongs to.
    segment: Segment,
}

/// What a cursor met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReadOutcome {
    /// Lines were appended. There may be more.
    Rows,
    /// Rows were appended, and the waker will be called as for [`ReadOutcome::Wait`].
    LastRows,
    /// The history that there was at the [`Cursor::seek`] is through; told once.
    Live,
    /// The tail passed the cursor, or they were never there. The rows of these samples are lost to it.
    Skipped {
        /// The first.
        from: u64,
        /// The last.
        to: u64,
    },
    /// The samples that follow belong to another run.
    NewRun,
    /// There is no sample yet that was not read. The waker will be called when there is one, and
    /// when the ring is closed.
    Wait,
    /// There will be none any more.
    Closed,
}

impl Cursor {
    /// A reader that stands before the newest sample.
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

    /// The run that the cursor is in.
    pub(crate) fn run(&self) -> RunId {
        self.position.segment.run
    }

    /// The time between two samples of that run.
    pub(crate) fn interval(&self) -> Duration {
        self.position.segment.interval
    }

    /// Goes where a stream of every `every`th sample begins that was asked for in this way.
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

    /// Appends the lines that come next, up to [`BATCH_BYTES`] bytes in `out`; of the plain stream, one.
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
    /// The number of the sample.
    fn seq(&self) -> u64 {
        self.segment.seq_of(self.next)
    }

    /// Goes to where the sample is that comes next in truth: it may be gone, or one of another
    /// stretch. Tells what the reader has to know of that.
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

    /// Appends the rows of the stretch, up to that of the sample at `last`; how many they are.
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
