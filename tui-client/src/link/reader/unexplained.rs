//! Lines that no header explains: passed to the import, which decides what they are.

use std::sync::Arc;

use loadline_protocol::{Line, LineError, Note, SafeText, Schema, Time, parse_plain_row};

use super::StreamReader;
use super::output::RowClock;
use super::phase::ReaderPhase;
use super::plain::with_point;
use crate::event::Event;
use crate::import::{
    Decision, ImportOptions, ImportedRows, Recognized, Refusal, RowError, Table, check_first_bytes,
};
use crate::link::columns::ColumnSelection;
use crate::link::disconnect::Disconnect;

/// Milliseconds since 1970 below which a time is hardly one: March 1973. A column may count from its
/// start.
const TIME_MS_MIN: i64 = 100_000_000_000;

/// Warning about times below [`TIME_MS_MIN`].
const EARLY_WARNING: &str =
    "the times are before 1973; rename the time column if it counts from the start";

impl StreamReader {
    /// Checks whether the first bytes of a local input are text.
    pub(super) fn check_first_bytes(&self, bytes: &[u8]) -> Result<(), Refusal> {
        let is_first = self.is_unrequested && self.decoder.is_at_start();
        if is_first { check_first_bytes(bytes) } else { Ok(()) }
    }

    /// Returns whether the kind of the rows is known.
    pub(super) fn is_known(&self) -> bool {
        match &self.phase {
            ReaderPhase::Undecided(pending) => {
                pending.iter().any(|line| line.field_count().is_some())
            }
            ReaderPhase::Headerless { .. } => false,
            _ => true,
        }
    }

