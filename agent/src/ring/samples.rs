//! Samples of the ring: their storage, their runs, and the lines that streams get of them.

use std::collections::VecDeque;
use std::time::Duration;

use loadline_protocol::{Resume, Seq, Time};
use tokio::time::Instant;

use super::looks::limit_notes;
use super::position::{Position, Segment};
use super::selection::{Columns, Selection};
use super::storage::Storage;
use super::{SAMPLES_MAX, SampleId};

/// Samples of one or more runs.
///
/// **Invariant:** never empty once a run has begun; times strictly increase.
#[derive(Default)]
pub(super) struct Samples {
    /// Time that samples are kept.
    pub(super) history: Duration,
    pub(super) rows: Storage,
    /// True once a sample was evicted or dropped.
    has_dropped: bool,
    /// Instant at which the newest sample was added.
    pushed_at: Option<Instant>,
    /// Segments of the samples, the oldest first. Not empty once a run has begun.
    segments: VecDeque<Segment>,
    /// Offsets of the fields of one row, for clients with selected columns. The newest row is
    /// scanned once for all of them.
    field_offsets: FieldOffsets,
}

/// Offsets of the fields of a row. The last entry is the length of the row with its line end.
#[derive(Default)]
struct FieldOffsets {
    position: Position,
    starts: Vec<usize>,
}

impl Samples {
    /// Creates an empty ring buffer.
    pub(super) fn new(history: Duration) -> Samples {
        Samples { history, rows: Storage::new(Position::FIRST), ..Samples::default() }
    }

    /// Drops all samples. Their positions are not reused.
    pub(super) fn clear(&mut self) {
        self.has_dropped |= self.rows.len() > 0;
        self.rows.clear();
    }

    /// Returns whether samples can be put in front of all others. Not after a sample was evicted or
    /// dropped: a cursor may still have its position, and older samples are too old anyway.
    pub(super) fn takes_older(&self) -> bool {
        !self.has_dropped
    }

    /// Puts samples of earlier agents in front of all others, if [`Samples::takes_older`].
    pub(super) fn prepend(&mut self, mut older: Samples) {
        let Some(oldest) = self.oldest_time() else { return };
        older.forget_since(oldest);
        older.evict(self.newest_time(), SAMPLES_MAX.saturating_sub(self.rows.len()));
        if older.rows.len() == 0 || !self.takes_older() {
            return;
        }
        for segment in &mut older.segments {
            // Segments may begin before the oldest sample.
            segment.first_position.shift(older.rows.end(), self.tail());
        }
        older.segments.append(&mut self.segments);
        self.segments = older.segments;
        self.rows.prepend(older.rows);
    }

    /// Drops the samples from `time` on. Their positions are reused, so no reader may exist yet.
    pub(super) fn forget_since(&mut self, time: Time) {
        self.rows.forget_since(time);
    }

    /// Sets run, sequence number and interval of the next sample.
    pub(super) fn begin_segment(&mut self, SampleId { run, interval, seq }: SampleId) {
        if self.rows.len() == 0 {
            // Without samples, no earlier segment can be read.
            self.segments.clear();
        }
        let first_position = self.end();
        while self.segments.back().is_some_and(|last| last.first_position >= first_position) {
            self.segments.pop_back();
        }
        let continues = |last: &Segment| last.run == run && last.seq_of(first_position) == seq;
        if !self.segments.back().is_some_and(continues) {
            self.segments.push_back(Segment { run, interval, first_position, first_seq: seq });
        }
    }

    /// Adds a sample: the notes of its looks, and its row with the line end. Evicts samples that are too
    /// old.
    pub(super) fn push(&mut self, time: Time, looks: &str, row: &str) {
        self.evict(time, SAMPLES_MAX - 1);
        self.rows.push(time, looks, row);
        self.pushed_at = Some(Instant::now());
    }

    /// Drops the oldest samples: those that are too old, and those beyond `count_max`.
    fn evict(&mut self, now: Time, count_max: usize) {
        let tail = self.tail();
        self.rows.evict(now - self.history, count_max);
        self.has_dropped |= self.tail() != tail;
        while self.segments.get(1).is_some_and(|second| second.first_position <= self.tail()) {
            self.segments.pop_front();
        }
    }

    /// Position of the oldest sample.
    pub(super) fn tail(&self) -> Position {
        self.rows.tail()
    }

    /// Position of the next sample.
    fn end(&self) -> Position {
        self.rows.end()
    }

    /// Sequence number of the next sample.
    pub(super) fn next_seq(&self) -> Seq {
        self.segment_at(self.end()).seq_of(self.end())
    }

    /// Position of the newest sample.
    pub(super) fn newest(&self) -> Position {
        self.end().previous()
    }

