//! Rows without a header: plain ones, and those below a line that names their columns.

use std::sync::Arc;

use loadline_agent::with_suggestion;
use loadline_protocol::{
    Column, LineError, Note, SafeText, Schema, Stamp, Time, parse_plain_row_into,
};

use super::{Disconnect, ReaderPhase, ResumeState, StreamReader, pending_lines};
use crate::event::{Event, StreamInfo};
use crate::link::plain::PlainColumns;
use crate::link::record_columns::{self, RecordColumns};

/// How far plain rows that come in one burst may run ahead of the clock, each one millisecond after
/// the one before. What comes faster is skipped, and said so.
const BURST_MS: i64 = 1000;

/// A line before the first row that is none: it may name the columns.
#[derive(Debug)]
pub(super) struct HeadingLine {
    line: String,
    /// What is wrong with it if it does not.
    fault: LineError,
}

/// Which time a row gets that has none.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum RowClock {
    /// That of receipt.
    OnReceipt,
    /// The next of times at equal distances.
    Even { next_ms: i64, step_ms: i64 },
}

impl StreamReader {
    /// No header came in time: the server knows no requests, and its rows are plain.
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

    /// From now on, rows have so many numbers.
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

    /// If the line before names the columns of this one, these are the columns from now on.
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
            // Without it, the rows that are kept say less than they did.
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
            return Err(LineError::Number { column: 1, text: time.to_string() });
        }
        state.last_time = Some(time);
        self.deliver(time, line, now, state, events);
        Ok(())
    }

    /// Gives the row at hand, which has no time, that of receipt, or the millisecond after the row
    /// before; in a recording the next of its times.
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
            // No burst runs ahead so far: our clock was set back.
            RowClock::OnReceipt => now_ms,
        };
        let time = Time::from_millis(time_ms);
        state.last_plain_time = Some(time);
        self.deliver(time, line, now, state, events);
    }

    /// The connection is gone, and nothing follows that would explain what was held.
    pub fn close(&mut self, state: &mut ResumeState, events: &mut Vec<Event>) {
        if let ReaderPhase::Undecided { pending } = &mut self.phase
            && state.answered
        {
            // A server that knows requests has them again for the next one.
            *pending = pending_lines::PendingLines::default();
        }
        self.decide_plain(state, events);
        if let Some(HeadingLine { fault, .. }) = self.heading.take() {
            self.faults.add(fault);
        }
        self.report_faults(events);
    }

    /// All was read that there is: a last line without its end is a fault, as half of a number looks
    /// like a number. Gives why it is refused, if it is: a short one is understood only now.
    pub fn finish(
        &mut self,
        state: &mut ResumeState,
        events: &mut Vec<Event>,
    ) -> Option<Disconnect> {
        self.close(state, events);
        if self.decoder.pending() > 0 {
            self.decoder = loadline_protocol::Decoder::new();
            let last = SafeText::new("the last line has no end");
            events.push(Event::Faults { count: 1, first: last.clone(), last });
        }
        self.disconnect.take()
    }
}

/// Columns were asked for that are not there.
pub(super) fn unknown_column(unknown: &str, schema: &Schema) -> Disconnect {
    let names: Vec<&str> = schema.columns().iter().map(Column::name).collect();
    let reason = with_suggestion(&format!("no column {unknown:?} here"), unknown, &names);
    Disconnect { reason: SafeText::new(&reason), refused: true }
}
