//! Columns of a plain stream: its rows have positions, and no names.

use loadline_protocol::{Column, LineError, PLAIN_COLUMNS, Schema, Stamp, Time};

/// Consecutive rows with another number of fields that change the columns: 3. One or two such rows
/// may be something else.
pub(super) const RECOUNT_ROWS: usize = 3;

/// Highest frequency of a standard column in MHz. The fastest processor ever reached 9,130.
const FREQUENCY_MAX: f64 = 10_000.0;

/// Highest load average of a standard column: the maximum number of tasks on Linux.
const LOAD_MAX: f64 = 4_194_304.0;

/// Columns of the fields of a plain stream.
#[derive(Debug)]
pub(super) struct PlainColumns {
    fields: Schema,
    /// True if the user has named the fields. Rows then contradict no name.
    is_named: bool,
    /// Recent rows with another number of fields, all the same: fewer than [`RECOUNT_ROWS`].
    held: Vec<HeldRow>,
}

/// Row that waits until further rows confirm its number of fields.
#[derive(Debug)]
pub(super) struct HeldRow {
    pub(super) line: String,
    pub(super) received: Time,
    found: usize,
}

/// Relation of a row to the columns.
#[derive(Debug, PartialEq)]
pub(super) enum RowFit {
    /// The row has these columns.
    Fits,
    /// The row has another number of fields, and waits for confirmation.
    Held,
    /// The row and the held rows confirm another number of fields.
    Changed(Schema),
    /// The row has values that its columns cannot have: the names are wrong.
    Misnamed(Schema),
}

impl PlainColumns {
    pub(super) fn new(fields: Schema, is_named: bool) -> PlainColumns {
        PlainColumns { fields, is_named, held: Vec::new() }
    }

    /// Returns the columns of `count` fields: the standard columns if `first` may be a row of them,
    /// else `c1 … cN`.
    pub(super) fn first_fields(count: usize, first: &[f64]) -> Schema {
        let is_standard = count == PLAIN_COLUMNS.len() && may_be_standard(first);
        if is_standard { Schema::plain(count) } else { numbered_fields(count, &[]) }
    }

    /// Returns the columns of six fields that are not the standard columns.
    pub(super) fn numbered_six() -> Schema {
        numbered_fields(PLAIN_COLUMNS.len(), &[])
    }

    /// Compares a row with the columns.
    pub(super) fn check(&mut self, line: &str, values: &[f64], received: Time) -> RowFit {
        let count = values.len();
        if count == self.fields.columns().len() {
            return if self.contradicts(values) {
                RowFit::Misnamed(numbered_fields(count, &[]))
            } else {
                RowFit::Fits
            };
        }
        let confirmed = self.held.iter().filter(|row| row.found == count).count();
        if confirmed + 1 >= RECOUNT_ROWS {
            return RowFit::Changed(self.other_fields(values));
        }
        self.held.push(HeldRow { line: line.to_owned(), received, found: count });
        RowFit::Held
    }

    /// Removes the held rows with another number of fields than `count`. Returns their faults.
    pub(super) fn reject_held(&mut self, count: Option<usize>) -> Vec<LineError> {
        let expected = self.fields.columns().len();
        let rejected = self.held.extract_if(.., |row| Some(row.found) != count);
        rejected.map(|row| LineError::FieldCount { expected, found: row.found }).collect()
    }

    pub(super) fn is_named(&self) -> bool {
        self.is_named
    }

    pub(super) fn take_held(&mut self) -> Vec<HeldRow> {
        std::mem::take(&mut self.held)
    }

    /// Describes the change to other columns.
    pub(super) fn change_text(&self, fields: &Schema) -> String {
        let (before, now) = (self.fields.columns().len(), fields.columns().len());
        let is_kept = fields.columns().starts_with(self.fields.columns());
        let names =
            if is_kept { "the first columns keep their names" } else { "named c1, c2, …" };
        let columns = if now == 1 { "column" } else { "columns" };
        format!("rows have {now} {columns} now, not {before}: {names}")
    }

    /// Returns the columns of rows with another number of fields. A row that has gained fields at
    /// its end keeps the names of the others; no other change is safe to follow by position.
    fn other_fields(&self, values: &[f64]) -> Schema {
        let kept = self.fields.columns();
        match values.len() {
            count if count > kept.len() && !self.contradicts(values) => {
                numbered_fields(count, kept)
            }
            count => numbered_fields(count, &[]),
        }
    }

