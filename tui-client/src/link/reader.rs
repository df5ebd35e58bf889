//! Parser of the connections to one source, from bytes to events. Pure: the caller passes the time.

mod answer;
mod output;
mod past;
mod phase;
mod plain;
mod recorded;
mod unexplained;

use std::sync::Arc;
use std::time::Duration;
use std::vec;

use loadline_protocol::{
    Decoder, Header, Line, LineError, Note, Row, SafeText, Schema, Stamp, Time, parse_plain_row,
    sanitize,
};

use super::columns::ColumnSelection;
use super::disconnect::Disconnect;
use super::greeting::detect_other_protocol;
use super::plain_columns::PlainColumns;
use super::read_options::{ReadOptions, StreamTraits};
use crate::event::{Event, StreamInfo};
use crate::import::{IMPORT_LINE_MAX, PlainLine, Refusal, RowError};
pub(super) use output::ResumeState;
use output::{Output, RowClock};
pub(super) use past::PastReader;
use phase::{PendingLine, ReaderPhase};
use plain::with_point;
use recorded::header_after_cut;

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
    /// True for a file that does not grow: its rows can be sorted.
    is_whole: bool,
    phase: ReaderPhase,
    /// Current row. Reused, so that rows do not allocate.
    row: Row,
    selection: ColumnSelection,
    output: Output,
    /// Reader of the earlier samples that were asked for.
    pub(super) past: Option<PastReader>,
    disconnect: Option<Disconnect>,
    /// True if a ping was answered since the last [`take_pong`](StreamReader::take_pong).
    has_pong: bool,
    /// Rows that did not fit the requested columns.
    misfit_rows: usize,
}

impl StreamReader {
    /// Creates a reader for a connection on which a request was sent.
    pub fn new(options: ReadOptions) -> StreamReader {
        StreamReader { options, ..StreamReader::default() }
    }

    /// Creates a reader for a stream that needs no request.
    pub fn without_request(options: ReadOptions) -> StreamReader {
        let phase = ReaderPhase::headerless(None, false);
        let decoder = Decoder::with_line_max(IMPORT_LINE_MAX);
        StreamReader { is_unrequested: true, phase, decoder, ..StreamReader::new(options) }
    }

    /// Creates a reader for a recording. Rows without a timestamp start at `first`, `step` apart.
    pub fn for_recording(options: ReadOptions, first: Time, step: Duration) -> StreamReader {
        let mut reader = StreamReader::new(options);
        (reader.is_unrequested, reader.is_whole) = (true, true);
        reader.decoder = Decoder::with_line_max(IMPORT_LINE_MAX);
        reader.output.clock = RowClock::Even { next: first, step };
        reader.output.is_recording = true;
        reader
    }

    /// Makes the reader deliver rows as the file grows.
    pub(super) fn growing(mut self) -> StreamReader {
        self.is_whole = false;
        self
    }

    /// Calls six numbers `c1 … c6`: a row of the recording contradicts other names.
    pub(super) fn misnamed(mut self) -> StreamReader {
        self.output.resume.plain_fields = Some(PlainColumns::numbered_six());
        self
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
        if let Err(refusal) = self.check_first_bytes(bytes) {
            return Some(Disconnect::refused(&refusal.to_string()));
        }
        // Lines borrow from the decoder, so it leaves `self` during the loop.
        let mut decoder = std::mem::take(&mut self.decoder);
        while let Some(line) = decoder.decode(&mut bytes) {
            match line.map(|line| self.handle_line(line, now)) {
                Ok(Ok(())) => {}
                Err(fault) if self.is_unrequested && !self.is_known() => {
                    self.refuse(&Refusal::undecodable(&fault));
                }
                Ok(Err(fault)) | Err(fault) => self.output.add_fault(fault),
            }
            if self.disconnect.as_ref().is_some_and(|end| end.refused) {
                break;
            }
        }
        self.decoder = decoder;
        self.decide_import(false, now);
        self.output.report_losses();
        self.disconnect.take()
    }

    /// Forgets the bytes of an incomplete line, which are to be fed again. Returns their number.
    pub(super) fn discard_incomplete_line(&mut self) -> usize {
        self.decoder.discard_pending()
    }

