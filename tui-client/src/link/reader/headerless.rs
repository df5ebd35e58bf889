//! Rows without a header: plain rows, and rows below a line of column names.

use std::sync::Arc;

use loadline_agent::with_suggestion;
use loadline_protocol::{
    Column, LineError, Note, SafeText, Schema, Stamp, Time, parse_plain_row_into,
};

use super::{Disconnect, ReaderPhase, ResumeState, StreamReader, pending_lines};
use crate::event::{Event, StreamInfo};
use crate::link::plain::PlainColumns;
use crate::link::record_columns::{self, RecordColumns};

/// Maximum lead of plain rows over the clock: 1 s. Rows of one burst are 1 ms apart; rows beyond
/// the lead are skipped and reported.
const BURST_MS: i64 = 1000;

/// Line of text before the first row, possibly the column names.
#[derive(Debug)]
pub(super) struct HeadingLine {
    line: String,
    /// Fault to report if the line names no columns.
    fault: LineError,
}

/// Clock for rows without a timestamp.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum RowClock {
    /// Time of receipt.
    OnReceipt,
    /// Times at equal intervals.
    Even { next_ms: i64, step_ms: i64 },
}

impl StreamReader {
    /// Treats an undecided stream as plain and delivers the pending lines: no header came in time.
    pub fn decide_plain(&mut self, state: &mut ResumeState, events: &mut Vec<Event>) {
        let ReaderPhase::Undecided { pending } = &mut self.phase else { return };
        let pending = std::mem::take(pending);
        self.phase = ReaderPhase::Plain(None);
        self.expected_count = state.plain_count.or(pending.last_count());
        for line in pending.lines() {
            match line {
                pending_lines::PendingLine::Note(note) => events.push(Event::Note(note.clone())),
                pending_lines::PendingLine::Row { row, received } => {
                    if let Err(fault) = self.plain_row(row, received, state, events) {
                        self.faults.add(fault);
                    }
                }
            }
        }
        self.report_faults(events);
    }

    pub(super) fn plain_row(
        &mut self,
        line: &str,
        now: Time,
        state: &mut ResumeState,
        events: &mut Vec<Event>,
    ) -> Result<(), LineError> {
        if matches!(self.phase, ReaderPhase::Plain(None)) {
            self.open_table(line, events);
        }
        if let ReaderPhase::Table(_) = &self.phase {
            return self.table_row(line, now, state, events);
        }
        if let Err(fault) = parse_plain_row_into(line, &mut self.row.values) {
            if matches!(self.phase, ReaderPhase::Plain(None)) && record_columns::is_heading(line) {
                self.heading = Some(HeadingLine { line: line.to_owned(), fault });
                return Ok(());
            }
            return Err(fault);
        }
        let count = self.row.values.len();
        if matches!(self.phase, ReaderPhase::Plain(None)) {
            let expected = self.expected_count.take().unwrap_or(count);
            self.open_plain(expected, state, events)?;
        }
        let fits = match &mut self.phase {
            ReaderPhase::Plain(Some(plain)) => plain.check_count(count)?,
            _ => false,
        };
        if !fits {
            self.open_plain(count, state, events)?;
        }
        let ReaderPhase::Plain(Some(plain)) = &self.phase else { return Ok(()) };
        plain.select(&mut self.row.values);
        self.deliver_unstamped(line, now, state, events);
        Ok(())
    }

    /// Starts a plain stream with `count` numbers per row.
    fn open_plain(
        &mut self,
        count: usize,
        state: &mut ResumeState,
        events: &mut Vec<Event>,
    ) -> Result<(), LineError> {
        let (plain, schema) = PlainColumns::new(count, self.options.columns.as_deref())?;
        state.plain_count = Some(count);
        self.phase = ReaderPhase::Plain(Some(plain));
        events.push(Event::Stream(Arc::new(StreamInfo { header: None, schema })));
        Ok(())
    }

