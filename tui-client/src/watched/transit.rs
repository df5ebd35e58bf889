//! Transit times of samples, measured by two clocks that may differ, and the clock offset.
//!
//! ```text
//!   ours      sent ──────────┐                  ┌──▶ received
//!   agent's                  └──▶ now ──────────┘
//! ```
//!
//! The answer to a request gives the clock offset a maximum, `now − sent`. Each row gives it a minimum,
//! its time minus its arrival. Rows that come promptly bring both together. If they stay apart, the
//! maximum counts: rows then look older than they may be, never younger.

use std::collections::VecDeque;
use std::time::Duration;

use loadline_protocol::{Time, duration_ms};

use crate::event::Sample;

/// Period for which the fastest transit counts: clocks drift apart.
const TRANSIT_PERIOD: Duration = Duration::from_mins(1);

/// Clock offset in milliseconds up to which the clocks count as equal: nobody notices it.
const CLOCK_OFFSET_MIN_MS: i64 = 1000;

/// Minimum difference in milliseconds that updates the clock offset. Transit times vary a little,
/// and each update moves the whole chart.
const CLOCK_OFFSET_STEP_MS: u64 = 250;

/// Round trip in milliseconds up to which rows count as prompt: 1 s. A slower one counts as age.
const PROMPT_MS: i64 = 1000;

/// Difference in milliseconds by which a row or an answer contradicts earlier ones, because a clock was
/// set: 1 s, as for the agent's clock.
const CLOCK_STEP_MS: i64 = 1000;

/// Period after which transits count as steady: 10 s. Rows of a queue that drains arrive ever faster.
const STEADY_PERIOD: Duration = Duration::from_secs(10);

/// Maximum number of requests without an answer: 16. A server that answers none needs no more.
const REQUESTS_MAX: usize = 16;

/// Requests, answers and transits of a connection, and the clock offset that follows.
///
/// A transit is the time from a sample, by the agent's clock, to its arrival by ours, in milliseconds.
/// A transit includes the offset.
#[derive(Debug, Clone, Default)]
pub(super) struct Transit {
    /// True if transits never count as a clock offset: a server scrapes the samples and delivers them
    /// later.
    pub(super) is_scraped: bool,
    period_start: Time,
    /// Fastest transits of the last one to two minutes.
    current_fastest: Option<i64>,
    previous_fastest: Option<i64>,
    steady: Option<SteadyRows>,
    /// Times of the requests without an answer so far, the oldest first. `None` if our clock was set
    /// since.
    requests: VecDeque<Option<Time>>,
    /// True if the agent's answers have its time.
    has_timed_answers: bool,
    /// Time of a request whose answer had no time: the next row has the agent's.
    untimed_request: Option<Time>,
    offset_max: Option<OffsetMax>,
    /// Clock offset in milliseconds, as last shown.
    raw_offset_ms: i64,
}

/// Rows whose transits are not faster than that of the first of them.
#[derive(Debug, Clone, Copy)]
struct SteadyRows {
    first: Time,
    last: Time,
    transit_ms: i64,
}

/// Maximum of the clock offset.
#[derive(Debug, Clone, Copy)]
struct OffsetMax {
    ms: i64,
    /// Milliseconds by which the maximum is too high because the agent's time was not known better.
    slack_ms: i64,
}

impl Transit {
    /// Forgets the requests of a connection that has ended.
    pub(super) fn forget_requests(&mut self) {
        self.requests.clear();
        (self.has_timed_answers, self.untimed_request) = (false, None);
    }

    /// Forgets the transits of another run, but not the requests and the offset.
    pub(super) fn begin_run(&mut self) {
        *self = Transit {
            is_scraped: self.is_scraped,
            requests: std::mem::take(&mut self.requests),
            has_timed_answers: self.has_timed_answers,
            raw_offset_ms: self.raw_offset_ms,
            ..Transit::default()
        };
    }

