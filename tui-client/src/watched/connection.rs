//! Connection of a source, and the state that follows from it.

use std::time::Duration;

use loadline_protocol::{Health, SafeText, Time};

use super::rates::ByteRate;
use crate::event::Overdue;
use crate::history_progress::HistoryProgress;

/// State of a source. Nothing else decides whether its rows are fresh.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// No row has arrived yet.
    Connecting(Option<Outage>),
    /// Rows have arrived, but the connection is lost.
    Reconnecting(Option<Outage>),
    /// Older rows arrive, with the percentage of them that has arrived, if known.
    Loading(Option<u8>),
    /// Rows arrive, and the newest sample is up to date.
    Live,
    /// Connected, but rows are overdue, or arrive late, with a remark once the link has asked the agent.
    Stale(Option<Overdue>),
    /// A recording, or an input that has ended, with a message to show.
    Replay(Option<SafeText>),
}

/// Lack of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outage {
    pub(crate) reason: SafeText,
    /// Time of the next attempt. `None` if a person has to log in again.
    pub(crate) retry: Option<Time>,
}

impl State {
    /// Returns the name of the state.
    pub fn word(&self) -> &'static str {
        match self {
            State::Connecting(_) => "CONNECTING",
            State::Reconnecting(_) => "RECONNECTING",
            State::Loading(_) => "LOADING",
            State::Live => "LIVE",
            State::Stale(_) => "STALE",
            State::Replay(_) => "REPLAY",
        }
    }

    /// Returns the name of the state, with its progress: `LOADING 37 %`.
    pub(crate) fn label(&self) -> String {
        match self {
            State::Loading(Some(percent)) => format!("{} {percent} %", self.word()),
            _ => self.word().to_owned(),
        }
    }

    /// Returns whether the newest rows are up to date: rows arrive, or no more are expected.
    pub(crate) fn is_up_to_date(&self) -> bool {
        matches!(self, State::Live | State::Replay(_))
    }

    /// Returns the reason of the state, if there is one.
    pub(crate) fn reason(&self) -> Option<&str> {
        match self {
            State::Loading(_) | State::Live => None,
            State::Stale(overdue) => overdue.map(Overdue::text),
            State::Replay(remark) => remark.as_ref().map(SafeText::as_str),
            State::Connecting(outage) | State::Reconnecting(outage) => {
                outage.as_ref().map(|outage| outage.reason.as_str())
            }
        }
    }

    pub(crate) fn outage(&self) -> Option<&Outage> {
        match self {
            State::Connecting(outage) | State::Reconnecting(outage) => outage.as_ref(),
            State::Loading(_) | State::Live | State::Stale(_) | State::Replay(_) => None,
        }
    }
}

#[derive(Debug, Clone, Default)]
enum LinkStatus {
    #[default]
    Connecting,
    Disconnected(Outage),
    Connected {
        since: Time,
    },
    /// A recording, with the reason if reading it failed.
    Recording(Option<SafeText>),
    Ended(SafeText),
}

/// Limits that decide the state of a connected source.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Silence after which the source is stale.
    pub(super) stale_after: Duration,
    /// Time by our clock at which the newest sample is too old to be live.
    pub(super) live_until: Option<Time>,
}

/// Connection of a source: decides the state, and when it changes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Connection {
    /// True if the history of this connection is complete.
    pub(crate) caught_up: bool,
    /// Rows older than the agent's newest are on their way. `None` once they have arrived on
    /// this connection.
    load: Option<HistoryProgress>,
    /// Percentage of a recording that has been read; `None` once all of it is.
    pub(crate) read_percent: Option<u8>,
    /// Health of this connection's agent, if reported.
    pub(crate) health: Option<Health>,
    pub(super) byte_rate: ByteRate,
    /// Remark on overdue rows.
    overdue: Option<Overdue>,
    status: LinkStatus,
    last_received: Option<Time>,
    /// Arrival of the last bytes.
    bytes_received_at: Time,
    /// Current time by our clock.
    now: Time,
}

impl Connection {
    /// Sets the current time. If the clock was set back, ages stay the same: otherwise old rows
    /// would be fresh again. Returns by how much the clock was set back.
    pub(super) fn set_now(&mut self, now: Time) -> Duration {
        let back = self.now - now;
        self.now = now;
        let earlier = |time: &mut Time| *time = *time - back;
        self.last_received.iter_mut().for_each(earlier);
        earlier(&mut self.bytes_received_at);
        if let LinkStatus::Connected { since } = &mut self.status {
            earlier(since);
        }
        back
    }

