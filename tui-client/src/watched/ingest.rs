//! Rows of a source on their way into the store.

use std::sync::Arc;
use std::time::Duration;

use loadline_protocol::{Column, Header, SafeText, Time, duration_ms};

use super::rates::RowInterval;
use super::samples::Samples;
use crate::event::{Sample, StreamInfo};
use crate::store::Store;

/// Intervals after which an expected row counts as missing.
const LATE_INTERVALS: f64 = 2.5;

/// Minimum silence after which a source is stale.
const STALE_MIN: Duration = Duration::from_secs(3);

/// Maximum age of the newest sample of a live source: 5 intervals and 2 s. Rows that arrive later,
/// however steadily, are old.
const LIVE_INTERVALS_MAX: u32 = 5;
const LIVE_AGE_MARGIN: Duration = Duration::from_secs(2);

/// Duration after which rows without a header count as a plain stream.
const HEADER_TIMEOUT: Duration = Duration::from_secs(15);

/// Stream and samples of a source: decides which rows are kept, and where gaps lie.
#[derive(Debug, Clone)]
pub struct Ingest {
    /// Header and columns of the newest rows; `None` before the first row.
    pub stream: Option<Arc<StreamInfo>>,
    /// Number of invalid lines.
    pub faults: u64,
    pub(crate) last_fault: Option<SafeText>,
    /// Rows lost to this client: evicted by the agent, or dropped here as part of a burst.
    pub skipped: u64,
    pub(super) samples: Samples,
    /// Rows so far without a header, which may still arrive over this connection or the next one.
    rows_before_header: usize,
    /// True if the next row starts after a gap.
    gap_pending: bool,
    row_interval: RowInterval,
    has_rows_of_run: bool,
}

impl Ingest {
    pub(super) fn new(store: Store) -> Ingest {
        Ingest {
            stream: None,
            faults: 0,
            last_fault: None,
            skipped: 0,
            samples: Samples::new(store),
            rows_before_header: 0,
            gap_pending: true,
            row_interval: RowInterval::default(),
            has_rows_of_run: false,
        }
    }

    /// Returns the time of the newest sample of the current run.
    pub(super) fn newest_of_run(&self) -> Option<Time> {
        self.samples.store.newest().filter(|_| self.has_rows_of_run)
    }

    pub(super) fn columns(&self) -> Option<&[Column]> {
        self.stream.as_ref().map(|_| self.samples.columns())
    }

    pub(super) fn header(&self) -> Option<&Header> {
        self.stream.as_ref()?.header.as_ref()
    }

    /// Begins a stream. Earlier samples stay in their columns, found by name and unit. Returns
    /// whether the stream may be another run.
    pub(super) fn begin_stream(&mut self, stream: Arc<StreamInfo>) -> bool {
        self.samples.set_columns(stream.schema.columns());
        let run = stream.header.as_ref().and_then(|header| header.run);
        let is_new_run = run.is_none() || run != self.header().and_then(|header| header.run);
        self.gap_pending |= is_new_run;
        self.has_rows_of_run &= !is_new_run;
        self.row_interval = RowInterval::default();
        self.stream = Some(stream);
        is_new_run
    }

    /// Lets the next stream rename the columns, if no other stream has had columns: their names were
    /// wrong.
    pub(super) fn expect_names(&mut self) {
        let columns = self.stream.as_ref().map(|stream| stream.schema.columns());
        if columns == Some(self.samples.columns()) {
            self.samples.forget_names();
        }
    }

    /// Returns a remark on columns of the stream that are not shown under their name.
    pub(crate) fn column_remark(&self) -> Option<String> {
        self.samples.column_remark(self.stream.as_ref()?.schema.columns())
    }

    /// Ends a connection over which rows arrived for `duration`.
    pub(super) fn end_connection(&mut self, duration: Duration) {
        if duration > HEADER_TIMEOUT {
            self.rows_before_header = 0;
        }
    }

    pub(super) fn skip(&mut self, count: u64) {
        self.skipped = self.skipped.saturating_add(count);
        self.gap_pending = true;
    }

    pub(super) fn add_faults(&mut self, count: u64, last: SafeText) {
        self.faults = self.faults.saturating_add(count);
        self.last_fault = Some(last);
    }

    pub(super) fn add(&mut self, sample: Sample<'_>, caught_up: bool, is_recording: bool) {
        if !is_recording {
            self.settle_rows_before_header(caught_up);
        }
        let is_gap = std::mem::take(&mut self.gap_pending);
        self.has_rows_of_run = true;
        let previous = self.samples.store.newest().filter(|_| !is_gap);
        // Negative if a clock was set back.
        let pause_ms = previous.map(|previous| sample.time.ms_since(previous));
        self.row_interval.add(pause_ms);
        let joined_ms = 0..=duration_ms(self.gap_after());
        let joined = pause_ms.is_some_and(|pause| joined_ms.contains(&pause));
        self.samples.add(sample, joined, is_recording);
    }

