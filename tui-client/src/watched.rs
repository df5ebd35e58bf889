//! State and samples of one source.

mod rates;
mod state;
mod transit;

use std::sync::Arc;
use std::time::Duration;

use loadline_protocol::{Column, Health, RunId, SafeText, Time};

use crate::event::{Event, Sample, StreamInfo};
use crate::store::{ALL_VALUES_MAX, Store, VALUES_MAX};
use crate::units::MachineCapacity;
use rates::{ByteRate, RowInterval};
pub use state::{Outage, State};
use transit::Transit;

/// Intervals after which an expected row counts as missing.
const LATE_INTERVALS: f64 = 2.5;

/// Minimum silence after which a source is stale.
const STALE_MIN: Duration = Duration::from_secs(3);

/// Clock offset in milliseconds up to which the clocks count as equal: nobody notices it.
const CLOCK_OFFSET_MIN_MS: i64 = 1000;

/// Time in milliseconds after which a connection without a header counts as a plain stream.
const HEADER_TIMEOUT_MS: i64 = 15_000;

/// Minimum difference in milliseconds that updates the clock offset. Transit times vary a little,
/// and each update moves the whole chart.
const CLOCK_OFFSET_STEP_MS: i64 = 250;

#[derive(Debug, Clone)]
enum LinkStatus {
    Connecting(Option<Outage>),
    Connected {
        since: Time,
    },
    /// A recording, with the reason if reading it failed.
    Recording(Option<SafeText>),
    /// The input has ended. Shown as `REPLAY`: as in a recording, no more rows can arrive.
    Ended(SafeText),
}

/// Source with its connection state, schema and samples.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "the flags are independent")]
pub struct Watched {
    /// Display name.
    pub name: String,
    /// True if the source's agent runs in this process.
    pub embedded: bool,
    /// True if the transport may ask for input in the terminal, as ssh does.
    pub may_prompt: bool,
    /// Header and columns of the rows; `None` before the first row.
    pub stream: Option<Arc<StreamInfo>>,
    /// Samples received, as far as they are kept.
    pub store: Store,
    /// Number of invalid lines.
    pub faults: u64,
    /// Reason for the last invalid line.
    pub last_fault: Option<SafeText>,
    /// Rows lost to this client: evicted by the agent, or dropped here as part of a burst.
    pub skipped: u64,
    /// True if the history of this connection is complete.
    pub caught_up: bool,
    /// Percentage of a recording that has been read; `None` when complete.
    pub read_percent: Option<u8>,
    /// Health of this connection's agent, if reported.
    pub health: Option<Health>,
    retention: Duration,
    /// Maximum number of values in the store.
    values_max: usize,
    /// Samples received since the store was created.
    received_rows: u64,
    link: LinkStatus,
    run: Option<RunId>,
    /// Rows so far without a header, which may still arrive over this connection or the next one.
    rows_before_header: usize,
    /// True if the next row starts after a gap.
    gap_pending: bool,
    last_received: Option<Time>,
    /// Current time by our clock.
    now: Time,
    transit: Transit,
    /// Clock offset in milliseconds, transit times included.
    raw_clock_offset_ms: i64,
    row_interval: RowInterval,
    byte_rate: ByteRate,
}

impl Watched {
    /// Returns a source without samples.
    #[must_use]
    pub fn new(name: &str, embedded: bool, retention: Duration) -> Watched {
        Watched {
            name: SafeText::new(name).as_str().to_owned(),
            embedded,
            may_prompt: false,
            stream: None,
            store: Store::new(0, retention),
            faults: 0,
            last_fault: None,
            skipped: 0,
            caught_up: false,
            read_percent: None,
            health: None,
            retention,
            values_max: VALUES_MAX,
            received_rows: 0,
            link: LinkStatus::Connecting(None),
            run: None,
            rows_before_header: 0,
            gap_pending: true,
            last_received: None,
            now: Time::default(),
            transit: Transit::default(),
            raw_clock_offset_ms: 0,
            row_interval: RowInterval::default(),
            byte_rate: ByteRate::default(),
        }
    }

    /// Limits the store to its share of the memory for all `sources`.
    #[must_use]
    pub fn with_memory_share(mut self, sources: usize) -> Watched {
        self.values_max = (ALL_VALUES_MAX / sources.max(1)).min(VALUES_MAX);
        self.store = self.empty_store(0);
        self
    }

