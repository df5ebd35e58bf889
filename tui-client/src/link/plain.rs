//! Columns of a stream without a header.

use loadline_protocol::{Column, LineError, PLAIN_COLUMNS, Schema, Stamp};

/// Consecutive rows with another number of fields that change the columns: 3. One or two such rows
/// may be something else.
const RECOUNT_ROWS: u32 = 3;

/// Selected values of a row, by index; all values if `None`.
#[derive(Debug, Default)]
pub(super) struct ColumnSelection(Option<Vec<usize>>);

impl ColumnSelection {
    /// Selects columns by name. Returns also the selected columns; `Err` holds an unknown name.
    pub(super) fn named<'n>(
        schema: &Schema,
        names: &'n [String],
    ) -> Result<(ColumnSelection, Schema), &'n str> {
        let index = |name: &'n String| {
            // Names match without units: `cpu:%` selects `cpu`.
            let bare = name.split(':').next().unwrap_or(name);
            schema.position(bare).ok_or(bare)
        };
        let indices = names.iter().map(index).collect::<Result<Vec<_>, _>>()?;
        let columns: Vec<Column> = indices.iter().map(|at| schema.columns()[*at].clone()).collect();
        let Ok(picked) = Schema::new(schema.stamp(), columns) else {
            // A name given twice is a mistake: all columns are selected.
            return Ok((ColumnSelection::default(), schema.clone()));
        };
        Ok((ColumnSelection(Some(indices)), picked))
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

/// Columns of a plain stream, found in its first row.
#[derive(Debug)]
pub(super) struct PlainColumns {
    /// Number of fields of a row.
    count: usize,
    selection: ColumnSelection,
    /// Different number of fields in the latest rows, and the number of such rows.
    other_count: (usize, u32),
}

impl PlainColumns {
    /// Creates the columns of rows with `count` fields. `names` has a name for each column, or
    /// selects from the six standard columns. Returns also the schema of the selected values.
    pub(super) fn new(
        count: usize,
        names: Option<&[String]>,
    ) -> Result<(PlainColumns, Schema), LineError> {
        let plain = |selection| PlainColumns { count, selection, other_count: (0, 0) };
        let Some(names) = names else {
            return Ok((plain(ColumnSelection::default()), Schema::plain(count)));
        };
        if names.len() == count {
            let columns = names.iter().map(|name| name.parse()).collect::<Result<_, _>>()?;
            return Ok((plain(ColumnSelection::default()), Schema::new(Stamp::None, columns)?));
        }
        let wrong = LineError::FieldCount { expected: names.len(), found: count };
        if count != PLAIN_COLUMNS.len() {
            return Err(wrong);
        }
        let (selection, schema) =
            ColumnSelection::named(&Schema::plain(count), names).map_err(|_| wrong)?;
        Ok((plain(selection), schema))
    }

    /// Checks the number of fields of a row. Another number is an error, except in the last of
    /// [`RECOUNT_ROWS`] consecutive rows: the stream has changed, and the result is false.
    pub(super) fn check_count(&mut self, count: usize) -> Result<bool, LineError> {
        let expected = self.count;
        if count == expected {
            self.other_count = (0, 0);
            return Ok(true);
        }
        self.other_count =
            if self.other_count.0 == count { (count, self.other_count.1 + 1) } else { (count, 1) };
        if self.other_count.1 < RECOUNT_ROWS {
            return Err(LineError::FieldCount { expected, found: count });
        }
        Ok(false)
    }

    /// Reduces a row to the selected values.
    pub(super) fn select(&self, values: &mut Vec<f64>) {
        self.selection.apply(values);
    }
}
