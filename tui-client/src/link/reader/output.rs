//! Output of a reader: events in order, with each sample once.

use loadline_protocol::{LineError, Resume, Row, RunId, SafeText, Time};

use super::clock::RowClock;
use crate::event::{Event, Rows, Sample};
use crate::link::resume::ResumeState;

/// Events in order. Faults and skipped rows are counted, and reported before the next row.
#[derive(Debug, Default)]
pub(super) struct Output {
    pub(super) events: Vec<Event>,
    pub(super) resume: ResumeState,
    /// Clock for rows without a timestamp.
    pub(super) clock: RowClock,
    /// True for a recording: a row's time of receipt is its timestamp.
    pub(super) is_recording: bool,
    faults: u64,
    first_fault: Option<SafeText>,
    last_fault: Option<LineError>,
    /// Plain rows that exceeded the burst limit.
    skipped: u64,
}

impl Output {
    /// Delivers a row, unless it was delivered before or is too far ahead of the clock.
    ///
    /// # Errors
    /// The timestamp does not rise.
    pub(super) fn deliver(
        &mut self,
        row: &Row,
        run: Option<RunId>,
        line: Option<&str>,
        now: Time,
    ) -> Result<(), LineError> {
        let time = if let Some(time) = row.time {
            let position = run.zip(row.seq).map(|(run, seq)| Resume { run, seq });
            if !self.resume.advance(time, position)? {
                return Ok(());
            }
            time
        } else if let Some(time) = self.clock.next(now, self.resume.last_plain_time) {
            self.resume.last_plain_time = Some(time);
            time
        } else {
            self.skipped += 1;
            return Ok(());
        };
        self.report_losses();
        let received = if self.is_recording { time } else { now };
        self.resume.last_received = Some(received);
        let sample = Sample { time, seq: row.seq, received, values: &row.values, line };
        if let Some(Event::Rows(rows)) = self.events.last_mut()
            && rows.try_append(sample)
        {
            return Ok(());
        }
        self.events.push(Event::Rows(Rows::one(sample)));
        Ok(())
    }

    pub(super) fn add_fault(&mut self, fault: LineError) {
        self.faults += 1;
        self.first_fault.get_or_insert_with(|| SafeText::new(&fault.to_string()));
        self.last_fault = Some(fault);
    }

    /// Reports the faults and skipped rows so far.
    pub(super) fn report_losses(&mut self) {
        if self.skipped > 0 {
            self.events.push(Event::Skipped { count: std::mem::take(&mut self.skipped) });
        }
        let count = std::mem::take(&mut self.faults);
        if let Some((first, last)) = self.first_fault.take().zip(self.last_fault.take()) {
            let last = SafeText::new(&last.to_string());
            self.events.push(Event::Faults { count, first, last });
        }
    }
}
