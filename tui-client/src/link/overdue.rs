//! Rows that are overdue: when to ask the agent for an answer, and when to give a connection up. Pure.
//!
//! ```text
//!  row ── interval ── late ──▶ ping ── 10 s without a byte ──▶ reconnect
//! ```

use std::time::Duration;

use loadline_protocol::Time;
use tokio::time::Instant;

use crate::event::Overdue;

/// Delay of a row after which the agent is asked: 5 intervals, at least 3 s and at most 10 s.
const LATE_INTERVALS: u32 = 5;
const LATE_MIN: Duration = Duration::from_secs(3);
const LATE_MAX: Duration = Duration::from_secs(10);

/// Answer timeout of a ping: 10 s. TCP sends the ping six times within it.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Answer timeout after a suspension of this machine: 2 s. The connection is probably dead, and another
/// one costs little.
const WAKE_TIMEOUT: Duration = Duration::from_secs(2);

/// Jump of the wall clock that may be a suspension: 10 s. The monotonic clock, and with it each timer,
/// stands still meanwhile.
const SUSPENSION_MIN: Duration = Duration::from_secs(10);

/// Interval at which the clocks are compared if no bytes arrive.
const CLOCK_CHECK: Duration = Duration::from_secs(2);

/// Next step of a connection whose rows are overdue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Send a ping.
    Ask,
    /// Disconnect: no byte arrived within this time after the ping.
    GiveUp(Duration),
}

/// Watch over the rows of one connection.
#[derive(Debug)]
pub(super) struct RowWatch {
    /// Interval in the header. `None` without a header: the server may be slow by nature, and does not
    /// know pings.
    interval: Option<Duration>,
    /// Longest pause between two rows so far.
    longest_pause: Option<Duration>,
    /// Arrival of the last row, or begin of the connection.
    row_at: Instant,
    /// Time by which an answer is due, and the answer timeout.
    answer_due: Option<(Instant, Duration)>,
    /// Time before which there is no other ping.
    quiet_until: Instant,
    /// Remark on the lack of rows. `None` while rows arrive.
    overdue: Option<Overdue>,
    /// Both clocks when they were last compared.
    clocks: (Instant, Time),
}

impl RowWatch {
    /// Creates the watch over a new connection.
    pub(super) fn new(now: Instant, wall: Time) -> RowWatch {
        RowWatch {
            interval: None,
            longest_pause: None,
            row_at: now,
            answer_due: None,
            quiet_until: now,
            overdue: None,
            clocks: (now, wall),
        }
    }

    /// Notes received bytes, which are an answer whatever they say. `interval` is that of the header.
    pub(super) fn receive(&mut self, now: Instant, wall: Time, interval: Option<Duration>) {
        if self.interval != interval {
            // The first row after a header is due an interval later.
            (self.interval, self.row_at) = (interval, now);
        }
        self.clocks = (now, wall);
        self.answer_due = None;
    }

    /// Notes rows among the received bytes.
    pub(super) fn receive_rows(&mut self, now: Instant) {
        self.longest_pause = self.longest_pause.max(Some(now - self.row_at));
        self.row_at = now;
        self.overdue = None;
    }

    /// Notes the answer to a ping, by an agent or by another server. Returns the new remark, if rows are
    /// still missing: they would have been sent first.
    pub(super) fn receive_pong(&mut self, is_agent: bool) -> Option<Overdue> {
        let remark = if is_agent { Overdue::NotSampling } else { Overdue::NoneNewer };
        self.overdue.and_then(|_| self.remark(remark))
    }

    /// Returns when [`check`](Self::check) is due.
    pub(super) fn check_at(&self) -> Option<Instant> {
        let (compared_at, _) = self.clocks;
        let clock_check = self.interval.map(|_| compared_at + CLOCK_CHECK);
        let due = match self.answer_due {
            Some((due, _)) => Some(due),
            None if self.interval.is_some() => self.late_at().map(|at| at.max(self.quiet_until)),
            None => self.late_at().filter(|_| self.overdue.is_none()),
        };
        due.into_iter().chain(clock_check).min()
    }

    /// Returns the next step and the new remark, if there are any.
    pub(super) fn check(&mut self, now: Instant, wall: Time) -> (Option<Step>, Option<Overdue>) {
        let was_suspended = self.compare_clocks(now, wall);
        let is_late = self.late_at().is_some_and(|at| now >= at);
        if self.interval.is_none() {
            let remark = if is_late { self.remark(Overdue::Unasked) } else { None };
            return (None, remark);
        }
        match self.answer_due {
            _ if was_suspended => self.ask(now, WAKE_TIMEOUT),
            Some((due, timeout)) if now >= due => (Some(Step::GiveUp(timeout)), None),
            None if is_late && now >= self.quiet_until => self.ask(now, ANSWER_TIMEOUT),
            Some(_) | None => (None, None),
        }
    }

    fn ask(&mut self, now: Instant, timeout: Duration) -> (Option<Step>, Option<Overdue>) {
        self.answer_due = Some((now + timeout, timeout));
        self.quiet_until = now + ANSWER_TIMEOUT;
        let is_first = self.overdue.is_none();
        let remark = if is_first { self.remark(Overdue::Asked) } else { None };
        (Some(Step::Ask), remark)
    }

    /// Sets the remark. Returns the remark if it is new.
    fn remark(&mut self, remark: Overdue) -> Option<Overdue> {
        (self.overdue.replace(remark) != Some(remark)).then_some(remark)
    }

