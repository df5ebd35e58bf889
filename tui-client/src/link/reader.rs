//! Parser of one connection, from bytes to events. Pure: the caller passes the time.

mod headerless;
mod pending_lines;

use std::sync::Arc;
use std::time::Duration;

use loadline_protocol::{
    Decoder, Header, Line, LineError, Note, Resume, Row, SafeText, Schema, Stamp, Time,
    duration_ms, sanitize,
};

use super::greeting::Greeting;
use super::plain::{ColumnSelection, PlainColumns};
use super::record_columns::RecordColumns;
use crate::event::{Event, Rows, Sample, StreamInfo};
use headerless::{HeadingLine, RowClock};
use pending_lines::PendingLines;

/// State that a link keeps across connections, so that no sample is delivered twice.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ResumeState {
    /// Run and sequence number of the last delivered row.
    pub last: Option<Resume>,
    /// Timestamp of the last delivered row, by the agent's clock.
    last_time: Option<Time>,
    /// Time of the last delivered row without a timestamp.
    last_plain_time: Option<Time>,
    /// Number of fields of a plain row.
    plain_count: Option<usize>,
    /// Arrival time of the last row, by our clock.
    pub last_received: Option<Time>,
    /// True if the server has answered a request, so it knows requests.
    pub answered: bool,
}

/// Columns to read, and whether to keep the lines.
#[derive(Debug, Clone, Default)]
pub struct ReadOptions {
    /// Names for the columns of a plain stream, or a selection of named columns.
    pub columns: Option<Vec<String>>,
    /// Keep the text of each row.
    pub keep_lines: bool,
}

/// Parser of one connection.
#[derive(Debug)]
pub struct StreamReader {
    decoder: Decoder,
    /// First bytes of a server that received a request.
    greeting: Option<Greeting>,
    options: ReadOptions,
    phase: ReaderPhase,
    /// Current row. Reused, so that rows do not allocate.
    row: Row,
    faults: FaultCount,
    /// Plain rows that came too fast, not reported yet.
    skipped: u64,
    /// Line before the first row of a stream without a header.
    heading: Option<HeadingLine>,
    /// Number of fields that the first row of a plain stream must have.
    expected_count: Option<usize>,
    /// Clock for rows without a timestamp.
    clock: RowClock,
    /// True for a recording: rows count as received when sampled.
    is_recording: bool,
    /// True if no request selected columns, so the parser does.
    selects_columns: bool,
    selection: ColumnSelection,
    disconnect: Option<Disconnect>,
}

#[derive(Debug)]
enum ReaderPhase {
    /// A request was sent: a header may follow, or the server may not know requests.
    Undecided { pending: PendingLines },
    /// Rows of a plain stream.
    Plain(Option<PlainColumns>),
    /// Rows below a line of column names.
    Table(RecordColumns),
    /// A header or a columns note came. After a header, the columns may still be missing.
    Subscribed { header: Option<Header>, schema: Option<Schema> },
}

#[derive(Debug, Default)]
struct FaultCount {
    count: u64,
    first: Option<SafeText>,
    last: Option<LineError>,
}

/// End of a connection, or of an attempt to connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disconnect {
    /// Reason, in the server's words if it gave one.
    pub reason: SafeText,
    /// True if the server refuses the request.
    pub refused: bool,
}

impl StreamReader {
    /// Creates a reader for a connection on which a request was sent.
    #[must_use]
    pub fn new(options: ReadOptions) -> StreamReader {
        StreamReader {
            decoder: Decoder::new(),
            greeting: Some(Greeting::default()),
            options,
            phase: ReaderPhase::Undecided { pending: PendingLines::default() },
            row: Row::default(),
            faults: FaultCount::default(),
            skipped: 0,
            heading: None,
            expected_count: None,
            clock: RowClock::OnReceipt,
            is_recording: false,
            selects_columns: false,
            selection: ColumnSelection::default(),
            disconnect: None,
        }
    }

    /// Creates a reader for a stream that needs no request.
    #[must_use]
    pub fn without_request(options: ReadOptions) -> StreamReader {
        StreamReader {
            greeting: None,
            phase: ReaderPhase::Plain(None),
            selects_columns: true,
            ..StreamReader::new(options)
        }
    }

