//! Options of a link, and the requests that follow from them.

use std::path::PathBuf;
use std::time::Duration;

use loadline_protocol::{History, Request, TOP_MAX, Time};

use super::read_options::ReadOptions;
use super::reader::ResumeState;

/// History to request beyond the outage: 1 s, for a row in flight when the connection ended.
const OUTAGE_MARGIN: Duration = Duration::from_secs(1);

/// Options of a link, applied to every connection.
#[derive(Debug, Clone, Default)]
pub struct LinkOptions {
    /// Interval to request; the agent's own if `None`.
    pub interval: Option<Duration>,
    /// History to request.
    pub history: History,
    /// Request looks at the processes: all that the agent lists.
    pub looks: bool,
    /// Columns to read, and whether to keep the lines.
    pub read_options: ReadOptions,
    /// Continue when a recording grows.
    pub follow: bool,
}

/// Files for TLS.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct TlsClientFiles {
    /// Trusted CAs; the system's if `None`.
    pub ca: Option<PathBuf>,
    /// Client certificate and key, for servers that require one.
    pub identity: Option<(PathBuf, PathBuf)>,
}

impl LinkOptions {
    /// Returns the request that resumes after `state`, `silent` after the last row by the monotonic clock.
    pub(super) fn request(
        &self,
        state: &ResumeState,
        now: Time,
        silent: Option<Duration>,
    ) -> Request {
        Request {
            interval: self.interval,
            history: Some(self.history_since(state, now, silent)),
            columns: self.read_options.columns.as_ref().map(|columns| {
                // Requests name columns without units: `cpu` for `cpu:%`.
                let name = |column: &String| column.split(':').next().unwrap_or("").to_owned();
                columns.iter().map(name).collect()
            }),
            resume: state.last,
            top: self.looks.then_some(TOP_MAX),
            ..Request::default()
        }
    }

    /// Returns the history to request in case the run has changed: at least the time since the last
    /// row arrived. The wall clock may have been set, and the monotonic clock stands still in a suspension: the longer
    /// time counts.
    fn history_since(&self, state: &ResumeState, now: Time, silent: Option<Duration>) -> History {
        let Some(last_received) = state.last_received else { return self.history };
        let silent = silent.unwrap_or_default().max(now - last_received) + OUTAGE_MARGIN;
        match self.history {
            History::All => History::All,
            History::Last(span) => History::Last(span.max(silent)),
            History::None => History::Last(silent),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_an_outage_the_request_covers_the_missed_samples() {
        let second = |seconds: i64| Time::from_millis(seconds * 1000);
        let check = |history, last_received: Option<i64>, expected: &str| {
            let options = LinkOptions { history, ..LinkOptions::default() };
            let last_received = last_received.map(second);
            let state = ResumeState { last_received, ..ResumeState::default() };
            let request = |silent| options.request(&state, second(100), silent).to_string();
            assert_eq!(request(None), expected);
            assert_eq!(request(Some(Duration::from_secs(5))), expected);
        };
        let last = |seconds| History::Last(Duration::from_secs(seconds));
        check(History::None, None, "loadline/1 history=none");
        check(History::None, Some(70), "loadline/1 history=31s");
        check(last(600), Some(70), "loadline/1 history=10m");
        check(last(10), Some(70), "loadline/1 history=31s");
        check(History::All, Some(70), "loadline/1 history=all");
    }

    #[test]
    fn looks_are_requested_where_they_are_used() {
        let request = |looks| {
            let options = LinkOptions { looks, ..LinkOptions::default() };
            options.request(&ResumeState::default(), Time::default(), None).to_string()
        };
        assert_eq!(request(true), "loadline/1 history=none top=50");
        assert_eq!(request(false), "loadline/1 history=none");
    }

    #[test]
    fn a_clock_that_was_set_back_during_an_outage_costs_no_samples() {
        let options = LinkOptions::default();
        let last_received = Some(Time::from_millis(90_000));
        let state = ResumeState { last_received, ..ResumeState::default() };
        for (now_ms, silent, expected) in
            [(60_000, 30, "31s"), (100_000, 30, "31s"), (150_000, 30, "1m 1s")]
        {
            let silent = Some(Duration::from_secs(silent));
            let request = options.request(&state, Time::from_millis(now_ms), silent);
            let expected = History::parse(expected).unwrap();
            assert_eq!(request.history, Some(expected));
        }
    }
}