    pub(super) fn now(&self) -> Time {
        self.now
    }

    pub(super) fn connect(&mut self) {
        self.status = LinkStatus::Connected { since: self.now };
        self.byte_rate = ByteRate::default();
        self.health = None;
        self.overdue = None;
        self.caught_up = false;
        self.load = None;
        self.bytes_received_at = self.now;
    }

    pub(super) fn receive_bytes(&mut self, count: u64) {
        self.byte_rate.add(self.now, count);
        self.bytes_received_at = self.now;
    }

    /// Notes a header: the history follows, unless it was received before.
    pub(super) fn begin_history(&mut self) {
        if !self.caught_up && !self.is_recording() {
            self.load.get_or_insert_default();
        }
    }

    /// Notes the time of a row of the history; `agent_now` is the agent's time, if known.
    pub(super) fn advance_history(&mut self, row: Time, agent_now: Option<Time>) {
        if let Some(load) = &mut self.load {
            load.advance(row, agent_now);
        }
    }

    /// Ends the load if the history is complete, and either the newest sample is up to date or rows
    /// arrive steadily: they will stay late.
    pub(super) fn end_load(&mut self, live_until: Option<Time>, is_steady: bool) {
        let is_up_to_date = live_until.is_none_or(|until| self.now < until);
        self.load.take_if(|_| self.caught_up && (is_up_to_date || is_steady));
    }

    /// Returns for how long rows arrived over the lost connection.
    pub(super) fn disconnect(&mut self, outage: Outage) -> Duration {
        let lost = std::mem::replace(&mut self.status, LinkStatus::Disconnected(outage));
        match (lost, self.last_received) {
            (LinkStatus::Connected { since }, Some(received)) => received - since,
            _ => Duration::ZERO,
        }
    }

    pub(super) fn begin_recording(&mut self) {
        self.status = LinkStatus::Recording(None);
    }

    pub(super) fn end(&mut self, reason: SafeText, failed: bool) {
        self.read_percent = None;
        self.status = if self.is_recording() {
            LinkStatus::Recording(failed.then_some(reason))
        } else {
            LinkStatus::Ended(reason)
        };
    }

    /// Counts a row as received. The connection's clock may be ahead of ours if ours was set back
    /// since.
    pub(super) fn receive(&mut self, received: Time) {
        let received = received.min(self.now);
        self.last_received = Some(received);
        self.bytes_received_at = received.max(self.bytes_received_at);
        self.overdue = None;
    }

    /// Notes a remark on overdue rows.
    pub(super) fn remark(&mut self, overdue: Overdue) {
        self.overdue = Some(overdue);
    }

    pub(crate) fn is_recording(&self) -> bool {
        matches!(self.status, LinkStatus::Recording(_))
    }

    /// Returns whether no further samples come: the source is a recording, or has ended.
    pub(super) fn has_ended(&self) -> bool {
        matches!(self.status, LinkStatus::Recording(_) | LinkStatus::Ended(_))
    }

    pub(super) fn state(&self, now: Time, limits: Limits) -> State {
        let waiting = |outage| match self.last_received {
            None => State::Connecting(outage),
            Some(_) => State::Reconnecting(outage),
        };
        let is_recent = |time: Time| now < time + limits.stale_after;
        match &self.status {
            LinkStatus::Connecting => waiting(None),
            LinkStatus::Disconnected(outage) => waiting(Some(outage.clone())),
            LinkStatus::Recording(failure) => State::Replay(failure.clone()),
            LinkStatus::Ended(reason) => State::Replay(Some(reason.clone())),
            LinkStatus::Connected { .. } if let Some(load) = self.load => {
                if is_recent(self.bytes_received_at) {
                    State::Loading(load.percent)
                } else {
                    State::Stale(self.overdue)
                }
            }
            LinkStatus::Connected { .. }
                if self.last_received.is_some_and(is_recent)
                    && limits.live_until.is_none_or(|until| now < until) =>
            {
                State::Live
            }
            LinkStatus::Connected { since }
                if is_recent(*since) && self.last_received.is_none_or(|at| at < *since) =>
            {
                waiting(None)
            }
            LinkStatus::Connected { .. } => State::Stale(self.overdue),
        }
    }

    /// Returns the time at which the display of the state may change without an event.
    pub(super) fn changes_at(&self, now: Time, limits: Limits) -> Option<Time> {
        let LinkStatus::Disconnected(outage) = &self.status else {
            return self.state_changes_at(now, limits);
        };
        // The display counts down the seconds to the next attempt.
        let left_ms = outage.retry?.ms_since(now);
        (left_ms > 0).then(|| now.shifted_ms((left_ms - 1) % 1000 + 1))
    }

