//! Progress of a history on its way from an agent.

use loadline_protocol::{Time, duration_ms};

/// Progress of a history: the part of its time span that has arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct HistoryProgress {
    /// Time of the first row by the agent's clock.
    first: Option<Time>,
    /// Percentage, at most 99 before the end. `None` if it is not known.
    pub(crate) percent: Option<u8>,
}

impl HistoryProgress {
    /// Notes the time of a row; `agent_now` is the agent's time, if known.
    pub(crate) fn advance(&mut self, row: Time, agent_now: Option<Time>) {
        let first = *self.first.get_or_insert(row);
        let (arrived_ms, span_ms) = (duration_ms(row - first), |now| duration_ms(now - first));
        let percent = |span_ms: i64| (arrived_ms.saturating_mul(100) / span_ms).min(99) as u8;
        self.percent = agent_now.map(span_ms).filter(|ms| *ms > 0).map(percent);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_the_part_of_the_time_span() {
        let mut progress = HistoryProgress::default();
        let mut advance = |row: i64, now: Option<i64>| {
            progress.advance(Time::from_millis(row), now.map(Time::from_millis));
            progress.percent
        };
        assert_eq!(advance(1000, Some(1000)), None);
        assert_eq!(advance(1000, Some(11_000)), Some(0));
        assert_eq!(advance(4750, Some(11_000)), Some(37));
        assert_eq!(advance(4750, None), None);
        // A row may be newer than the answer.
        assert_eq!(advance(12_000, Some(11_000)), Some(99));
        assert_eq!(advance(500, Some(11_000)), Some(0));
        assert_eq!(advance(i64::MAX, Some(i64::MAX)), Some(99));
    }
}