    /// Parses a line. Without a header, notes of looks and of the past are comments of another program.
    pub(super) fn parse_line<'a>(&mut self, line: &'a str) -> Result<Line<'a>, LineError> {
        let parsed = Line::parse(line);
        let is_look = |line: &str| ["top", "proc"].map(Some).contains(&first_word(line));
        if let ReaderPhase::Subscribed { .. } = self.phase {
            return parsed.inspect_err(|_| {
                if first_word(line) == Some("top") {
                    self.output.close_look();
                }
            });
        }
        match parsed {
            Ok(Line::Past(_) | Line::Note(Note::Top(_) | Note::Process(_))) => Ok(comment(line)),
            Err(_) if is_look(line) => Ok(comment(line)),
            parsed => parsed,
        }
    }

    pub(super) fn refuse(&mut self, refusal: &Refusal) {
        self.disconnect = Some(Disconnect::refused(&refusal.to_string()));
    }

    /// Passes a comment on to the import: a comment may name columns.
    pub(super) fn add_comment(&mut self, note: &Note) {
        let Note::Other(text) = note else { return };
        match &mut self.phase {
            ReaderPhase::Headerless { importer, .. } => importer.push(text.as_str(), true),
            ReaderPhase::Table(table) => {
                if let Err(RowError::Refused(refusal)) =
                    table.parse_next(text.as_str(), true, &mut self.row)
                {
                    self.refuse(&refusal);
                }
            }
            _ => {}
        }
    }

    /// Decides about the lines that no header explains; at the end of the input if `is_end`.
    pub(super) fn decide_import(&mut self, is_end: bool, now: Time) {
        let ReaderPhase::Headerless { importer, .. } = &mut self.phase else { return };
        if importer.is_empty() || self.disconnect.is_some() {
            return;
        }
        match importer.decide(&self.options.import, is_end, now) {
            Ok(Decision::NotYet) if self.is_unrequested => {}
            Ok(Decision::NotYet) => {
                let texts = importer.report_text();
                for line in &texts {
                    self.add_text_fault(line);
                }
            }
            Ok(Decision::NoRows(refusal)) if self.is_unrequested => self.refuse(&refusal),
            // A server may still send rows over this connection or the next one.
            Ok(Decision::NoRows(_)) => self.reject_text(),
            Ok(Decision::Plain { skipped, rows, has_decimal_comma }) => {
                self.import_plain(&skipped, &rows, has_decimal_comma, now);
            }
            Ok(Decision::Table(table, rows)) => {
                if let Err(fault) = self.open_table(*table, rows, now) {
                    self.output.add_fault(fault);
                }
            }
            Err(refusal) => self.refuse(&refusal),
        }
    }

    /// Delivers plain rows below lines of text, which are faults.
    fn import_plain(
        &mut self,
        skipped: &[Box<str>],
        rows: &[Box<str>],
        has_decimal_comma: bool,
        now: Time,
    ) {
        for line in skipped {
            self.add_text_fault(line);
        }
        let first = rows.first().map(|row| parse_plain_row(&with_point(row, has_decimal_comma)));
        let Some(Ok(values)) = first else { return };
        if has_decimal_comma {
            let format = "plain rows, decimal comma".to_owned();
            let recognized = Recognized { format, ..Recognized::default() };
            self.output.events.push(Event::Imported(Arc::new(recognized)));
        }
        let opened = self.open_plain(values.len(), &values, has_decimal_comma);
        let results = rows.iter().map(|row| self.handle_row(row, now)).collect::<Vec<_>>();
        for fault in opened.err().into_iter().chain(results.into_iter().filter_map(Result::err)) {
            self.output.add_fault(fault);
        }
    }

    /// Starts a table and delivers its first rows, unless it lacks a requested column.
    fn open_table(
        &mut self,
        mut table: Table,
        imported: ImportedRows,
        now: Time,
    ) -> Result<(), LineError> {
        let selection = self.select(&mut table)?;
        self.output.events.push(Event::Imported(Arc::new(table.recognized())));
        if self.options.keep_lines {
            // Kept lines need the column names above them.
            self.output.events.push(Event::Note(Note::Columns(table.schema.clone())));
        }
        let (schema, start) = (table.schema.clone(), table.start);
        self.phase = ReaderPhase::Table(Box::new(table));
        self.announce(None, schema, selection);
        if let (RowClock::Even { next, .. }, Some(start)) = (&mut self.output.clock, start) {
            *next = start;
        }
        let first = imported.rows.first().and_then(|row| row.time);
        if first.is_some_and(|time| time < Time::from_millis(TIME_MS_MIN)) {
            self.output.events.push(Event::Warning(SafeText::new(EARLY_WARNING)));
        }
        imported.faults.into_iter().for_each(|fault| self.output.add_fault(fault));
        for row in imported.rows {
            self.row = row;
            if let Err(fault) = self.deliver("", now) {
                self.output.add_fault(fault);
            }
        }
        Ok(())
    }

    /// Selects columns of a table by name, or renames all of them. An unknown name is refused.
    fn select(&mut self, table: &mut Table) -> Result<ColumnSelection, LineError> {
        let Some(names) = &self.options.columns else { return Ok(ColumnSelection::default()) };
        let found = table.schema.columns().len();
        match ColumnSelection::named(&table.schema, names) {
            Ok((selection, schema)) => {
                table.schema = schema;
                Ok(selection)
            }
            Err(_) if names.len() == found => {
                let columns = names.iter().map(|name| name.parse()).collect::<Result<_, _>>()?;
                table.schema = Schema::new(table.schema.stamp(), columns)?;
                Ok(ColumnSelection::default())
            }
            Err(refusal) => {
                self.disconnect = Some(refusal);
                Err(LineError::FieldCount { expected: names.len(), found })
            }
        }
    }

    /// Warns that the options for times have no effect on rows that are no table.
    pub(super) fn warn_of_time_options(&mut self) {
        let ImportOptions { time_column, time_format, .. } = &mut self.options.import;
        if time_column.take().is_some() | time_format.take().is_some() {
            self.output.events.extend(self.options.take_time_warning());
        }
    }

    /// Reports that rows above the header of a recording are left out: their times are not known.
    pub(super) fn warn_of_pending_rows(&mut self) {
        let ReaderPhase::Undecided(pending) = &self.phase else { return };
        let count = pending.iter().filter(|line| line.field_count().is_some()).count();
        if self.output.is_recording && count > 0 {
            let (rows, are) = if count == 1 { ("row", "is") } else { ("rows", "are") };
            let text = format!("{count} {rows} without a time above the header {are} left out");
            self.output.events.push(Event::Warning(SafeText::new(&text)));
        }
    }

    /// Reports text without a row as faults.
    pub(super) fn reject_text(&mut self) {
        let ReaderPhase::Headerless { importer, .. } = &mut self.phase else { return };
        importer.take_text().iter().for_each(|line| self.add_text_fault(line));
    }

    fn add_text_fault(&mut self, line: &str) {
        if let Err(fault) = parse_plain_row(line) {
            self.output.add_fault(fault);
        }
    }
}

fn note_text(line: &str) -> &str {
    line.trim_start().trim_start_matches('#').trim()
}

fn first_word(line: &str) -> Option<&str> {
    note_text(line).split_whitespace().next()
}

fn comment(line: &str) -> Line<'static> {
    Line::Note(Note::Other(SafeText::new(note_text(line))))
}
