//! Storage of the ring: consecutive encoded samples.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Duration;

use loadline_protocol::{Resume, Seq, Time};
use tokio::time::Instant;

use super::looks::limit_notes;
use super::position::{Position, Segment};
use super::selection::{Columns, Selection};
use super::{SAMPLES_MAX, SampleId};

/// A full buffer grows by 1/8: a ring that has almost reached its final length wastes little
/// memory.
const GROWTH_DIVISOR: usize = 8;

/// Samples of one or more runs. A sample takes the bytes of its row and 24 more.
///
/// **Invariant:** never empty once a run has begun; times strictly increase.
#[derive(Default)]
pub(super) struct Samples {
    /// Time that samples are kept.
    pub(super) history: Duration,
    /// Position of the oldest sample.
    pub(super) tail: Position,
    pub(super) entries: VecDeque<SampleEntry>,
    /// Instant at which the newest sample was added.
    pushed_at: Option<Instant>,
    /// Segments of the samples, the oldest first. Not empty once a run has begun.
    segments: VecDeque<Segment>,
    /// Rows of the subscribed stream with all columns, without line ends or separators. In front of a
    /// row are the notes of its looks, with line ends.
    pub(super) text: VecDeque<u8>,
    /// Bytes evicted from the front of the text so far.
    evicted_bytes: u64,
    /// Offsets of the fields of one row, for clients with selected columns. The newest row is
    /// scanned once for all of them.
    field_offsets: FieldOffsets,
}

/// Time and row of a sample.
pub(super) struct SampleEntry {
    pub(super) time: Time,
    /// End of the row in the text. Evicted bytes count.
    end: u64,
    /// Length of the looks in front of the row.
    looks: u32,
    /// Range within the row that is the row of the plain stream.
    plain: Range<u32>,
}

/// Offsets of the fields of a row. The last entry is the row's length plus 1.
#[derive(Default)]
struct FieldOffsets {
    position: Position,
    starts: Vec<usize>,
}

impl Samples {
    /// Creates an empty ring buffer.
    pub(super) fn new(history: Duration) -> Samples {
        Samples { history, tail: Position::FIRST, ..Samples::default() }
    }

    /// Drops all samples. Their positions are not reused.
    pub(super) fn clear(&mut self) {
        self.tail = self.end();
        self.entries.clear();
        self.evicted_bytes += self.text.len() as u64;
        self.text.clear();
    }

    /// Returns whether samples can be put in front of all others. Not after a sample was evicted or
    /// dropped: a cursor may still have its position, and older samples are too old anyway.
    pub(super) fn takes_older(&self) -> bool {
        self.evicted_bytes == 0
    }

    /// Puts samples of earlier agents in front of all others, if [`Samples::takes_older`].
    pub(super) fn prepend(&mut self, mut older: Samples) {
        let Some(oldest) = self.oldest_time() else { return };
        older.forget_since(oldest);
        older.evict(self.newest_time(), SAMPLES_MAX.saturating_sub(self.entries.len()));
        if older.entries.is_empty() || !self.takes_older() {
            return;
        }
        let tail = Position(self.tail.0 - older.entries.len() as u64);
        for Segment { first_position, .. } in &mut older.segments {
            // Segments may begin before the oldest sample.
            first_position.0 = first_position.0 + tail.0 - older.tail.0;
        }
        older.entries.iter_mut().for_each(|entry| entry.end -= older.evicted_bytes);
        make_room(&mut older.entries, self.entries.len());
        make_room(&mut older.text, self.text.len());
        let added_bytes = older.text.len() as u64;
        older.entries.extend(self.entries.drain(..).map(|mut entry| {
            entry.end += added_bytes;
            entry
        }));
        older.segments.append(&mut self.segments);
        older.text.append(&mut self.text);
        *self = Samples { history: self.history, tail, evicted_bytes: 0, ..older };
    }

    /// Drops the samples from `time` on. Their positions are reused, so no reader may exist yet.
    pub(super) fn forget_since(&mut self, time: Time) {
        while self.entries.back().is_some_and(|slot| slot.time >= time) {
            self.entries.pop_back();
        }
        let end = self.entries.back().map_or(self.evicted_bytes, |slot| slot.end);
        self.text.truncate((end - self.evicted_bytes) as usize);
    }

