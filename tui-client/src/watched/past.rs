//! Earlier samples of a source, which are loaded as the user goes back.

use std::ops::Range;
use std::time::Duration;

use loadline_protocol::{Time, duration_ms};

use super::Watched;
use super::ingest::{Ingest, gap_after};
use super::samples::Samples;
use crate::event::{PastEvent, Rows, StreamInfo};
use crate::time_ranges::TimeRanges;

/// Loading of earlier samples, with times by the source's clock.
#[derive(Debug, Clone, Default)]
pub(crate) struct Past {
    /// Times that the user wants to see and that are not complete.
    wanted: Option<Range<Time>>,
    /// Times of the earlier samples that have arrived.
    loaded: TimeRanges,
    /// Time of the earliest row. All samples since then came as rows.
    first: Option<Time>,
    /// Longest pause between two earlier samples that is not a gap.
    gap_after: Duration,
    /// Time of the last earlier sample, unless a gap follows it.
    previous: Option<Time>,
}

/// Reason why no samples older than those that can be loaded are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PastLimit {
    /// The agent has none.
    Agent,
    /// They are older than those that the client keeps.
    Retention,
    /// The memory for the samples is full.
    Memory,
    /// The agent sends them only at the start of a connection.
    OldAgent,
    /// The source has no history.
    NoHistory,
}

impl Past {
    /// Notes the time of a row. A clock that was set back drops newer samples.
    pub(super) fn add_row(&mut self, time: Time) {
        if self.first.is_none_or(|first| time < first) {
            self.first = Some(time);
            self.loaded.truncate(time);
        }
    }

    fn begin_stream(&mut self, stream: &StreamInfo, ingest: &mut Ingest) {
        ingest.samples.set_earlier_columns(stream.schema.columns());
        let interval = stream.header.as_ref().and_then(|header| header.interval);
        self.gap_after = interval.map_or_else(|| ingest.gap_after(), gap_after);
        self.previous = None;
    }

    fn add(&mut self, rows: &Rows, samples: &mut Samples) {
        let joined_ms = 0..=duration_ms(self.gap_after);
        for sample in rows.iter() {
            let pause_ms = self.previous.map(|previous| sample.time.ms_since(previous));
            let joined = pause_ms.is_some_and(|pause| joined_ms.contains(&pause));
            samples.add_earlier(sample, joined);
            self.previous = Some(sample.time);
        }
    }

    fn complete(&mut self, span: Range<Time>) {
        self.loaded.insert(span);
        self.previous = None;
        let is_complete = self.wanted.clone().is_none_or(|wanted| self.missing(wanted).is_none());
        self.wanted.take_if(|_| is_complete);
    }

    /// Returns the range from the first to the last time of a range without samples so far.
    fn missing(&self, range: Range<Time>) -> Option<Range<Time>> {
        let end = range.end.min(self.first?);
        let mut missing = self.loaded.missing(range.start..end);
        let first = missing.next()?;
        Some(first.start..missing.last().unwrap_or(first).end)
    }

    /// Returns the percentage of the wanted times that has arrived.
    fn percent(&self) -> Option<u8> {
        let wanted = self.wanted.clone()?;
        let span = |range: &Range<Time>| duration_ms(range.end - range.start);
        let missing: i64 = self.loaded.missing(wanted.clone()).map(|range| span(&range)).sum();
        let all = span(&wanted).max(1);
        Some((100 * (all - missing) / all).min(99) as u8)
    }
}

impl Watched {
    /// Applies an event of earlier samples.
    pub(super) fn apply_past(&mut self, event: PastEvent) {
        match event {
            PastEvent::Stream(stream) => self.past.begin_stream(&stream, &mut self.ingest),
            PastEvent::Rows(rows) => self.past.add(&rows, &mut self.ingest.samples),
            PastEvent::Look(look) => self.looks.push(look),
            PastEvent::Skipped { count } => {
                self.past.previous = None;
                self.ingest.skipped = self.ingest.skipped.saturating_add(count);
            }
            PastEvent::Loaded(span) => {
                let gap_after = self.past.gap_after.max(self.ingest.gap_after());
                self.ingest.samples.insert_earlier(gap_after);
                self.past.complete(span);
            }
            PastEvent::Failed => self.past.wanted = None,
        }
    }