    /// Returns the time at which the state itself may change without an event.
    pub(super) fn state_changes_at(&self, now: Time, limits: Limits) -> Option<Time> {
        let LinkStatus::Connected { since } = self.status else { return None };
        let received = self.last_received.into_iter().chain([since, self.bytes_received_at]);
        let silent = received.map(|time| time + limits.stale_after);
        silent.chain(limits.live_until).filter(|end| *end > now).min()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::ms;
    use super::*;

    const LIMITS: Limits = Limits { stale_after: Duration::from_secs(3), live_until: None };

    fn connected_at(now: i64) -> Connection {
        let mut connection = Connection::default();
        connection.set_now(ms(now));
        connection.connect();
        connection
    }

    fn live_at(now: i64) -> Connection {
        let mut connection = connected_at(now);
        connection.receive(ms(now));
        connection
    }

    fn lost(mut connection: Connection) -> Connection {
        let reason = SafeText::new("connection refused");
        connection.disconnect(Outage { reason, retry: Some(ms(2500)) });
        connection
    }

    fn check(connection: &Connection, now: i64, word: &str) {
        assert_eq!(connection.state(ms(now), LIMITS).word(), word, "{now}");
    }

    #[test]
    fn state_shows_whether_rows_arrive() {
        check(&Connection::default(), 1000, "CONNECTING");
        check(&lost(Connection::default()), 1000, "CONNECTING");
        check(&connected_at(1000), 3999, "CONNECTING");
        check(&connected_at(1000), 4000, "STALE");
        check(&live_at(1000), 1000, "LIVE");
        check(&live_at(1000), 3999, "LIVE");
        check(&live_at(1000), 4000, "STALE");
        check(&lost(live_at(1000)), 1000, "RECONNECTING");
    }

    #[test]
    fn the_display_changes_when_a_row_is_overdue_and_each_second_of_an_outage() {
        let check = |connection: &Connection, now: i64, [display, state]: [Option<i64>; 2]| {
            assert_eq!(connection.changes_at(ms(now), LIMITS), display.map(ms), "{now}");
            assert_eq!(connection.state_changes_at(ms(now), LIMITS), state.map(ms), "{now}");
        };
        check(&live_at(1000), 1000, [Some(4000); 2]);
        check(&live_at(1000), 4000, [None; 2]);
        check(&lost(live_at(1000)), 1000, [Some(1500), None]);
        check(&lost(live_at(1000)), 2500, [None; 2]);
        let mut recording = Connection::default();
        recording.begin_recording();
        check(&recording, 1000, [None; 2]);
    }

    #[test]
    fn a_recording_shows_its_end_only_if_reading_it_failed() {
        let ended = |is_recording: bool, failed| {
            let mut connection = Connection::default();
            if is_recording {
                connection.begin_recording();
            }
            connection.end(SafeText::new("end of input"), failed);
            match connection.state(ms(0), LIMITS) {
                State::Replay(message) => message.is_some(),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!([ended(true, false), ended(true, true)], [false, true]);
        assert_eq!([ended(false, false), ended(false, true)], [true, true]);
    }

    #[test]
    fn a_new_connection_does_not_make_old_rows_live() {
        let mut connection = live_at(1000);
        connection.set_now(ms(60_000));
        connection.connect();
        check(&connection, 60_000, "RECONNECTING");
        check(&connection, 63_000, "STALE");
        connection.set_now(ms(64_000));
        connection.receive(ms(64_000));
        check(&connection, 64_000, "LIVE");
    }

    #[test]
    fn setting_the_clock_back_makes_no_old_rows_live() {
        let mut connection = live_at(100_000);
        for (now, word) in
            [(101_000, "LIVE"), (50_000, "LIVE"), (51_999, "LIVE"), (52_000, "STALE")]
        {
            connection.set_now(ms(now));
            check(&connection, now, word);
        }
        connection.set_now(ms(20_000));
        connection.connect();
        check(&connection, 20_000, "RECONNECTING");
        // The row has a time of before the clock was set back.
        connection.set_now(ms(21_000));
        connection.receive(ms(100_900));
        check(&connection, 21_000, "LIVE");
        check(&connection, 24_000, "STALE");
    }

    #[test]
    fn a_new_connection_has_no_facts_of_the_previous_one() {
        let mut connection = live_at(1000);
        connection.caught_up = true;
        connection.health = Some(Health::default());
        connection.connect();
        assert_eq!((connection.caught_up, connection.health), (false, None));
    }
}
