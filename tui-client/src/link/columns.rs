//! Selection of columns by name, and the columns of a plain stream.

use std::collections::HashMap;

use loadline_common::with_suggestion;
use loadline_protocol::{Column, LineError, PLAIN_COLUMNS, Schema, Stamp};

use super::disconnect::Disconnect;
use super::plain_columns::RECOUNT_ROWS;

/// Selected values of a row, by index; all values if `None`.
#[derive(Debug, Default)]
pub(super) struct ColumnSelection(Option<Vec<usize>>);

impl ColumnSelection {
    /// Selects columns by name. Returns also the selected columns; an unknown name is refused.
    pub(super) fn named(
        schema: &Schema,
        names: &[String],
    ) -> Result<(ColumnSelection, Schema), Disconnect> {
        // Names match without units: `cpu:%` selects `cpu`.
        let columns = schema.columns().iter().enumerate();
        let positions: HashMap<&str, usize> = columns.map(|(at, it)| (it.name(), at)).collect();
        let index = |name: &String| {
            let bare = bare_name(name);
            positions.get(bare).copied().ok_or_else(|| unknown_column(bare, schema))
        };
        let indices = names.iter().map(index).collect::<Result<Vec<_>, _>>()?;
        let columns: Vec<Column> = indices.iter().map(|at| schema.columns()[*at].clone()).collect();
        let Ok(picked) = Schema::new(schema.stamp(), columns) else {
            // A name given twice is a mistake: all columns are selected.
            return Ok((ColumnSelection::default(), schema.clone()));
        };
        // All columns in their order need no selection.
        let is_all = picked == *schema;
        Ok((ColumnSelection(Some(indices).filter(|_| !is_all)), picked))
    }

    /// Selects from the fields of a plain stream. `names` has a name for each field, or selects
    /// some.
    pub(super) fn plain(
        fields: &Schema,
        names: Option<&[String]>,
    ) -> Result<(ColumnSelection, Schema), LineError> {
        let all = ColumnSelection::default();
        let Some(names) = names else { return Ok((all, fields.clone())) };
        let count = fields.columns().len();
        if names.len() == count {
            let columns = names.iter().map(|name| name.parse()).collect::<Result<_, _>>()?;
            return Ok((all, Schema::new(Stamp::None, columns)?));
        }
        let wrong = LineError::FieldCount { expected: names.len(), found: count };
        ColumnSelection::named(fields, names).map_err(|_| wrong)
    }

    /// Returns the selection of a run without any of the columns.
    pub(super) fn nothing() -> ColumnSelection {
        ColumnSelection(Some(Vec::new()))
    }

    /// Returns whether no value is selected.
    pub(super) fn is_empty(&self) -> bool {
        self.0.as_ref().is_some_and(Vec::is_empty)
    }

    /// Returns whether all values are selected.
    pub(super) fn is_all(&self) -> bool {
        self.0.is_none()
    }

    /// Reduces a row to the selected values, in the order of the selection.
    pub(super) fn apply(&self, values: &mut Vec<f64>) {
        if let Some(indices) = &self.0 {
            // Appends the selected values, then removes the original row.
            let all = values.len();
            values.reserve(indices.len());
            for at in indices {
                values.push(values[*at]);
            }
            values.drain(..all);
        }
    }
}

/// Returns the name of a column without the unit.
pub(super) fn bare_name(name: &str) -> &str {
    name.split(':').next().unwrap_or(name)
}

/// Returns the refusal of columns that do not fit rows of `fields`, after [`RECOUNT_ROWS`] rows:
/// the first ones may be something else.
pub(super) fn plain_refusal(fields: &Schema, names: &[String], rows: usize) -> Option<Disconnect> {
    if rows < RECOUNT_ROWS {
        return None;
    }
    let count = fields.columns().len();
    let unknown = || ColumnSelection::named(fields, names).err();
    let refusal = (count == PLAIN_COLUMNS.len()).then(unknown).flatten();
    let hint = "name each of them, or leave out --columns";
    let wrong = format!("rows have {count} values, and --columns names {}; {hint}", names.len());
    refusal.or_else(|| Some(Disconnect::refused(&wrong)))
}

/// Returns the refusal of a column that the stream does not have.
fn unknown_column(unknown: &str, schema: &Schema) -> Disconnect {
    let names: Vec<&str> = schema.columns().iter().map(Column::name).collect();
    Disconnect::refused(&with_suggestion(&format!("unknown column {unknown:?}"), unknown, &names))
}
