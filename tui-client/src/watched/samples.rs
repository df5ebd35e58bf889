//! Samples of all streams of a source, on one time axis and under one set of columns.

use std::time::Duration;

use loadline_protocol::Column;

use crate::column_union::{ColumnPlaces, ColumnUnion};
use crate::event::Sample;
use crate::store::Store;

/// Maximum number of times that a run of a recording may begin before the end of the runs before it:
/// 64. Each time costs a pass over all samples. A clock that is set back more often is broken.
const OVERLAPS_MAX: usize = 64;

/// Samples of a source, in the columns of all its streams.
#[derive(Debug, Clone)]
pub(super) struct Samples {
    /// Samples, in the columns of `columns`.
    pub(super) store: Store,
    /// Samples of a recording whose times reach beyond the beginning of `store`.
    overlapped: Option<Store>,
    overlaps: usize,
    columns: ColumnUnion,
    /// Places of the current stream's columns in the store.
    places: ColumnPlaces,
    /// Earlier samples that have arrived, before they are inserted into `store`.
    earlier: Store,
    earlier_places: ColumnPlaces,
}

impl Samples {
    pub(super) fn new(store: Store) -> Samples {
        Samples {
            earlier: store.emptied(0),
            store,
            overlapped: None,
            overlaps: 0,
            columns: ColumnUnion::default(),
            places: ColumnPlaces::default(),
            earlier_places: ColumnPlaces::default(),
        }
    }

    /// Returns the columns of the store.
    pub(super) fn columns(&self) -> &[Column] {
        self.columns.columns()
    }

    /// Lets the next stream rename the columns, whose values stay.
    pub(super) fn forget_names(&mut self) {
        self.columns = ColumnUnion::default();
    }

    /// Adds the columns of a stream. Without samples, only these columns remain.
    pub(super) fn set_columns(&mut self, columns: &[Column]) {
        let is_empty = self.store.is_empty() && self.overlapped.is_none();
        if is_empty {
            self.columns = ColumnUnion::default();
        }
        self.places = self.columns.add(columns);
        if is_empty {
            let count = self.columns.columns().len();
            (self.store, self.earlier) = (self.store.emptied(count), self.store.emptied(count));
            self.earlier_places = ColumnPlaces::default();
            self.earlier_places.widen(count);
            return;
        }
        self.widen();
    }

    /// Adds the columns of the earlier samples that follow.
    pub(super) fn set_earlier_columns(&mut self, columns: &[Column]) {
        self.earlier_places = self.columns.add(columns);
        self.widen();
    }

    /// Makes room for all columns.
    fn widen(&mut self) {
        let count = self.columns.columns().len();
        self.places.widen(count);
        self.earlier_places.widen(count);
        let stores = self.overlapped.iter_mut().chain([&mut self.store, &mut self.earlier]);
        stores.filter(|store| store.columns() < count).for_each(|store| store.widen(count));
    }

    /// Adds an earlier sample, in order. `joined` means that no gap lies before the sample.
    pub(super) fn add_earlier(&mut self, sample: Sample<'_>, joined: bool) {
        let values = self.earlier_places.arrange(sample.values);
        self.earlier.push(sample.time, sample.seq, values, joined);
    }

    /// Inserts the earlier samples so far. A longer pause than `gap_after` in front of or after them is a
    /// gap.
    pub(super) fn insert_earlier(&mut self, gap_after: Duration) {
        let empty = self.store.emptied(self.store.columns());
        self.store.insert(&std::mem::replace(&mut self.earlier, empty), gap_after);
    }

    /// Adds a sample. `joined` means that no gap lies before the sample. A clock that was set back
    /// drops newer samples, except those of a recording, which has no newer ones to come.
    pub(super) fn add(&mut self, sample: Sample<'_>, joined: bool, is_recording: bool) {
        let goes_back = self.store.newest().is_some_and(|newest| sample.time <= newest);
        if goes_back && is_recording && self.overlaps < OVERLAPS_MAX {
            self.overlaps += 1;
            self.merge();
            let mut following = self.store.emptied(self.store.columns());
            following.adopt_kinds(&self.store);
            self.overlapped = Some(std::mem::replace(&mut self.store, following));
        }
        self.store.push(sample.time, sample.seq, self.places.arrange(sample.values), joined);
    }

    /// Merges runs that overlap: the store then has all samples, in the order of their times.
    pub(super) fn merge(&mut self) {
        if let Some(mut all) = self.overlapped.take() {
            all.merge(&mut self.store);
            self.store = all;
        }
    }

    /// Returns a remark on columns of the stream that are not shown under their name.
    pub(super) fn column_remark(&self, stream: &[Column]) -> Option<String> {
        let left_out = self.places.left_out();
        if left_out > 0 {
            let most = ColumnUnion::COLUMNS_MAX;
            let are = if left_out == 1 { "column is" } else { "columns are" };
            return Some(format!("{left_out} {are} left out: a source has at most {most}"));
        }
        let renamed = stream.iter().enumerate().find_map(|(at, column)| {
            let shown = &self.columns()[self.places.place(at)?];
            (shown.name() != column.name()).then_some((column, shown))
        });
        let (column, shown) = renamed?;
        Some(format!("{} has another unit and is shown as {}", column.name(), shown.name()))
    }
}
