//! Loading of earlier samples: which slice of time to ask for next. Does no I/O.
//!
//! ```text
//!  wish  ├──────────────────────────────────────────┤
//!        ├─ loaded ─┤├─ slice ─┤                    ├─ rows of the stream ─▶
//! ```
//!
//! The agent is asked for one slice after the other, so that live rows wait for at most one of them.

use std::ops::Range;
use std::time::Duration;

use loadline_protocol::Time;
use tokio::sync::watch;
use tokio::time::Instant;

use super::reader::{PastReader, StreamReader};
use crate::event::PastEvent;
use crate::time_ranges::TimeRanges;

/// Time in which a slice should arrive: 500 ms. Live rows wait for about that long.
const SLICE_TIME: Duration = Duration::from_millis(500);

/// Span of the first slice: 2 min. Some 30 KiB at 1 s, which even a slow connection takes in a second.
const SLICE_SPAN_FIRST: Duration = Duration::from_mins(2);

/// Shortest span of a slice: 10 s, so that even a very slow connection gets on.
const SLICE_SPAN_MIN: Duration = Duration::from_secs(10);

/// Limits of the factor between the spans of consecutive slices.
const SLICE_GROWTH: (f64, f64) = (0.1, 4.0);

/// Time without a line of a slice after which it counts as lost: 10 s.
const SLICE_TIMEOUT: Duration = Duration::from_secs(10);

/// Attempts to load a slice without a row in return: 3.
const ATTEMPTS_MAX: u32 = 3;

/// History to request beyond the slice, at first: 5 s. The agent counts from its newest sample, which may
/// be newer than ours.
const HISTORY_MARGIN: Duration = Duration::from_secs(5);

/// Request for earlier samples: from this history before the newest sample to this time.
pub(super) type PastRequest = (Duration, Time);

/// Loading of earlier samples, over one connection after the other.
#[derive(Debug)]
pub(super) struct PastLoader {
    wishes: watch::Receiver<Option<Range<Time>>>,
    /// Times that the user wants to see.
    wish: Option<Range<Time>>,
    /// Times of the earlier samples that have arrived.
    loaded: TimeRanges,
    slice: Option<Slice>,
    /// Span of time that arrives in about [`SLICE_TIME`].
    span: Duration,
    /// True if the last slice had no row: the next one may be longer.
    is_empty: bool,
    /// Slices that were lost since the last row.
    attempts: u32,
    /// History to request beyond the slice. Grows if requests reach the agent later.
    margin: Duration,
}

/// Slice on its way.
#[derive(Debug)]
struct Slice {
    from: Time,
    /// Arrival of its first line.
    begun_at: Option<Instant>,
    /// Lines that have arrived.
    lines: u64,
    /// Time at which the slice counts as lost.
    lost_at: Instant,
}

impl PastLoader {
    pub(super) fn new(wishes: watch::Receiver<Option<Range<Time>>>) -> PastLoader {
        PastLoader {
            wishes,
            wish: None,
            loaded: TimeRanges::default(),
            slice: None,
            span: SLICE_SPAN_FIRST,
            is_empty: false,
            attempts: 0,
            margin: HISTORY_MARGIN,
        }
    }

    /// Waits for another wish.
    pub(super) async fn changed(&mut self) -> Result<(), watch::error::RecvError> {
        self.wishes.changed().await
    }

    /// Returns the time at which the slice on its way counts as lost.
    pub(super) fn lost_at(&self) -> Option<Instant> {
        self.slice.as_ref().map(|slice| slice.lost_at)
    }

    /// Takes what has arrived. Returns the event that follows.
    pub(super) fn receive(&mut self, reader: &mut StreamReader, now: Instant) -> Option<PastEvent> {
        let slice = self.slice.as_mut()?;
        let past = reader.past.as_ref()?;
        let lines = past.lines.unwrap_or_default();
        if lines > slice.lines {
            slice.lines = lines;
            slice.begun_at.get_or_insert(now);
            slice.lost_at = now + SLICE_TIMEOUT;
        }
        if past.is_complete {
            let took = now - slice.begun_at.unwrap_or(now);
            let past = reader.past.take()?;
            // The beginning is missing: the agent read the request too late.
            self.margin += past.span.start - slice.from;
            return Some(self.complete(&past, took));
        }
        (now >= slice.lost_at).then(|| self.interrupt(reader)).flatten()
    }