    /// Counts a row without a header and a timestamp. The first row after a late header drops the counted ones: the
    /// history contains the same samples with the agent's times.
    fn settle_rows_before_header(&mut self, caught_up: bool) {
        if self.header().is_none() {
            self.rows_before_header += 1;
            return;
        }
        let count = std::mem::take(&mut self.rows_before_header);
        if count > 0 && !caught_up {
            self.samples.store.forget_newest(count);
            if let Some(stream) = &self.stream
                && self.samples.store.is_empty()
            {
                // No sample is left of the columns without a header.
                self.samples.set_columns(stream.schema.columns());
            }
        }
    }

    pub(super) fn interval(&self) -> Option<Duration> {
        self.header_interval().or_else(|| self.row_interval.median())
    }

    fn header_interval(&self) -> Option<Duration> {
        self.header()?.interval
    }

    /// Returns the longest pause between two rows that is not a gap.
    pub(super) fn gap_after(&self) -> Duration {
        self.header_interval().map_or_else(|| self.stale_after(), gap_after)
    }

    /// Returns the maximum age of the newest sample of a live source.
    pub(super) fn live_age_max(&self) -> Duration {
        let intervals = self.interval().unwrap_or_default().saturating_mul(LIVE_INTERVALS_MAX);
        intervals.saturating_add(LIVE_AGE_MARGIN).max(self.stale_after())
    }

    /// Returns the silence after which the source is stale.
    pub(super) fn stale_after(&self) -> Duration {
        self.interval().unwrap_or_default().mul_f64(LATE_INTERVALS).max(STALE_MIN)
    }
}

/// Returns the longest pause between two rows at this interval that is not a gap.
pub(super) fn gap_after(interval: Duration) -> Duration {
    interval.mul_f64(LATE_INTERVALS)
}

#[cfg(test)]
mod tests {
    use loadline_protocol::Schema;

    use super::super::tests::{sample, stream};
    use super::*;
    use crate::store::StoredSample;

    fn ingest(run: Option<u32>, times: &[i64]) -> Ingest {
        let mut ingest = Ingest::new(Store::new(0, Duration::from_hours(1)));
        add_stream(&mut ingest, run, times);
        ingest
    }

    fn add_stream(ingest: &mut Ingest, run: Option<u32>, times: &[i64]) {
        ingest.begin_stream(stream(run));
        add(ingest, times);
    }

    fn add(ingest: &mut Ingest, times: &[i64]) {
        for time in times {
            ingest.add(sample(*time, *time), false, false);
        }
    }

