//! Rows without a header: plain ones, and those below a line that names their columns.

use std::sync::Arc;

use loadline_agent::with_choices;
use loadline_protocol::{
    Column, LineError, Note, SafeText, Schema, Stamp, Time, parse_plain_row_into,
};

use super::{Farewell, Phase, Progress, Reader, held};
use crate::event::{Event, Stream};
use crate::link::plain::Plain;
use crate::link::table::{self, Table};

/// How far plain rows that come in one burst may run ahead of the clock, each one millisecond after
/// the one before. What comes faster is skipped, and said so.
const BURST_MS: i64 = 1000;

/// A line before the first row that is none: it may name the columns.
#[derive(Debug)]
pub(super) struct Heading {
    line: String,
    /// What is wrong with it if it does not.
    fault: LineError,
}

/// Which time a row gets that has none.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Beat {
    /// That of receipt.
    Receipt,
    /// The next of times at equal distances.
    Even { next_ms: i64, step_ms: i64 },
}

impl Reader {
    /// No header came in time: the server knows no requests, and its rows are plain.
    pub fn decide_plain(&mut self, progress: &mut Progress, events: &mut Vec<Event>) {
        let Phase::Undecided { held } = &mut self.phase else { return };
        let held = std::mem::take(held);
        self.phase = Phase::Plain(None);
        self.due = progress.plain_count.or(held.last_count());
        for line in held.lines() {
            match line {
                held::Line::Note(note) => events.push(Event::Note(note.clone())),
                held::Line::Row { row, received } => {
                    if let Err(fault) = self.plain_row(row, received, progress, events) {
                        self.faults.add(fault);
                    }
                }
            }
        }
        self.report(events);
    }

    pub(super) fn plain_row(
        &mut self,
        line: &str,
        now: Time,
        progress: &mut Progress,
        events: &mut Vec<Event>,
    ) -> Result<(), LineError> {
        if matches!(self.phase, Phase::Plain(None)) {
            self.open_table(line, events);
        }
        if let Phase::Table(_) = &self.phase {
            return self.table_row(line, now, progress, events);
        }
        if let Err(fault) = parse_plain_row_into(line, &mut self.row.values) {
            if matches!(self.phase, Phase::Plain(None)) && table::is_heading(line) {
                self.heading = Some(Heading { line: line.to_owned(), fault });
                return Ok(());
            }
            return Err(fault);
        }
        let count = self.row.values.len();
        if matches!(self.phase, Phase::Plain(None)) {
            let due = self.due.take().unwrap_or(count);
            self.open_plain(due, progress, events)?;
        }
        let fits = match &mut self.phase {
            Phase::Plain(Some(plain)) => plain.expects(count)?,
            _ => false,
        };
        if !fits {
            self.open_plain(count, progress, events)?;
        }
        let Phase::Plain(Some(plain)) = &self.phase else { return Ok(()) };
        plain.pick(&mut self.row.values);
        self.stamped_here(line, now, progress, events);
        Ok(())
    }

    /// From now on, rows have so many numbers.
    fn open_plain(
        &mut self,
        count: usize,
        progress: &mut Progress,
        events: &mut Vec<Event>,
    ) -> Result<(), LineError> {
        let (plain, schema) = Plain::new(count, self.reading.columns.as_deref())?;
        progress.plain_count = Some(count);
        self.phase = Phase::Plain(Some(plain));
        events.push(Event::Stream(Arc::new(Stream { header: None, schema })));
        Ok(())
    }

