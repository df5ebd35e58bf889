//! State and samples of one source.

mod connection;
mod ingest;
mod past;
mod rates;
mod samples;
mod transit;

use std::sync::Arc;
use std::time::Duration;

use loadline_protocol::{Column, Header, SafeText, Time, duration_ms};

use crate::event::{Event, RecordingState, Sample, StreamInfo};
use crate::store::{ALL_LOOKS_BYTES_MAX, ALL_VALUES_MAX, Looks, Store};
use crate::units::MachineCapacity;
use connection::{Connection, Limits};
pub use connection::{Outage, State};
use ingest::Ingest;
use past::Past;
pub(crate) use past::PastLimit;
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
    /// State of the file to which the rows are recorded; `None` without one.
    pub(crate) recording: Option<RecordingState>,
    /// Connection, which decides the state.
    pub(crate) connection: Connection,
    /// Stream and samples.
    pub ingest: Ingest,
    /// Looks at the processes.
    pub looks: Looks,
    past: Past,
    transit: Transit,
}

impl Watched {
    /// Returns a source without samples.
    pub fn new(name: &str, embedded: bool, retention: Duration) -> Watched {
        Watched {
            name: SafeText::new(name).as_str().to_owned(),
            embedded,
            may_prompt: false,
            recording: None,
            connection: Connection::default(),
            ingest: Ingest::new(Store::new(0, retention)),
            looks: Looks::new(retention),
            past: Past::default(),
            transit: Transit::default(),
        }
    }

    /// Limits the store and the looks to their share of the memory for all `sources`.
    pub(crate) fn with_memory_share(mut self, sources: usize) -> Watched {
        self.looks = self.looks.with_bytes_max(ALL_LOOKS_BYTES_MAX / sources.max(1));
        let samples = &mut self.ingest.samples;
        let store = std::mem::replace(&mut samples.store, Store::new(0, Duration::ZERO));
        samples.store = store.with_values_max(ALL_VALUES_MAX / sources.max(1));
        self
    }

    /// Marks the source as one that a server scrapes and delivers later.
    pub(crate) fn scraped(mut self) -> Watched {
        self.transit.is_scraped = true;
        self
    }

    pub(crate) fn is_scraped(&self) -> bool {
        self.transit.is_scraped
    }

    /// Sets the current time. If the clock was set back, ages stay the same.
    pub fn set_now(&mut self, now: Time) {
        let back = self.connection.set_now(now);
        self.transit.set_back(duration_ms(back));
    }

