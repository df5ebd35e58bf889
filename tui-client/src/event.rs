//! Events of a source, sent by its link. The screen and all outputs receive the same events.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use loadline_protocol::{Header, Health, Look, Note, SafeText, Schema, Seq, Time};

use crate::import::Recognized;

/// Event of a source.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The link tries to connect.
    Connecting,
    /// The connection is open. Its stream is not known yet.
    Connected,
    /// A request was sent.
    RequestSent {
        /// Time by this machine's clock.
        at: Time,
    },
    /// This machine's clock was set ahead, or the machine slept.
    TimeJumped,
    /// The link starts to read a recording.
    Replaying,
    /// Progress of reading a large recording in percent; 100 at its end.
    ReadProgress(u8),
    /// The source has ended. No further events follow.
    Ended {
        /// Reason, for display.
        reason: SafeText,
        /// True if the source ended with an error.
        failed: bool,
    },
    /// The rows that follow are those of a table that another program wrote.
    Imported(Arc<Recognized>),
    /// The columns so far had wrong names. The stream that follows names the same columns.
    Misnamed,
    /// The rows are recorded, or wait for the file.
    Recording(RecordingState),
    /// Message for the user.
    Warning(SafeText),
    /// The connection failed or was lost.
    Disconnected {
        /// Reason, for display.
        reason: SafeText,
        /// True if the agent refused the request. The same request will fail again.
        refused: bool,
        /// Time of the next attempt, by this machine's clock. `None` if a person has to log in again.
        retry_at: Option<Time>,
    },
    /// Rows are overdue on an open connection. Holds until the next row, or the end of the connection.
    Overdue(Overdue),
    /// Bytes were received.
    Received {
        /// Number of bytes.
        bytes: u64,
    },
    /// Description of the rows that follow. Sent once per connection and at each change.
    Stream(Arc<StreamInfo>),
    /// Samples, in order.
    Rows(Rows),
    /// Look at the processes, before the row that follows.
    Look(Arc<Look>),
    /// End of the history.
    Live,
    /// Rows that are lost to this client.
    Skipped {
        /// Number of rows.
        count: u64,
    },
    /// Health of the agent process.
    Health(Health),
    /// Unchanged note, for the raw output and recordings.
    Note(Note),
    /// Earlier samples, which the user asked for: they come beside the rows.
    Past(PastEvent),
    /// Faulty lines, skipped since the previous `Faults` event.
    Faults {
        /// Number of lines.
        count: u64,
        /// Error in the first line.
        first: SafeText,
        /// Error in the last line.
        last: SafeText,
    },
}

/// Event of earlier samples.
#[derive(Debug, Clone, PartialEq)]
pub enum PastEvent {
    /// Description of the rows that follow.
    Stream(Arc<StreamInfo>),
    /// Samples, in order.
    Rows(Rows),
    /// Look at the processes.
    Look(Arc<Look>),
    /// Rows that are lost to this client, before the row that follows.
    Skipped {
        /// Number of rows.
        count: u64,
    },
    /// All samples of these times have arrived.
    Loaded(Range<Time>),
    /// The agent sends no more of what was asked for.
    Failed,
}

/// Remark on overdue rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overdue {
    /// The agent was asked, and has not answered yet.
    Asked,
    /// The agent has answered.
    NotSampling,
    /// A server that is no agent has answered.
    NoneNewer,
    /// The server does not know the question.
    Unasked,
}

impl Overdue {
    /// Returns the remark as text.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Overdue::Asked => "no rows, asking the agent",
            Overdue::NotSampling => "the agent answers, but takes no samples",
            Overdue::NoneNewer => "the server answers, but has no newer samples",
            Overdue::Unasked => "no rows, and the server cannot be asked",
        }
    }
}

/// State of the file to which rows are recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordingState {
    /// The file takes each row.
    On,
    /// The file has taken no row for this time. Rows wait in memory.
    Stalled(Duration),
}

/// Description of the rows of a connection.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamInfo {
    /// First header of the agent; `None` for a plain stream.
    pub header: Option<Header>,
    /// Columns, with the stamp of the received lines.
    pub schema: Schema,
}

