//! The columns of a stream that says nothing of itself.

use loadline_protocol::{Column, LineError, PLAIN_COLUMNS, Schema, Stamp};

/// Rows of another count that must follow each other until the stream is taken to have so many
/// columns: a line or two may be something else.
const RECOUNT_ROWS: u32 = 3;

/// Which values of a row to take, if not all of them.
#[derive(Debug, Default)]
pub(super) struct ColumnSelection(Option<Vec<usize>>);

impl ColumnSelection {
    /// Those of these names, and the columns that are left. `Err` has a name that there is not.
    pub(super) fn named<'n>(
        schema: &Schema,
        names: &'n [String],
    ) -> Result<(ColumnSelection, Schema), &'n str> {
        let index = |name: &'n String| {
            // A unit is ours to know: `cpu:%` names the column `cpu`.
            let bare = name.split(':').next().unwrap_or(name);
            schema.position(bare).ok_or(bare)
        };
        let indices = names.iter().map(index).collect::<Result<Vec<_>, _>>()?;
        let columns: Vec<Column> = indices.iter().map(|at| schema.columns()[*at].clone()).collect();
        let Ok(picked) = Schema::new(schema.stamp(), columns) else {
            // Named twice, which nobody means: all of them are taken.
            return Ok((ColumnSelection::default(), schema.clone()));
        };
        Ok((ColumnSelection(Some(indices)), picked))
    }

    /// Leaves of a row the values to take, in their order.
    pub(super) fn apply(&self, values: &mut Vec<f64>) {
        if let Some(indices) = &self.0 {
            // The picked ones go behind the others, then to the front.
            let all = values.len();
            values.reserve(indices.len());
            for at in indices {
                values.push(values[*at]);
            }
            values.drain(..all);
        }
    }
}

/// The columns of a plain stream, as found in its first row.
#[derive(Debug)]
pub(super) struct PlainColumns {
    /// How many numbers a row has.
    count: usize,
    /// What is taken of it.
    selection: ColumnSelection,
    /// Another count that rows had lately, and how many of them in a row.
    other_count: (usize, u32),
}

impl PlainColumns {
    /// `names` are names for all of `count` columns, or some names of the six known ones. Gives what
    /// the values that are taken mean.
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

    /// Whether a row of `count` numbers is one of this stream; false if enough of them followed each
    /// other to believe that it has become another stream.
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

    /// Leaves of a row the values to take, in their order.
    pub(super) fn select(&self, values: &mut Vec<f64>) {
        self.selection.apply(values);
    }
}
