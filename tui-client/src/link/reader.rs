//! Parser of the connections to one source, from bytes to events. Pure: the caller passes the time.

mod output;

use std::sync::Arc;
use std::time::Duration;
use std::vec;

use loadline_protocol::{
    Decoder, Header, Line, LineError, Note, Row, SafeText, Schema, Time, parse_plain_row,
    parse_plain_row_into, sanitize,
};

use super::columns::{ColumnSelection, FieldCount, plain_refusal};
use super::disconnect::Disconnect;
use super::greeting::detect_other_protocol;
use super::read_options::ReadOptions;
use super::record_columns::{RecordColumns, is_heading};
use crate::event::{Event, StreamInfo};
pub(super) use output::ResumeState;
use output::{Output, RowClock};

/// Maximum of plain rows and notes that wait for a header. A source that sends more does not wait
/// for a request.
const PENDING_LINES_MAX: usize = 1024;

/// Size of the read buffer: 16 KiB. All events of one read are sent before the next read.
pub(super) const READ_BYTES: usize = 16 * 1024;

/// Parser of the connections to one source. Owns the events until the caller drains them.
#[derive(Debug, Default)]
pub struct StreamReader {
    decoder: Decoder,
    options: ReadOptions,
    /// True for a pipe or a recording: no request selected columns.
    is_unrequested: bool,
    phase: ReaderPhase,
    /// Current row. Reused, so that rows do not allocate.
    row: Row,
    selection: ColumnSelection,
    output: Output,
    disconnect: Option<Disconnect>,
    /// Rows that did not fit the requested columns.
    misfit_rows: u32,
}

impl StreamReader {
    /// Creates a reader for a connection on which a request was sent.
    pub fn new(options: ReadOptions) -> StreamReader {
        StreamReader { options, ..StreamReader::default() }
    }

    /// Creates a reader for a stream that needs no request.
    pub fn without_request(options: ReadOptions) -> StreamReader {
        let phase = ReaderPhase::Headerless { expected_count: None, heading: None };
        StreamReader { is_unrequested: true, phase, ..StreamReader::new(options) }
    }

    /// Creates a reader for a recording. Rows without a timestamp start at `first`, `step` apart.
    pub fn for_recording(options: ReadOptions, first: Time, step: Duration) -> StreamReader {
        let mut reader = StreamReader { is_unrequested: true, ..StreamReader::new(options) };
        reader.output.clock = RowClock::Even { next: first, step };
        reader.output.is_recording = true;
        reader
    }

    /// Begins another connection on which a request was sent.
    pub(super) fn reconnect(&mut self) {
        let resume = std::mem::take(&mut self.output.resume);
        *self = StreamReader::new(std::mem::take(&mut self.options));
        self.output.resume = resume;
    }

    /// Stamps further rows without a timestamp with their time of receipt.
    pub(super) fn go_live(&mut self) {
        self.output.clock = RowClock::OnReceipt;
    }

    /// Returns the position from which to resume.
    pub(super) fn resume_state(&self) -> &ResumeState {
        &self.output.resume
    }

    /// Returns true until the parser knows whether the server answers requests.
    pub(super) fn is_undecided(&self) -> bool {
        matches!(self.phase, ReaderPhase::Undecided(_))
    }

    /// Parses bytes received at `now`. Returns the reason if the server is about to close, or does
    /// not speak the protocol.
    pub fn feed(&mut self, mut bytes: &[u8], now: Time) -> Option<Disconnect> {
        if !self.is_unrequested
            && self.decoder.pending() == 0
            && matches!(&self.phase, ReaderPhase::Undecided(pending) if pending.is_empty())
            && let Some(refusal) = detect_other_protocol(bytes)
        {
            return Some(refusal);
        }
        // Lines borrow from the decoder, so it leaves `self` during the loop.
        let mut decoder = std::mem::take(&mut self.decoder);
        while let Some(line) = decoder.decode(&mut bytes) {
            if let Err(fault) = line.and_then(|line| self.handle_line(line, now)) {
                self.output.add_fault(fault);
            }
            if self.disconnect.as_ref().is_some_and(|end| end.refused) {
                break;
            }
        }
        self.decoder = decoder;
        self.output.report_losses();
        self.disconnect.take()
    }

