//! Servers that accept a connection and send nothing.

use std::time::Duration;

use anyhow::bail;
use loadline_protocol::DurationText;
use tokio::time::Instant;

use super::OutputWriter;
use super::source_status::{Answer, ConnectionStatus, SourceStatus};

/// Time for the first row or header of a server: 30 s, as for ssh. A script does not hang on a server that accepts
/// connections and is silent.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// The same in requested intervals, if that is longer.
const ANSWER_INTERVALS: f64 = 2.5;

/// Longest interval that counts there: a day, the longest one of an agent is an hour.
const ANSWER_INTERVAL_MAX: Duration = Duration::from_hours(24);

impl OutputWriter<'_> {
    /// Returns the source that is given up next, and when: it has sent no row and no header over all of its
    /// connections.
    pub(super) fn next_silent(&self) -> Option<(Instant, usize)> {
        let silent_since = |(at, status): (usize, &SourceStatus)| match status.answer {
            Answer::AwaitedSince(since) => Some((since, at)),
            Answer::NotAwaited | Answer::Settled => None,
        };
        let (since, source) = self.sources.iter().enumerate().filter_map(silent_since).min()?;
        Some((since + self.answer_timeout(), source))
    }

    fn answer_timeout(&self) -> Duration {
        let intervals = self.job.interval.unwrap_or_default().min(ANSWER_INTERVAL_MAX);
        ANSWER_TIMEOUT.max(intervals.mul_f64(ANSWER_INTERVALS))
    }

    /// Gives up a silent source. Returns the message about it. Fails if no source is left.
    pub(super) fn observe_silence(&mut self, source: usize) -> anyhow::Result<String> {
        self.sources[source].answer = Answer::Settled;
        self.sources[source].connection = ConnectionStatus::Failed;
        let name = &self.job.sources[source];
        let what = match self.sources[source].missing_looks() {
            Some(missing) => format!("{name}: no processes: {missing}"),
            None => format!(
                "{name}: no row within {}; check the port, or give --interval if its rows are further apart",
                DurationText(self.answer_timeout())
            ),
        };
        let is_over = |status: &SourceStatus| {
            matches!(status.connection, ConnectionStatus::Failed | ConnectionStatus::Ended)
        };
        if self.sources.iter().all(is_over) {
            bail!(what);
        }
        Ok(what)
    }
}