    /// Position of the newest sample of the current segment whose sequence number is a multiple of
    /// `every`. `None` if it was evicted.
    pub(super) fn newest_multiple_of(&self, every: u64) -> Option<Position> {
        let newest = self.newest();
        let segment = self.segment_at(newest);
        let at = Position(newest.0.checked_sub(segment.seq_of(newest).0 % every)?);
        (at >= self.tail().max(segment.first_position)).then_some(at)
    }

    /// Returns the segment of a position. Positions before the first segment belong to the first.
    pub(super) fn segment_at(&self, at: Position) -> Segment {
        let following = self.segments.partition_point(|segment| segment.first_position <= at);
        self.segments.get(following.saturating_sub(1)).copied().unwrap_or_default()
    }

    /// Returns the position of the last sample of a segment.
    pub(super) fn last_of_segment(&self, segment: &Segment) -> Position {
        let is_before = |other: &Segment| other.first_position <= segment.first_position;
        let next = self.segments.get(self.segments.partition_point(is_before));
        next.map_or(self.newest(), |next| next.first_position.previous())
    }

    /// Returns the position after the sample to resume from, with its segment. `None` for an
    /// unknown run. The sample at that position may be evicted.
    pub(super) fn position_after(
        &self,
        Resume { run, seq }: Resume,
    ) -> Option<(Position, Segment)> {
        let next = seq.next();
        let of_run = || self.segments.iter().filter(|segment| segment.run == run);
        let holds = |segment: &&Segment| segment.first_seq <= next;
        let segment = of_run().rev().find(holds).or_else(|| of_run().next())?;
        // Samples before the oldest segment are evicted; those before any other are of another run.
        let is_oldest = self.segments.front() == Some(segment);
        let least = if is_oldest { Position::default() } else { segment.first_position };
        let end = self.last_of_segment(segment).next();
        Some((segment.position_of(next).clamp(least, end), *segment))
    }

    /// Time of the oldest sample.
    pub(super) fn oldest_time(&self) -> Option<Time> {
        self.rows.oldest_time()
    }

    /// Time of the newest sample; the earliest time if there is none.
    pub(super) fn newest_time(&self) -> Time {
        self.rows.newest_time().unwrap_or_default()
    }

    /// Current time by the clock of the samples: the newest sample's time, plus the time since.
    pub(super) fn now(&self) -> Time {
        let since = self.pushed_at.map_or(Duration::ZERO, |pushed_at| pushed_at.elapsed());
        self.newest_time() + since
    }

    /// Position of the first sample of the last `span`.
    pub(super) fn first_within(&mut self, span: Duration) -> Position {
        self.rows.first_since(self.newest_time() - span)
    }

    /// Appends the looks in front of a sample, with the `top` highest processes of each. Returns
    /// whether there is one.
    pub(super) fn write_looks(&mut self, position: Position, top: u16, out: &mut Vec<u8>) -> bool {
        let Some(looks) = self.rows.get(position).map(|text| text.looks) else { return false };
        if looks.is_empty() {
            return false;
        }
        if top == Selection::ALL_PROCESSES {
            out.extend_from_slice(looks);
        } else {
            let limited = limit_notes(&String::from_utf8_lossy(looks), usize::from(top));
            out.extend_from_slice(limited.as_bytes());
        }
        true
    }

    /// Appends the row of a sample with its line end. Returns whether the sample exists.
    pub(super) fn write_row(
        &mut self,
        position: Position,
        columns: &Columns,
        out: &mut Vec<u8>,
    ) -> bool {
        let Some(text) = self.rows.get(position) else { return false };
        match columns {
            Columns::Plain => {
                out.extend_from_slice(&text.row[text.plain]);
                out.push(b'\n');
            }
            Columns::All => out.extend_from_slice(text.row),
            Columns::Chosen(chosen) => {
                let starts = self.field_offsets.of(position, text.row);
                let stamp = [0, 1].into_iter();
                for field in stamp.chain(chosen.iter().map(|column| 2 + usize::from(*column))) {
                    out.extend_from_slice(&text.row[starts[field]..starts[field + 1] - 1]);
                    out.push(b' ');
                }
                // The line end replaces the last blank.
                out.pop();
                out.push(b'\n');
            }
        }
        true
    }
}

impl FieldOffsets {
    /// Returns the offsets of the fields of the row at a position.
    fn of(&mut self, position: Position, row: &[u8]) -> &[usize] {
        if self.position != position {
            self.position = position;
            self.starts.clear();
            self.starts.push(0);
            let ends = row.iter().enumerate().filter(|(_, byte)| matches!(byte, b' ' | b'\n'));
            self.starts.extend(ends.map(|(at, _)| at + 1));
        }
        &self.starts
    }
}
