//! What a link tells of its source: the same events for the screen and for every output.

use std::sync::Arc;

use loadline_protocol::{Header, Health, Note, SafeText, Schema, Time};

/// One thing that happened at a source.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A connection is being made.
    Connecting,
    /// A connection stands; nothing is known yet of what comes over it.
    Connected,
    /// A recording is read from its beginning.
    Replaying,
    /// So much of a large recording is read, percent; 100 once it is all.
    ReadProgress(u8),
    /// Nothing follows any more.
    Ended {
        /// Why, in words.
        reason: SafeText,
        /// Whether there should have been more.
        failed: bool,
    },
    /// A line above the rows names the columns of the stream that follows.
    HeadingLine,
    /// A word to the user.
    Warning(SafeText),
    /// There is no connection, and this is why; the next try is made at `retry_at`.
    Disconnected {
        /// Why, in words.
        reason: SafeText,
        /// Whether the agent refused what was asked: asked again, it gives the same answer.
        refused: bool,
        /// When the next try is made, by this machine's clock.
        retry_at: Time,
    },
    /// Bytes have come.
    Received {
        /// How many.
        bytes: u64,
    },
    /// What the rows that follow mean: once per connection, and again when it changes.
    Stream(Arc<StreamInfo>),
    /// Samples, in their order.
    Rows(Rows),
    /// The history is through.
    Live,
    /// Rows that the agent no longer had for us.
    Skipped {
        /// How many.
        count: u64,
    },
    /// How the agent itself is.
    Health(Health),
    /// A note as it came, for those who want the stream itself.
    Note(Note),
    /// Lines that were no row, skipped since the last such event.
    Faults {
        /// How many.
        count: u64,
        /// What is wrong with the first of them.
        first: SafeText,
        /// What is wrong with the last of them.
        last: SafeText,
    },
}

/// What the rows of a connection mean.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamInfo {
    /// What the agent says of itself; `None` for a plain stream.
    pub header: Option<Header>,
    /// The columns. Its stamp is that of the lines.
    pub schema: Schema,
}

/// A row with its times.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample<'a> {
    /// When it was taken, by the agent's clock; for a plain stream when it was received.
    pub time: Time,
    /// Its number within the run; `None` in a plain stream.
    pub seq: Option<u64>,
    /// When it was received, by this machine's clock.
    pub received: Time,
    /// The values in the order of the stream's columns; NaN is a missing value.
    pub values: &'a [f64],
    /// The line itself, if the link was asked to keep it.
    pub line: Option<&'a str>,
}

/// Samples of one stream side by side: as many as came at once, up to a bound. So a flood of rows
/// costs an allocation now and then, not one a row.
///
/// **Invariant:** there is at least one; each sample has as many values as the others, and a line
/// if the others have.
#[derive(Debug, Clone, PartialEq)]
pub struct Rows {
    columns: usize,
    times: Vec<Time>,
    seqs: Vec<Option<u64>>,
    received: Vec<Time>,
    values: Vec<f64>,
    lines: Vec<Box<str>>,
}

impl Rows {
    /// The most numbers of several samples, the two times and the sequence number of each counted
    /// in; a single sample may have more. It is what a read of 16 KiB holds at two bytes a number.
    pub const NUMBERS_MAX: usize = 8 * 1024;

    /// A single sample.
    #[must_use]
    pub fn one(sample: Sample<'_>) -> Rows {
        Rows {
            columns: sample.values.len(),
            times: vec![sample.time],
            seqs: vec![sample.seq],
            received: vec![sample.received],
            values: sample.values.to_vec(),
            lines: sample.line.map(Box::from).into_iter().collect(),
        }
    }

    /// Appends a sample; false if it does not fit: there are too many already, or they are of
    /// another kind.
    #[must_use]
    pub fn try_append(&mut self, sample: Sample<'_>) -> bool {
        let is_alike =
            sample.values.len() == self.columns && sample.line.is_some() != self.lines.is_empty();
        if !is_alike || (self.len() + 1) * (self.columns + 3) > Rows::NUMBERS_MAX {
            return false;
        }
        self.times.push(sample.time);
        self.seqs.push(sample.seq);
        self.received.push(sample.received);
        self.values.extend_from_slice(sample.values);
        self.lines.extend(sample.line.map(Box::from));
        true
    }

    /// How many samples there are.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "they are never empty")]
    pub fn len(&self) -> usize {
        self.times.len()
    }

    /// The samples, in their order.
    pub fn iter(&self) -> impl Iterator<Item = Sample<'_>> {
        (0..self.len()).map(|at| Sample {
            time: self.times[at],
            seq: self.seqs[at],
            received: self.received[at],
            values: &self.values[at * self.columns..][..self.columns],
            line: self.lines.get(at).map(|line| &**line),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample<'a>(ms: i64, values: &'a [f64], line: Option<&'a str>) -> Sample<'a> {
        let time = Time::from_millis(ms);
        Sample { time, seq: None, received: time, values, line }
    }

    #[test]
    fn samples_of_a_batch_come_out_as_they_went_in() {
        let samples = [sample(1, &[1.0, 2.0], Some("1 2")), sample(2, &[3.0, 4.0], Some("3 4"))];
        let mut rows = Rows::one(samples[0]);
        assert!(rows.try_append(samples[1]));
        assert_eq!(rows.iter().collect::<Vec<_>>(), samples);
    }

    #[test]
    fn a_batch_refuses_another_kind_of_sample_and_one_too_many() {
        let mut rows = Rows::one(sample(0, &[1.0], None));
        assert!(!rows.try_append(sample(1, &[1.0, 2.0], None)));
        assert!(!rows.try_append(sample(1, &[1.0], Some("1"))));
        let taken =
            (1..100_000).take_while(|ms| rows.try_append(sample(*ms, &[1.0], None))).count();
        assert_eq!((taken + 1, rows.len()), (Rows::NUMBERS_MAX / 4, Rows::NUMBERS_MAX / 4));
        let wide = vec![0.0; 2 * Rows::NUMBERS_MAX];
        assert!(!Rows::one(sample(0, &wide, None)).try_append(sample(1, &wide, None)));
    }
}
