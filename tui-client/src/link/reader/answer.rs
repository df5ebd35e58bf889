//! Answers of a server, and its signs of life for the watch over its rows.

use loadline_protocol::{Header, Time};

use super::StreamReader;
use super::phase::{PendingLine, ReaderPhase};
use crate::link::disconnect::Disconnect;

impl StreamReader {
    pub(super) fn handle_header(&mut self, header: &Header) {
        self.output.begin_header(header.run);
        self.past.iter_mut().for_each(|past| past.begin(header.now));
        self.warn_of_pending_rows();
        // Pending rows are dropped: the answer to the request contains them.
        // A recording of a plain stream starts with an empty header.
        let nothing = Header { version: header.version, ..Header::default() };
        // Only an agent that was asked can be asked for earlier samples. The header of a new run
        // is no answer.
        let known = || self.header().filter(|_| header.now.is_none())?.oldest;
        let oldest = header.oldest.or_else(known).filter(|_| !self.is_unrequested);
        let header = Some(Header { oldest, ..header.clone() });
        self.subscribe(header.filter(|header| *header != nothing), None);
    }

    /// Returns whether a row was delivered.
    pub(in crate::link) fn has_rows(&self) -> bool {
        self.output.resume.last_received.is_some()
    }

    /// Returns true until the parser knows whether the server answers requests.
    pub(in crate::link) fn is_undecided(&self) -> bool {
        matches!(self.phase, ReaderPhase::Undecided(_))
    }

    /// Returns the reason to disconnect that the decided lines gave.
    pub(in crate::link) fn take_disconnect(&mut self) -> Option<Disconnect> {
        self.disconnect.take()
    }

    /// Returns whether a row was delivered that arrived at `received`.
    pub(in crate::link) fn has_delivered(&self, received: Time) -> bool {
        self.output.resume.last_received == Some(received)
    }

    /// Returns whether the kind of the stream is unknown and no row has arrived since `time`. An agent
    /// sends rows until it has the request.
    pub(in crate::link) fn is_silent_since(&self, time: Time) -> bool {
        let ReaderPhase::Undecided(pending) = &self.phase else { return false };
        let is_later = |line: &PendingLine| matches!(line, PendingLine::Row { received, .. } if *received > time);
        !pending.iter().any(is_later)
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