    /// Returns the time since which samples can be loaded, and the reason why not earlier.
    fn past_limit(&self) -> Result<(Time, PastLimit), PastLimit> {
        let header = self.header().filter(|_| !self.connection.has_ended());
        let header = header.ok_or(PastLimit::NoHistory)?;
        let oldest = header.oldest.ok_or(PastLimit::OldAgent)?;
        let newest = self.store().newest().ok_or(PastLimit::NoHistory)?;
        let (retention, memory) = self.store().reach(self.interval().unwrap_or_default());
        let limits = [
            (oldest, PastLimit::Agent),
            (newest - retention, PastLimit::Retention),
            (newest - memory, PastLimit::Memory),
        ];
        limits.into_iter().max_by_key(|(time, _)| *time).ok_or(PastLimit::NoHistory)
    }

    /// Returns the reason why no older samples can be shown. `None` if the source is a recording.
    pub(crate) fn oldest_reason(&self) -> Option<PastLimit> {
        let reason = self.past_limit().map_or_else(|limit| limit, |(_, limit)| limit);
        (!self.connection.has_ended()).then_some(reason)
    }

    /// Returns the time of the oldest sample that is there or can be loaded.
    pub(crate) fn oldest_reachable(&self) -> Option<Time> {
        let reachable = self.past_limit().ok().map(|(time, _)| time);
        self.store().oldest().into_iter().chain(reachable).min()
    }

    /// Returns the times of a range whose samples can be loaded and are not there.
    pub(crate) fn missing_past(&self, range: Range<Time>) -> Option<Range<Time>> {
        let (since, _) = self.past_limit().ok()?;
        self.past.missing(range.start.max(since)..range.end)
    }

    /// Asks for the samples of these times that can be loaded, instead of others. `None` stops loading.
    pub(crate) fn want_past(&mut self, range: Option<Range<Time>>) {
        self.past.wanted = range.and_then(|range| self.missing_past(range));
    }

    /// Returns the times of which the user wants to see samples.
    pub fn wanted_past(&self) -> Option<&Range<Time>> {
        self.past.wanted.as_ref()
    }

    /// Returns the percentage of the wanted earlier samples that has arrived. `None` if none are wanted.
    pub(crate) fn past_percent(&self) -> Option<u8> {
        self.past.percent()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use loadline_protocol::{Header, RunId};

    use super::super::tests::{ms, sample, stream};
    use super::*;
    use crate::event::{Event, Sample};

    fn past(watched: &mut Watched, event: PastEvent) {
        watched.apply(ms(100_000), Event::Past(event));
    }

    fn begin(watched: &mut Watched, run: u32, columns: &str) {
        let header = Header { run: Some(RunId(run)), ..Header::default() };
        let stream = StreamInfo { header: Some(header), schema: columns.parse().unwrap() };
        past(watched, PastEvent::Stream(Arc::new(stream)));
    }

    fn rows(watched: &mut Watched, times: Range<i64>, values: &[f64]) {
        for second in times {
            let sample = Sample { values, ..sample(1000 * second, 100_000) };
            past(watched, PastEvent::Rows(Rows::one(sample)));
        }
    }

    /// Returns a source with rows of a column `c1` from 90 s to 99 s, whose agent has samples since 10 s.
    fn watched() -> Watched {
        let mut watched = Watched::new("web-1", false, Duration::from_hours(1));
        let stream = Arc::unwrap_or_clone(stream(Some(1)));
        let header = stream.header.map(|header| Header { oldest: Some(ms(10_000)), ..header });
        let events = [
            Event::Connected,
            Event::Stream(Arc::new(StreamInfo { header, ..stream })),
            Event::Live,
        ];
        for event in events {
            watched.apply(ms(100_000), event);
        }
        for second in 90..100 {
            let sample = sample(1000 * second, 1000 * second);
            watched.apply(ms(100_000), Event::Rows(Rows::one(sample)));
        }
        watched
    }

    fn text(watched: &Watched) -> Vec<String> {
        let samples = (0..watched.store().len()).filter_map(|at| watched.store().get(at));
        let columns = watched.columns().unwrap().len();
        let row = |it: crate::store::StoredSample<'_>| {
            let values = (0..columns).map(|column| format!(" {}", it.value(column)));
            let gap = if it.gap_before().is_some() { " gap" } else { "" };
            format!("{}{}{gap}", it.time().as_millis() / 1000, values.collect::<String>())
        };
        samples.map(row).collect()
    }