    fn samples(ingest: &Ingest) -> impl Iterator<Item = StoredSample<'_>> {
        (0..ingest.samples.store.len()).filter_map(|at| ingest.samples.store.get(at))
    }

    fn times(ingest: &Ingest) -> Vec<i64> {
        samples(ingest).map(|sample| sample.time().as_millis()).collect()
    }

    fn gaps(ingest: &Ingest) -> Vec<bool> {
        samples(ingest).map(|sample| sample.gap_before().is_some()).collect()
    }

    #[test]
    fn rows_that_came_before_a_late_header_are_not_kept_twice() {
        let times_after = |caught_up| {
            let mut ingest = ingest(None, &[5000, 6000]);
            ingest.begin_stream(stream(Some(1)));
            // The agent's clock is half an hour ahead.
            for time in [1_805_000, 1_806_000] {
                ingest.add(sample(time, 7000), caught_up, false);
            }
            times(&ingest)
        };
        assert_eq!(times_after(false), [1_805_000, 1_806_000]);
        // The client did not request a history.
        assert_eq!(times_after(true), [5000, 6000, 1_805_000, 1_806_000]);
    }

    #[test]
    fn rows_without_header_are_dropped_if_they_arrived_for_too_short_a_time() {
        let times_after = |duration, later| {
            let mut ingest = ingest(None, &[5000]);
            ingest.end_connection(duration);
            add_stream(&mut ingest, Some(1), &[later]);
            times(&ingest)
        };
        assert_eq!(times_after(HEADER_TIMEOUT, 8000), [8000]);
        let longer = HEADER_TIMEOUT + Duration::from_millis(1);
        assert_eq!(times_after(longer, 8000), [5000, 8000]);
    }

    #[test]
    fn missing_rows_leave_a_gap() {
        assert_eq!(gaps(&ingest(Some(1), &[1000, 2000, 4500, 7001])), [false, false, false, true]);
        assert_eq!(gaps(&ingest(None, &[1000, 2000, 3000])), [false, false, false]);
        let mut skipped = ingest(Some(1), &[1000]);
        skipped.skip(3);
        add(&mut skipped, &[2000, 3000]);
        assert_eq!((gaps(&skipped), skipped.skipped), (vec![false, true, false], 3));
    }

    #[test]
    fn a_new_run_begins_with_a_gap() {
        let gaps_then = |first, second| {
            let mut ingest = ingest(first, &[1000]);
            add_stream(&mut ingest, second, &[2000]);
            gaps(&ingest)
        };
        assert_eq!(gaps_then(Some(1), Some(1)), [false, false]);
        assert_eq!(gaps_then(Some(1), Some(2)), [false, true]);
        assert_eq!(gaps_then(None, None), [false, true]);
    }

    #[test]
    fn the_interval_of_a_plain_stream_is_derived_from_its_rows() {
        let plain = ingest(None, &[0, 2000, 4000, 6000]);
        assert_eq!(plain.interval(), Some(Duration::from_secs(2)));
        assert_eq!(plain.stale_after(), Duration::from_secs(5));
        assert_eq!(gaps(&ingest(None, &[0, 20_000, 40_000])), [false; 3]);
    }

    fn begin(ingest: &mut Ingest, columns: &str) {
        let schema: Schema = columns.parse().unwrap();
        ingest.begin_stream(Arc::new(StreamInfo { header: None, schema }));
    }

    fn add_values(ingest: &mut Ingest, time: i64, values: &[f64]) {
        ingest.add(Sample { values, ..sample(time, time) }, true, false);
    }

    /// Returns the columns and the rows of a store as text.
    fn stored(ingest: &Ingest) -> (String, Vec<String>) {
        let columns = ingest.columns().unwrap_or_default();
        let names = columns.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        let row = |sample: StoredSample<'_>| {
            let values = (0..columns.len()).map(|column| sample.value(column).to_string());
            values.collect::<Vec<_>>().join(" ")
        };
        (names, samples(ingest).map(row).collect())
    }

    #[test]
    fn samples_stay_in_their_columns_when_the_columns_change() {
        let mut ingest = ingest(None, &[]);
        begin(&mut ingest, "cpu:% mem:%");
        add_values(&mut ingest, 1000, &[1.0, 2.0]);
        begin(&mut ingest, "temp:°C mem:%");
        add_values(&mut ingest, 2000, &[40.0, 3.0]);
        begin(&mut ingest, "cpu:%");
        add_values(&mut ingest, 3000, &[4.0]);
        begin(&mut ingest, "cpu:% temp:°F");
        add_values(&mut ingest, 4000, &[5.0, 104.0]);
        let (columns, rows) = stored(&ingest);
        assert_eq!(columns, "cpu:% mem:% temp:°C temp_2:°F");
        assert_eq!(rows, ["1 2 NaN NaN", "NaN 3 40 NaN", "4 NaN NaN NaN", "5 NaN NaN 104"]);
        assert_eq!(gaps(&ingest), [false, true, true, true]);
        let remark = "temp has another unit and is shown as temp_2";
        assert_eq!(ingest.column_remark().as_deref(), Some(remark));
    }

    #[test]
    fn columns_beyond_the_maximum_are_left_out_and_counted() {
        let mut ingest = ingest(None, &[]);
        let wide = |letter: char| {
            let names: Vec<_> = (0..3000).map(|at| format!("{letter}{at}")).collect();
            names.join(" ")
        };
        begin(&mut ingest, &wide('a'));
        assert_eq!(ingest.column_remark(), None);
        add_values(&mut ingest, 1000, &vec![1.0; 3000]);
        begin(&mut ingest, &wide('b'));
        add_values(&mut ingest, 2000, &vec![2.0; 3000]);
        let remark = ingest.column_remark().unwrap();
        assert_eq!(remark, "1904 columns are left out: a source has at most 4096");
        assert_eq!(ingest.columns().unwrap().len(), 4096);
        assert_eq!(
            (times(&ingest), ingest.samples.store.get(1).unwrap().value(4095)),
            (vec![1000, 2000], 2.0)
        );
    }

    #[test]
    fn samples_under_wrong_names_are_renamed() {
        let mut ingest = ingest(None, &[]);
        begin(&mut ingest, "cpu:% mem:%");
        add_values(&mut ingest, 1000, &[1.0, 2.0]);
        ingest.expect_names();
        begin(&mut ingest, "c1 c2");
        add_values(&mut ingest, 2000, &[300.0, 4.0]);
        assert_eq!(stored(&ingest), ("c1 c2".into(), vec!["1 2".into(), "300 4".into()]));
    }

    #[test]
    fn columns_of_rows_before_a_late_header_go_with_the_rows() {
        let mut ingest = ingest(None, &[]);
        begin(&mut ingest, "c1 c2");
        add_values(&mut ingest, 5000, &[1.0, 2.0]);
        ingest.begin_stream(stream(Some(1)));
        ingest.add(sample(9000, 9000), false, false);
        assert_eq!(stored(&ingest), ("c1".into(), vec!["1".into()]));
    }

    #[test]
    fn faults_are_counted_and_the_last_is_kept() {
        let mut ingest = ingest(None, &[]);
        ingest.add_faults(2, SafeText::new("first"));
        ingest.add_faults(u64::MAX, SafeText::new("last"));
        assert_eq!((ingest.faults, ingest.last_fault), (u64::MAX, Some(SafeText::new("last"))));
    }
}
