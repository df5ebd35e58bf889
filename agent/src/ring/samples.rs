//! What is in the ring: samples, encoded, side by side.

use std::collections::VecDeque;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::ops::Range;
use std::time::Duration;

use loadline_protocol::{Resume, RunId, Time};

use super::{Columns, SAMPLES_MAX};

/// What is full grows by this part of itself: a ring that is about to be as long as it will ever be
/// holds little that it does not need.
const GROWTH: usize = 8;

/// A number that leaves no room to count from there is no place.
const PLACES_MAX: u64 = u64::MAX / 2;

/// The samples of one run or of several. They take the bytes of their rows and 24 more each.
///
/// Each has a place: they are counted through all runs. In its run it has a number.
///
/// **Invariant:** never empty once a run has begun; times strictly increase.
#[derive(Default)]
pub(super) struct Samples {
    /// The place of the oldest sample; the others follow.
    pub(super) tail: u64,
    slots: VecDeque<Slot>,
    /// What they belong to, the oldest first. Not empty once a run has begun.
    stretches: VecDeque<Stretch>,
    /// The rows of the subscribed stream with all columns, without line ends, one behind the other.
    text: VecDeque<u8>,
    /// How many bytes were in front of the text and are gone.
    gone: u64,
    /// Where the fields of a row begin, for clients with columns of their own: those of the newest
    /// sample are found once for all of them.
    fields: Fields,
}

/// Samples of a run whose numbers follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Stretch {
    pub(super) run: RunId,
    /// The time between two samples of the run.
    pub(super) interval: Duration,
    /// The place of the first sample.
    first: u64,
    /// Its number.
    seq: u64,
}

impl Stretch {
    /// The number of the sample at this place.
    pub(super) fn seq_of(&self, at: u64) -> u64 {
        self.seq.saturating_add(at).saturating_sub(self.first)
    }
}

/// Where a sample is.
struct Slot {
    time: Time,
    /// Where its row ends and the next one begins, counted with what is gone.
    end: u64,
    /// The part of it that is the row of the plain stream.
    plain: Range<u32>,
}

/// Where the fields of a row begin; behind the last one follows where the row ends, and one more.
#[derive(Default)]
struct Fields {
    /// The place of the sample.
    at: u64,
    starts: Vec<usize>,
}

impl Samples {
    /// Forgets all samples. Their places are not given to others.
    pub(super) fn clear(&mut self) {
        self.tail = self.end();
        self.gone = 0;
        self.slots.clear();
        self.text.clear();
        self.fields = Fields::default();
    }

    /// Forgets the samples that are not older than this, whose places are given to others: to be
    /// called before there are readers.
    pub(super) fn forget_since(&mut self, time: Time) {
        while self.slots.back().is_some_and(|slot| slot.time >= time) {
            self.slots.pop_back();
        }
        let end = self.slots.back().map_or(self.gone, |slot| slot.end);
        self.text.truncate((end - self.gone) as usize);
    }

    /// Says what the sample is that is pushed next.
    pub(super) fn follow(&mut self, run: RunId, seq: u64, interval: Duration) {
        if self.slots.is_empty() && self.tail == 0 {
            // So each place before it has a number too: a client may ask for what was there.
            self.tail = if seq < PLACES_MAX { seq.max(1) } else { 1 };
        }
        let first = self.end();
        while self.stretches.back().is_some_and(|stretch| stretch.first >= first) {
            self.stretches.pop_back();
        }
        let goes_on = |stretch: &Stretch| stretch.run == run && stretch.seq_of(first) == seq;
        if !self.stretches.back().is_some_and(goes_on) {
            self.stretches.push_back(Stretch { run, interval, first, seq });
        }
        // If there is none, what was before cannot be asked for any more.
        if self.slots.is_empty() {
            self.stretches.drain(..self.stretches.len() - 1);
        }
    }

    /// Adds a sample: its row, and the part of that which is the row of the plain stream. Lets go
    /// of what is too old beside it.
    pub(super) fn push(&mut self, time: Time, row: &str, plain: Range<u32>, history: Duration) {
        self.evict(time, history);
        make_room(&mut self.slots, 1);
        make_room(&mut self.text, row.len());
        self.text.extend(row.as_bytes());
        self.slots.push_back(Slot { time, end: self.gone + self.text.len() as u64, plain });
    }

    fn evict(&mut self, now: Time, history: Duration) {
        let history_ms = i64::try_from(history.as_millis()).unwrap_or(i64::MAX);
        let oldest_ms = now.as_millis().saturating_sub(history_ms);
        while let Some(slot) = self.slots.front()
            && (slot.time.as_millis() < oldest_ms || self.slots.len() >= SAMPLES_MAX)
        {
            self.text.drain(..(slot.end - self.gone) as usize);
            self.gone = slot.end;
            self.slots.pop_front();
            self.tail += 1;
        }
        while self.stretches.get(1).is_some_and(|second| second.first <= self.tail) {
            self.stretches.pop_front();
        }
    }

