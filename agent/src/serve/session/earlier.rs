//! Earlier samples that a client asked for, as a second stream beside its rows.

use std::io::Write as _;
use std::task::Waker;

use loadline_protocol::{Note, SafeText};

use crate::agent_info::AgentInfo;
use crate::ring::{Cursor, ReadOutcome, Selection};

/// Start of each line.
const PREFIX: &[u8] = b"# past ";

/// Stream of earlier samples. It is read while no row of the session waits.
pub(super) struct EarlierSamples {
    cursor: Cursor,
    selection: Selection,
    /// Lines that are not sent yet: at most those of one read. Reused.
    lines: Vec<u8>,
}

impl EarlierSamples {
    /// Creates the stream of a cursor up to its [`ReadOutcome::Live`].
    pub(super) fn new(
        cursor: Cursor,
        selection: Selection,
        info: &AgentInfo,
    ) -> Result<EarlierSamples, SafeText> {
        let mut earlier = EarlierSamples { cursor, selection, lines: Vec::new() };
        earlier.push_headers(info)?;
        Ok(earlier)
    }

    /// Appends the next lines to `out`. Returns whether more follow.
    pub(super) fn write_lines(&mut self, info: &AgentInfo, out: &mut Vec<u8>) -> bool {
        // Until its end, the cursor never waits.
        let outcome = self.cursor.read(&self.selection, &mut self.lines, Waker::noop());
        match outcome {
            ReadOutcome::Rows | ReadOutcome::LastRows => {}
            ReadOutcome::Skipped { from, to } => self.push_note(&Note::Skipped { from, to }),
            // The same columns were accepted before.
            ReadOutcome::NewRun => drop(self.push_headers(info)),
            ReadOutcome::Live | ReadOutcome::Wait | ReadOutcome::Closed => {
                self.push_note(&Note::Live);
            }
        }
        for line in self.lines.split_inclusive(|byte| *byte == b'\n') {
            out.extend_from_slice(PREFIX);
            out.extend_from_slice(line);
        }
        self.lines.clear();
        !matches!(outcome, ReadOutcome::Live | ReadOutcome::Wait | ReadOutcome::Closed)
    }

    fn push_headers(&mut self, info: &AgentInfo) -> Result<(), SafeText> {
        for note in info.headers(&self.cursor, &self.selection, None)? {
            self.push_note(&note);
        }
        Ok(())
    }

    fn push_note(&mut self, note: &Note) {
        // Writing to memory cannot fail.
        let _ = writeln!(self.lines, "{note}");
    }
}