    /// Starts a table if the previous line names the columns of `row`.
    fn open_table(&mut self, row: &str, events: &mut Vec<Event>) {
        let Some(HeadingLine { line, fault }) = self.heading.take() else { return };
        let Some(mut table) = RecordColumns::detect(&line, row) else {
            self.faults.add(fault);
            return;
        };
        if let Some(Err(unknown)) = self.options.columns.as_deref().map(|names| table.select(names))
        {
            self.disconnect = Some(unknown_column(unknown, table.schema()));
            return;
        }
        events.push(Event::HeadingLine);
        let schema = table.schema().clone();
        if self.options.keep_lines {
            // Kept lines need the column names above them.
            events.push(Event::Note(Note::Columns(schema.clone())));
        }
        events.push(Event::Stream(Arc::new(StreamInfo { header: None, schema })));
        self.phase = ReaderPhase::Table(table);
    }

    fn table_row(
        &mut self,
        line: &str,
        now: Time,
        state: &mut ResumeState,
        events: &mut Vec<Event>,
    ) -> Result<(), LineError> {
        let ReaderPhase::Table(table) = &self.phase else { return Ok(()) };
        if table.is_heading(line) {
            return Ok(());
        }
        table.parse_row(line, &mut self.row)?;
        let formatted = self.options.keep_lines.then(|| self.row.to_line(table.schema()));
        let line = formatted.as_deref().unwrap_or(line);
        if table.schema().stamp() == Stamp::None {
            self.deliver_unstamped(line, now, state, events);
            return Ok(());
        }
        let time = self.row.time.unwrap_or(now);
        if state.last_time.is_some_and(|last| time <= last) {
            return Err(LineError::TimeNotIncreasing(time));
        }
        state.last_time = Some(time);
        self.deliver(time, line, now, state, events);
        Ok(())
    }

    /// Delivers the current row, which has no timestamp: with the time of receipt, or 1 ms after
    /// the previous row. In a recording, the next even time applies.
    pub(super) fn deliver_unstamped(
        &mut self,
        line: &str,
        now: Time,
        state: &mut ResumeState,
        events: &mut Vec<Event>,
    ) {
        let now_ms = now.as_millis();
        let after = state.last_plain_time.map_or(0, |last| last.as_millis() + 1);
        let time_ms = match &mut self.clock {
            RowClock::Even { next_ms, step_ms } => {
                let time_ms = *next_ms;
                *next_ms = next_ms.saturating_add(*step_ms);
                time_ms
            }
            RowClock::OnReceipt if after <= now_ms => now_ms,
            RowClock::OnReceipt if after < now_ms + BURST_MS => after,
            RowClock::OnReceipt if after == now_ms + BURST_MS => {
                self.skipped += 1;
                return;
            }
            // No burst leads by more than the maximum: our clock was set back.
            RowClock::OnReceipt => now_ms,
        };
        let time = Time::from_millis(time_ms);
        state.last_plain_time = Some(time);
        self.deliver(time, line, now, state, events);
    }

    /// Ends the connection: decides on the pending lines, and reports the remaining faults.
    pub fn close(&mut self, state: &mut ResumeState, events: &mut Vec<Event>) {
        if let ReaderPhase::Undecided { pending } = &mut self.phase
            && state.answered
        {
            // The server sends these rows again on the next connection.
            *pending = pending_lines::PendingLines::default();
        }
        self.decide_plain(state, events);
        if let Some(HeadingLine { fault, .. }) = self.heading.take() {
            self.faults.add(fault);
        }
        self.report_faults(events);
    }

    /// Ends the input. An incomplete last line is a fault: half a number looks like a number.
    /// Returns the refusal, if any: the columns of a short stream are known only now.
    pub fn finish(
        &mut self,
        state: &mut ResumeState,
        events: &mut Vec<Event>,
    ) -> Option<Disconnect> {
        self.close(state, events);
        if self.decoder.pending() > 0 {
            self.decoder = loadline_protocol::Decoder::new();
            let last = SafeText::new("the last line is incomplete");
            events.push(Event::Faults { count: 1, first: last.clone(), last });
        }
        self.disconnect.take()
    }
}

/// Returns the refusal of a column that the stream does not have.
pub(super) fn unknown_column(unknown: &str, schema: &Schema) -> Disconnect {
    let names: Vec<&str> = schema.columns().iter().map(Column::name).collect();
    let reason = with_suggestion(&format!("unknown column {unknown:?}"), unknown, &names);
    Disconnect { reason: SafeText::new(&reason), refused: true }
}