    /// Returns whether values cannot be those of the standard columns, if these name the fields.
    fn contradicts(&self, values: &[f64]) -> bool {
        let standard = Schema::plain(PLAIN_COLUMNS.len());
        let is_standard = || self.fields.columns().starts_with(standard.columns());
        !self.is_named && !may_be_standard(values) && is_standard()
    }
}

/// Returns columns whose first names are known. The others are `cN`, by position.
fn numbered_fields(count: usize, known: &[Column]) -> Schema {
    let numbered = |number: usize| Column::new(&format!("c{number}"), "");
    let columns = known.iter().cloned().chain((known.len() + 1..=count).map(numbered));
    let schema = Schema::new(Stamp::None, columns.collect());
    // A known column is called `cN`, too, or there are too many.
    schema.unwrap_or_else(|_| match known {
        [] => Schema::plain(count),
        _ => numbered_fields(count, &[]),
    })
}

/// Returns whether the first values may be those of cpu, freq, mem, load1, load5 and load15.
fn may_be_standard(values: &[f64]) -> bool {
    let highest = [100.0, FREQUENCY_MAX, 100.0, LOAD_MAX, LOAD_MAX, LOAD_MAX];
    let may_be = |(value, most): (&f64, f64)| value.is_nan() || (0.0..=most).contains(value);
    values.iter().zip(highest).all(may_be)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_numbers_are_the_standard_columns_only_where_they_can_be_these() {
        let names = |values: &[f64]| PlainColumns::first_fields(6, values).to_string();
        let standard = "cpu:% freq:MHz mem:% load1 load5 load15";
        let numbered = "c1 c2 c3 c4 c5 c6";
        for row in [
            [12.5, 2400.0, 43.1, 0.52, 0.44, 0.40],
            [0.0, f64::NAN, 100.0, 0.0, 900.0, 12_000.0],
            [100.0, 0.0, 0.0, f64::NAN, f64::NAN, f64::NAN],
        ] {
            assert_eq!(names(&row), standard, "{row:?}");
        }
        for row in [
            [1_763_836_800.0, 12.5, 2400.0, 43.1, 0.52, 0.44],
            [350.0, 2400.0, 43.1, 0.52, 0.44, 0.40],
            [12.5, 2400.0, 43.1, -0.5, 0.44, 0.40],
            [12.5, 2_400_000.0, 43.1, 0.5, 0.44, 0.40],
            [12.5, 2400.0, 67_385_159_680.0, 0.5, 0.44, 0.40],
            [-3.0, 2400.0, 43.1, 0.5, 0.44, 0.40],
            [12.5, 2400.0, 43.1, 0.5, 0.44, 1_763_836_800.0],
        ] {
            assert_eq!(names(&row), numbered, "{row:?}");
        }
        assert_eq!(PlainColumns::first_fields(2, &[1.0, 2.0]).to_string(), "c1 c2");
    }

    #[test]
    fn columns_keep_their_names_by_position_only_if_fields_were_gained() {
        let after = |fields: &str, is_named, values: &[f64]| {
            let columns = PlainColumns::new(fields.parse().unwrap(), is_named);
            columns.other_fields(values).to_string()
        };
        let standard = "cpu:% freq:MHz mem:% load1 load5 load15";
        let seven = [12.5, 2400.0, 43.1, 0.52, 0.44, 0.40, 9.0];
        assert_eq!(after(standard, false, &seven), format!("{standard} c7"));
        let stamped = [1_763_836_800.0, 12.5, 2400.0, 43.1, 0.52, 0.44, 0.40];
        assert_eq!(after(standard, false, &stamped), "c1 c2 c3 c4 c5 c6 c7");
        assert_eq!(after(standard, false, &seven[..5]), "c1 c2 c3 c4 c5");
        assert_eq!(after("c1 c2", false, &[1.0, 2.0, 3.0]), "c1 c2 c3");
        assert_eq!(after("temp:°C fan", true, &[1.0, 2.0, 3.0]), "temp:°C fan c3");
        assert_eq!(after("c3 fan", true, &[1.0, 2.0, 3.0]), "c1 c2 c3");
    }
}
