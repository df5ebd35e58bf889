//! Columns with values: their numbers, units and names.

use std::collections::HashSet;

use loadline_protocol::Column;

use super::dialect::{Decimal, is_odd_number};
use super::sample::TableSample;
use super::tools::{Tool, names_device};
use super::{Refusal, excerpt, units};

/// Column with values.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ValueColumn {
    name: String,
    unit: String,
    /// True if the cells have units; the heading has one otherwise.
    has_cell_units: bool,
}

impl ValueColumn {
    /// Parses a cell, and converts it to the unit of the column.
    pub(super) fn parse(&self, cell: &str, decimal: Decimal) -> Option<f64> {
        if let Some(number) = decimal.parse(cell) {
            // Without a unit, only 0 is the same in each unit.
            return (!self.has_cell_units || number == 0.0).then_some(number);
        }
        let (number, unit) = units::split_cell(cell)?;
        Some(decimal.parse(number)? * units::factor(unit, &self.unit)?)
    }
}

/// Decides whether a column has values. `None` for text, and for an empty column without a name.
///
/// # Errors
/// Numbers are written in a way that is not understood, or have units that do not convert exactly.
pub(super) fn detect_column(
    sample: &TableSample<'_>,
    at: usize,
    heading: Option<&String>,
) -> Result<Option<ValueColumn>, Refusal> {
    let (name, unit) = units::split_heading(&sample.names[at]);
    let refuse =
        |what: String, hint: &str| Err(Refusal::new(&format!("column {name:?}: {what}"), hint));
    let column = |name: &str, unit: &str, has_cell_units| {
        Ok(Some(ValueColumn { name: name.to_owned(), unit: unit.to_owned(), has_cell_units }))
    };
    let cells = sample.cells(at);
    let total = cells.clone().count();
    if total == 0 {
        let is_unnamed = heading.is_none_or(String::is_empty);
        return if is_unnamed { Ok(None) } else { column(name, unit, false) };
    }
    let numbers = cells.clone().filter(|cell| sample.decimal.parse(cell).is_some());
    let with_unit = |cell: &&str| {
        units::split_cell(cell).is_some_and(|(number, _)| sample.decimal.parse(number).is_some())
    };
    let united: Vec<&str> = cells.clone().filter(with_unit).collect();
    let is_odd = |cell: &&str| sample.decimal.parse(cell).is_none() && is_odd_number(cell);
    let parsed = numbers.clone().count() + united.len();
    if let Some(odd) =
        cells.clone().find(is_odd).filter(|_| parsed > 0 || cells.clone().all(|it| is_odd(&it)))
    {
        let hint = "write numbers with a decimal point and without thousands separators";
        return refuse(format!("the number {:?} is not understood", excerpt(odd)), hint);
    }
    if 2 * parsed <= total {
        return Ok(None);
    }
    if united.is_empty() {
        return column(name, unit, false);
    }
    let found = || united.iter().filter_map(|cell| units::split_cell(cell)).map(|(_, unit)| unit);
    let Some(common) = units::common(found()) else {
        let mut all: Vec<&str> = found().collect();
        all.dedup();
        if !all.iter().all(|unit| units::is_known(unit)) {
            return Ok(None);
        }
        let what = format!(
            "cells have several units: {}",
            all.iter().take(2).copied().collect::<Vec<_>>().join(" and ")
        );
        return refuse(what, "write all values in one unit");
    };
    let is_bare = numbers.clone().any(|cell| sample.decimal.parse(cell) != Some(0.0));
    match units::factor(common, unit) {
        Some(_) => column(name, unit, !is_bare),
        None if is_bare => {
            refuse("some cells have a unit, others none".to_owned(), "write all values in one unit")
        }
        // Only the name implies the unit: `mem` is in % unless the cells say otherwise.
        None if sample.names[at] == name && !name.starts_with('%') => column(name, common, true),
        None if units::is_known(unit) => refuse(
            format!("the heading says {unit}, cells say {common}"),
            "write all values in one unit",
        ),
        // What the heading has in brackets is no unit.
        None if !unit.is_empty() => column(&sample.names[at], common, true),
        None => column(name, common, true),
    }
}

/// Returns columns with unique names.
pub(super) fn unique_columns(columns: &[ValueColumn]) -> Vec<Column> {
    let mut taken = HashSet::new();
    let unique = |column: &ValueColumn| {
        let mut unique = Column::new(&column.name, &column.unit);
        let mut number = 2;
        while !taken.insert(unique.name().to_owned()) {
            unique = Column::new(&format!("{}_{number}", column.name), &column.unit);
            number += 1;
        }
        unique
    };
    columns.iter().map(unique).collect()
}

/// Returns whether a column has names or numbers of devices, not values. Programs of sysstat write
/// `all` or -1 beside the numbers of processors.
pub(super) fn names_devices(sample: &TableSample<'_>, at: usize, tool: &Tool) -> bool {
    let is_sadf = sample.names.iter().take(3).eq(["hostname", "interval", "timestamp"].iter());
    let is_number = |cell: &str| sample.decimal.parse(cell).is_some();
    let is_mixed =
        || sample.cells(at).any(|cell| !is_number(cell) && units::split_cell(cell).is_none());
    // pidstat has the processor of a process.
    let is_of_process = || sample.names.iter().any(|name| name == "PID" || name == "TGID");
    let is_value = sample.names[at] == "CPU" && is_of_process();
    names_device(&sample.names[at])
        && !is_value
        && (is_sadf || matches!(tool, Tool::Sysstat { .. }) || is_mixed())
}