    /// Creates a reader for a recording. Rows without a timestamp start at `first`, `step` apart.
    #[must_use]
    pub fn for_recording(options: ReadOptions, first: Time, step: Duration) -> StreamReader {
        let step_ms = duration_ms(step);
        let clock = RowClock::Even { next_ms: first.as_millis(), step_ms };
        StreamReader {
            greeting: None,
            is_recording: true,
            selects_columns: true,
            clock,
            ..StreamReader::new(options)
        }
    }

    /// From now on, gives rows without a timestamp the time of receipt.
    pub fn go_live(&mut self) {
        self.clock = RowClock::OnReceipt;
    }

    /// Returns true until the parser knows whether the server answers requests.
    #[must_use]
    pub fn is_undecided(&self) -> bool {
        matches!(self.phase, ReaderPhase::Undecided { .. })
    }

    /// Parses bytes received at `now`, and appends their events to `events`. Returns the reason if
    /// the server is about to close, or does not speak the protocol.
    pub fn feed(
        &mut self,
        mut bytes: &[u8],
        now: Time,
        state: &mut ResumeState,
        events: &mut Vec<Event>,
    ) -> Option<Disconnect> {
        if let Some(other) = self.greeting.as_mut().and_then(|greeting| greeting.feed(bytes)) {
            return Some(Disconnect { reason: SafeText::new(&other), refused: true });
        }
        // Lines borrow from the decoder, so it leaves `self` during the loop.
        let mut decoder = std::mem::take(&mut self.decoder);
        while let Some(line) = decoder.decode(&mut bytes) {
            match line.and_then(|line| self.handle_line(line, now, state, events)) {
                Ok(()) => {}
                Err(fault) => self.faults.add(fault),
            }
            if self.disconnect.as_ref().is_some_and(|end| end.refused) {
                break;
            }
        }
        self.decoder = decoder;
        self.report_faults(events);
        self.disconnect.take()
    }

    fn handle_line(
        &mut self,
        line: &str,
        now: Time,
        state: &mut ResumeState,
        events: &mut Vec<Event>,
    ) -> Result<(), LineError> {
        match Line::parse(line)? {
            Line::Blank => Ok(()),
            Line::Note(note) => {
                self.handle_note(note, state, events);
                Ok(())
            }
            Line::Row(row) => self.handle_row(row, now, state, events),
        }
    }

    fn handle_note(&mut self, note: Note, state: &mut ResumeState, events: &mut Vec<Event>) {
        match &note {
            Note::Header(header) => {
                let same_run = state.last.is_some_and(|last| Some(last.run) == header.run);
                if !same_run {
                    state.last = None;
                    state.last_time = None;
                }
                state.answered = true;
                // Pending rows are dropped: the answer to the request contains them.
                // An empty header stands above a recorded plain stream.
                let nothing = Header { version: header.version, ..Header::default() };
                let header = Some(header.clone()).filter(|header| *header != nothing);
                self.phase = ReaderPhase::Subscribed { header, schema: None };
            }
            Note::Columns(columns) => self.handle_columns(columns, state, events),
            Note::Live => events.push(Event::Live),
            Note::Skipped { from, to } => {
                events.push(Event::Skipped { count: from.count_to(*to) });
            }
            Note::Error(text) => {
                self.disconnect = Some(Disconnect { reason: text.clone(), refused: true });
            }
            Note::Bye => {
                let reason = SafeText::new("the agent stopped");
                self.disconnect = Some(Disconnect { reason, refused: false });
            }
            Note::Health(health) => events.push(Event::Health(health.clone())),
            Note::Other(_) => {}
        }
        match &mut self.phase {
            _ if !self.options.keep_lines => {}
            ReaderPhase::Undecided { pending } => {
                if !pending.push_note(note) {
                    self.decide_plain(state, events);
                }
            }
            ReaderPhase::Plain(_) | ReaderPhase::Table(_) | ReaderPhase::Subscribed { .. } => {
                events.push(Event::Note(note));
            }
        }
    }

