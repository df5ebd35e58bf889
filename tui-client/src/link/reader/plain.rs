//! Rows of a plain stream: their columns, which may change in mid-stream.

use std::borrow::Cow;

use loadline_protocol::{LineError, SafeText, Schema, Time, parse_plain_row_into, sanitize};

use super::StreamReader;
use super::phase::ReaderPhase;
use crate::event::Event;
use crate::link::columns::{ColumnSelection, plain_refusal};
use crate::link::plain_columns::{PlainColumns, RowFit};

/// Warning about standard columns that a row contradicts.
const MISNAMED: &str =
    "values are not those of cpu, freq, mem and load: columns are named c1 to c6";

impl StreamReader {
    /// Starts a plain stream with `count` numbers per row.
    pub(super) fn open_plain(
        &mut self,
        count: usize,
        first: &[f64],
        has_decimal_comma: bool,
    ) -> Result<(), LineError> {
        self.warn_of_time_options();
        let known = self.output.resume.plain_fields.take();
        let known = known.filter(|fields| fields.columns().len() == count);
        let fields = known.unwrap_or_else(|| PlainColumns::first_fields(count, first));
        let names = self.options.columns.as_deref();
        let (selection, schema) = ColumnSelection::plain(&fields, names).inspect_err(|_| {
            self.misfit_rows += 1;
            let refusal = || plain_refusal(&fields, names.unwrap_or_default(), self.misfit_rows);
            self.disconnect = self.disconnect.take().or_else(refusal);
        })?;
        let is_named = names.is_some_and(|names| names.len() == count);
        let fields = if is_named { schema.clone() } else { fields };
        self.output.resume.plain_fields = Some(fields.clone());
        let columns = PlainColumns::new(fields, is_named);
        self.phase = ReaderPhase::Plain { columns, has_decimal_comma };
        self.announce(None, schema, selection);
        Ok(())
    }

    pub(super) fn handle_plain_row(&mut self, line: &str, now: Time) -> Result<(), LineError> {
        let ReaderPhase::Plain { columns, has_decimal_comma } = &mut self.phase else {
            return Ok(());
        };
        (self.row.time, self.row.seq) = (None, None);
        parse_plain_row_into(&with_point(line, *has_decimal_comma), &mut self.row.values)?;
        let count = self.row.values.len();
        match columns.check(line, &self.row.values, now) {
            RowFit::Held => {
                self.reject_held_rows(Some(count));
                return Ok(());
            }
            RowFit::Fits => self.reject_held_rows(None),
            RowFit::Misnamed(fields) => {
                self.reject_held_rows(None);
                self.change_plain(fields, true);
            }
            RowFit::Changed(fields) => {
                let held = columns.take_held();
                self.change_plain(fields, false);
                for row in held {
                    self.handle_plain_row(&row.line, row.received)?;
                }
                return self.handle_plain_row(line, now);
            }
        }
        self.deliver(line, now)
    }

    /// Continues a plain stream with other columns, and announces the change.
    fn change_plain(&mut self, fields: Schema, is_misnamed: bool) {
        let ReaderPhase::Plain { columns, .. } = &mut self.phase else { return };
        let text = if is_misnamed { MISNAMED.to_owned() } else { columns.change_text(&fields) };
        self.output.report_losses();
        self.output.events.push(Event::Warning(SafeText::new(&text)));
        let is_named = columns.is_named();
        *columns = PlainColumns::new(fields.clone(), is_named);
        self.output.resume.plain_fields = Some(fields.clone());
        if self.selection.is_all() {
            if is_misnamed {
                self.output.events.push(Event::Misnamed);
            }
            self.announce(None, fields, ColumnSelection::default());
            return;
        }
        let names = self.options.columns.as_deref().unwrap_or_default();
        match ColumnSelection::named(&fields, names) {
            Ok((selection, schema)) => self.announce(None, schema, selection),
            Err(refusal) => self.disconnect = Some(refusal),
        }
    }

    /// Reports held rows as faults, except those with `count` fields.
    pub(super) fn reject_held_rows(&mut self, count: Option<usize>) {
        let ReaderPhase::Plain { columns, .. } = &mut self.phase else { return };
        for fault in columns.reject_held(count) {
            self.output.add_fault(fault);
        }
    }
}

/// Replaces decimal commas.
pub(super) fn with_point(line: &str, has_decimal_comma: bool) -> Cow<'_, str> {
    if has_decimal_comma { sanitize(line).replace(',', ".").into() } else { line.into() }
}
