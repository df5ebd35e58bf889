//! Encoded rows of consecutive samples, with the looks in front of them.

use std::collections::VecDeque;
use std::ops::Range;

use loadline_protocol::{PLAIN_COLUMNS, Time};

use super::position::Position;

/// Consecutive samples. A sample takes the bytes of its looks and its row, and 32 more.
#[derive(Default)]
pub(super) struct Rows {
    /// Position of the first sample.
    pub(super) first: Position,
    entries: VecDeque<RowEntry>,
    /// Rows of the subscribed stream with all columns, each with its line end. In front of a row are
    /// the notes of its looks.
    text: Vec<u8>,
    /// Bytes in front of the text, removed so far.
    removed_bytes: u64,
    /// Bytes of the text in front of the first sample, to be removed together.
    dropped_bytes: usize,
}

/// Time and row of a sample.
struct RowEntry {
    time: Time,
    /// End of the row. Removed bytes count.
    end: u64,
    /// Length of the looks in front of the row.
    looks: u32,
    /// Range within the row that is the row of the plain stream.
    plain: Range<u32>,
}

/// Text of a sample.
pub(super) struct RowText<'r> {
    /// Notes of the looks, with line ends.
    pub(super) looks: &'r [u8],
    /// Row of the subscribed stream, with its line end.
    pub(super) row: &'r [u8],
    /// Range of the row that is the row of the plain stream.
    pub(super) plain: Range<usize>,
}

impl Rows {
    /// Creates an empty buffer for samples from a position on.
    pub(super) fn new(first: Position) -> Rows {
        Rows { first, ..Rows::default() }
    }

    /// Creates a buffer of the samples from a position on, from [`Rows::text`].
    pub(super) fn from_text(first: Position, text: Vec<u8>) -> Rows {
        let mut rows = Rows { text, ..Rows::new(first) };
        let (mut start, mut end) = (0, 0);
        for line in rows.text.split_inclusive(|byte| *byte == b'\n') {
            end += line.len();
            if !line.starts_with(b"#") {
                let time = line.split(|byte| *byte == b' ').next().unwrap_or_default();
                let time = str::from_utf8(time).ok().and_then(|time| time.parse().ok());
                let (looks, plain) = ((end - line.len() - start) as u32, plain_range(line));
                let (time, end) = (time.unwrap_or_default(), end as u64);
                rows.entries.push_back(RowEntry { time, end, looks, plain });
                start = end as usize;
            }
        }
        rows
    }

    /// Appends a sample: the notes of its looks, and its row with the line end.
    pub(super) fn push(&mut self, time: Time, looks: &str, row: &str) {
        self.text.extend_from_slice(looks.as_bytes());
        self.text.extend_from_slice(row.as_bytes());
        let end = self.removed_bytes + self.text.len() as u64;
        let plain = plain_range(row.as_bytes());
        self.entries.push_back(RowEntry { time, end, looks: looks.len() as u32, plain });
    }

    /// Removes the oldest samples.
    pub(super) fn drop_first(&mut self, count: usize) {
        self.first.0 += count as u64;
        self.dropped_bytes = self.start_of(count);
        self.entries.drain(..count);
        // Moving the text once in a while costs less than a ring of bytes that wraps in a row.
        if 2 * self.dropped_bytes >= self.text.len() {
            self.text.drain(..self.dropped_bytes);
            self.removed_bytes += self.dropped_bytes as u64;
            self.dropped_bytes = 0;
        }
    }

    /// Removes the newest sample.
    pub(super) fn drop_last(&mut self) {
        self.entries.pop_back();
        self.text.truncate(self.start_of(self.len()));
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Position after the last sample.
    pub(super) fn end(&self) -> Position {
        Position(self.first.0 + self.len() as u64)
    }

    pub(super) fn holds(&self, position: Position) -> bool {
        (self.first..self.end()).contains(&position)
    }

    /// Time of a sample, from 0.
    pub(super) fn time(&self, at: usize) -> Option<Time> {
        Some(self.entries.get(at)?.time)
    }

    /// Time of the first sample.
    pub(super) fn first_time(&self) -> Option<Time> {
        self.time(0)
    }

    /// Time of the last sample.
    pub(super) fn last_time(&self) -> Option<Time> {
        self.time(self.len().checked_sub(1)?)
    }

    /// Position of the first sample that is not before `time`.
    pub(super) fn first_since(&self, time: Time) -> Position {
        Position(self.first.0 + self.entries.partition_point(|entry| entry.time < time) as u64)
    }

    /// Rows and looks of all samples.
    pub(super) fn text(&self) -> &[u8] {
        &self.text[self.dropped_bytes..]
    }

    /// Number of the first samples whose rows and looks have at least this size. All, if they have
    /// less.
    pub(super) fn count_of_bytes(&self, bytes: usize) -> usize {
        let end = self.removed_bytes + (self.dropped_bytes + bytes) as u64;
        (self.entries.partition_point(|entry| entry.end < end) + 1).min(self.len())
    }

    /// Rows and looks of the first samples.
    pub(super) fn text_of_first(&self, count: usize) -> &[u8] {
        &self.text[self.dropped_bytes..self.start_of(count)]
    }

    /// Text of the sample at a position, if it is here.
    pub(super) fn get(&self, position: Position) -> Option<RowText<'_>> {
        let at = usize::try_from(position.0.checked_sub(self.first.0)?).ok()?;
        let RowEntry { looks, plain, .. } = self.entries.get(at)?;
        let text = &self.text[self.start_of(at)..self.start_of(at + 1)];
        let (looks, row) = text.split_at(*looks as usize);
        Some(RowText { looks, row, plain: plain.start as usize..plain.end as usize })
    }

    /// Start of a sample in the text; of the one after the last, the end of the text.
    fn start_of(&self, at: usize) -> usize {
        match at.checked_sub(1) {
            Some(previous) => (self.entries[previous].end - self.removed_bytes) as usize,
            None => self.dropped_bytes,
        }
    }
}

/// Range of the plain row in a row with a line end: it begins after timestamp and sequence number, and
/// ends before the first extra column.
fn plain_range(row: &[u8]) -> Range<u32> {
    let length = row.len().saturating_sub(1);
    let mut blanks = row.iter().enumerate().filter(|(_, byte)| **byte == b' ');
    let mut blank = |nth| blanks.nth(nth).map_or(length, |(at, _)| at) as u32;
    let (before, after) = (blank(1), blank(PLAIN_COLUMNS.len() - 1));
    before + 1..after.max(before + 1)
}
