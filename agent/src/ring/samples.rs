//! What is in the ring: samples, encoded, side by side.

use std::collections::VecDeque;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::ops::Range;
use std::time::Duration;

use loadline_protocol::{Resume, RunId, Time};

use super::{Columns, SAMPLES_MAX};

/// What is full grows by this part of itself: a ring that is about to be as long as it will ever be
/// holds little that it does not need.
const GROWTH_DIVISOR: usize = 8;

/// A number that leaves no room to count from there is no place.
const POSITION_MAX: u64 = u64::MAX / 2;

/// The samples of one run or of several. They take the bytes of their rows and 24 more each.
///
/// Each has a place: they are counted through all runs. In its run it has a number.
///
/// **Invariant:** never empty once a run has begun; times strictly increase.
#[derive(Default)]
pub(super) struct Samples {
    /// The place of the oldest sample; the others follow.
    pub(super) tail: u64,
    entries: VecDeque<SampleEntry>,
    /// What they belong to, the oldest first. Not empty once a run has begun.
    segments: VecDeque<Segment>,
    /// The rows of the subscribed stream with all columns, without line ends, one behind the other.
    text: VecDeque<u8>,
    /// How many bytes were in front of the text and are gone.
    evicted_bytes: u64,
    /// Where the fields of a row begin, for clients with columns of their own: those of the newest
    /// sample are found once for all of them.
    field_offsets: FieldOffsets,
}

/// Samples of a run whose numbers follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Segment {
    pub(super) run: RunId,
    /// The time between two samples of the run.
    pub(super) interval: Duration,
    /// The place of the first sample.
    first_position: u64,
    /// Its number.
    first_seq: u64,
}

impl Segment {
    /// The number of the sample at this place.
    pub(super) fn seq_of(&self, at: u64) -> u64 {
        self.first_seq.saturating_add(at).saturating_sub(self.first_position)
    }
}

/// Where a sample is.
struct SampleEntry {
    time: Time,
    /// Where its row ends and the next one begins, counted with what is gone.
    end: u64,
    /// The part of it that is the row of the plain stream.
    plain: Range<u32>,
}

/// Where the fields of a row begin; behind the last one follows where the row ends, and one more.
#[derive(Default)]
struct FieldOffsets {
    /// The place of the sample.
    position: u64,
    starts: Vec<usize>,
}

impl Samples {
    /// Forgets all samples. Their places are not given to others.
    pub(super) fn clear(&mut self) {
        self.tail = self.end();
        self.evicted_bytes = 0;
        self.entries.clear();
        self.text.clear();
        self.field_offsets = FieldOffsets::default();
    }

    /// Forgets the samples that are not older than this, whose places are given to others: to be
    /// called before there are readers.
    pub(super) fn forget_since(&mut self, time: Time) {
        while self.entries.back().is_some_and(|slot| slot.time >= time) {
            self.entries.pop_back();
        }
        let end = self.entries.back().map_or(self.evicted_bytes, |slot| slot.end);
        self.text.truncate((end - self.evicted_bytes) as usize);
    }

    /// Says what the sample is that is pushed next.
    pub(super) fn begin_segment(&mut self, run: RunId, seq: u64, interval: Duration) {
        if self.entries.is_empty() && self.tail == 0 {
            // So each place before it has a number too: a client may ask for what was there.
            self.tail = if seq < POSITION_MAX { seq.max(1) } else { 1 };
        }
        let first = self.end();
        while self.segments.back().is_some_and(|stretch| stretch.first_position >= first) {
            self.segments.pop_back();
        }
        let continues = |segment: &Segment| segment.run == run && segment.seq_of(first) == seq;
        if !self.segments.back().is_some_and(continues) {
            self.segments.push_back(Segment {
                run,
                interval,
                first_position: first,
                first_seq: seq,
            });
        }
        // If there is none, what was before cannot be asked for any more.
        if self.entries.is_empty() {
            self.segments.drain(..self.segments.len() - 1);
        }
    }

    /// Adds a sample: its row, and the part of that which is the row of the plain stream. Lets go
    /// of what is too old beside it.
    pub(super) fn push(&mut self, time: Time, row: &str, plain: Range<u32>, history: Duration) {
        self.evict(time, history);
        make_room(&mut self.entries, 1);
        make_room(&mut self.text, row.len());
        self.text.extend(row.as_bytes());
        self.entries.push_back(SampleEntry {
            time,
            end: self.evicted_bytes + self.text.len() as u64,
            plain,
        });
    }

    fn evict(&mut self, now: Time, history: Duration) {
        let oldest = now - history;
        while let Some(slot) = self.entries.front()
            && (slot.time < oldest || self.entries.len() >= SAMPLES_MAX)
        {
            self.text.drain(..(slot.end - self.evicted_bytes) as usize);
            self.evicted_bytes = slot.end;
            self.entries.pop_front();
            self.tail += 1;
        }
        while self.segments.get(1).is_some_and(|second| second.first_position <= self.tail) {
            self.segments.pop_front();
        }
    }

    /// The place of the sample that is pushed next.
    fn end(&self) -> u64 {
        self.tail + self.entries.len() as u64
    }

    /// The number of the sample that is pushed next.
    pub(super) fn next_seq(&self) -> u64 {
        self.segment_at(self.end()).seq_of(self.end())
    }