    fn empty_store(&self, columns: usize) -> Store {
        Store::new(columns, self.retention).with_values_max(self.values_max)
    }

    /// Sets the current time. If the clock was set back, ages stay the same: otherwise a stale
    /// source would become live again.
    pub fn set_now(&mut self, now: Time) {
        let back_ms = (self.now.as_millis() - now.as_millis()).max(0);
        self.now = now;
        let earlier = |time: &mut Time| *time = Time::from_millis(time.as_millis() - back_ms);
        self.last_received.iter_mut().for_each(earlier);
        if let LinkStatus::Connected { since } = &mut self.link {
            earlier(since);
        }
    }

    /// Applies an event of the connection.
    pub fn apply(&mut self, now: Time, event: Event) {
        self.set_now(now);
        match event {
            Event::Connecting | Event::HeadingLine | Event::Note(_) | Event::Warning(_) => {}
            Event::Replaying => self.link = LinkStatus::Recording(None),
            Event::ReadProgress(percent) => self.read_percent = (percent < 100).then_some(percent),
            Event::Ended { reason, failed } => {
                self.read_percent = None;
                self.link = match self.link {
                    LinkStatus::Recording(_) => LinkStatus::Recording(failed.then_some(reason)),
                    LinkStatus::Connecting(_)
                    | LinkStatus::Connected { .. }
                    | LinkStatus::Ended(_) => LinkStatus::Ended(reason),
                };
            }
            Event::Connected => {
                self.link = LinkStatus::Connected { since: now };
                self.byte_rate = ByteRate::default();
                self.health = None;
                self.caught_up = false;
            }
            Event::Disconnected { reason, retry_at: retry, .. } => {
                if let LinkStatus::Connected { since } = self.link
                    && now.as_millis() - since.as_millis() > HEADER_TIMEOUT_MS
                {
                    self.rows_before_header = 0;
                }
                self.link = LinkStatus::Connecting(Some(Outage { reason, retry }));
            }
            Event::Received { bytes } => self.byte_rate.add(now, bytes),
            Event::Health(health) => self.health = Some(health),
            Event::Stream(stream) => self.apply_stream(stream),
            Event::Rows(rows) => {
                rows.iter().for_each(|sample| self.apply_sample(sample));
                self.update_clock_offset();
            }
            Event::Live => {
                self.caught_up = true;
                self.update_clock_offset();
            }
            Event::Skipped { count } => {
                self.skipped = self.skipped.saturating_add(count);
                self.gap_pending = true;
            }
            Event::Faults { count, last, .. } => {
                self.faults = self.faults.saturating_add(count);
                self.last_fault = Some(last);
            }
        }
    }

    fn apply_stream(&mut self, stream: Arc<StreamInfo>) {
        let columns = stream.schema.columns();
        let same = self.stream.as_ref().is_some_and(|old| old.schema.columns() == columns);
        if !same {
            self.store = self.empty_store(columns.len());
            self.received_rows = 0;
        }
        let run = stream.header.as_ref().and_then(|header| header.run);
        if run.is_none() || run != self.run {
            self.gap_pending = true;
            self.transit = Transit::default();
        }
        self.row_interval = RowInterval::default();
        self.run = run;
        self.stream = Some(stream);
    }

    /// Counts rows received before the header. When a header arrives late, drops them if a history
    /// follows: it contains the same samples with the agent's times.
    fn settle_rows_before_header(&mut self) {
        if self.stream.as_ref().is_none_or(|stream| stream.header.is_none()) {
            self.rows_before_header += 1;
            return;
        }
        let count = std::mem::take(&mut self.rows_before_header);
        if !self.caught_up {
            self.store.forget_newest(count);
        }
    }

    fn apply_sample(&mut self, sample: Sample<'_>) {
        self.settle_rows_before_header();
        let before = self.store.newest();
        let pause_ms = before.map(|before| sample.time.as_millis() - before.as_millis());
        let pause_ms = pause_ms.filter(|_| !std::mem::take(&mut self.gap_pending));
        self.gap_pending = false;
        self.row_interval.add(pause_ms);
        let joined = pause_ms.is_some_and(|pause| pause as u128 <= self.gap_after().as_millis());
        // The times of history rows do not reflect transit times.
        let is_plain = self.stream.as_ref().is_none_or(|stream| stream.header.is_none());
        if self.caught_up || is_plain {
            self.transit.add(sample);
        } else {
            self.transit.add_history(sample);
        }
        // `received` may be later than `now` if our clock was set back in between.
        self.last_received = Some(sample.received.min(self.now));
        self.store.push(sample.time, sample.seq, sample.values, joined);
        self.received_rows += 1;
    }

