//! Cursors: the positions of readers in the ring.

use std::task::Waker;
use std::time::Duration;

use loadline_protocol::{History, Resume, RunId, Seq, Time};

use super::position::{Position, Segment};
use super::samples::Samples;
use super::selection::{Columns, Selection};
use super::{BATCH_BYTES, RingHandle, RingState};

/// Position of a reader in the ring. It has no buffer that could fill up.
pub(crate) struct Cursor {
    ring: RingHandle,
    /// Slot in [`Waiters`](super::waiters::Waiters).
    waiter: usize,
    /// 1 for a client, else 0.
    clients: u8,
    /// Number of the note that was read last.
    note_number: u64,
    next: NextSample,
    /// Position of the last sample of the history, until [`ReadOutcome::Live`].
    history_last: Option<Position>,
    /// Number of samples that were evicted before the cursor read them.
    lost: u64,
}

/// Sample that a cursor reads next.
#[derive(Debug, Default)]
struct NextSample {
    position: Position,
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
    Skipped { from: Seq, to: Seq },
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
        let (ring, next) = (ring.clone(), NextSample::default());
        let (note_number, history_last, lost) = (0, None, 0);
        let mut cursor = Cursor { ring, waiter, clients, note_number, next, history_last, lost };
        cursor.seek(History::None, None, 1);
        cursor.lost = 0;
        cursor
    }

    pub(crate) fn run(&self) -> RunId {
        self.next.segment.run
    }

    /// Sampling interval of that run.
    pub(crate) fn interval(&self) -> Duration {
        self.next.segment.interval
    }

    /// Returns the number of samples that were evicted before the cursor read them, and resets it.
    pub(crate) fn take_lost(&mut self) -> u64 {
        std::mem::take(&mut self.lost)
    }

    /// Returns the number of samples that the cursor has not read, evicted ones included.
    pub(crate) fn unread(&self) -> u64 {
        let newest = self.ring.newest_position();
        newest.next().0.saturating_sub(self.next.position.0)
    }

    /// Returns the current time by the sampler's clock.
    pub(crate) fn now(&self) -> Time {
        self.ring.lock().samples.now()
    }

    /// Returns the time of the oldest sample.
    pub(crate) fn oldest_time(&self) -> Option<Time> {
        self.ring.lock().samples.oldest_time()
    }

    /// Moves to the beginning of a stream of every `every`th sample. `resume` has priority over
    /// `history`.
    pub(crate) fn seek(&mut self, history: History, resume: Option<Resume>, every: u64) {
        let RingState { samples, .. } = &mut *self.ring.lock();
        self.lost += samples.tail().0.saturating_sub(self.next.position.0);
        let newest = samples.newest();
        let (position, history_last) = match history {
            History::All => (samples.tail(), newest),
            History::Last(span) => (samples.first_within(span), newest),
            History::None => {
                let next = samples.newest_multiple_of(every).unwrap_or(newest.next());
                (next, next.previous())
            }
        };
        self.next = NextSample { position, segment: samples.segment_at(position) };
        self.history_last = Some(history_last);
        if let Some((position, segment)) = resume.and_then(|resume| samples.position_after(resume))
        {
            self.next = NextSample { position, segment };
            self.history_last = Some(newest);
        }
    }

    /// Returns a cursor of the samples from the beginning of `history` up to `before`, which is not
    /// included. [`ReadOutcome::Live`] is their end. The cursor does not count as a client.
    pub(crate) fn earlier(&self, history: History, before: Time) -> Cursor {
        let mut earlier = Cursor::new(&self.ring, 0);
        earlier.seek(history, None, 1);
        let end = self.ring.lock().samples.rows.first_since(before);
        earlier.history_last = Some(end.previous());
        if history == History::None {
            earlier.next.position = end;
        }
        earlier
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
        let newest = samples.newest();
        let last = self.history_last.map_or(newest, |last| last.min(newest));
        let next = self.next.position.max(samples.tail());
        if self.history_last.take_if(|last| next > *last).is_some() {
            return ReadOutcome::Live;
        }
        self.lost += next.0 - self.next.position.0;
        let mut rows = 0;
        while rows == 0 {
            if let Some(outcome) = self.next.advance(samples, selection) {
                return outcome;
            }
            rows = self.next.copy_rows(samples, selection, last, out);
            if self.next.position > last {
                break;
            }
        }
        let has_new_note =
            state.latest_note.number != self.note_number && selection.columns != Columns::Plain;
        if rows > 0 {
            let is_history = self.history_last.is_some();
            if is_history || self.next.position <= last || has_new_note || state.closed {
                return ReadOutcome::Rows;
            }
        } else if self.history_last.take_if(|last| self.next.position > *last).is_some() {
            return ReadOutcome::Live;
        } else if has_new_note {
            out.extend_from_slice(state.latest_note.line.as_bytes());
            self.note_number = state.latest_note.number;
            return ReadOutcome::Rows;
        } else if state.closed {
            return ReadOutcome::Closed;
        }
        let outdated = state.waiters.set_waker(self.waiter, waker);
        drop(guard);
        drop(outdated);
        if rows > 0 { ReadOutcome::LastRows } else { ReadOutcome::Wait }
    }
}

impl NextSample {
    fn seq(&self) -> Seq {
        self.segment.seq_of(self.position)
    }

    /// Moves past evicted samples and into the next segment. Returns the outcome that the reader
    /// must see first, if there is one.
    fn advance(&mut self, samples: &Samples, selection: &Selection) -> Option<ReadOutcome> {
        let position = self.position.max(samples.tail());
        let segment = samples.segment_at(position);
        if position == self.position && segment == self.segment {
            return None;
        }
        let (run, from) = (self.segment.run, self.seq());
        *self = NextSample { position, segment };
        if segment.run != run {
            return Some(ReadOutcome::NewRun);
        }
        let to = self.seq().previous();
        (from <= to && selection.has_any(from, to)).then_some(ReadOutcome::Skipped { from, to })
    }

    /// Appends rows of the segment, up to the sample at `last`. Returns their number.
    fn copy_rows(
        &mut self,
        samples: &mut Samples,
        selection: &Selection,
        last: Position,
        out: &mut Vec<u8>,
    ) -> usize {
        let last = last.min(samples.last_of_segment(&self.segment));
        let rows_max = if selection.columns == Columns::Plain { 1 } else { usize::MAX };
        let mut rows = 0;
        while self.position <= last && rows < rows_max && (rows == 0 || out.len() < BATCH_BYTES) {
            if selection.top > 0 && samples.write_looks(self.position, selection.top, out) {
                rows += 1;
            }
            if selection.has(self.seq())
                && samples.write_row(self.position, &selection.columns, out)
            {
                rows += 1;
            }
            self.position = self.position.next();
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