    /// Removes the events so far, in their order.
    pub fn drain_events(&mut self) -> vec::Drain<'_, Event> {
        self.output.events.drain(..)
    }

    /// Treats an undecided stream as plain and delivers the pending lines: no header came in time.
    pub(super) fn decide_plain(&mut self) {
        let ReaderPhase::Undecided(pending) = &mut self.phase else { return };
        let pending = std::mem::take(pending);
        // The first line may be no row, or half a row.
        let last_count = pending.iter().rev().find_map(|line| match line {
            PendingLine::Row { line, .. } => parse_plain_row(line).ok().map(|values| values.len()),
            PendingLine::Note(_) => None,
        });
        let expected_count = self.output.resume.plain_count.or(last_count);
        self.phase = ReaderPhase::Headerless { expected_count, heading: None };
        for line in pending {
            match line {
                PendingLine::Note(note) => self.output.events.push(Event::Note(note)),
                PendingLine::Row { line, received } => {
                    if let Err(fault) = self.handle_row(&line, received) {
                        self.output.add_fault(fault);
                    }
                }
            }
        }
        self.output.report_losses();
    }

    /// Returns the reason to disconnect that the decided lines gave.
    pub(super) fn take_disconnect(&mut self) -> Option<Disconnect> {
        self.disconnect.take()
    }

    /// Ends the connection: decides on the pending lines, and reports the remaining faults.
    pub(super) fn close(&mut self) {
        if let ReaderPhase::Undecided(pending) = &mut self.phase
            && self.output.resume.answered
        {
            // The server sends these rows again on the next connection.
            pending.clear();
        }
        self.decide_plain();
        self.reject_heading();
        self.output.report_losses();
    }

    /// Ends the input. An incomplete last line is a fault: half a number looks like a number.
    /// Returns the refusal, if any: the columns of a short stream are known only now.
    pub fn finish(&mut self) -> Option<Disconnect> {
        self.close();
        if self.decoder.pending() > 0 {
            self.decoder = Decoder::new();
            let last = SafeText::new("the last line is incomplete");
            self.output.events.push(Event::Faults { count: 1, first: last.clone(), last });
        }
        self.disconnect.take()
    }

    fn handle_line(&mut self, line: &str, now: Time) -> Result<(), LineError> {
        match Line::parse(line)? {
            Line::Blank => {}
            Line::Note(note) => self.handle_note(note),
            Line::Row(row) => self.handle_row(row, now)?,
        }
        Ok(())
    }

    fn handle_note(&mut self, note: Note) {
        match &note {
            Note::Header(header) => {
                self.output.resume.begin_stream(header.run);
                // Pending rows are dropped: the answer to the request contains them.
                // A recording of a plain stream starts with an empty header.
                let nothing = Header { version: header.version, ..Header::default() };
                self.subscribe(Some(header.clone()).filter(|header| *header != nothing), None);
            }
            Note::Columns(columns) => self.handle_columns(columns),
            Note::Live => self.output.events.push(Event::Live),
            Note::Skipped { from, to } => {
                self.output.events.push(Event::Skipped { count: from.count_to(*to) });
            }
            Note::Error(reason) => self.disconnect = Some(Disconnect::refused(reason.as_str())),
            Note::Bye => self.disconnect = Some(Disconnect::lost("the agent stopped")),
            Note::Health(health) => self.output.events.push(Event::Health(health.clone())),
            Note::Other(_) => {}
        }
        if !self.options.keep_lines {
        } else if self.is_undecided() {
            self.wait_for_header(PendingLine::Note(note));
        } else {
            self.output.events.push(Event::Note(note));
        }
    }

    fn handle_columns(&mut self, columns: &Schema) {
        // Columns without a header are no answer to a request.
        let header = self.phase.header().cloned();
        if header.as_ref().is_none_or(|header| header.run.is_none()) {
            // Without a run, times increase only until the next columns note.
            self.output.resume.last_time = None;
        }
        let selected = match &self.options.columns {
            Some(names) => ColumnSelection::named(columns, names),
            None => Ok((ColumnSelection::default(), columns.clone())),
        };
        match selected {
            Ok((selection, schema)) => {
                self.subscribe(header.clone(), Some(columns.clone()));
                self.announce(header, schema, selection);
            }
            Err(refusal) => self.disconnect = Some(refusal),
        }
    }

    fn subscribe(&mut self, header: Option<Header>, schema: Option<Schema>) {
        self.reject_heading();
        self.phase = ReaderPhase::Subscribed { header, schema };
    }

    /// Announces the columns of the rows that follow.
    fn announce(&mut self, header: Option<Header>, schema: Schema, selection: ColumnSelection) {
        self.selection = selection;
        let stream = Arc::new(StreamInfo { header, schema });
        self.output.events.push(Event::Stream(stream.clone()));
        let warning = self.options.take_warning(&stream, !self.is_unrequested);
        self.output.events.extend(warning);
    }

    fn wait_for_header(&mut self, line: PendingLine) {
        let ReaderPhase::Undecided(pending) = &mut self.phase else { return };
        pending.push(line);
        if pending.len() >= PENDING_LINES_MAX {
            self.decide_plain();
        }
    }

    fn handle_row(&mut self, line: &str, now: Time) -> Result<(), LineError> {
        if let ReaderPhase::Headerless { .. } = self.phase
            && !self.open_headerless(line)?
        {
            return Ok(());
        }
        match &mut self.phase {
            ReaderPhase::Undecided(_) => {
                self.wait_for_header(PendingLine::Row { line: line.to_owned(), received: now });
                return Ok(());
            }
            // Some programs repeat the heading on every screenful.
            ReaderPhase::Table(table) if table.heading == line => return Ok(()),
            ReaderPhase::Table(table) => table.parse_row(line, &mut self.row)?,
            ReaderPhase::Plain(field_count) => {
                (self.row.time, self.row.seq) = (None, None);
                parse_plain_row_into(line, &mut self.row.values)?;
                let count = self.row.values.len();
                if !field_count.check(count)? {
                    self.open_plain(count)?;
                }
            }
            ReaderPhase::Subscribed { schema: Some(schema), .. } => {
                schema.parse_row_into(line, &mut self.row)?;
            }
            ReaderPhase::Headerless { .. } | ReaderPhase::Subscribed { schema: None, .. } => {
                return Err(LineError::RowBeforeColumns);
            }
        }
        self.selection.apply(&mut self.row.values);
        let line = self.options.keep_lines.then(|| match &self.phase {
            ReaderPhase::Table(table) => self.row.to_line(&table.schema).into(),
            _ => sanitize(line),
        });
        let run = self.phase.header().and_then(|header| header.run);
        self.output.deliver(&self.row, run, line.as_deref(), now)
    }

    /// Decides by the first row between a plain stream and a table. Returns false if `line` is no
    /// row.
    fn open_headerless(&mut self, line: &str) -> Result<bool, LineError> {
        let ReaderPhase::Headerless { expected_count, heading } = &mut self.phase else {
            return Ok(true);
        };
        if let Some((names, fault)) = heading.take() {
            if let Some(table) = RecordColumns::detect(&names, line) {
                self.open_table(table)?;
                return Ok(true);
            }
            self.output.add_fault(fault);
        }
        let values = match parse_plain_row(line) {
            Err(fault) if is_heading(line) => {
                *heading = Some((line.to_owned(), fault));
                return Ok(false);
            }
            values => values?,
        };
        let count = expected_count.take().unwrap_or(values.len());
        self.open_plain(count)?;
        Ok(true)
    }

    /// Starts a plain stream with `count` numbers per row.
    fn open_plain(&mut self, count: usize) -> Result<(), LineError> {
        let names = self.options.columns.as_deref();
        let (selection, schema) = ColumnSelection::plain(count, names).inspect_err(|_| {
            self.misfit_rows += 1;
            let refusal = || plain_refusal(count, names.unwrap_or_default(), self.misfit_rows);
            self.disconnect = self.disconnect.take().or_else(refusal);
        })?;
        self.output.resume.plain_count = Some(count);
        self.phase = ReaderPhase::Plain(FieldCount::new(count));
        self.announce(None, schema, selection);
        Ok(())
    }

    /// Starts a table, unless it lacks a requested column.
    fn open_table(&mut self, mut table: RecordColumns) -> Result<(), LineError> {
        let mut selection = ColumnSelection::default();
        if let Some(names) = &self.options.columns {
            let found = table.schema.columns().len();
            selection = table.select(names).map_err(|refusal| {
                self.disconnect = Some(refusal);
                LineError::FieldCount { expected: names.len(), found }
            })?;
        }
        self.output.events.push(Event::HeadingLine);
        if self.options.keep_lines {
            // Kept lines need the column names above them.
            self.output.events.push(Event::Note(Note::Columns(table.schema.clone())));
        }
        self.announce(None, table.schema.clone(), selection);
        self.phase = ReaderPhase::Table(table);
        Ok(())
    }

    /// Reports a line of text above no row.
    fn reject_heading(&mut self) {
        if let ReaderPhase::Headerless { heading, .. } = &mut self.phase
            && let Some((_, fault)) = heading.take()
        {
            self.output.add_fault(fault);
        }
    }
}

/// Kind of a stream, as far as it is known.
#[derive(Debug)]
enum ReaderPhase {
    /// A header may follow, or the server may not know requests.
    Undecided(Vec<PendingLine>),
    /// No header came. The first row decides, together with the line above: possibly the column
    /// names, with the fault to report if the line names no columns.
    Headerless { expected_count: Option<usize>, heading: Option<(String, LineError)> },
    /// Rows of a plain stream.
    Plain(FieldCount),
    /// Rows below a line of column names.
    Table(RecordColumns),
    /// A header or a columns note came. After a header, the columns may still be missing.
    Subscribed { header: Option<Header>, schema: Option<Schema> },
}

impl ReaderPhase {
    /// Returns the header of the rows.
    fn header(&self) -> Option<&Header> {
        let ReaderPhase::Subscribed { header, .. } = self else { return None };
        header.as_ref()
    }
}

impl Default for ReaderPhase {
    fn default() -> ReaderPhase {
        ReaderPhase::Undecided(Vec::new())
    }
}

/// Row or note that waits for a header.
#[derive(Debug)]
enum PendingLine {
    Row { line: String, received: Time },
    Note(Note),
}

#[cfg(test)]
mod tests;
