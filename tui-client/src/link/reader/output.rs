//! Output of a reader: events in order, with each sample once.

use std::sync::Arc;
use std::time::Duration;

use loadline_protocol::{
    Header, LISTED_MAX, LineError, Look, Process, Resume, Row, RunId, SafeText, Schema, Time, Top,
};

use super::recorded::RecordedRows;
use crate::event::{Event, Rows, Sample, StreamInfo};

/// Maximum lead of plain rows over the clock: 1 s. Rows of one burst are 1 ms apart; rows beyond
/// the lead are skipped and reported.
const BURST: Duration = Duration::from_secs(1);

/// Maximum number of looks that wait for their row: 64, some 1 MiB of the largest. A row that comes
/// every 5 min has as many.
pub(super) const WAITING_LOOKS_MAX: usize = 64;

/// Events in order. Faults and skipped rows are counted, and reported before the next row.
#[derive(Debug, Default)]
pub(super) struct Output {
    pub(super) events: Vec<Event>,
    pub(super) resume: ResumeState,
    /// Clock for rows without a timestamp.
    pub(super) clock: RowClock,
    /// True for a recording: a row's time of receipt is its timestamp.
    pub(super) is_recording: bool,
    recorded: RecordedRows,
    /// Stream of a recording without rows so far. A columns note that was cut off has wrong names,
    /// but no rows.
    begun: Option<Arc<StreamInfo>>,
    /// Looks that belong to the next row: they are delivered if the row is.
    looks: Vec<Look>,
    /// True while processes belong to the last look.
    is_look_open: bool,
    faults: u64,
    first_fault: Option<SafeText>,
    last_fault: Option<LineError>,
    /// Plain rows that exceeded the burst limit.
    skipped: u64,
}

impl Output {
    /// Notes a header.
    pub(super) fn begin_header(&mut self, run: Option<RunId>) {
        let continues = self.resume.last.is_some_and(|last| Some(last.run) == run);
        if continues && !self.is_recording {
            // The row of the looks did not come. It follows, together with its looks.
            self.looks.clear();
        }
        self.deliver_looks();
        self.resume.begin_stream(run.filter(|_| !self.is_recording));
    }

    /// Notes the columns of the rows that follow.
    pub(super) fn begin_columns(&mut self, header: Option<&Header>, columns: &Schema) {
        if self.is_recording {
            self.recorded.begin(header, columns);
        }
    }

    /// Announces a stream; that of a recording with its first row.
    pub(super) fn announce(&mut self, stream: Arc<StreamInfo>) {
        if self.is_recording {
            self.begun = Some(stream);
        } else {
            self.events.push(Event::Stream(stream));
        }
    }

    pub(super) fn skip(&mut self, count: u64) {
        self.recorded.skip();
        self.events.push(Event::Skipped { count });
    }

    /// Begins a look, which belongs to the next row.
    pub(super) fn begin_look(&mut self, top: Top) {
        if self.looks.len() >= WAITING_LOOKS_MAX {
            self.deliver_looks();
        }
        self.looks.push(Look { top, processes: Vec::new() });
        self.is_look_open = true;
    }

    /// Ends the last look: further processes belong to none.
    pub(super) fn close_look(&mut self) {
        self.is_look_open = false;
    }

    /// Adds a process to the look that has begun. A process without a look is ignored.
    ///
    /// # Errors
    /// Once for each look with more than [`LISTED_MAX`] processes.
    pub(super) fn add_process(&mut self, process: Process) -> Result<(), LineError> {
        let Some(look) = self.looks.last_mut().filter(|_| self.is_look_open) else { return Ok(()) };
        if look.processes.len() >= LISTED_MAX {
            self.is_look_open = false;
            let text = format!("over {LISTED_MAX}");
            return Err(LineError::Field { key: "number of processes", text });
        }
        look.processes.push(process);
        Ok(())
    }

    /// Delivers the looks that wait for a row.
    pub(super) fn deliver_looks(&mut self) {
        self.is_look_open = false;
        if self.looks.is_empty() {
            return;
        }
        self.events.extend(self.begun.take().map(Event::Stream));
        self.events.extend(self.looks.drain(..).map(|look| Event::Look(Arc::new(look))));
    }

    /// Delivers a row with its looks, unless it was delivered before or is too far ahead of the clock.
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
        let delivered = self.deliver_once(row, run, line, now);
        self.looks.clear();
        delivered
    }

    fn deliver_once(
        &mut self,
        row: &Row,
        run: Option<RunId>,
        line: Option<&str>,
        now: Time,
    ) -> Result<(), LineError> {
        if !self.recorded.add(row.seq) {
            return Ok(());
        }
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
        self.deliver_looks();
        self.events.extend(self.begun.take().map(Event::Stream));
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

/// Position in a source, kept across connections so that no sample is delivered twice.
#[derive(Debug, Clone, PartialEq, Default)]
pub(in crate::link) struct ResumeState {
    /// Run and sequence number of the last delivered row.
    pub(in crate::link) last: Option<Resume>,
    /// Timestamp of the last delivered row, by the agent's clock.
    pub(in crate::link) last_time: Option<Time>,
    /// Earliest timestamp of the rows so far. All samples since then were delivered.
    pub(in crate::link) first_time: Option<Time>,
    /// Time of the last delivered row without a timestamp.
    pub(in crate::link) last_plain_time: Option<Time>,
    /// Columns of the fields of a plain row.
    pub(in crate::link) plain_fields: Option<Schema>,
    /// Arrival time of the last row, by our clock.
    pub(in crate::link) last_received: Option<Time>,
    /// True if the server has answered a request, so it knows requests.
    pub(in crate::link) answered: bool,
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
    fn advance(&mut self, time: Time, at: Option<Resume>) -> Result<bool, LineError> {
        if self.last.zip(at).is_some_and(|(last, at)| at.seq <= last.seq) {
            return Ok(false);
        }
        if self.last_time.is_some_and(|last| time <= last) {
            return Err(LineError::TimeNotIncreasing(time));
        }
        (self.last, self.last_time) = (at, Some(time));
        self.first_time = Some(self.first_time.map_or(time, |first| first.min(time)));
        Ok(true)
    }
}

/// Clock for rows without a timestamp.
#[derive(Debug, Default)]
pub(super) enum RowClock {
    /// Time of receipt.
    #[default]
    OnReceipt,
    /// Times at equal intervals.
    Even { next: Time, step: Duration },
}

impl RowClock {
    /// Returns the time of a row: the time of receipt `now`, 1 ms after the row at `last`, or the
    /// next even time. `None` if the row is beyond the lead.
    fn next(&mut self, now: Time, last: Option<Time>) -> Option<Time> {
        if let RowClock::Even { next, step } = self {
            let time = *next;
            *next = time + *step;
            return Some(time);
        }
        let after = last.map_or(Time::default(), |last| last.shifted_ms(1));
        let limit = now + BURST;
        if after == limit {
            return None;
        }
        // No burst leads by more than the maximum: beyond it, our clock was set back.
        Some(if after < limit { after.max(now) } else { now })
    }
}