    /// Returns the time that a recording spans so far; `None` for a live source.
    #[must_use]
    pub fn recording_duration(&self) -> Option<Duration> {
        let LinkStatus::Recording(_) = self.link else { return None };
        let (oldest, newest) = (self.store.oldest()?, self.store.newest()?);
        Some(Duration::from_millis((newest.as_millis() - oldest.as_millis()).max(0) as u64))
    }

    /// Returns the rows of a fully kept recording that were dropped for lack of space.
    #[must_use]
    pub fn overflow(&self) -> u64 {
        match self.link {
            LinkStatus::Recording(_) if self.retention == Duration::MAX => {
                self.received_rows.saturating_sub(self.store.len() as u64)
            }
            _ => 0,
        }
    }

    /// Updates the clock offset, unless a history is arriving or the source is a recording.
    fn update_clock_offset(&mut self) {
        if matches!(self.link, LinkStatus::Recording(_)) {
            return;
        }
        let fastest = self.transit.fastest_ms(self.stale_after());
        let Some(offset_ms) = fastest.filter(|_| self.caught_up).map(|ms| -ms) else { return };
        if offset_ms.abs_diff(self.raw_clock_offset_ms) > CLOCK_OFFSET_STEP_MS as u64 {
            self.raw_clock_offset_ms = offset_ms;
        }
    }

    /// Returns the clock offset in milliseconds, negative if the agent's clock is behind ours. 0 if
    /// the offset is at most a second or not known yet.
    #[must_use]
    pub fn clock_offset_ms(&self) -> i64 {
        if self.raw_clock_offset_ms.abs() > CLOCK_OFFSET_MIN_MS {
            self.raw_clock_offset_ms
        } else {
            0
        }
    }

    /// Returns the columns of the rows; `None` before the first row.
    #[must_use]
    pub fn columns(&self) -> Option<&[Column]> {
        self.stream.as_ref().map(|stream| stream.schema.columns())
    }

    /// Returns the capacity of the machine, as far as it is known.
    #[must_use]
    pub fn machine(&self) -> MachineCapacity {
        MachineCapacity::of(self.stream.as_ref().and_then(|stream| stream.header.as_ref()))
    }

    /// Returns the bytes per second, averaged over the last few seconds.
    #[must_use]
    pub fn bytes_per_second(&self, now: Time) -> Option<u64> {
        self.byte_rate.bytes_per_second(now)
    }

    /// Returns the interval in the header, or else the interval of a plain stream's rows.
    #[must_use]
    pub fn interval(&self) -> Option<Duration> {
        self.header_interval().or_else(|| self.row_interval.median())
    }

    fn header_interval(&self) -> Option<Duration> {
        self.stream.as_ref()?.header.as_ref()?.interval
    }

    /// Returns the longest pause between two rows that is not a gap.
    fn gap_after(&self) -> Duration {
        match self.header_interval() {
            Some(interval) => interval.mul_f64(LATE_INTERVALS),
            None => self.stale_after(),
        }
    }

    /// Returns the silence after which the source is stale.
    #[must_use]
    pub fn stale_after(&self) -> Duration {
        let late = self.interval().unwrap_or_default().mul_f64(LATE_INTERVALS);
        late.max(STALE_MIN)
    }

    /// Returns the state of the source.
    #[must_use]
    pub fn state(&self, now: Time) -> State {
        let waiting = |outage| match self.last_received {
            None => State::Connecting(outage),
            Some(_) => State::Reconnecting(outage),
        };
        match &self.link {
            LinkStatus::Connecting(outage) => waiting(outage.clone()),
            LinkStatus::Recording(failure) => State::Replay(failure.clone()),
            LinkStatus::Ended(reason) => State::Replay(Some(reason.clone())),
            LinkStatus::Connected { since } => {
                let is_recent = |time: Time| now < self.stale_at(time);
                if self.last_received.is_some_and(is_recent) {
                    State::Live
                } else if is_recent(*since) {
                    waiting(None)
                } else {
                    State::Stale
                }
            }
        }
    }

