//! What a link tells of its source: the same events for the screen and for every output.

use std::sync::Arc;

use loadline_protocol::{Header, Note, Schema, Text, Time};

/// One thing that happened at a source.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A connection is being made.
    Connecting,
    /// A connection stands; nothing is known yet of what comes over it.
    Connected,
    /// There is no connection, and this is why; the next try is made at `retry`.
    Down {
        /// Why, in words.
        reason: Text,
        /// Whether the agent refused what was asked: asked again, it gives the same answer.
        refused: bool,
        /// When the next try is made, by this machine's clock.
        retry: Time,
    },
    /// Bytes have come.
    Received {
        /// How many.
        bytes: u64,
    },
    /// What the rows that follow mean: once per connection, and again when it changes.
    Stream(Arc<Stream>),
    /// A sample.
    Row(Sample),
    /// The history is through.
    Live,
    /// Rows that the agent no longer had for us.
    Skipped {
        /// How many.
        count: u64,
    },
    /// A note as it came, for those who want the stream itself.
    Note(Note),
    /// Lines that were no row, skipped since the last such event.
    Faults {
        /// How many.
        count: u64,
        /// What is wrong with the last of them.
        last: Text,
    },
}

/// What the rows of a connection mean.
#[derive(Debug, Clone, PartialEq)]
pub struct Stream {
    /// What the agent says of itself; `None` for a plain stream.
    pub header: Option<Header>,
    /// The columns. Its stamp is that of the lines.
    pub schema: Schema,
}

/// A row with its times.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// When it was taken, by the agent's clock; for a plain stream when it was received.
    pub time: Time,
    /// Its number within the run; `None` in a plain stream.
    pub seq: Option<u64>,
    /// When it was received, by this machine's clock.
    pub received: Time,
    /// The values in the order of the stream's columns; NaN is a missing value.
    pub values: Vec<f64>,
    /// The line itself, if the link was asked to keep it.
    pub line: Option<Box<str>>,
}
