//! State and samples of one source.

mod connection;
mod ingest;
mod rates;
mod samples;
mod transit;

use std::time::Duration;

use loadline_protocol::{Column, Header, SafeText, Time};

use crate::event::{Event, RecordingState, Sample};
use crate::store::{ALL_VALUES_MAX, Store};
use crate::units::MachineCapacity;
use connection::Connection;
pub use connection::{Outage, State};
use ingest::Ingest;
use transit::Transit;

/// Source with its connection, its clock offset and its samples.
#[derive(Debug, Clone)]
pub struct Watched {
    /// Display name.
    pub name: String,
    /// True if the source's agent runs in this process.
    pub(crate) embedded: bool,
    /// True if the transport may ask for input in the terminal, as ssh does.
    pub may_prompt: bool,
    /// True if a server scrapes the samples and delivers them later. Their age on arrival is then
    /// no clock offset.
    pub(crate) is_scraped: bool,
    /// State of the file to which the rows are recorded; `None` without one.
    pub(crate) recording: Option<RecordingState>,
    /// Connection, which decides the state.
    pub(crate) connection: Connection,
    /// Stream and samples.
    pub ingest: Ingest,
    transit: Transit,
}

impl Watched {
    /// Returns a source without samples.
    pub fn new(name: &str, embedded: bool, retention: Duration) -> Watched {
        Watched {
            name: SafeText::new(name).as_str().to_owned(),
            embedded,
            may_prompt: false,
            is_scraped: false,
            recording: None,
            connection: Connection::default(),
            ingest: Ingest::new(Store::new(0, retention)),
            transit: Transit::default(),
        }
    }

    /// Limits the store to its share of the memory for all `sources`.
    pub(crate) fn with_memory_share(mut self, sources: usize) -> Watched {
        let samples = &mut self.ingest.samples;
        let store = std::mem::replace(&mut samples.store, Store::new(0, Duration::ZERO));
        samples.store = store.with_values_max(ALL_VALUES_MAX / sources.max(1));
        self
    }

    /// Sets the current time. If the clock was set back, ages stay the same.
    pub fn set_now(&mut self, now: Time) {
        self.connection.set_now(now);
    }

    /// Applies an event of the connection.
    pub fn apply(&mut self, now: Time, event: Event) {
        self.set_now(now);
        match event {
            Event::Connecting | Event::Imported(_) | Event::Note(_) | Event::Warning(_) => {}
            Event::Recording(state) => self.recording = Some(state),
            Event::Misnamed => self.ingest.expect_names(),
            Event::Connected => self.connection.connect(),
            Event::Disconnected { reason, retry_at: retry, .. } => {
                let duration = self.connection.disconnect(Outage { reason, retry });
                self.ingest.end_connection(duration);
            }
            Event::Replaying => self.connection.begin_recording(),
            Event::ReadProgress(percent) => {
                self.connection.read_percent = (percent < 100).then_some(percent);
            }
            Event::Ended { reason, failed } => {
                self.ingest.samples.merge();
                self.connection.end(reason, failed);
            }
            Event::Overdue(overdue) => self.connection.remark(overdue),
            Event::Received { bytes } => self.connection.byte_rate.add(now, bytes),
            Event::Health(health) => self.connection.health = Some(health),
            Event::Stream(stream) => {
                if self.ingest.begin_stream(stream) {
                    self.transit.begin_run();
                }
            }
            Event::Rows(rows) => {
                rows.iter().for_each(|sample| self.add_row(sample));
                if self.connection.caught_up {
                    self.ingest.samples.merge();
                }
                self.update_clock_offset();
            }
            Event::Live => {
                self.ingest.samples.merge();
                self.connection.caught_up = true;
                self.update_clock_offset();
            }
            Event::Skipped { count } => self.ingest.skip(count),
            Event::Faults { count, last, .. } => self.ingest.add_faults(count, last),
        }
    }

    fn add_row(&mut self, sample: Sample<'_>) {
        let caught_up = self.connection.caught_up;
        let is_history = !caught_up && self.header().is_some();
        self.transit.add(sample, is_history || self.is_scraped);
        self.connection.receive(sample.received);
        let is_recording = self.connection.is_recording();
        self.ingest.add(sample, caught_up, is_recording);
    }

    /// Updates the clock offset, unless a history is arriving or the source is a recording.
    fn update_clock_offset(&mut self) {
        if self.connection.caught_up && !self.connection.is_recording() {
            self.transit.update_offset(self.stale_after());
        }
    }

    /// Returns the samples.
    pub fn store(&self) -> &Store {
        &self.ingest.samples.store
    }

    /// Returns the header; `None` for a plain stream and before the first row.
    pub(crate) fn header(&self) -> Option<&Header> {
        self.ingest.header()
    }

    /// Returns the columns of the rows; `None` before the first row.
    pub fn columns(&self) -> Option<&[Column]> {
        self.ingest.columns()
    }

    pub(crate) fn machine(&self) -> MachineCapacity {
        MachineCapacity::of(self.header())
    }

    /// Returns the interval in the header, or else the interval of a plain stream's rows.
    pub(crate) fn interval(&self) -> Option<Duration> {
        self.ingest.interval()
    }

    pub(crate) fn stale_after(&self) -> Duration {
        self.ingest.stale_after()
    }

