//! Reader of earlier samples: a second stream, in lines that begin with `# past `.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use loadline_protocol::{
    Header, LISTED_MAX, Line, LineError, Look, Note, Row, RunId, Schema, Time,
};

use crate::event::{Event, PastEvent, Rows, Sample, StreamInfo};
use crate::link::columns::ColumnSelection;
use crate::link::read_options::ReadOptions;

/// Reader of the answer to one request for earlier samples.
#[derive(Debug)]
pub(in crate::link) struct PastReader {
    /// Times of the rows to deliver. Other rows were delivered before, or come later.
    pub(in crate::link) span: Range<Time>,
    /// History that was requested.
    history: Duration,
    /// Number of lines of the answer so far. `None` until the agent has read the request: lines before
    /// belong to an earlier answer.
    pub(in crate::link) lines: Option<u64>,
    /// True if the answer is complete.
    pub(in crate::link) is_complete: bool,
    /// Time of the last row.
    pub(in crate::link) last_time: Option<Time>,
    header: Option<Header>,
    /// Run of the last row.
    last_run: Option<RunId>,
    /// Columns of the rows, those of them to deliver, and the current row.
    columns: Option<(Schema, ColumnSelection)>,
    row: Row,
    /// Look that has begun.
    look: Option<Look>,
}

impl PastReader {
    /// Returns a reader of the samples of these times, for which `history` was requested.
    pub(in crate::link) fn new(span: Range<Time>, history: Duration) -> PastReader {
        PastReader {
            span,
            history,
            lines: None,
            is_complete: false,
            last_time: None,
            header: None,
            last_run: None,
            columns: None,
            row: Row::default(),
            look: None,
        }
    }

    /// Notes that the agent has read the request, at `agent_now` by its clock. A history begins that
    /// long before the newest sample: after a delay of the request, too late for the first samples.
    pub(super) fn begin(&mut self, agent_now: Option<Time>) {
        if self.lines.is_none() {
            self.lines = Some(0);
            let earliest = agent_now.map(|now| now - self.history);
            self.span.start = self.span.start.max(earliest.unwrap_or_default());
        }
    }

    /// Reads a line without its prefix.
    ///
    /// # Errors
    /// The line is invalid.
    pub(super) fn read(
        &mut self,
        text: &str,
        now: Time,
        options: &mut ReadOptions,
        events: &mut Vec<Event>,
    ) -> Result<(), LineError> {
        let Some(lines) = self.lines.as_mut().filter(|_| !self.is_complete) else { return Ok(()) };
        *lines += 1;
        match Line::parse(text)? {
            Line::Blank | Line::Past(_) => {}
            Line::Row(row) => return self.read_row(row, now, events),
            Line::Note(note) => self.read_note(note, options, events),
        }
        Ok(())
    }

    fn read_note(&mut self, note: Note, options: &mut ReadOptions, events: &mut Vec<Event>) {
        match note {
            Note::Header(header) => (self.header, self.columns) = (Some(header), None),
            Note::Columns(columns) => self.begin_columns(columns, options, events),
            Note::Skipped { from, to } => {
                let count = from.count_to(to);
                events.push(Event::Past(PastEvent::Skipped { count }));
            }
            Note::Top(top) => {
                self.end_look(events);
                self.look = Some(Look { top, processes: Vec::new() });
            }
            Note::Process(process) => {
                if let Some(look) = &mut self.look
                    && look.processes.len() < LISTED_MAX
                {
                    look.processes.push(process);
                }
            }
            Note::Live => {
                self.end_look(events);
                self.is_complete = true;
            }
            // These concern the connection, or are comments.
            Note::Error(_) | Note::Bye(_) | Note::Pong | Note::Health(_) | Note::Other(_) => {}
        }
    }

    fn begin_columns(
        &mut self,
        columns: Schema,
        options: &mut ReadOptions,
        events: &mut Vec<Event>,
    ) {
        // A run may lack the requested columns.
        let selected = options.select(&columns).ok();
        let (selection, schema) = selected.unwrap_or((ColumnSelection::nothing(), None));
        if let Some(schema) = schema {
            let stream = StreamInfo { header: self.header.clone(), schema };
            events.push(Event::Past(PastEvent::Stream(Arc::new(stream))));
        }
        self.columns = Some((columns, selection));
    }

    fn end_look(&mut self, events: &mut Vec<Event>) {
        let look = self.look.take().map(|look| PastEvent::Look(Arc::new(look)));
        events.extend(look.map(Event::Past));
    }

    fn read_row(
        &mut self,
        text: &str,
        now: Time,
        events: &mut Vec<Event>,
    ) -> Result<(), LineError> {
        self.end_look(events);
        let Some((schema, selection)) = &self.columns else {
            return Err(LineError::RowBeforeColumns);
        };
        schema.parse_row_into(text, &mut self.row)?;
        let time = self.row.time.unwrap_or_default();
        let run = self.header.as_ref().and_then(|header| header.run);
        if self.last_run == run && self.last_time.is_some_and(|last| time <= last) {
            return Err(LineError::TimeNotIncreasing(time));
        }
        (self.last_run, self.last_time) = (run, Some(time));
        if !self.span.contains(&time) || selection.is_empty() {
            return Ok(());
        }
        selection.apply(&mut self.row.values);
        let Row { seq, values, .. } = &self.row;
        let sample = Sample { time, seq: *seq, received: now, values, line: None };
        if let Some(Event::Past(PastEvent::Rows(rows))) = events.last_mut()
            && rows.try_append(sample)
        {
            return Ok(());
        }
        events.push(Event::Past(PastEvent::Rows(Rows::one(sample))));
        Ok(())
    }
}
