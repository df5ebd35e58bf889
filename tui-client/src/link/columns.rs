//! Selection of columns by name, and the columns of a plain stream.

use loadline_common::with_suggestion;
use loadline_protocol::{Column, LineError, PLAIN_COLUMNS, Schema, Stamp};

use super::disconnect::Disconnect;

/// Consecutive rows with another number of fields that change the columns: 3. One or two such rows
/// may be something else.
const RECOUNT_ROWS: u32 = 3;

/// Selected values of a row, by index; all values if `None`.
#[derive(Debug, Default)]
pub(super) struct ColumnSelection(Option<Vec<usize>>);

impl ColumnSelection {
    /// Selects columns by name. Returns also the selected columns; an unknown name is refused.
    pub(super) fn named(
        schema: &Schema,
        names: &[String],
    ) -> Result<(ColumnSelection, Schema), Disconnect> {
        let index = |name: &String| {
            // Names match without units: `cpu:%` selects `cpu`.
            let bare = name.split(':').next().unwrap_or(name);
            schema.position(bare).ok_or_else(|| unknown_column(bare, schema))
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

    /// Selects from the columns of a plain stream with `count` fields. `names` has a name for each
    /// column, or selects from the six standard columns.
    pub(super) fn plain(
        count: usize,
        names: Option<&[String]>,
    ) -> Result<(ColumnSelection, Schema), LineError> {
        let all = ColumnSelection::default();
        let Some(names) = names else { return Ok((all, Schema::plain(count))) };
        if names.len() == count {
            let columns = names.iter().map(|name| name.parse()).collect::<Result<_, _>>()?;
            return Ok((all, Schema::new(Stamp::None, columns)?));
        }
        let wrong = LineError::FieldCount { expected: names.len(), found: count };
        if count != PLAIN_COLUMNS.len() {
            return Err(wrong);
        }
        ColumnSelection::named(&Schema::plain(count), names).map_err(|_| wrong)
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

/// Returns the refusal of columns that do not fit rows of `count` values, after [`RECOUNT_ROWS`] rows:
/// the first ones may be something else.
pub(super) fn plain_refusal(count: usize, names: &[String], rows: u32) -> Option<Disconnect> {
    if rows < RECOUNT_ROWS {
        return None;
    }
    let unknown = || ColumnSelection::named(&Schema::plain(count), names).err();
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

/// Number of fields in the rows of a plain stream.
#[derive(Debug)]
pub(super) struct FieldCount {
    expected: usize,
    /// Different number of fields in the latest rows, and the number of such rows.
    other: (usize, u32),
}

impl FieldCount {
    pub(super) fn new(expected: usize) -> FieldCount {
        FieldCount { expected, other: (0, 0) }
    }

    /// Checks the number of fields of a row. Another number is an error, except in the last of
    /// [`RECOUNT_ROWS`] consecutive rows: the stream has changed, and the result is false.
    pub(super) fn check(&mut self, count: usize) -> Result<bool, LineError> {
        let FieldCount { expected, other } = self;
        if count == *expected {
            *other = (0, 0);
            return Ok(true);
        }
        *other = if other.0 == count { (count, other.1 + 1) } else { (count, 1) };
        if other.1 < RECOUNT_ROWS {
            return Err(LineError::FieldCount { expected: *expected, found: count });
        }
        Ok(false)
    }
}