    /// The place of the newest sample.
    pub(super) fn newest(&self) -> u64 {
        self.end().saturating_sub(1)
    }

    /// The place of the newest sample whose number is a multiple of `every`, if it is there.
    pub(super) fn newest_multiple_of(&self, every: u64) -> Option<u64> {
        let newest = self.newest();
        let current = self.segment_at(newest);
        let at = newest.checked_sub(current.seq_of(newest) % every)?;
        (at >= self.tail.max(current.first_position)).then_some(at)
    }

    /// What the sample at this place belongs to; what is before the first, to the first.
    pub(super) fn segment_at(&self, at: u64) -> Segment {
        let mut newest_first = self.segments.iter().rev();
        let found = newest_first.find(|stretch| stretch.first_position <= at);
        found.or(self.segments.front()).copied().unwrap_or_default()
    }

    /// The place of the last sample that belongs to this stretch.
    pub(super) fn last_of_segment(&self, segment: &Segment) -> u64 {
        let mut newest_first = self.segments.iter().rev();
        let followers =
            newest_first.by_ref().take_while(|other| other.first_position > segment.first_position);
        followers.last().map_or(self.newest(), |next| next.first_position - 1)
    }

    /// The place behind this sample, and what the sample belongs to; `None` if nothing is known of
    /// its run. It may be gone.
    pub(super) fn position_after(&self, Resume { run, seq }: Resume) -> Option<(u64, Segment)> {
        let next = seq.saturating_add(1);
        let of_run = || self.segments.iter().filter(|stretch| stretch.run == run);
        let holds = |stretch: &&Segment| stretch.first_seq <= next;
        let segment = of_run().rev().find(holds).or_else(|| of_run().next())?;
        let at = segment.first_position.saturating_add(next).saturating_sub(segment.first_seq);
        // What was before the oldest stretch is gone, what is before another is not of its run.
        let is_oldest = self.segments.front() == Some(segment);
        let least = if is_oldest { 0 } else { segment.first_position };
        Some((at.clamp(least, self.last_of_segment(segment) + 1), *segment))
    }

    /// The bytes of all rows, with their line ends.
    pub(super) fn bytes(&self) -> u64 {
        (self.text.len() + self.entries.len()) as u64
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The time of the newest sample; of none, the first of all times.
    pub(super) fn newest_time(&self) -> Time {
        self.entries.back().map_or(Time::default(), |slot| slot.time)
    }

    /// The first sample of the last `span`.
    pub(super) fn first_within(&self, span: Duration) -> u64 {
        let since = self.newest_time() - span;
        self.tail + self.entries.partition_point(|slot| slot.time < since) as u64
    }

    /// Appends the row of a sample in this form, with its line end. False if it is not there.
    pub(super) fn write_row(&mut self, at: u64, columns: &Columns, out: &mut Vec<u8>) -> bool {
        let Some(row) = self.row(at) else { return false };
        match columns {
            Columns::Plain => {
                let plain = &self.entries[(at - self.tail) as usize].plain;
                let (start, end) = (plain.start as usize, plain.end as usize);
                self.copy(row.start + start..row.start + end, out);
            }
            Columns::All => self.copy(row, out),
            Columns::Chosen(chosen) => {
                self.find_fields(at, row.clone());
                let stamp = [0, 1].into_iter();
                for field in stamp.chain(chosen.iter().map(|column| 2 + usize::from(*column))) {
                    let (start, next) =
                        (self.field_offsets.starts[field], self.field_offsets.starts[field + 1]);
                    self.copy(row.start + start..row.start + next - 1, out);
                    out.push(b' ');
                }
                // The line end takes the place of the last blank.
                out.pop();
            }
        }
        out.push(b'\n');
        true
    }

    /// Where in the text the row of a sample is.
    fn row(&self, at: u64) -> Option<Range<usize>> {
        let at = usize::try_from(at.checked_sub(self.tail)?).ok()?;
        let end = self.entries.get(at)?.end;
        let start = if at == 0 { self.evicted_bytes } else { self.entries[at - 1].end };
        Some((start - self.evicted_bytes) as usize..(end - self.evicted_bytes) as usize)
    }

    fn find_fields(&mut self, at: u64, row: Range<usize>) {
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
        // The text may begin anew in the middle of the range.
        let (first, second) = self.text.as_slices();
        let cut = first.len();
        out.extend_from_slice(&first[range.start.min(cut)..range.end.min(cut)]);
        let behind = |at: usize| at.saturating_sub(cut);
        out.extend_from_slice(&second[behind(range.start)..behind(range.end)]);
    }

    /// What the samples take: how many there are room for, and how many bytes of text.
    #[cfg(test)]
    pub(super) fn memory(&self) -> (usize, usize) {
        (self.entries.capacity(), self.text.capacity())
    }

    #[cfg(test)]
    pub(super) fn times(&self) -> Vec<Time> {
        self.entries.iter().map(|slot| slot.time).collect()
    }
}

fn make_room<T>(queue: &mut VecDeque<T>, more: usize) {
    if queue.capacity() - queue.len() < more {
        queue.reserve_exact(more.max(queue.len() / GROWTH_DIVISOR));
    }
}

/// Random, so that no two starts of an agent have the same one.
pub(super) fn random_run() -> RunId {
    RunId(RandomState::new().build_hasher().finish() as u32)
}