    /// Forgets all measurements: our clock was set ahead, or this machine slept.
    pub(super) fn forget_clock(&mut self) {
        self.begin_run();
        self.requests.iter_mut().for_each(|sent| *sent = None);
    }

    /// Moves all times: our clock was set back by `ms`.
    pub(super) fn set_back(&mut self, ms: i64) {
        self.steady.iter_mut().for_each(|rows| rows.transit_ms -= ms);
        let steady = self.steady.iter_mut().flat_map(|rows| [&mut rows.first, &mut rows.last]);
        let requests = self.requests.iter_mut().flatten();
        let times = requests.chain(&mut self.untimed_request).chain(steady);
        for time in times.chain([&mut self.period_start]) {
            *time = time.shifted_ms(-ms);
        }
        let transits = self.current_fastest.iter_mut().chain(&mut self.previous_fastest);
        transits.for_each(|transit| *transit -= ms);
        self.offset_max.iter_mut().for_each(|max| max.ms += ms);
    }

    pub(super) fn send_request(&mut self, at: Time) {
        if self.requests.len() < REQUESTS_MAX {
            self.requests.push_back(Some(at));
        }
    }

    /// Notes the answer to the oldest request, written at `agent_now`.
    pub(super) fn answer(&mut self, agent_now: Time, received: Time) {
        self.has_timed_answers = true;
        if let Some(sent) = self.requests.pop_front().flatten() {
            self.limit_offset(agent_now, Duration::ZERO, sent, received);
        }
    }

    /// Notes the end of a history. If the answer had no time: the last row was the newest sample when the
    /// agent read the request.
    pub(super) fn end_history(&mut self, newest: Option<Time>, interval: Duration, now: Time) {
        if self.has_timed_answers {
            return;
        }
        let Some(sent) = self.requests.pop_front().flatten() else { return };
        self.requests.clear();
        match newest {
            Some(newest) => self.limit_offset(newest, interval, sent, now),
            None => self.untimed_request = Some(sent),
        }
    }

    /// Limits the offset: between `sent` and `received`, the agent's clock showed a time from
    /// `agent_time` to `slack` later.
    fn limit_offset(&mut self, agent_time: Time, slack: Duration, sent: Time, received: Time) {
        if self.is_scraped && !slack.is_zero() {
            // Samples of a scrape are older than that.
            return;
        }
        let slack_ms = duration_ms(slack);
        let ms = agent_time.ms_since(sent) + slack_ms;
        let least_ms = agent_time.ms_since(received) - CLOCK_STEP_MS;
        let holds = |max: &OffsetMax| max.ms >= least_ms && max.ms <= ms;
        self.offset_max = self.offset_max.filter(holds).or(Some(OffsetMax { ms, slack_ms }));
        if self.fastest_ms().is_some_and(|transit| -transit > ms + CLOCK_STEP_MS) {
            // A clock was set since these rows arrived.
            (self.current_fastest, self.previous_fastest, self.steady) = (None, None, None);
        }
    }

    /// Adds a row.
    pub(super) fn add(&mut self, sample: Sample<'_>, interval: Duration) {
        let transit = sample.received.ms_since(sample.time);
        if let Some(sent) = self.untimed_request.take() {
            self.limit_offset(sample.time, interval, sent, sample.received);
        }
        if self.offset_max.is_some_and(|max| -transit > max.ms + CLOCK_STEP_MS) {
            // A clock was set since the answer.
            self.offset_max = None;
        }
        let last = sample.received;
        let is_slower = |rows: &SteadyRows| transit >= rows.transit_ms - CLOCK_STEP_MS;
        let steady = self.steady.filter(is_slower);
        let begin = SteadyRows { first: last, last, transit_ms: transit };
        self.steady = Some(SteadyRows { last, ..steady.unwrap_or(begin) });
        if sample.received - self.period_start >= TRANSIT_PERIOD {
            self.previous_fastest = self.current_fastest.take();
            self.period_start = sample.received;
        }
        self.current_fastest = self.current_fastest.into_iter().chain([transit]).min();
    }