    /// Sets run, sequence number and interval of the next sample.
    pub(super) fn begin_segment(&mut self, SampleId { run, interval, seq }: SampleId) {
        if self.entries.is_empty() {
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

    /// Adds a sample: its looks, its row, and the range of the plain row in it. Evicts samples that are
    /// too old.
    pub(super) fn push(&mut self, time: Time, looks: &str, row: &str, plain: Range<u32>) {
        self.evict(time, SAMPLES_MAX - 1);
        make_room(&mut self.entries, 1);
        make_room(&mut self.text, looks.len() + row.len());
        self.text.extend(looks.as_bytes());
        self.text.extend(row.as_bytes());
        let end = self.evicted_bytes + self.text.len() as u64;
        self.entries.push_back(SampleEntry { time, end, looks: looks.len() as u32, plain });
        self.pushed_at = Some(Instant::now());
    }

    /// Drops the oldest samples: those that are too old, and those beyond `count_max`.
    fn evict(&mut self, now: Time, count_max: usize) {
        let oldest = now - self.history;
        while let Some(slot) = self.entries.front()
            && (slot.time < oldest || self.entries.len() > count_max)
        {
            self.text.drain(..(slot.end - self.evicted_bytes) as usize);
            self.evicted_bytes = slot.end;
            self.entries.pop_front();
            self.tail = self.tail.next();
        }
        while self.segments.get(1).is_some_and(|second| second.first_position <= self.tail) {
            self.segments.pop_front();
        }
    }

    /// Position of the next sample.
    fn end(&self) -> Position {
        Position(self.tail.0 + self.entries.len() as u64)
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
        (at >= self.tail.max(segment.first_position)).then_some(at)
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
        Some(self.entries.front()?.time)
    }

    /// Time of the newest sample; the earliest time if there is none.
    pub(super) fn newest_time(&self) -> Time {
        self.entries.back().map_or(Time::default(), |slot| slot.time)
    }

    /// Current time by the clock of the samples: the newest sample's time, plus the time since.
    pub(super) fn now(&self) -> Time {
        let since = self.pushed_at.map_or(Duration::ZERO, |pushed_at| pushed_at.elapsed());
        self.newest_time() + since
    }

    /// Position of the first sample of the last `span`.
    pub(super) fn first_within(&self, span: Duration) -> Position {
        self.first_since(self.newest_time() - span)
    }

    /// Position of the first sample that is not before `time`.
    pub(super) fn first_since(&self, time: Time) -> Position {
        let older = self.entries.partition_point(|slot| slot.time < time);
        Position(self.tail.0 + older as u64)
    }

    /// Appends the looks in front of a sample, with the `top` highest processes of each. Returns
    /// whether there is one.
    pub(super) fn write_looks(&self, position: Position, top: u16, out: &mut Vec<u8>) -> bool {
        let Some((at, row)) = self.row(position) else { return false };
        let length = self.entries[at].looks as usize;
        if length == 0 {
            return false;
        }
        let looks = row.start - length..row.start;
        if top == Selection::ALL_PROCESSES {
            self.copy(looks, out);
        } else {
            let mut notes = Vec::new();
            self.copy(looks, &mut notes);
            let limited = limit_notes(&String::from_utf8_lossy(&notes), usize::from(top));
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
        let Some((at, row)) = self.row(position) else { return false };
        match columns {
            Columns::Plain => {
                let Range { start, end } = self.entries[at].plain;
                self.copy(row.start + start as usize..row.start + end as usize, out);
            }
            Columns::All => self.copy(row, out),
            Columns::Chosen(chosen) => {
                self.find_fields(position, row.clone());
                let stamp = [0, 1].into_iter();
                for field in stamp.chain(chosen.iter().map(|column| 2 + usize::from(*column))) {
                    let (start, next) =
                        (self.field_offsets.starts[field], self.field_offsets.starts[field + 1]);
                    self.copy(row.start + start..row.start + next - 1, out);
                    out.push(b' ');
                }
                // The line end replaces the last blank.
                out.pop();
            }
        }
        out.push(b'\n');
        true
    }

    /// Returns the index of a sample, and the range of its row in the text.
    fn row(&self, position: Position) -> Option<(usize, Range<usize>)> {
        let at = usize::try_from(position.0.checked_sub(self.tail.0)?).ok()?;
        let end = self.entries.get(at)?.end;
        let start = if at == 0 { self.evicted_bytes } else { self.entries[at - 1].end };
        let offset = |end: u64| (end - self.evicted_bytes) as usize;
        let looks = self.entries[at].looks as usize;
        Some((at, offset(start) + looks..offset(end)))
    }

    fn find_fields(&mut self, at: Position, row: Range<usize>) {
        let FieldOffsets { position: found, starts } = &mut self.field_offsets;
        if *found == at {
            return;
        }
        *found = at;
        starts.clear();
        starts.push(0);
        let length = row.len();
        let bytes = self.text.range(row).enumerate();
        starts.extend(bytes.filter(|(_, byte)| **byte == b' ').map(|(at, _)| at + 1));
        starts.push(length + 1);
    }

    fn copy(&self, range: Range<usize>, out: &mut Vec<u8>) {
        // The ring buffer may wrap in the middle of the range.
        let (first, second) = self.text.as_slices();
        let cut = first.len();
        out.extend_from_slice(&first[range.start.min(cut)..range.end.min(cut)]);
        let in_second = |at: usize| at.saturating_sub(cut);
        out.extend_from_slice(&second[in_second(range.start)..in_second(range.end)]);
    }
}

fn make_room<T>(queue: &mut VecDeque<T>, more: usize) {
    if queue.capacity() - queue.len() < more {
        queue.reserve_exact(more.max(queue.len() / GROWTH_DIVISOR));
    }
}