    /// Returns the time at which the next row is late; `None` if that is beyond the range of clocks.
    fn late_at(&self) -> Option<Instant> {
        let late = match self.interval.or(self.longest_pause) {
            Some(interval) => {
                let late = interval.saturating_mul(LATE_INTERVALS).clamp(LATE_MIN, LATE_MAX);
                interval.checked_add(late)?
            }
            None => LATE_MAX,
        };
        self.row_at.checked_add(late)
    }

    /// Returns whether the wall clock has jumped ahead since the clocks were last compared.
    fn compare_clocks(&mut self, now: Instant, wall: Time) -> bool {
        let (before, wall_before) = std::mem::replace(&mut self.clocks, (now, wall));
        wall - wall_before >= (now - before) + SUSPENSION_MIN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Option<Duration> = Some(Duration::from_secs(1));

    /// Watch of a connection, and the time since its begin by both clocks.
    struct Case {
        watch: RowWatch,
        begin: Instant,
        now: Duration,
        /// Lead of the wall clock.
        ahead: Duration,
    }

    impl Case {
        /// Begins a connection; the header comes at once if it has an `interval`.
        fn new(interval: Option<Duration>) -> Case {
            let begin = Instant::now();
            let watch = RowWatch::new(begin, Time::default());
            let mut case = Case { watch, begin, now: Duration::ZERO, ahead: Duration::ZERO };
            case.receive(interval, false);
            case
        }

        fn clocks(&self) -> (Instant, Time) {
            (self.begin + self.now, Time::default() + self.now + self.ahead)
        }

        fn receive(&mut self, interval: Option<Duration>, has_rows: bool) {
            let (now, wall) = self.clocks();
            self.watch.receive(now, wall, interval);
            if has_rows {
                self.watch.receive_rows(now);
            }
        }

        /// Runs for this many seconds, as the link does. Returns the steps and remarks with their times.
        fn run(&mut self, seconds: u64) -> String {
            let end = self.begin + self.now + Duration::from_secs(seconds);
            let mut log = Vec::new();
            while let Some(at) = self.watch.check_at().filter(|at| *at <= end) {
                self.now = self.now.max(at - self.begin);
                let (now, wall) = self.clocks();
                let (step, remark) = self.watch.check(now, wall);
                let words = step.map(|it| format!("{it:?}")).into_iter();
                let words = words.chain(remark.map(|it| format!("{it:?}"))).collect::<Vec<_>>();
                if !words.is_empty() {
                    log.push(format!("{}: {}", self.now.as_secs_f64(), words.join(" ")));
                }
                if matches!(step, Some(Step::GiveUp(_))) {
                    break;
                }
            }
            self.now = end - self.begin;
            log.join(", ")
        }
    }

    #[test]
    fn a_connection_without_rows_is_asked_and_given_up() {
        let check = |interval_ms, expected: &str| {
            let mut case = Case::new(Some(Duration::from_millis(interval_ms)));
            assert_eq!(case.run(100_000), expected, "{interval_ms}");
        };
        check(250, "3.25: Ask Asked, 13.25: GiveUp(10s)");
        check(1000, "6: Ask Asked, 16: GiveUp(10s)");
        check(10_000, "20: Ask Asked, 30: GiveUp(10s)");
        check(3_600_000, "3610: Ask Asked, 3620: GiveUp(10s)");
    }

    #[test]
    fn rows_in_time_need_no_question() {
        let mut case = Case::new(SECOND);
        for _ in 0..100 {
            assert_eq!(case.run(5), "");
            case.receive(SECOND, true);
        }
    }

    #[test]
    fn an_agent_that_answers_is_asked_again_and_again() {
        let mut case = Case::new(SECOND);
        assert_eq!(case.run(7), "6: Ask Asked");
        case.receive(SECOND, false);
        assert_eq!(case.watch.receive_pong(true), Some(Overdue::NotSampling));
        for seconds in [16, 26, 36] {
            assert_eq!(case.run(10), format!("{seconds}: Ask"));
            case.receive(SECOND, false);
            assert_eq!(case.watch.receive_pong(true), None);
        }
        assert_eq!(case.run(100), "46: Ask, 56: GiveUp(10s)");
        case.receive(SECOND, true);
        assert_eq!(case.watch.receive_pong(true), None, "rows came first");
    }

    #[test]
    fn any_byte_is_an_answer() {
        let mut case = Case::new(SECOND);
        assert_eq!(case.run(15), "6: Ask Asked");
        case.receive(SECOND, false);
        assert_eq!(case.run(10), "16: Ask");
    }

    #[test]
    fn a_server_without_a_header_is_not_asked() {
        assert_eq!(Case::new(None).run(1000), "10: Unasked");
        let mut slow = Case::new(None);
        for _ in 0..10 {
            slow.run(60);
            slow.receive(None, true);
        }
        assert_eq!(slow.run(69), "");
        assert_eq!(slow.run(1000), "670: Unasked");
    }

    #[test]
    fn after_a_suspension_the_answer_is_due_in_2_seconds() {
        let mut case = Case::new(SECOND);
        case.receive(SECOND, true);
        case.ahead = Duration::from_hours(1);
        assert_eq!(case.run(100), "2: Ask Asked, 4: GiveUp(2s)");
        // A clock that is set by a few seconds is no suspension.
        let mut case = Case::new(SECOND);
        case.ahead = Duration::from_secs(9);
        assert_eq!(case.run(5), "");
    }

    #[test]
    fn an_interval_beyond_the_range_of_clocks_is_never_late() {
        let mut case = Case::new(Some(Duration::MAX));
        assert_eq!(case.run(100_000), "");
        let century = Case::new(Some(Duration::from_hours(24 * 36_500)));
        assert!(century.watch.check_at().is_some());
    }
}