impl StreamInfo {
    /// Returns why the stream has no looks at the processes, to follow `no processes: `. `None` if the
    /// stream may have some.
    pub(crate) fn missing_looks(&self) -> Option<&'static str> {
        let Some(header) = &self.header else { return Some("the source sends only rows") };
        match (header.top.unwrap_or_default(), &header.agent) {
            (1.., _) => None,
            (0, Some(_)) => Some("the agent is older, or runs with --top 0"),
            (0, None) => Some("the source is no agent"),
        }
    }

    /// Returns whether both describe rows of the same run and the same columns.
    pub(crate) fn is_same_stream(&self, other: &StreamInfo) -> bool {
        let run = |stream: &StreamInfo| stream.header.as_ref().and_then(|header| header.run);
        run(self).is_some() && run(self) == run(other) && self.schema == other.schema
    }
}

/// Row with its times.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample<'a> {
    /// Timestamp by the agent's clock; the time of receipt for a plain stream.
    pub time: Time,
    /// Sequence number within the run; `None` in a plain stream.
    pub seq: Option<Seq>,
    /// Time of receipt, by this machine's clock.
    pub received: Time,
    /// Values in the order of the stream's columns; NaN is a missing value.
    pub values: &'a [f64],
    /// Original line, if the link was asked to keep lines.
    pub line: Option<&'a str>,
}

/// Batch of samples of one stream that arrived together. Batching saves an allocation per row.
///
/// **Invariant:** at least one sample, at most `Rows::NUMBERS_MAX` numbers. All samples have the
/// same number of values, and either all or none have a line.
#[derive(Debug, Clone, PartialEq)]
pub struct Rows {
    columns: usize,
    /// Timestamp, sequence number and time of receipt of each sample.
    stamps: Vec<(Time, Option<Seq>, Time)>,
    values: Vec<f64>,
    lines: Vec<Box<str>>,
}

impl Rows {
    /// Maximum count of numbers in a batch of several samples, including two times and a sequence
    /// number each: as many as a read of 16 KiB holds at two bytes each. One sample may have more.
    pub(crate) const NUMBERS_MAX: usize = 8 * 1024;

    /// Creates a batch of one sample.
    pub fn one(sample: Sample<'_>) -> Rows {
        Rows {
            columns: sample.values.len(),
            stamps: vec![(sample.time, sample.seq, sample.received)],
            values: sample.values.to_vec(),
            lines: sample.line.map(Box::from).into_iter().collect(),
        }
    }

    /// Appends a sample. Returns false, and changes nothing, if the batch is full or the sample
    /// would break the invariant.
    pub(crate) fn try_append(&mut self, sample: Sample<'_>) -> bool {
        let is_alike =
            sample.values.len() == self.columns && sample.line.is_some() != self.lines.is_empty();
        if !is_alike || (self.len() + 1) * (self.columns + 3) > Rows::NUMBERS_MAX {
            return false;
        }
        self.stamps.push((sample.time, sample.seq, sample.received));
        self.values.extend_from_slice(sample.values);
        self.lines.extend(sample.line.map(Box::from));
        true
    }

    /// Returns the number of samples.
    #[expect(clippy::len_without_is_empty, reason = "a batch is never empty")]
    pub fn len(&self) -> usize {
        self.stamps.len()
    }

    /// Returns the samples, in order.
    pub fn iter(&self) -> impl Iterator<Item = Sample<'_>> {
        self.stamps.iter().enumerate().map(|(at, &(time, seq, received))| Sample {
            time,
            seq,
            received,
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
    fn a_batch_returns_the_appended_samples() {
        let samples = [sample(1, &[1.0, 2.0], Some("1 2")), sample(2, &[3.0, 4.0], Some("3 4"))];
        let mut rows = Rows::one(samples[0]);
        assert!(rows.try_append(samples[1]));
        assert_eq!(rows.iter().collect::<Vec<_>>(), samples);
    }

    #[test]
    fn a_batch_rejects_different_samples_and_samples_beyond_its_limit() {
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