    /// Returns the number of rows that did not fit, for a recording that is to be kept whole.
    pub(crate) fn overflow(&self) -> u64 {
        if self.connection.is_recording() { self.store().overflow() } else { 0 }
    }

    /// Returns the bytes per second, averaged over the last few seconds.
    pub(crate) fn bytes_per_second(&self, now: Time) -> Option<u64> {
        self.connection.byte_rate.bytes_per_second(now)
    }

    /// Returns the state of the source.
    pub fn state(&self, now: Time) -> State {
        self.connection.state(now, self.stale_after())
    }

    pub(crate) fn changes_at(&self, now: Time) -> Option<Time> {
        self.connection.changes_at(now, self.stale_after())
    }

    pub(crate) fn state_changes_at(&self, now: Time) -> Option<Time> {
        self.connection.state_changes_at(now, self.stale_after())
    }

    /// Returns the clock offset in milliseconds, negative if the agent's clock is behind ours. 0 if
    /// the offset is at most a second or not known yet.
    pub fn clock_offset_ms(&self) -> i64 {
        self.transit.offset_ms()
    }

    pub(crate) fn age(&self, now: Time) -> Option<Duration> {
        self.transit.age(now, self.store().newest()?, self.stale_after())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use loadline_protocol::{RunId, Schema, Stamp};

    use super::*;
    use crate::event::{Rows, StreamInfo};

    pub(super) fn ms(ms: i64) -> Time {
        Time::from_millis(ms)
    }

    /// Stream with one column: with a header and an interval of 1 s, or plain.
    pub(super) fn stream(run: Option<u32>) -> Arc<StreamInfo> {
        let header = run.map(|run| Header {
            run: Some(RunId(run)),
            interval: Some(Duration::from_secs(1)),
            ..Header::default()
        });
        Arc::new(StreamInfo { header, schema: Schema::plain(1).with_stamp(Stamp::TimeSeq) })
    }

    pub(super) fn sample(time: i64, received: i64) -> Sample<'static> {
        let (time, received, values) = (ms(time), ms(received), &[1.0]);
        Sample { time, seq: None, received, values, line: None }
    }

    fn row(time: i64, received: i64) -> Event {
        Event::Rows(Rows::one(sample(time, received)))
    }

    fn watched_at(now: i64, events: impl IntoIterator<Item = Event>) -> Watched {
        let mut watched = Watched::new("web-1", false, Duration::from_hours(1));
        events.into_iter().for_each(|event| watched.apply(ms(now), event));
        watched
    }

    #[test]
    fn events_change_state_clock_and_samples() {
        let header = Event::Stream(stream(Some(1)));
        let live = [Event::Connected, header, Event::Live, row(50_900, 1000)];
        let mut watched = watched_at(1000, live);
        assert_eq!(watched.state(ms(1000)), State::Live);
        assert_eq!(watched.changes_at(ms(1000)), Some(ms(4000)));
        assert_eq!(watched.clock_offset_ms(), 49_900);
        assert_eq!(watched.age(ms(1500)), Some(Duration::from_millis(500)));
        assert_eq!(watched.store().newest(), Some(ms(50_900)));
        let (reason, retry) = (SafeText::new("x"), Some(ms(2500)));
        let outage = Outage { reason: reason.clone(), retry };
        watched.apply(ms(2000), Event::Disconnected { reason, refused: false, retry_at: retry });
        assert_eq!(watched.state(ms(2000)), State::Reconnecting(Some(outage)));
    }

    #[test]
    fn clock_offset_is_not_updated_while_history_arrives() {
        let header = Event::Stream(stream(Some(1)));
        let history = [Event::Connected, header, row(1000, 600_000), row(2000, 600_000)];
        let mut watched = watched_at(600_000, history);
        assert_eq!(watched.clock_offset_ms(), 0);
        watched.apply(ms(600_000), row(690_000, 600_000));
        watched.apply(ms(600_000), Event::Live);
        assert_eq!(watched.clock_offset_ms(), 90_000);
    }

    #[test]
    fn the_age_of_a_scraped_sample_is_no_clock_offset() {
        let offset_and_age = |is_scraped, sampled: i64| {
            let mut watched = Watched::new("web-1", false, Duration::from_hours(1));
            watched.is_scraped = is_scraped;
            let header = Event::Stream(stream(Some(1)));
            for event in [Event::Connected, header, Event::Live, row(sampled, 600_000)] {
                watched.apply(ms(600_000), event);
            }
            let age = watched.age(ms(600_000)).unwrap();
            (watched.clock_offset_ms(), age.as_millis())
        };
        assert_eq!(offset_and_age(false, 598_600), (-1400, 0));
        assert_eq!(offset_and_age(true, 598_600), (0, 1400));
        // No scrape is so old, and none is of the future: the clocks differ.
        assert_eq!(offset_and_age(true, 500_000), (-100_000, 0));
        assert_eq!(offset_and_age(true, 690_000), (90_000, 0));
    }

    #[test]
    fn a_recording_has_no_clock_offset() {
        let header = Event::Stream(stream(Some(1)));
        let recorded = [Event::Replaying, header, row(1000, 600_000), Event::Live];
        let mut watched = watched_at(600_000, recorded);
        watched.apply(ms(700_000), row(2000, 700_000));
        assert_eq!(watched.clock_offset_ms(), 0);
    }
}
