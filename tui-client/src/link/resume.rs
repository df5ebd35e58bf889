//! Position in a source, kept across connections so that no sample is delivered twice.

use loadline_protocol::{LineError, Resume, RunId, Time};

/// Last delivered row, and what is known of the server.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct ResumeState {
    /// Run and sequence number of the last delivered row.
    pub(super) last: Option<Resume>,
    /// Timestamp of the last delivered row, by the agent's clock.
    pub(super) last_time: Option<Time>,
    /// Time of the last delivered row without a timestamp.
    pub(super) last_plain_time: Option<Time>,
    /// Number of fields of a plain row.
    pub(super) plain_count: Option<usize>,
    /// Arrival time of the last row, by our clock.
    pub(super) last_received: Option<Time>,
    /// True if the server has answered a request, so it knows requests.
    pub(super) answered: bool,
}

impl ResumeState {
    /// Notes a header. Another run has its own times and sequence numbers.
    pub(super) fn begin_stream(&mut self, run: Option<RunId>) {
        self.answered = true;
        if self.last.is_none_or(|last| Some(last.run) != run) {
            (self.last, self.last_time) = (None, None);
        }
    }

    /// Notes a row with a timestamp. Returns false if the row was delivered before.
    ///
    /// # Errors
    /// The time does not rise.
    pub(super) fn advance(&mut self, time: Time, at: Option<Resume>) -> Result<bool, LineError> {
        if self.last.zip(at).is_some_and(|(last, at)| at.seq <= last.seq) {
            return Ok(false);
        }
        if self.last_time.is_some_and(|last| time <= last) {
            return Err(LineError::TimeNotIncreasing(time));
        }
        (self.last, self.last_time) = (at, Some(time));
        Ok(true)
    }
}
