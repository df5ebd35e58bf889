//! Visible rows of the data table.

use std::time::Duration;

use super::App;

/// Row of the data table below its head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TableRow {
    /// Sample with this index in the store.
    Sample(usize),
    Gap(Duration),
}

impl App {
    /// Returns the visible rows, the oldest first. The latest sample is at the bottom; with a
    /// crosshair, its sample is in the middle.
    pub(crate) fn table_rows(&self, count: u16) -> Vec<TableRow> {
        let count = usize::from(count);
        let shown = self.count_until_window_end();
        // The crosshair may lie beyond the latest shown time.
        let crosshair = self.crosshair_index().map(|at| at.min(shown.saturating_sub(1)));
        let Some(anchor) = crosshair.or_else(|| shown.checked_sub(1)).filter(|_| count > 0) else {
            return Vec::new();
        };
        let mut below = (anchor + 1..shown).flat_map(|at| self.gap_and_row(at)).flatten();
        let mut later: Vec<TableRow> = below.by_ref().take((count - 1) / 2).collect();
        let above = (0..=anchor).rev().flat_map(|at| self.gap_and_row(at).into_iter().rev());
        let mut rows: Vec<TableRow> = above.flatten().take(count - later.len()).collect();
        rows.reverse();
        later.extend(below.take(count - rows.len() - later.len()));
        rows.append(&mut later);
        rows
    }

    /// Returns the gap before a sample, and the sample.
    fn gap_and_row(&self, at: usize) -> [Option<TableRow>; 2] {
        let sample = self.sources.watched().store().get(at);
        let gap = sample.and_then(|sample| sample.gap_before()).map(TableRow::Gap);
        [gap, sample.map(|_| TableRow::Sample(at))]
    }
}