    /// The place of the sample that is pushed next.
    fn end(&self) -> u64 {
        self.tail + self.slots.len() as u64
    }

    /// The number of the sample that is pushed next.
    pub(super) fn next_seq(&self) -> u64 {
        self.stretch_at(self.end()).seq_of(self.end())
    }

    /// The place of the newest sample.
    pub(super) fn newest(&self) -> u64 {
        self.end().saturating_sub(1)
    }

    /// The place of the newest sample whose number is a multiple of `every`, if it is there.
    pub(super) fn newest_of(&self, every: u64) -> Option<u64> {
        let newest = self.newest();
        let current = self.stretch_at(newest);
        let at = newest.checked_sub(current.seq_of(newest) % every)?;
        (at >= self.tail.max(current.first)).then_some(at)
    }

    /// What the sample at this place belongs to; what is before the first, to the first.
    pub(super) fn stretch_at(&self, at: u64) -> Stretch {
        let mut newest_first = self.stretches.iter().rev();
        let found = newest_first.find(|stretch| stretch.first <= at);
        found.or(self.stretches.front()).copied().unwrap_or_default()
    }

    /// The place of the last sample that belongs to this stretch.
    pub(super) fn last_of(&self, stretch: &Stretch) -> u64 {
        let mut newest_first = self.stretches.iter().rev();
        let followers = newest_first.by_ref().take_while(|other| other.first > stretch.first);
        followers.last().map_or(self.newest(), |next| next.first - 1)
    }

    /// The place behind this sample, and what the sample belongs to; `None` if nothing is known of
    /// its run. It may be gone.
    pub(super) fn behind(&self, Resume { run, seq }: Resume) -> Option<(u64, Stretch)> {
        let next = seq.saturating_add(1);
        let of_run = || self.stretches.iter().filter(|stretch| stretch.run == run);
        let holds = |stretch: &&Stretch| stretch.seq <= next;
        let stretch = of_run().rev().find(holds).or_else(|| of_run().next())?;
        let at = stretch.first.saturating_add(next).saturating_sub(stretch.seq);
        // What was before the oldest stretch is gone, what is before another is not of its run.
        let is_oldest = self.stretches.front() == Some(stretch);
        let least = if is_oldest { 0 } else { stretch.first };
        Some((at.clamp(least, self.last_of(stretch) + 1), *stretch))
    }

    /// The bytes of all rows, with their line ends.
    pub(super) fn bytes(&self) -> u64 {
        (self.text.len() + self.slots.len()) as u64
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// The time of the newest sample; of none, the first of all times.
    pub(super) fn newest_time(&self) -> Time {
        self.slots.back().map_or(Time::default(), |slot| slot.time)
    }

    /// The first sample of the last `span`.
    pub(super) fn first_of_last(&self, span: Duration) -> u64 {
        let since_ms = self.newest_time().as_millis().saturating_sub(span.as_millis() as i64);
        self.tail + self.slots.partition_point(|slot| slot.time.as_millis() < since_ms) as u64
    }

    /// Appends the row of a sample in this form, with its line end. False if it is not there.
    pub(super) fn write(&mut self, at: u64, columns: &Columns, out: &mut Vec<u8>) -> bool {
        let Some(row) = self.row(at) else { return false };
        match columns {
            Columns::Plain => {
                let plain = &self.slots[(at - self.tail) as usize].plain;
                let (start, end) = (plain.start as usize, plain.end as usize);
                self.copy(row.start + start..row.start + end, out);
            }
            Columns::All => self.copy(row, out),
            Columns::Chosen(chosen) => {
                self.find_fields(at, row.clone());
                let stamp = [0, 1].into_iter();
                for field in stamp.chain(chosen.iter().map(|column| 2 + usize::from(*column))) {
                    let (start, next) = (self.fields.starts[field], self.fields.starts[field + 1]);
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
        let end = self.slots.get(at)?.end;
        let start = if at == 0 { self.gone } else { self.slots[at - 1].end };
        Some((start - self.gone) as usize..(end - self.gone) as usize)
    }

    fn find_fields(&mut self, at: u64, row: Range<usize>) {
        let Fields { at: found, starts } = &mut self.fields;
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
        (self.slots.capacity(), self.text.capacity())
    }

    #[cfg(test)]
    pub(super) fn times(&self) -> Vec<Time> {
        self.slots.iter().map(|slot| slot.time).collect()
    }
}

fn make_room<T>(queue: &mut VecDeque<T>, more: usize) {
    if queue.capacity() - queue.len() < more {
        queue.reserve_exact(more.max(queue.len() / GROWTH));
    }
}

/// Random, so that no two starts of an agent have the same one.
pub(super) fn draw_run() -> RunId {
    RunId(RandomState::new().build_hasher().finish() as u32)
}
