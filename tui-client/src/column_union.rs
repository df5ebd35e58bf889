//! Union of the columns of several streams.

use std::collections::{HashMap, HashSet};

use loadline_protocol::{COLUMNS_MAX, Column};

/// Columns of several streams, each found by name and unit. A stream with other columns appends
/// them, so the columns before keep their index.
///
/// **Invariant:** names are unique. There are at most [`ColumnUnion::COLUMNS_MAX`] columns.
#[derive(Debug, Clone, Default)]
pub(crate) struct ColumnUnion {
    columns: Vec<Column>,
    names: HashSet<String>,
    /// Index of each column, by name and unit in its stream.
    indices: HashMap<Column, usize>,
}

/// Places of a stream's columns in a union.
#[derive(Debug, Clone, Default)]
pub(crate) struct ColumnPlaces {
    /// Index in the union of each column of the stream; `None` if the union is full.
    places: Vec<Option<usize>>,
    /// True if each value of a row is already at its place.
    is_identity: bool,
    /// Row of the union. Reused, so that rows do not allocate.
    row: Vec<f64>,
}

impl ColumnUnion {
    /// Maximum number of columns: as many as a stream may have. A row of the store is then no wider
    /// than a row of one stream, however many streams a recording contains.
    pub(crate) const COLUMNS_MAX: usize = COLUMNS_MAX;

    /// Returns the columns. A column whose name another unit has taken is called `temp_2`.
    pub(crate) fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Adds the columns of a stream, and returns their places.
    pub(crate) fn add(&mut self, columns: &[Column]) -> ColumnPlaces {
        let places: Vec<_> = columns.iter().map(|column| self.place(column)).collect();
        self.places(places)
    }

    fn places(&self, places: Vec<Option<usize>>) -> ColumnPlaces {
        let is_in_order = places.iter().enumerate().all(|(at, place)| *place == Some(at));
        let is_identity = is_in_order && places.len() == self.columns.len();
        ColumnPlaces { places, is_identity, row: vec![f64::NAN; self.columns.len()] }
    }

    fn place(&mut self, column: &Column) -> Option<usize> {
        if let Some(index) = self.indices.get(column) {
            return Some(*index);
        }
        let index = self.columns.len();
        if index >= ColumnUnion::COLUMNS_MAX {
            return None;
        }
        let mut added = column.clone();
        let mut number = 2;
        while !self.names.insert(added.name().to_owned()) {
            added = Column::new(&format!("{}_{number}", column.name()), column.unit());
            number += 1;
        }
        self.columns.push(added);
        self.indices.insert(column.clone(), index);
        Some(index)
    }
}

impl ColumnPlaces {
    /// Follows a union that has more columns now.
    pub(crate) fn widen(&mut self, columns: usize) {
        self.is_identity &= self.row.len() >= columns;
        self.row.resize(columns.max(self.row.len()), f64::NAN);
    }

    /// Returns the number of columns without a place.
    pub(crate) fn left_out(&self) -> usize {
        self.places.iter().filter(|place| place.is_none()).count()
    }

    /// Returns the index in the union of a column of the stream.
    pub(crate) fn place(&self, column: usize) -> Option<usize> {
        self.places.get(column).copied().flatten()
    }

    /// Returns the values of a row at their places. Columns of other streams are NaN.
    pub(crate) fn arrange<'a>(&'a mut self, values: &'a [f64]) -> &'a [f64] {
        if self.is_identity {
            return values;
        }
        for (place, value) in self.places.iter().zip(values) {
            if let Some(place) = place {
                self.row[*place] = *value;
            }
        }
        &self.row
    }
}

#[cfg(test)]
mod tests {
    use loadline_protocol::Schema;

    use super::*;

    fn columns(text: &str) -> Vec<Column> {
        text.parse::<Schema>().unwrap().columns().to_vec()
    }

    fn names(union: &ColumnUnion) -> String {
        union.columns().iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn columns_are_found_by_name_and_unit() {
        let mut union = ColumnUnion::default();
        assert!(union.add(&columns("cpu:% temp:°C")).is_identity);
        let mut other = union.add(&columns("temp:°F load1 cpu:%"));
        assert_eq!(names(&union), "cpu:% temp:°C temp_2:°F load1");
        let row = other.arrange(&[68.0, 0.5, 12.0]);
        assert_eq!(format!("{row:?}"), "[12.0, NaN, 68.0, 0.5]");
    }

    #[test]
    fn a_union_has_a_maximum_and_counts_what_does_not_fit() {
        let mut union = ColumnUnion::default();
        let numbered = |letter: &str| {
            let name = |at| format!("{letter}{at}");
            columns(&(0..3000).map(name).collect::<Vec<_>>().join(" "))
        };
        assert_eq!(union.add(&numbered("a")).left_out(), 0);
        assert_eq!(union.add(&numbered("b")).left_out(), 6000 - ColumnUnion::COLUMNS_MAX);
        assert_eq!(union.add(&numbered("a")).left_out(), 0);
        assert_eq!(union.columns().len(), ColumnUnion::COLUMNS_MAX);
    }
}