    #[test]
    fn samples_of_earlier_runs_have_their_own_columns() {
        let mut watched = watched();
        begin(&mut watched, 7, "time:s seq old:B c1");
        rows(&mut watched, 85..87, &[5.0, 6.0]);
        begin(&mut watched, 1, "time:s seq c1");
        rows(&mut watched, 87..90, &[2.0]);
        past(&mut watched, PastEvent::Loaded(ms(80_000)..ms(90_000)));
        // Rows go on.
        watched.apply(ms(100_000), Event::Rows(Rows::one(sample(100_000, 100_000))));
        let all = text(&watched);
        let expected = ["85 6 5", "86 6 5", "87 2 NaN gap", "88 2 NaN", "89 2 NaN", "90 1 NaN"];
        assert_eq!(
            (&all[..6], all.last().unwrap().as_str()),
            (&expected.map(String::from)[..], "100 1 NaN")
        );
    }

    #[test]
    fn what_is_wanted_is_what_is_missing() {
        let mut watched = watched();
        assert_eq!(watched.missing_past(ms(95_000)..ms(200_000)), None);
        watched.want_past(Some(ms(0)..ms(200_000)));
        assert_eq!(watched.wanted_past(), Some(&(ms(10_000)..ms(90_000))));
        assert_eq!(watched.past_percent(), Some(0));
        for (from, to, percent) in [(10, 40, Some(37)), (60, 90, Some(75)), (40, 60, None)] {
            past(&mut watched, PastEvent::Loaded(ms(1000 * from)..ms(1000 * to)));
            assert_eq!(watched.past_percent(), percent);
        }
        assert_eq!(watched.missing_past(ms(0)..ms(200_000)), None);
    }

    #[test]
    fn a_clock_that_is_set_back_makes_later_samples_missing_again() {
        let mut watched = watched();
        past(&mut watched, PastEvent::Loaded(ms(10_000)..ms(90_000)));
        watched.apply(ms(100_000), Event::Rows(Rows::one(sample(50_000, 100_000))));
        watched.apply(ms(100_000), Event::Rows(Rows::one(sample(51_000, 100_000))));
        assert_eq!(watched.missing_past(ms(0)..ms(200_000)), None);
        assert_eq!(
            watched.past.loaded.missing(ms(40_000)..ms(60_000)).next(),
            Some(ms(50_000)..ms(60_000))
        );
    }

    #[test]
    fn lost_samples_are_counted_and_leave_a_gap() {
        let mut watched = watched();
        begin(&mut watched, 1, "time:s seq c1");
        rows(&mut watched, 86..88, &[2.0]);
        past(&mut watched, PastEvent::Skipped { count: 3 });
        rows(&mut watched, 88..90, &[2.0]);
        past(&mut watched, PastEvent::Loaded(ms(86_000)..ms(90_000)));
        assert_eq!(text(&watched)[..5], ["86 2", "87 2", "88 2 gap", "89 2", "90 1"]);
        assert_eq!(watched.ingest.skipped, 3);
    }
}
