//! From the bytes of one connection to events. Pure: the time comes with the bytes.

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

/// What a link remembers from one connection to the next, so that no sample is taken twice.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ResumeState {
    /// The last row that was taken.
    pub last: Option<Resume>,
    /// The time of that row, by the agent's clock.
    last_time: Option<Time>,
    /// The time of the last plain row.
    last_plain_time: Option<Time>,
    /// How many numbers a plain row had.
    plain_count: Option<usize>,
    /// When the last row came, by our clock.
    pub last_received: Option<Time>,
    /// The server has answered a request: it knows them.
    pub answered: bool,
}

/// What the user wants to read.
#[derive(Debug, Clone, Default)]
pub struct ReadOptions {
    /// Names for the columns of a stream that names none, or which of its known ones to take.
    pub columns: Option<Vec<String>>,
    /// Keep each row's own line.
    pub keep_lines: bool,
}

/// Reads one connection.
#[derive(Debug)]
pub struct StreamReader {
    decoder: Decoder,
    /// What a server said first that was asked.
    greeting: Option<Greeting>,
    options: ReadOptions,
    phase: ReaderPhase,
    /// The row at hand, kept for the next one so that none allocates.
    row: Row,
    faults: FaultCount,
    /// Plain rows that came too fast, not told yet.
    skipped: u64,
    /// The line before the first row of a stream without a header.
    heading: Option<HeadingLine>,
    /// How many numbers the first row of a plain stream is to have.
    expected_count: Option<usize>,
    /// Which times rows get that have none.
    clock: RowClock,
    /// A recording, whose rows were received when they were sampled.
    is_recording: bool,
    /// Nobody was asked for columns: they are picked here.
    selects_columns: bool,
    selection: ColumnSelection,
    disconnect: Option<Disconnect>,
}

#[derive(Debug)]
enum ReaderPhase {
    /// A request is under way: a header may follow, or the server may know no requests.
    Undecided { pending: PendingLines },
    /// Rows of numbers, for ever.
    Plain(Option<PlainColumns>),
    /// Rows below a line that names their columns.
    Table(RecordColumns),
    /// A header came, or names of columns at least; these may still be to come.
    Subscribed { header: Option<Header>, schema: Option<Schema> },
}

#[derive(Debug, Default)]
struct FaultCount {
    count: u64,
    first: Option<SafeText>,
    last: Option<LineError>,
}

/// How the other side announces that it closes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disconnect {
    /// Why, in its own words.
    pub reason: SafeText,
    /// Whether it refuses what was asked.
    pub refused: bool,
}

impl StreamReader {
    /// A reader at the start of a connection on which a request is under way.
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

    /// A reader of what comes without a request.
    #[must_use]
    pub fn without_request(options: ReadOptions) -> StreamReader {
        StreamReader {
            greeting: None,
            phase: ReaderPhase::Plain(None),
            selects_columns: true,
            ..StreamReader::new(options)
        }
    }

    /// A reader of a recording. Rows that have no time stand `step` apart, the first at `first`.
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

    /// From now on, rows that have no time have come when they are read.
    pub fn go_live(&mut self) {
        self.clock = RowClock::OnReceipt;
    }

    /// Whether it is still open if the server knows requests.
    #[must_use]
    pub fn is_undecided(&self) -> bool {
        matches!(self.phase, ReaderPhase::Undecided { .. })
    }

    /// Takes bytes that were received at `now`, and appends to `events` what they say. Gives what
    /// the server says if it is about to close.
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
        // The decoder lends its lines; it is put back at the end.
        let mut decoder = std::mem::take(&mut self.decoder);
        while let Some(line) = decoder.decode(&mut bytes) {
            match line.and_then(|line| self.handle_line(line, now, state, events)) {
                Ok(()) => {}
                Err(fault) => self.faults.add(fault),
            }
            if self.disconnect.as_ref().is_some_and(|farewell| farewell.refused) {
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
                // Rows that were held came before the answer to our request, which has them too.
                // One that tells nothing stands above a plain source that was recorded.
                let nothing = Header { version: header.version, ..Header::default() };
                let header = Some(header.clone()).filter(|header| *header != nothing);
                self.phase = ReaderPhase::Subscribed { header, schema: None };
            }
            Note::Columns(columns) => self.handle_columns(columns, state, events),
            Note::Live => events.push(Event::Live),
            Note::Skipped { from, to } => {
                events.push(Event::Skipped { count: (to - from).saturating_add(1) });
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
            // A header of its own in front of rows that nobody asked for.
            ReaderPhase::Undecided { .. } | ReaderPhase::Plain(_) | ReaderPhase::Table(_) => None,
        };
        if header.as_ref().is_none_or(|header| header.run.is_none()) {
            // Without a run, only this line says which times belong together.
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

    /// Passes the row at hand on. What was wrong before a row is told before it.
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