    /// Returns the time at which the source becomes stale if silent since `time`.
    fn stale_at(&self, time: Time) -> Time {
        Time::from_millis(time.as_millis().saturating_add(self.stale_after().as_millis() as i64))
    }

    /// Returns the time at which the display of the state may change without an event.
    #[must_use]
    pub fn changes_at(&self, now: Time) -> Option<Time> {
        match &self.link {
            LinkStatus::Recording(_) | LinkStatus::Ended(_) => None,
            LinkStatus::Connected { .. } => self.state_changes_at(now),
            LinkStatus::Connecting(outage) => {
                // The display counts down the seconds to the next attempt.
                let left = outage.as_ref()?.retry.as_millis() - now.as_millis();
                let next = now.as_millis() + (left - 1).rem_euclid(1000) + 1;
                (left > 0).then_some(Time::from_millis(next))
            }
        }
    }

    /// Returns the time at which the state itself may change without an event.
    #[must_use]
    pub fn state_changes_at(&self, now: Time) -> Option<Time> {
        let LinkStatus::Connected { since } = &self.link else { return None };
        let silent_since = [self.last_received, Some(*since)];
        let ends = silent_since.into_iter().flatten().map(|time| self.stale_at(time));
        ends.filter(|end| *end > now).min()
    }

    /// Returns the age of the newest sample: the time since its arrival, plus its transit time
    /// beyond the fastest recent one. A clock offset has no effect.
    #[must_use]
    pub fn age(&self, now: Time) -> Option<Duration> {
        let newest = self.store.newest()?;
        let taken = newest.as_millis() + self.transit.fastest_ms(self.stale_after())?;
        Some(Duration::from_millis((now.as_millis() - taken).max(0) as u64))
    }
}

#[cfg(test)]
mod tests {
    use loadline_protocol::{Header, Schema, Stamp};

    use super::*;
    use crate::event::Rows;

    fn ms(ms: i64) -> Time {
        Time::from_millis(ms)
    }

    fn stream(run: Option<u32>) -> Event {
        let header = run.map(|run| Header {
            run: Some(RunId(run)),
            interval: Some(Duration::from_secs(1)),
            ..Header::default()
        });
        let schema = Schema::plain(1).with_stamp(Stamp::TimeSeq);
        Event::Stream(Arc::new(StreamInfo { header, schema }))
    }

    fn row(time: i64, received: i64) -> Event {
        let (time, received, values) = (ms(time), ms(received), &[1.0]);
        Event::Rows(Rows::one(Sample { time, seq: None, received, values, line: None }))
    }

    fn watched_at(now: i64, events: impl IntoIterator<Item = Event>) -> Watched {
        let mut watched = Watched::new("web-1", false, Duration::from_hours(1));
        for event in events {
            let received = match &event {
                Event::Rows(rows) => rows.iter().last().map(|sample| sample.received),
                _ => None,
            };
            watched.apply(received.unwrap_or(ms(now)), event);
        }
        watched
    }

    #[test]
    fn state_shows_whether_rows_arrive() {
        let down = || Event::Disconnected {
            reason: SafeText::new("connection refused"),
            refused: false,
            retry_at: ms(2000),
        };
        let check = |events: Vec<Event>, now: i64, word: &str| {
            assert_eq!(watched_at(1000, events).state(ms(now)).word(), word);
        };
        let live = || vec![Event::Connected, stream(Some(1)), row(900, 1000)];
        check(vec![], 1000, "CONNECTING");
        check(vec![down()], 1000, "CONNECTING");
        check(vec![Event::Connected], 3999, "CONNECTING");
        check(vec![Event::Connected], 4000, "STALE");
        check(live(), 1000, "LIVE");
        check(live(), 3999, "LIVE");
        check(live(), 4000, "STALE");
        check([live(), vec![down()]].concat(), 1000, "RECONNECTING");
        check([live(), vec![down(), Event::Connecting]].concat(), 1000, "RECONNECTING");
        assert_eq!(watched_at(1000, live()).changes_at(ms(1000)), Some(ms(4000)));
    }