    /// Applies an event of the connection.
    pub fn apply(&mut self, now: Time, event: Event) {
        self.set_now(now);
        match event {
            Event::Connecting | Event::Imported(_) | Event::Note(_) | Event::Warning(_) => {}
            Event::Recording(state) => self.recording = Some(state),
            Event::Misnamed => self.ingest.expect_names(),
            Event::Connected => self.connection.connect(),
            Event::TimeJumped => self.transit.forget_clock(),
            Event::RequestSent { at } => self.transit.send_request(at),
            Event::Disconnected { reason, retry_at: retry, .. } => {
                // The next request may be sent before the connection counts as made.
                self.transit.forget_requests();
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
            Event::Received { bytes } => self.connection.receive_bytes(bytes),
            Event::Look(look) => self.looks.push(look),
            Event::Health(health) => self.connection.health = Some(health),
            Event::Stream(stream) => self.begin_stream(stream),
            Event::Rows(rows) => {
                rows.iter().for_each(|sample| self.add_row(sample));
                if self.connection.caught_up {
                    self.ingest.samples.merge();
                }
                self.update_clock();
            }
            Event::Live => {
                self.ingest.samples.merge();
                self.connection.caught_up = true;
                let interval = self.interval().unwrap_or_default();
                self.transit.end_history(self.ingest.newest_of_run(), interval, now);
                self.update_clock();
            }
            Event::Past(past) => self.apply_past(past),
            Event::Skipped { count } => self.ingest.skip(count),
            Event::Faults { count, last, .. } => self.ingest.add_faults(count, last),
        }
    }

    fn begin_stream(&mut self, stream: Arc<StreamInfo>) {
        let answered_at = stream.header.as_ref().and_then(|header| header.now);
        let has_header = stream.header.is_some();
        if self.ingest.begin_stream(stream) {
            self.transit.begin_run();
        }
        if has_header {
            self.connection.begin_history();
        }
        if let Some(agent_now) = answered_at {
            self.transit.answer(agent_now, self.connection.now());
        }
    }

    fn add_row(&mut self, sample: Sample<'_>) {
        let caught_up = self.connection.caught_up;
        let is_recording = self.connection.is_recording();
        if !is_recording && self.store().newest().is_some_and(|newest| sample.time <= newest) {
            // The store drops these samples as well.
            self.looks.forget_after(sample.time);
        }
        self.transit.add(sample, self.interval().unwrap_or_default());
        self.connection.receive(sample.received);
        if self.header().is_some() {
            self.past.add_row(sample.time);
        }
        self.ingest.add(sample, caught_up, is_recording);
        self.connection.advance_history(sample.time, self.transit.agent_time(sample.received));
    }

    /// Applies what rows and answers say about the clock.
    fn update_clock(&mut self) {
        let is_known = self.connection.caught_up || self.transit.is_measured();
        if is_known && !self.connection.is_recording() {
            self.transit.update_offset();
        }
        self.connection.end_load(self.limits().live_until, self.transit.is_steady());
    }

    fn limits(&self) -> Limits {
        let newest = self.store().newest();
        let live_until =
            newest.and_then(|time| self.transit.may_be_older_at(time, self.ingest.live_age_max()));
        Limits { stale_after: self.stale_after(), live_until }
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

    /// Returns why the newest rows have no looks at the processes, to follow `no processes: `. `None` if
    /// they may have some, and before the first row.
    pub fn missing_looks(&self) -> Option<&'static str> {
        self.ingest.stream.as_ref()?.missing_looks()
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
        self.connection.state(now, self.limits())
    }

    pub(crate) fn changes_at(&self, now: Time) -> Option<Time> {
        self.connection.changes_at(now, self.limits())
    }

    pub(crate) fn state_changes_at(&self, now: Time) -> Option<Time> {
        self.connection.state_changes_at(now, self.limits())
    }

    /// Returns the clock offset in milliseconds, negative if the agent's clock is behind ours. 0 if
    /// the offset is at most a second or not known yet.
    pub fn clock_offset_ms(&self) -> i64 {
        self.transit.offset_ms()
    }

    /// Returns the time by which rows arrive late, if it is known to be more than a second.
    pub(crate) fn lateness(&self) -> Option<Duration> {
        self.transit.lateness()
    }

    /// Returns whether an answer limits the clock offset.
    pub(crate) fn is_clock_measured(&self) -> bool {
        self.transit.is_measured()
    }

    pub(crate) fn age(&self, now: Time) -> Option<Duration> {
        self.transit.age(now, self.store().newest()?)
    }
}

#[cfg(test)]
mod tests {
    use loadline_protocol::{Look, Note, RunId, Schema, Stamp, Top};

    use super::*;
    use crate::event::Rows;

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

    /// Returns the answer to a request, written at `now` by the agent's clock if it says so.
    fn answer(run: u32, now: Option<i64>) -> Event {
        let stream = Arc::unwrap_or_clone(stream(Some(run)));
        let header = stream.header.map(|header| Header { now: now.map(ms), ..header });
        Event::Stream(Arc::new(StreamInfo { header, ..stream }))
    }

    /// A source whose agent's clock is `ahead` milliseconds ahead, at 600 s by our clock. `history_s` are
    /// the ages of the rows on their way when the agent answers.
    struct SlowLink {
        watched: Watched,
        ahead: i64,
        now: i64,
    }

    impl SlowLink {
        fn connect(ahead: i64, tells_time: bool) -> SlowLink {
            let now = 600_000;
            let sent = Event::RequestSent { at: ms(now) };
            let header = answer(1, tells_time.then_some(now + ahead));
            let watched = watched_at(now, [Event::Connected, sent, header]);
            SlowLink { watched, ahead, now }
        }

        /// Receives a row that was taken at `taken` by our clock, `later` milliseconds after the last
        /// event.
        fn row(&mut self, later: i64, taken: i64) -> String {
            self.event(later, row(taken + self.ahead, self.now + later))
        }

        /// Returns the state after an event, with the age if rows have arrived.
        fn event(&mut self, later: i64, event: Event) -> String {
            self.now += later;
            self.watched.apply(ms(self.now), Event::Received { bytes: 40 });
            self.watched.apply(ms(self.now), event);
            self.state()
        }

        fn state(&self) -> String {
            let age = self.watched.age(ms(self.now)).unwrap_or_default();
            format!("{} {:.1}", self.watched.state(ms(self.now)).label(), age.as_secs_f64())
        }
    }

    const CLOCKS: [i64; 5] = [0, 90_000, -90_000, 7_200_000, -200_000];