    /// Removes the events so far, in their order.
    pub fn drain_events(&mut self) -> vec::Drain<'_, Event> {
        self.output.events.drain(..)
    }

    /// Treats an undecided stream as plain and delivers the pending lines: no header came in time.
    pub(super) fn decide_plain(&mut self) {
        let ReaderPhase::Undecided(pending) = &mut self.phase else { return };
        let pending = std::mem::take(pending);
        // The first line may be no row, or half a row: two equal rows decide, else the last one.
        let counts: Vec<usize> = pending.iter().filter_map(PendingLine::field_count).collect();
        let pair = counts.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0]);
        let likely_count = pair.or(counts.last().copied());
        let fields = self.output.resume.plain_fields.as_ref();
        let expected_count = fields.map(|fields| fields.columns().len()).or(likely_count);
        self.phase = ReaderPhase::headerless(expected_count, self.is_whole);
        let mut now = Time::default();
        for line in pending {
            match line {
                PendingLine::Note(note) => {
                    self.add_comment(&note);
                    if self.options.keep_lines {
                        self.output.events.push(Event::Note(note));
                    }
                }
                PendingLine::Row { line, received } => {
                    now = received;
                    if let Err(fault) = self.handle_row(&line, received) {
                        self.output.add_fault(fault);
                    }
                }
            }
        }
        self.decide_import(false, now);
        self.output.report_losses();
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
        self.decide_import(true, Time::default());
        self.reject_held_rows(None);
        self.output.report_losses();
    }

    /// Ends the input. A last line without line end is a fault, also in files of other programs: half
    /// a number looks like a number.
    /// Returns the refusal, if any: the columns of a short stream are known only now.
    pub fn finish(&mut self) -> Option<Disconnect> {
        self.close();
        self.output.deliver_looks();
        if self.decoder.pending() > 0 {
            self.decoder = Decoder::new();
            let last = SafeText::new("the last line has no line end, so it may be cut off");
            self.output.events.push(Event::Faults { count: 1, first: last.clone(), last });
        }
        self.disconnect.take()
    }

    fn handle_line(&mut self, line: &str, now: Time) -> Result<(), LineError> {
        if self.is_unrequested
            && let Some(at) = header_after_cut(line)
        {
            self.output.add_fault(LineError::CutOff);
            return self.handle_line(&line[at..], now);
        }
        match self.parse_line(line)? {
            Line::Blank => {}
            Line::Past(text) => {
                // Without a request for them, they are comments.
                if let Some(past) = &mut self.past {
                    past.read(text, now, &mut self.options, &mut self.output.events)?;
                }
            }
            Line::Note(Note::Top(top)) => self.output.begin_look(top),
            Line::Note(Note::Process(process)) => self.output.add_process(process)?,
            Line::Note(note) => self.handle_note(note),
            // A tab at the end stands behind an empty field of a table.
            Line::Row(_) if self.is_unrequested && self.phase.header().is_none() => {
                self.handle_row(line.trim_matches(' '), now)?;
            }
            Line::Row(row) => self.handle_row(row, now)?,
        }
        Ok(())
    }

    fn handle_note(&mut self, note: Note) {
        match &note {
            Note::Header(header) => self.handle_header(header),
            Note::Columns(columns) => self.handle_columns(columns),
            Note::Live => self.output.events.push(Event::Live),
            Note::Skipped { from, to } => {
                self.output.skip(from.count_to(*to));
            }
            Note::Error(reason) => self.disconnect = Some(Disconnect::refused(reason.as_str())),
            Note::Bye(reason) => {
                let reason = reason.as_ref().map_or("the agent stopped", SafeText::as_str);
                self.disconnect = Some(Disconnect::lost(reason));
            }
            // Looks are no notes of their own.
            Note::Top(_) | Note::Process(_) => return,
            Note::Health(health) => self.output.events.push(Event::Health(health.clone())),
            Note::Pong => {
                // The answer is for this connection, and no part of the stream.
                self.has_pong = true;
                return;
            }
            Note::Other(_) => {}
        }
        self.add_comment(&note);
        let is_comment = matches!(note, Note::Other(_));
        if self.is_undecided() && (self.options.keep_lines || is_comment) {
            self.wait_for_header(PendingLine::Note(note));
        } else if self.options.keep_lines {
            self.output.events.push(Event::Note(note));
        }
    }

    fn handle_columns(&mut self, columns: &Schema) {
        // Columns without a header are no answer to a request.
        let header = match &self.phase {
            // The header of another run is missing.
            ReaderPhase::Subscribed { schema: Some(_), .. } if self.is_unrequested => None,
            phase => phase.header().cloned(),
        };
        self.output.begin_columns(header.as_ref(), columns);
        if header.as_ref().is_none_or(|header| header.run.is_none()) {
            // Without a run, times increase only until the next columns note.
            self.output.resume.last_time = None;
        }
        match self.options.select(columns) {
            Ok((selection, schema)) => {
                self.subscribe(header.clone(), Some(columns.clone()));
                match schema {
                    Some(schema) => self.announce(header, schema, selection),
                    None => self.selection = selection,
                }
            }
            Err(refusal) => self.disconnect = Some(refusal),
        }
    }

    fn subscribe(&mut self, header: Option<Header>, schema: Option<Schema>) {
        self.reject_text();
        self.warn_of_time_options();
        self.reject_held_rows(None);
        self.phase = ReaderPhase::Subscribed { header, schema };
    }

    /// Announces the columns of the rows that follow.
    fn announce(&mut self, header: Option<Header>, schema: Schema, selection: ColumnSelection) {
        self.selection = selection;
        let stream = Arc::new(StreamInfo { header, schema });
        self.output.announce(stream.clone());
        let repeats_lines = self.options.keep_lines && !matches!(self.phase, ReaderPhase::Table(_));
        let is_plain = stream.header.is_none() && stream.schema.stamp() == Stamp::None;
        let repeats_all_columns = repeats_lines && (is_plain || !self.selection.is_all());
        let traits = StreamTraits { takes_requests: !self.is_unrequested, repeats_all_columns };
        self.output.events.extend(self.options.take_warnings(&stream, traits));
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
            ReaderPhase::Table(table) => match table.parse_next(line, false, &mut self.row) {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(RowError::Fault(fault)) => return Err(fault),
                Err(RowError::Refused(refusal)) => {
                    self.refuse(&refusal);
                    return Ok(());
                }
            },
            ReaderPhase::Plain { .. } => return self.handle_plain_row(line, now),
            ReaderPhase::Subscribed { schema: Some(schema), .. } => {
                schema.parse_row_into(line, &mut self.row)?;
            }
            ReaderPhase::Headerless { .. } | ReaderPhase::Subscribed { schema: None, .. } => {
                return Err(LineError::RowBeforeColumns);
            }
        }
        self.deliver(line, now)
    }

    /// Delivers the current row, which has the text `line`.
    fn deliver(&mut self, line: &str, now: Time) -> Result<(), LineError> {
        if self.selection.is_empty() {
            self.output.deliver_looks();
            return Ok(());
        }
        self.selection.apply(&mut self.row.values);
        let line = self.options.keep_lines.then(|| match &self.phase {
            ReaderPhase::Table(table) => self.row.to_line(&table.schema).into(),
            ReaderPhase::Plain { has_decimal_comma: true, .. } => with_point(line, true),
            _ => sanitize(line),
        });
        let run = self.phase.header().and_then(|header| header.run);
        self.output.deliver(&self.row, run, line.as_deref(), now)
    }

    /// Opens a plain stream if the first line is clearly one of its rows. Other lines go to the import,
    /// and the result is false.
    fn open_headerless(&mut self, line: &str) -> Result<bool, LineError> {
        let ReaderPhase::Headerless { expected_count, importer } = &mut self.phase else {
            return Ok(true);
        };
        let is_plain = importer.is_empty()
            && self.options.import.time_format.is_none()
            && !(self.is_unrequested && importer.names_fields(line));
        match parse_plain_row(line) {
            Ok(values) if is_plain && PlainLine::classify(line) == PlainLine::Row => {
                let count = expected_count.take().unwrap_or(values.len());
                self.open_plain(count, &values, false)?;
                Ok(true)
            }
            _ => {
                importer.push(line, false);
                Ok(false)
            }
        }
    }
}

#[cfg(test)]
mod tests;