    #[test]
    fn a_new_connection_does_not_make_old_rows_live() {
        let mut watched = watched_at(1000, [Event::Connected, stream(Some(1)), row(900, 1000)]);
        watched.apply(ms(60_000), Event::Connected);
        assert_eq!(watched.state(ms(60_000)).word(), "RECONNECTING");
        assert_eq!(watched.state(ms(63_000)).word(), "STALE");
        watched.apply(ms(64_000), row(63_900, 64_000));
        assert_eq!(watched.state(ms(64_000)).word(), "LIVE");
    }

    #[test]
    fn rows_that_came_before_a_late_header_are_not_kept_twice() {
        let plain = [Event::Connected, stream(None), row(5000, 5000), row(6000, 6000)];
        let check = |then: Vec<Event>, times: &[i64]| {
            let store = watched_at(7000, [plain.to_vec(), then].concat()).store;
            let kept = (0..store.len()).map(|at| store.get(at).unwrap().time());
            assert_eq!(kept.map(Time::as_millis).collect::<Vec<_>>(), times);
        };
        // The agent's clock is half an hour ahead.
        let later = [row(1_805_000, 7000), row(1_806_000, 7000)];
        let history = [vec![stream(Some(1))], later.to_vec(), vec![Event::Live]].concat();
        check(history, &[1_805_000, 1_806_000]);
        // The client did not request a history.
        let none = [vec![stream(Some(1)), Event::Live], later.to_vec()].concat();
        check(none, &[5000, 6000, 1_805_000, 1_806_000]);
    }

    #[test]
    fn rows_without_header_are_kept_when_a_later_connection_sends_one() {
        let down =
            Event::Disconnected { reason: SafeText::new("x"), refused: false, retry_at: ms(0) };
        let plain = [Event::Connected, stream(None), row(5000, 5000)];
        let header = [Event::Connected, stream(Some(1)), row(4000, 6000)];
        let mut cut = watched_at(5000, plain.clone());
        let mut ended = cut.clone();
        cut.apply(ms(5500), down.clone());
        ended.apply(ms(5000 + HEADER_TIMEOUT_MS + 1), down);
        for (watched, kept) in [(&mut cut, vec![4000]), (&mut ended, vec![5000, 8000])] {
            let later = if kept.len() > 1 { 8000 } else { 4000 };
            for event in header.clone() {
                let event = if matches!(event, Event::Rows(_)) { row(later, 6000) } else { event };
                watched.apply(ms(6000), event);
            }
            let store = &watched.store;
            let times = (0..store.len()).map(|at| store.get(at).unwrap().time().as_millis());
            assert_eq!(times.collect::<Vec<_>>(), kept);
        }
    }

    #[test]
    fn setting_the_clock_back_makes_no_old_rows_live() {
        let live = [Event::Connected, stream(Some(1)), row(99_900, 100_000)];
        let mut watched = watched_at(100_000, live);
        for (now, word) in
            [(101_000, "LIVE"), (50_000, "LIVE"), (51_999, "LIVE"), (52_000, "STALE")]
        {
            watched.set_now(ms(now));
            assert_eq!(watched.state(ms(now)).word(), word, "{now}");
        }
        watched.apply(ms(20_000), Event::Connected);
        assert_eq!(watched.state(ms(20_000)).word(), "RECONNECTING");
        watched.apply(ms(21_000), row(100_900, 21_000));
        assert_eq!(watched.state(ms(21_000)).word(), "LIVE");
    }

    #[test]
    fn age_is_correct_though_clocks_differ() {
        // The agent's clock is 500 s ahead, and a row takes 20 ms.
        let live = [Event::Connected, stream(Some(1)), Event::Live];
        let rows = [live.to_vec(), vec![row(501_000, 1020), row(502_000, 2020)]].concat();
        let mut watched = watched_at(0, rows);
        assert_eq!(watched.age(ms(2020)), Some(Duration::ZERO));
        assert_eq!(watched.age(ms(2500)), Some(Duration::from_millis(480)));
        // A row that a full pipe delays by 5 s is 5 s old on arrival.
        watched.apply(ms(8020), row(503_000, 8020));
        assert_eq!(watched.age(ms(8020)), Some(Duration::from_secs(5)));
    }