    #[test]
    fn a_history_over_a_slow_link_loads_with_its_progress_and_the_true_age() {
        for ahead in CLOCKS {
            let mut link = SlowLink::connect(ahead, true);
            assert_eq!(link.state(), "LOADING 0.0");
            assert_eq!(link.row(1000, 500_000), "LOADING 0 % 101.0", "{ahead}");
            assert_eq!(link.row(1000, 540_000), "LOADING 39 % 62.0", "{ahead}");
            assert_eq!(link.row(1000, 599_000), "LOADING 96 % 4.0", "{ahead}");
            assert_eq!(link.event(0, Event::Live), "LIVE 4.0", "{ahead}");
        }
    }

    #[test]
    fn rows_that_queue_behind_the_history_are_loaded_as_well() {
        for ahead in CLOCKS {
            let mut link = SlowLink::connect(ahead, true);
            link.row(50_000, 500_000);
            link.row(50_000, 600_000);
            assert_eq!(link.event(0, Event::Live), "LOADING 50 % 100.0", "{ahead}");
            assert_eq!(link.row(1000, 620_000), "LOADING 59 % 81.0", "{ahead}");
            assert_eq!(link.row(1000, 694_999), "LOADING 96 % 7.0", "{ahead}");
            assert_eq!(link.row(1, 695_100), "LIVE 6.9", "{ahead}");
        }
    }

    #[test]
    fn an_agent_that_does_not_tell_its_time_is_loaded_without_progress() {
        for ahead in CLOCKS {
            let mut link = SlowLink::connect(ahead, false);
            assert!(link.row(50_000, 500_000).starts_with("LOADING "), "{ahead}");
            assert!(link.row(50_000, 600_000).starts_with("LOADING "), "{ahead}");
            // The last row of the history was the newest one when the agent read the request, at most an
            // interval old.
            assert_eq!(link.event(0, Event::Live), "LOADING 101.0", "{ahead}");
            assert_eq!(link.row(1000, 620_000), "LOADING 59 % 82.0", "{ahead}");
            assert_eq!(link.row(1000, 701_990), "LIVE 0.0", "{ahead}");
        }
    }

    #[test]
    fn without_a_history_the_first_row_tells_the_agents_time() {
        for ahead in CLOCKS {
            let mut link = SlowLink::connect(ahead, false);
            link.event(20, Event::Live);
            assert_eq!(link.row(0, 599_500), "LIVE 0.0", "{ahead}");
            assert_eq!(link.row(980, 600_500), "LIVE 0.0", "{ahead}");
        }
    }

    #[test]
    fn rows_that_arrive_steadily_but_late_are_stale_with_their_age() {
        for (ahead, tells_time) in
            CLOCKS.into_iter().flat_map(|ahead| [(ahead, true), (ahead, false)])
        {
            let mut link = SlowLink::connect(ahead, tells_time);
            link.row(10, 599_500);
            assert_eq!(link.event(0, Event::Live), "LIVE 0.0", "{ahead}");
            // The link delays each row by 20 s from now on.
            link.now += 20_000;
            for second in 1..200 {
                let state = link.row(1000, 600_000 + second * 1000);
                let is_right = ["STALE 19.5", "STALE 20.0", "STALE 20.5"].contains(&state.as_str());
                assert!(is_right, "{ahead} {second}: {state}");
            }
            link.now -= 20_000;
        }
    }

    #[test]
    fn a_link_that_delays_all_rows_is_stale_once_no_queue_drains() {
        for (ahead, tells_time) in
            CLOCKS.into_iter().flat_map(|ahead| [(ahead, true), (ahead, false)])
        {
            let mut link = SlowLink::connect(ahead, tells_time);
            link.row(20_000, 599_500);
            link.event(0, Event::Live);
            let states: Vec<String> =
                (1..30).map(|second| link.row(1000, 600_000 + second * 1000)).collect();
            assert!(states[0].starts_with("LOADING "), "{ahead}: {states:?}");
            let is_late = |state: &String| state.starts_with("STALE 2");
            assert!(states[12..].iter().all(is_late), "{ahead}: {states:?}");
        }
    }

    #[test]
    fn a_queue_that_drains_slowly_is_loading() {
        let mut link = SlowLink::connect(0, true);
        link.row(100_000, 600_000);
        link.event(0, Event::Live);
        for second in 0..300 {
            let state = link.row(1000, 600_000 + second * 1300);
            assert!(state.starts_with("LOADING "), "{second}: {state}");
        }
        assert_eq!(link.row(3000, 1_001_000), "LIVE 2.0");
    }

