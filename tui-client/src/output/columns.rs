//! Columns of an output, and the place of each value in them.

use std::sync::Arc;

use loadline_protocol::{Column, write_number};

use crate::column_union::{ColumnPlaces, ColumnUnion};
use crate::event::{Sample, StreamInfo};

/// Stream of a source, with the places of its columns in an output.
pub(super) struct OutputStream {
    pub(super) info: Arc<StreamInfo>,
    places: ColumnPlaces,
    /// Index in the stream of each column of the output.
    indices: Vec<Option<usize>>,
}

impl OutputStream {
    /// Adds the columns of a stream to those of the output.
    pub(super) fn new(info: Arc<StreamInfo>, columns: &mut ColumnUnion) -> OutputStream {
        let places = columns.add(info.schema.columns());
        let mut indices = vec![None; columns.columns().len()];
        for at in 0..info.schema.columns().len() {
            if let Some(place) = places.place(at) {
                indices[place] = Some(at);
            }
        }
        OutputStream { info, places, indices }
    }

    /// Returns the columns of the stream, each with its place in the output; `None` if there was no
    /// room.
    pub(super) fn columns(&self) -> impl Iterator<Item = (Option<usize>, &Column)> {
        let columns = self.info.schema.columns().iter();
        columns.enumerate().map(|(at, column)| (self.places.place(at), column))
    }
}

/// Row of an output.
pub(super) struct OutputRow<'a> {
    /// Name of the source.
    pub(super) name: &'a str,
    pub(super) stream: &'a OutputStream,
    /// Columns of the output.
    pub(super) columns: &'a [Column],
    pub(super) sample: Sample<'a>,
}

impl OutputRow<'_> {
    /// Formats the value in a column of the output. `nan` stands for a missing value. Empty if only
    /// other streams have the column.
    pub(super) fn value_text(&self, column: usize, nan: &str) -> String {
        let mut text = String::new();
        let at = self.stream.indices.get(column).copied().flatten();
        match at.and_then(|at| self.sample.values.get(at)) {
            None => {}
            Some(value) if value.is_nan() => text.push_str(nan),
            Some(value) => write_number(&mut text, *value, self.columns[column].decimals()),
        }
        text
    }
}