    fn fastest_ms(&self) -> Option<i64> {
        self.current_fastest.into_iter().chain(self.previous_fastest).min()
    }

    /// Returns the most likely clock offset. `None` before the first row and the first answer.
    fn likely_offset_ms(&self) -> Option<i64> {
        let least = self.fastest_ms().map(|transit| -transit);
        match (least, self.offset_max) {
            (Some(least), Some(max)) if max.ms - least <= PROMPT_MS + max.slack_ms => Some(least),
            (_, Some(max)) => Some(max.ms),
            (Some(least), None) if self.is_steady() && !self.is_scraped => Some(least),
            // The clocks may agree, and the rows be old.
            (least, None) => least.map(|least| least.max(0)),
        }
    }

    /// Returns whether rows have arrived for a while, and not ever faster: no queue drains.
    pub(super) fn is_steady(&self) -> bool {
        self.steady.is_some_and(|rows| rows.last - rows.first >= STEADY_PERIOD)
    }

    /// Returns whether an answer limits the offset.
    pub(super) fn is_measured(&self) -> bool {
        self.offset_max.is_some()
    }

    pub(super) fn update_offset(&mut self) {
        let offset_ms = self.likely_offset_ms().unwrap_or(self.raw_offset_ms);
        if offset_ms.abs_diff(self.raw_offset_ms) > CLOCK_OFFSET_STEP_MS {
            self.raw_offset_ms = offset_ms;
        }
    }

    /// Returns the clock offset in milliseconds, 0 if nobody notices it.
    pub(super) fn offset_ms(&self) -> i64 {
        let is_noticed = self.raw_offset_ms.abs() > CLOCK_OFFSET_MIN_MS;
        if is_noticed { self.raw_offset_ms } else { 0 }
    }

    /// Returns the time by which rows arrive late, if it is more than a prompt connection needs.
    pub(super) fn lateness(&self) -> Option<Duration> {
        let (transit, max) = self.fastest_ms().zip(self.offset_max)?;
        let late_ms = max.ms + transit;
        let is_late = late_ms > PROMPT_MS + max.slack_ms;
        is_late.then(|| Duration::from_millis(late_ms.unsigned_abs()))
    }

    /// Returns the age of a sample: the time since it was taken.
    pub(super) fn age(&self, now: Time, sample: Time) -> Option<Duration> {
        Some(now - sample.shifted_ms(self.likely_offset_ms()?.saturating_neg()))
    }

    /// Returns the time by our clock at which a sample may have reached the age `age`.
    pub(super) fn may_be_older_at(&self, sample: Time, age: Duration) -> Option<Time> {
        let max_ms = self.offset_max.map(|max| max.ms).or(self.likely_offset_ms())?;
        Some(sample.shifted_ms(max_ms.saturating_neg()) + age)
    }