    #[test]
    fn a_clock_that_is_set_hides_no_live_row_for_long() {
        for (step, tells_time) in CLOCKS.into_iter().flat_map(|step| [(step, true), (step, false)])
        {
            let mut link = SlowLink::connect(0, tells_time);
            link.row(10, 599_500);
            link.event(0, Event::Live);
            // The agent begins another run if its clock is set back.
            link.ahead = step;
            if step < 0 {
                link.event(0, answer(2, None));
            }
            let states: Vec<String> = (1..30).map(|_| link.row(1000, link.now + 1000)).collect();
            assert!(states[12..].iter().all(|state| state == "LIVE 0.0"), "{step}: {states:?}");
        }
    }

    #[test]
    fn our_clock_set_back_changes_no_age() {
        for (ahead, back) in CLOCKS.into_iter().zip([3_600, 300_000, 100_000, 1000, 500_000]) {
            let mut link = SlowLink::connect(ahead, true);
            link.row(1000, 500_000);
            let before = link.state();
            (link.now, link.ahead) = (link.now - back, link.ahead + back);
            link.watched.set_now(ms(link.now));
            assert_eq!(link.state(), before);
            assert_eq!(link.row(0, 540_000 - back), "LOADING 39 % 61.0");
        }
    }

    #[test]
    fn a_pipe_with_old_rows_is_not_live() {
        let header = Event::Stream(stream(Some(1)));
        let mut watched = watched_at(600_000, [Event::Connected, header, Event::Live]);
        for second in 0..100 {
            watched.apply(ms(600_000 + second), row(second * 1000, 600_000 + second));
            assert_eq!(watched.state(ms(600_000 + second)).word(), "STALE");
        }
        assert_eq!(watched.age(ms(600_100)), Some(Duration::from_millis(501_100)));
    }

    #[test]
    fn samples_of_a_scrape_keep_their_age() {
        let offset_and_age = |agent_now, sampled: i64| {
            let watched = Watched::new("web-1", false, Duration::from_hours(1));
            let mut watched = watched.scraped();
            let sent = Event::RequestSent { at: ms(600_000) };
            for event in [Event::Connected, sent, answer(1, agent_now), Event::Live] {
                watched.apply(ms(600_000), event);
            }
            for second in 0..20 {
                let (taken, received) = (sampled + second * 1000, 600_000 + second * 1000);
                watched.apply(ms(received), row(taken, received));
            }
            let age = watched.age(ms(619_000)).unwrap();
            (watched.clock_offset_ms(), age.as_millis())
        };
        assert_eq!(offset_and_age(Some(600_000), 598_600), (0, 1400));
        assert_eq!(offset_and_age(Some(500_000), 498_600), (-100_000, 1400));
        assert_eq!(offset_and_age(None, 598_600), (0, 1400));
        // No sample is of the future: the clocks differ.
        assert_eq!(offset_and_age(None, 690_000), (90_000, 0));
    }

    fn look(time: i64) -> Event {
        let top = Top { time: ms(time), over: Some(5.0), ..Top::default() };
        Event::Look(Arc::new(Look { top, processes: Vec::new() }))
    }

    #[test]
    fn looks_go_back_with_a_clock_that_was_set_back_but_not_in_a_recording() {
        let look_times = |first| {
            let header = |run| Event::Stream(stream(Some(run)));
            let before = [look(5000), row(6000, 0), look(10_000), row(11_000, 0)];
            let after = [header(2), look(7000), row(8000, 0)];
            let watched =
                watched_at(600_000, [first, header(1)].into_iter().chain(before).chain(after));
            let looks = watched.looks.between(ms(0)..=ms(100_000));
            looks.map(|look| look.top.time.as_millis()).collect::<Vec<_>>()
        };
        assert_eq!(look_times(Event::Connected), [5000, 7000]);
        assert_eq!(look_times(Event::Replaying), [5000, 7000, 10_000]);
    }

    #[test]
    fn a_source_says_why_it_has_no_looks() {
        let missing = |header: &str| {
            let Ok(Note::Header(header)) = Note::parse(header) else { panic!("{header}") };
            let header = Some(header).filter(|header| *header != Header::default());
            let schema = Schema::plain(1);
            let watched = watched_at(0, [Event::Stream(Arc::new(StreamInfo { header, schema }))]);
            watched.missing_looks()
        };
        let off = "the agent is older, or runs with --top 0";
        for (header, expected) in [
            ("loadline/0", Some("the source sends only rows")),
            ("loadline/1 run=0000000a", Some("the source is no agent")),
            ("loadline/1 agent=0.1.0", Some(off)),
            ("loadline/1 agent=0.1.0 top=0", Some(off)),
            ("loadline/1 agent=0.1.0 top=5", None),
        ] {
            assert_eq!(missing(header), expected, "{header}");
        }
        assert_eq!(watched_at(0, []).missing_looks(), None);
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
