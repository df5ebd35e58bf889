//! Beginning of a table, by which its columns are known.

use std::borrow::Cow;

use super::Refusal;
use super::clock::{WrittenTime, is_yearless};
use super::dialect::Decimal;
use super::missing::is_missing;

/// Hint of refusals that `--time-format` resolves.
pub(super) const FORMAT_HINT: &str =
    "give --time-format, for example --time-format '%d/%m/%Y %H:%M:%S'";

/// Kind of the cells of a column, as times.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum CellKind {
    DateAndClock,
    Date,
    Clock,
    Number,
    Other,
}

/// Beginning of a table: its columns, and rows of which each has as many cells.
pub(super) struct TableSample<'s> {
    pub(super) names: &'s [String],
    pub(super) rows: &'s [Vec<Cow<'s, str>>],
    pub(super) decimal: Decimal,
}

impl<'s> TableSample<'s> {
    /// Returns the cells of a column that have a value.
    pub(super) fn cells(&self, at: usize) -> impl Iterator<Item = &'s str> + Clone + use<'s> {
        let rows: &'s [Vec<Cow<'s, str>>] = self.rows;
        rows.iter()
            .filter_map(move |row| row.get(at))
            .map(|cell| &**cell)
            .filter(|it| !is_missing(it))
    }

    /// Returns the kind of most cells of a column.
    pub(super) fn kind(&self, at: usize) -> CellKind {
        let kinds = [CellKind::DateAndClock, CellKind::Date, CellKind::Clock, CellKind::Number];
        let mut counts = [0_usize; 4];
        let mut total = 0;
        for cell in self.cells(at) {
            total += 1;
            let kind = cell_kind(cell, self.decimal);
            if let Some(at) = kinds.iter().position(|it| *it == kind) {
                counts[at] += 1;
            }
        }
        let most = kinds.into_iter().zip(counts).find(|(_, count)| 2 * count > total);
        most.map_or(CellKind::Other, |(kind, _)| kind)
    }
}

fn cell_kind(cell: &str, decimal: Decimal) -> CellKind {
    if decimal.parse(cell).is_some() {
        return CellKind::Number;
    }
    match WrittenTime::split(cell) {
        Some(time) if time.parse_clock().is_none() => CellKind::Other,
        Some(time) if time.clock.is_empty() && is_yearless(&time.date) => CellKind::Other,
        Some(time) if time.clock.is_empty() => CellKind::Date,
        Some(time) if time.date.is_empty() => CellKind::Clock,
        Some(_) => CellKind::DateAndClock,
        None => CellKind::Other,
    }
}

/// Returns the refusal of a column whose times are not understood.
pub(super) fn unknown(sample: &TableSample<'_>, at: usize) -> Refusal {
    let cell = sample.cells(at).next().unwrap_or_default();
    Refusal::new(
        &format!("column {:?}: {cell:?} is not understood as a time", sample.names[at]),
        FORMAT_HINT,
    )
}