    fn handle_columns(
        &mut self,
        columns: &Schema,
        state: &mut ResumeState,
        events: &mut Vec<Event>,
    ) {
        let header = match &self.phase {
            ReaderPhase::Subscribed { header, .. } => header.clone(),
            // Columns without a header: the stream does not answer a request.
            ReaderPhase::Undecided { .. } | ReaderPhase::Plain(_) | ReaderPhase::Table(_) => None,
        };
        if header.as_ref().is_none_or(|header| header.run.is_none()) {
            // Without a run, times rise only below one columns note.
            state.last_time = None;
        }
        let mut selected = columns.clone();
        if let Some(names) = self.options.columns.as_deref().filter(|_| self.selects_columns) {
            match ColumnSelection::named(columns, names) {
                Ok((selection, schema)) => (self.selection, selected) = (selection, schema),
                Err(unknown) => {
                    self.disconnect = Some(headerless::unknown_column(unknown, columns));
                    return;
                }
            }
        }
        self.phase =
            ReaderPhase::Subscribed { header: header.clone(), schema: Some(columns.clone()) };
        events.push(Event::Stream(Arc::new(StreamInfo { header, schema: selected })));
    }

    fn handle_row(
        &mut self,
        line: &str,
        now: Time,
        state: &mut ResumeState,
        events: &mut Vec<Event>,
    ) -> Result<(), LineError> {
        match &mut self.phase {
            ReaderPhase::Undecided { pending } => {
                if !pending.push_row(line, now) {
                    self.decide_plain(state, events);
                }
                Ok(())
            }
            ReaderPhase::Plain(_) | ReaderPhase::Table(_) => {
                self.plain_row(line, now, state, events)
            }
            ReaderPhase::Subscribed { header, schema: Some(schema) } => {
                schema.parse_row_into(line, &mut self.row)?;
                self.selection.apply(&mut self.row.values);
                if schema.stamp() == Stamp::None {
                    self.deliver_unstamped(line, now, state, events);
                    return Ok(());
                }
                let run = header.as_ref().and_then(|header| header.run);
                let resume = run.zip(self.row.seq).map(|(run, seq)| Resume { run, seq });
                if let (Some(last), Some(resume)) = (state.last, resume)
                    && resume.seq <= last.seq
                {
                    return Ok(());
                }
                let time = self.row.time.unwrap_or(now);
                if state.last_time.is_some_and(|last| time <= last) {
                    return Err(LineError::Number { column: 1, text: time.to_string() });
                }
                state.last = resume;
                state.last_time = Some(time);
                self.deliver(time, line, now, state, events);
                Ok(())
            }
            ReaderPhase::Subscribed { schema: None, .. } => {
                Err(LineError::FieldCount { expected: 0, found: line.split_whitespace().count() })
            }
        }
    }

    /// Delivers the current row, after the faults before it.
    fn deliver(
        &mut self,
        time: Time,
        line: &str,
        received: Time,
        state: &mut ResumeState,
        events: &mut Vec<Event>,
    ) {
        self.report_faults(events);
        let received = if self.is_recording { time } else { received };
        state.last_received = Some(received);
        let line = self.options.keep_lines.then(|| sanitize(line));
        let Row { seq, values, .. } = &self.row;
        let sample = Sample { time, seq: *seq, received, values, line: line.as_deref() };
        if let Some(Event::Rows(rows)) = events.last_mut()
            && rows.try_append(sample)
        {
            return;
        }
        events.push(Event::Rows(Rows::one(sample)));
    }

    fn report_faults(&mut self, events: &mut Vec<Event>) {
        if self.skipped > 0 {
            events.push(Event::Skipped { count: std::mem::take(&mut self.skipped) });
        }
        let FaultCount { count, first, last } = std::mem::take(&mut self.faults);
        if let Some((first, last)) = first.zip(last) {
            events.push(Event::Faults { count, first, last: SafeText::new(&last.to_string()) });
        }
    }
}

impl FaultCount {
    fn add(&mut self, fault: LineError) {
        self.count += 1;
        self.first.get_or_insert_with(|| SafeText::new(&fault.to_string()));
        self.last = Some(fault);
    }
}

#[cfg(test)]
mod tests;
