//! Earlier samples of a source, which are loaded as the user goes back.

use std::ops::Range;
use std::time::Duration;

use loadline_protocol::{Time, duration_ms};

use super::Watched;
use super::ingest::gap_after;
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

    fn begin_stream(&mut self, stream: &StreamInfo, samples: &mut Samples) {
        samples.set_earlier_columns(stream.schema.columns());
        let interval = stream.header.as_ref().and_then(|header| header.interval);
        self.gap_after = gap_after(interval.unwrap_or_default());
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
        let samples = &mut self.ingest.samples;
        match event {
            PastEvent::Stream(stream) => self.past.begin_stream(&stream, samples),
            PastEvent::Rows(rows) => self.past.add(&rows, samples),
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
