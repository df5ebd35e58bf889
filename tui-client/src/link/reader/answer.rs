//! Signs of life of a server, for the watch over its rows.

use loadline_protocol::{Header, Time};

use super::StreamReader;
use super::phase::ReaderPhase;

impl StreamReader {
    /// Returns whether a row was delivered that arrived at `received`.
    pub(in crate::link) fn has_delivered(&self, received: Time) -> bool {
        self.output.resume.last_received == Some(received)
    }

    /// Returns true if neither a header nor more than one line came: an agent sends its newest row before
    /// the header.
    pub(in crate::link) fn is_unanswered(&self) -> bool {
        matches!(&self.phase, ReaderPhase::Undecided(pending) if pending.len() <= 1)
    }

    /// Returns the header of the rows.
    pub(in crate::link) fn header(&self) -> Option<&Header> {
        self.phase.header()
    }

    /// Returns whether a ping was answered since the last call.
    pub(in crate::link) fn take_pong(&mut self) -> bool {
        std::mem::take(&mut self.has_pong)
    }
}
