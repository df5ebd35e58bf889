//! What is in the ring: samples, encoded, side by side.

use std::collections::VecDeque;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::ops::Range;
use std::time::Duration;

use loadline_protocol::{RunId, Time};

use super::{Columns, SAMPLES_MAX};

/// What is full grows by this part of itself: a ring that is about to be as long as it will ever be
/// holds little that it does not need.
const GROWTH: usize = 8;

/// The samples of a run. They take the bytes of their rows and 24 more each.
///
/// **Invariant:** never empty once a run has begun; times strictly increase.
#[derive(Default)]
pub(super) struct Samples {
    pub(super) run: RunId,
    /// The number of the oldest sample; the others follow without a gap.
    pub(super) tail: u64,
    slots: VecDeque<Slot>,
    /// The rows of the subscribed stream with all columns, without line ends, one behind the other.
    text: VecDeque<u8>,
    /// How many bytes were in front of the text and are gone.
    gone: u64,
    /// Where the fields of a row begin, for clients with columns of their own: those of the newest
    /// sample are found once for all of them.
    fields: Fields,
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
    seq: u64,
    starts: Vec<usize>,
}

impl Samples {
    /// Begins a new run, whose first sample is to be pushed next, and forgets the others.
    pub(super) fn restart(&mut self) {
        (self.run, self.tail, self.gone) = (draw_run(), 1, 0);
        self.slots.clear();
        self.text.clear();
        self.fields = Fields::default();
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
    }

    pub(super) fn next_seq(&self) -> u64 {
        self.tail + self.slots.len() as u64
    }

    pub(super) fn newest(&self) -> u64 {
        self.next_seq() - 1
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
    pub(super) fn write(&mut self, seq: u64, columns: &Columns, out: &mut Vec<u8>) -> bool {
        let Some(row) = self.row(seq) else { return false };
        match columns {
            Columns::Plain => {
                let plain = &self.slots[(seq - self.tail) as usize].plain;
                let (start, end) = (plain.start as usize, plain.end as usize);
                self.copy(row.start + start..row.start + end, out);
            }
            Columns::All => self.copy(row, out),
            Columns::Chosen(chosen) => {
                self.find_fields(seq, row.clone());
                let stamp = [0, 1].into_iter();
                for at in stamp.chain(chosen.iter().map(|column| 2 + usize::from(*column))) {
                    let (start, next) = (self.fields.starts[at], self.fields.starts[at + 1]);
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
    fn row(&self, seq: u64) -> Option<Range<usize>> {
        let at = usize::try_from(seq.checked_sub(self.tail)?).ok()?;
        let end = self.slots.get(at)?.end;
        let start = if at == 0 { self.gone } else { self.slots[at - 1].end };
        Some((start - self.gone) as usize..(end - self.gone) as usize)
    }

    fn find_fields(&mut self, seq: u64, row: Range<usize>) {
        let Fields { seq: found, starts } = &mut self.fields;
        if *found == seq {
            return;
        }
        *found = seq;
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
fn draw_run() -> RunId {
    RunId(RandomState::new().build_hasher().finish() as u32)
}