    fn complete(&mut self, past: &PastReader, took: Duration) -> PastEvent {
        let span = past.span.clone();
        let factor = SLICE_TIME.as_secs_f64() / took.as_secs_f64().max(f64::EPSILON);
        let factor = factor.clamp(SLICE_GROWTH.0, SLICE_GROWTH.1);
        self.is_empty = past.last_time.is_none();
        if !self.is_empty {
            let next = (span.end - span.start).mul_f64(factor).max(SLICE_SPAN_MIN);
            // A short slice at the end of a wish says little.
            self.span = if factor < 1.0 { next } else { self.span.max(next) };
        }
        (self.slice, self.attempts) = (None, 0);
        self.loaded.insert(span.clone());
        PastEvent::Loaded(span)
    }

    /// Ends the slice on its way: the connection, or the rest of the slice, is lost. Returns the event
    /// that follows.
    pub(super) fn interrupt(&mut self, reader: &mut StreamReader) -> Option<PastEvent> {
        self.slice.take()?;
        let past = reader.past.take()?;
        let rest = past.last_time.map_or(past.span.start, |last| last.shifted_ms(1));
        let arrived = past.span.start..rest.min(past.span.end);
        self.span = self.span.mul_f64(SLICE_GROWTH.0).max(SLICE_SPAN_MIN);
        if !arrived.is_empty() {
            self.attempts = 0;
            self.loaded.insert(arrived.clone());
            return Some(PastEvent::Loaded(arrived));
        }
        self.attempts += 1;
        (self.attempts == ATTEMPTS_MAX).then_some(PastEvent::Failed)
    }

    /// Begins the next slice of the wish, `silent` after the last row. Returns the request for it, and the
    /// times before the oldest sample that the agent has: they are complete.
    pub(super) fn next(
        &mut self,
        reader: &mut StreamReader,
        now: Instant,
        silent: Duration,
    ) -> (Option<PastEvent>, Option<PastRequest>) {
        let wish = self.wishes.borrow_and_update().clone();
        if self.wish != wish {
            (self.wish, self.attempts) = (wish, 0);
        }
        let Some(wish) = self.wish.clone() else { return (None, None) };
        let state = reader.resume_state();
        let (Some(first), Some(last)) = (state.first_time, state.last_time) else {
            return (None, None);
        };
        let oldest = reader.header().map(|header| header.oldest);
        let Some(oldest) = oldest.filter(|_| self.slice.is_none() && self.attempts < ATTEMPTS_MAX)
        else {
            return (None, None);
        };
        let Some(oldest) = oldest else {
            // Another agent has taken its place.
            self.attempts = ATTEMPTS_MAX;
            return (Some(PastEvent::Failed), None);
        };
        // The clock may have been set back.
        self.loaded.truncate(first);
        let nothing = wish.start..oldest.min(wish.end).min(first);
        let is_new = self.loaded.missing(nothing.clone()).next().is_some();
        self.loaded.insert(nothing.clone());
        let complete = is_new.then_some(PastEvent::Loaded(nothing));
        let Some(missing) = self.loaded.missing(wish.start..wish.end.min(first)).next() else {
            return (complete, None);
        };
        let span = self.span.mul_f64(if self.is_empty { SLICE_GROWTH.1 } else { 1.0 });
        let span = missing.start..missing.end.min(missing.start + span);
        let history = (last - span.start) + silent + self.margin;
        let (from, before, lost_at) = (span.start, span.end, now + SLICE_TIMEOUT);
        reader.past = Some(PastReader::new(span, history));
        self.slice = Some(Slice { from, begun_at: None, lines: 0, lost_at });
        (complete, Some((history, before)))
    }
}

#[cfg(test)]
mod tests;