    /// If the line before names the columns of this one, these are the columns from now on.
    fn open_table(&mut self, row: &str, events: &mut Vec<Event>) {
        let Some(Heading { line, fault }) = self.heading.take() else { return };
        let Some(mut table) = Table::open(&line, row) else {
            self.faults.add(fault);
            return;
        };
        if let Some(Err(unknown)) = self.reading.columns.as_deref().map(|names| table.choose(names))
        {
            self.farewell = Some(no_column(unknown, table.schema()));
            return;
        }
        events.push(Event::Heading);
        let schema = table.schema().clone();
        if self.reading.keep_lines {
            // Without it, the rows that are kept say less than they did.
            events.push(Event::Note(Note::Columns(schema.clone())));
        }
        events.push(Event::Stream(Arc::new(Stream { header: None, schema })));
        self.phase = Phase::Table(table);
    }

    fn table_row(
        &mut self,
        line: &str,
        now: Time,
        progress: &mut Progress,
        events: &mut Vec<Event>,
    ) -> Result<(), LineError> {
        let Phase::Table(table) = &self.phase else { return Ok(()) };
        if table.is_heading(line) {
            return Ok(());
        }
        table.read(line, &mut self.row)?;
        let kept = self.reading.keep_lines.then(|| self.row.to_line(table.schema()));
        let line = kept.as_deref().unwrap_or(line);
        if table.schema().stamp() == Stamp::None {
            self.stamped_here(line, now, progress, events);
            return Ok(());
        }
        let time = self.row.time.unwrap_or(now);
        if progress.last_time.is_some_and(|last| time <= last) {
            return Err(LineError::Number { column: 1, text: time.to_string() });
        }
        progress.last_time = Some(time);
        self.deliver(time, line, now, progress, events);
        Ok(())
    }

    /// Gives the row at hand, which has no time, that of receipt, or the millisecond after the row
    /// before; in a recording the next of its times.
    pub(super) fn stamped_here(
        &mut self,
        line: &str,
        now: Time,
        progress: &mut Progress,
        events: &mut Vec<Event>,
    ) {
        let now_ms = now.as_millis();
        let after = progress.last_plain.map_or(0, |last| last.as_millis() + 1);
        let time_ms = match &mut self.beat {
            Beat::Even { next_ms, step_ms } => {
                let time_ms = *next_ms;
                *next_ms = next_ms.saturating_add(*step_ms);
                time_ms
            }
            Beat::Receipt if after <= now_ms => now_ms,
            Beat::Receipt if after < now_ms + BURST_MS => after,
            Beat::Receipt if after == now_ms + BURST_MS => {
                self.skipped += 1;
                return;
            }
            // No burst runs ahead so far: our clock was set back.
            Beat::Receipt => now_ms,
        };
        let time = Time::from_millis(time_ms);
        progress.last_plain = Some(time);
        self.deliver(time, line, now, progress, events);
    }

    /// The connection is gone, and nothing follows that would explain what was held.
    pub fn close(&mut self, progress: &mut Progress, events: &mut Vec<Event>) {
        if let Phase::Undecided { held } = &mut self.phase
            && progress.answered
        {
            // A server that knows requests has them again for the next one.
            *held = held::Held::default();
        }
        self.decide_plain(progress, events);
        if let Some(Heading { fault, .. }) = self.heading.take() {
            self.faults.add(fault);
        }
        self.report(events);
    }

    /// All was read that there is: a last line without its end is a fault, as half of a number looks
    /// like a number. Gives why it is refused, if it is: a short one is understood only now.
    pub fn end(&mut self, progress: &mut Progress, events: &mut Vec<Event>) -> Option<Farewell> {
        self.close(progress, events);
        if self.decoder.pending() > 0 {
            self.decoder = loadline_protocol::Decoder::new();
            let last = SafeText::new("the last line has no end");
            events.push(Event::Faults { count: 1, first: last.clone(), last });
        }
        self.farewell.take()
    }
}

/// Columns were asked for that are not there.
pub(super) fn no_column(unknown: &str, schema: &Schema) -> Farewell {
    let names: Vec<&str> = schema.columns().iter().map(Column::name).collect();
    let reason = with_choices(&format!("no column {unknown:?} here"), unknown, &names);
    Farewell { reason: SafeText::new(&reason), refused: true }
}