    #[test]
    fn clock_offset_is_the_smallest_transit_if_more_than_a_second() {
        let offset = |rows: &[(i64, i64)]| {
            let rows = rows.iter().map(|(time, received)| row(*time, *received));
            let live = [Event::Connected, stream(Some(1)), Event::Live];
            watched_at(0, live.into_iter().chain(rows)).clock_offset_ms()
        };
        assert_eq!(offset(&[]), 0);
        assert_eq!(offset(&[(91_000, 1020), (92_000, 2010)]), 89_980);
        assert_eq!(offset(&[(1000, 91_000), (2000, 92_000)]), -90_000);
        assert_eq!(offset(&[(1900, 1000)]), 0);
        // A late row and a slightly shorter transit do not change the offset.
        assert_eq!(offset(&[(91_000, 1000), (92_000, 9000), (93_000, 2900)]), 90_000);
        // After a clock change, the offset follows when the last minute is over.
        let set = (0..180).map(|s| (1000 * s + if s < 60 { 90_000 } else { 5000 }, 1000 * s + 10));
        assert_eq!(offset(&set.collect::<Vec<_>>()), 4990);
    }

    #[test]
    fn clock_offset_is_not_updated_while_history_arrives() {
        let history = [Event::Connected, stream(Some(1)), row(1000, 600_000), row(2000, 600_000)];
        let mut watched = watched_at(600_000, history);
        assert_eq!(watched.clock_offset_ms(), 0);
        watched.apply(ms(600_000), row(690_000, 600_000));
        watched.apply(ms(600_000), Event::Live);
        assert_eq!(watched.clock_offset_ms(), 90_000);
    }

    #[test]
    fn a_recording_has_no_clock_offset() {
        let recorded = [Event::Replaying, stream(Some(1)), row(1000, 600_000), Event::Live];
        let mut watched = watched_at(600_000, recorded);
        watched.apply(ms(700_000), row(2000, 700_000));
        assert_eq!(watched.clock_offset_ms(), 0);
    }

    #[test]
    fn age_of_a_history_row_is_its_real_age_unless_clocks_differ() {
        let history = |sampled: i64| {
            let rows = [Event::Connected, stream(Some(1)), row(sampled, 100_000)];
            watched_at(100_000, rows).age(ms(100_000)).unwrap()
        };
        assert_eq!(history(99_200), Duration::from_millis(800));
        // No row is this old on arrival: the clocks differ.
        assert_eq!(history(50_000), Duration::ZERO);
        assert_eq!(history(150_000), Duration::ZERO);
    }

    #[test]
    fn missing_rows_leave_a_gap() {
        let gaps = |events: Vec<Event>| -> Vec<bool> {
            let store = watched_at(0, events).store;
            (0..store.len()).map(|at| store.get(at).unwrap().gap_before().is_some()).collect()
        };
        let rows = |times: &[i64]| times.iter().map(|time| row(*time, *time)).collect::<Vec<_>>();
        let run = |run, times: &[i64]| [vec![stream(run)], rows(times)].concat();
        assert_eq!(gaps(run(Some(1), &[1000, 2000, 4500, 7001])), [false, false, false, true]);
        let again = |run_2| [run(Some(1), &[1000]), run(run_2, &[2000])].concat();
        assert_eq!(gaps(again(Some(1))), [false, false]);
        assert_eq!(gaps(again(Some(2))), [false, true]);
        let skipped = [run(Some(1), &[1000]), vec![Event::Skipped { count: 3 }], rows(&[2000])];
        assert_eq!(gaps(skipped.concat()), [false, true]);
        assert_eq!(gaps(run(None, &[1000, 2000, 3000])), [false, false, false]);
    }

    #[test]
    fn the_interval_of_a_plain_stream_is_derived_from_its_rows() {
        let rows = [0, 2000, 4000, 6000].map(|time| row(time, time));
        let watched = watched_at(0, [vec![stream(None)], rows.to_vec()].concat());
        assert_eq!(watched.interval(), Some(Duration::from_secs(2)));
        assert_eq!(watched.stale_after(), Duration::from_secs(5));
        let slow = [0, 20_000, 40_000].map(|time| row(time, time));
        let slow = watched_at(0, [vec![stream(None)], slow.to_vec()].concat());
        assert_eq!(slow.store.get(1).unwrap().gap_before(), None);
    }

    #[test]
    fn changed_columns_reset_the_store() {
        let mut watched = watched_at(0, [stream(Some(1)), row(1000, 1000)]);
        let schema = Schema::plain(2);
        watched.apply(ms(0), Event::Stream(Arc::new(StreamInfo { header: None, schema })));
        assert!(watched.store.is_empty());
    }
}