    /// Returns the agent's time at our time `now`, if an answer limits the offset.
    pub(super) fn agent_time(&self, now: Time) -> Option<Time> {
        Some(now.shifted_ms(self.offset_max?.ms))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{ms, sample};
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(1);

    fn add(transit: &mut Transit, rows: impl IntoIterator<Item = (i64, i64)>) {
        for (time, received) in rows {
            transit.add(sample(time, received), INTERVAL);
            transit.update_offset();
        }
    }

    fn live(rows: impl IntoIterator<Item = (i64, i64)>) -> Transit {
        let mut transit = Transit::default();
        add(&mut transit, rows);
        transit
    }

    /// Rows of `seconds` seconds from a clock that is `ahead` milliseconds ahead, each after `transit`.
    fn steady(from_s: i64, seconds: i64, ahead: i64, transit: i64) -> Vec<(i64, i64)> {
        (from_s..from_s + seconds).map(|s| (1000 * s + ahead, 1000 * s + transit)).collect()
    }

    fn age_ms(transit: &Transit, now: i64, time: i64) -> u128 {
        transit.age(ms(now), ms(time)).unwrap().as_millis()
    }

    #[test]
    fn age_is_correct_though_clocks_differ() {
        // The agent's clock is 500 s ahead, and a row takes 20 ms.
        let mut transit = live([(501_000, 1020), (502_000, 2020)]);
        assert_eq!(age_ms(&transit, 2020, 502_000), 0);
        assert_eq!(age_ms(&transit, 2500, 502_000), 480);
        // A row that a full pipe delays by 5 s is 5 s old on arrival.
        add(&mut transit, [(503_000, 8020)]);
        assert_eq!(age_ms(&transit, 8020, 503_000), 5000);
    }

    #[test]
    fn an_answer_tells_late_rows_from_a_clock_that_is_behind() {
        let answered = |agent_now, received| {
            let mut transit = Transit::default();
            transit.send_request(ms(1000));
            transit.answer(ms(agent_now), ms(received));
            transit
        };
        // The rows are 5 s late.
        let mut transit = answered(1010, 6020);
        add(&mut transit, steady(2, 20, 0, 5000));
        assert_eq!((transit.offset_ms(), age_ms(&transit, 26_000, 21_000)), (0, 4990 + 20));
        assert_eq!(transit.lateness(), Some(Duration::from_millis(5010)));
        // The clock is 5 s behind.
        let mut transit = answered(-3990 + 10_000, 11_020);
        add(&mut transit, steady(2, 20, 5000, 20));
        assert_eq!(transit.lateness(), None);
        assert_eq!(age_ms(&transit, 21_020, 26_000), 0);
    }

    #[test]
    fn the_offset_of_a_source_that_never_answers_is_its_smallest_transit_if_steady() {
        assert_eq!(live([]).offset_ms(), 0);
        assert_eq!(live([(91_000, 1020), (92_000, 2010)]).offset_ms(), 89_980);
        assert_eq!(live([(1900, 1000)]).offset_ms(), 0);
        // A late row and a slightly shorter transit do not change the offset.
        assert_eq!(live([(91_000, 1000), (92_000, 9000), (93_000, 2900)]).offset_ms(), 90_000);
        // After a clock change, the offset follows when the last minute is over.
        let set = (0..180).map(|s| (1000 * s + if s < 60 { 90_000 } else { 5000 }, 1000 * s + 10));
        assert_eq!(live(set).offset_ms(), 4990);
        // Rows from the past may be old, until they arrive steadily.
        assert_eq!(live(steady(100, 10, -90_000, 0)).offset_ms(), 0);
        assert_eq!(live(steady(100, 11, -90_000, 0)).offset_ms(), -90_000);
    }

    #[test]
    fn a_new_run_keeps_the_offset_until_its_first_row() {
        let mut transit = live([(91_000, 1000)]);
        transit.begin_run();
        transit.update_offset();
        assert_eq!((transit.offset_ms(), transit.likely_offset_ms()), (90_000, None));
    }

    #[test]
    fn a_later_answer_narrows_the_offset_unless_a_clock_was_set() {
        let mut transit = Transit::default();
        let mut ask = |sent: i64, agent_now: i64, received: i64| {
            transit.send_request(ms(sent));
            transit.answer(ms(agent_now), ms(received));
            transit.likely_offset_ms().unwrap()
        };
        assert_eq!(ask(10_000, 13_000, 14_000), 3000);
        assert_eq!(ask(20_000, 20_010, 20_020), 10);
        // A slower answer, which allows the same offset.
        assert_eq!(ask(30_000, 33_000, 35_000), 10);
        assert_eq!(ask(40_000, 100_000, 40_020), 60_000);
        assert_eq!(ask(50_000, 20_000, 50_020), -30_000);
    }

    #[test]
    fn a_server_that_answers_nothing_fills_no_memory() {
        let mut transit = Transit::default();
        (0..100).for_each(|at| transit.send_request(ms(at)));
        assert_eq!(transit.requests.len(), REQUESTS_MAX);
    }
}
