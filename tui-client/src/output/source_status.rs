//! State of a source during an output.

use std::time::Duration;

use loadline_protocol::Time;
use tokio::time::Instant;

use super::columns::OutputStream;
use crate::event::{Event, Rows};
use crate::history_progress::HistoryProgress;

/// Time that a history takes before its progress is reported: 1 s. A faster one needs no report.
const QUICK_HISTORY: Duration = Duration::from_secs(1);

/// State of a source, and the messages already reported about it.
#[derive(Default)]
pub(super) struct SourceStatus {
    pub(super) stream: Option<OutputStream>,
    pub(super) connection: ConnectionStatus,
    pub(super) answer: Answer,
    pub(super) rows: u64,
    pub(super) looks: LookStatus,
    /// Reported from an outage or overdue rows until the next row.
    pub(super) silence: Silence,
    pub(super) is_skip_reported: bool,
    pub(super) is_column_change_reported: bool,
    pub(super) is_refusal_reported: bool,
    history: Option<HistoryStatus>,
}

/// History on its way.
struct HistoryStatus {
    /// Time of the answer by the agent's clock.
    agent_now: Time,
    /// Arrival of the first row.
    since: Option<Time>,
    progress: HistoryProgress,
}

impl HistoryStatus {
    /// Notes rows. Returns the progress in percent if it has changed.
    fn advance(&mut self, rows: &Rows) -> Option<u8> {
        let before = self.progress.percent;
        let mut is_quick = true;
        for sample in rows.iter() {
            let since = *self.since.get_or_insert(sample.received);
            is_quick = sample.received - since < QUICK_HISTORY;
            self.progress.advance(sample.time, Some(self.agent_now));
        }
        self.progress.percent.filter(|percent| !is_quick && before != Some(*percent))
    }
}

impl SourceStatus {
    /// Returns why the stream has no looks.
    pub(super) fn missing_looks(&self) -> Option<&'static str> {
        self.stream.as_ref()?.info.missing_looks()
    }

    /// Returns whether the stream is known or there is no connection.
    pub(super) fn is_settled(&self) -> bool {
        use ConnectionStatus::{Ended, Failed, Lost};
        self.stream.is_some() || matches!(self.connection, Failed | Lost | Ended)
    }

    /// Applies an event to the history. Returns the progress in percent if it has changed.
    pub(super) fn history_percent(&mut self, event: &Event) -> Option<u8> {
        match event {
            Event::Stream(stream) => {
                let agent_now = stream.header.as_ref()?.now?;
                let (since, progress) = (None, HistoryProgress::default());
                self.history = Some(HistoryStatus { agent_now, since, progress });
                None
            }
            Event::Rows(rows) => self.history.as_mut()?.advance(rows),
            Event::Live | Event::Disconnected { .. } => self.history.take().map(|_| 100),
            _ => None,
        }
    }
}

/// Answer of a server, over all of its connections.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Answer {
    /// Not a server, or not connected yet.
    #[default]
    NotAwaited,
    /// Awaited since the first connection.
    AwaitedSince(Instant),
    /// A row or a header has come, or the source was given up.
    Settled,
}

/// Looks at the processes so far.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum LookStatus {
    #[default]
    None,
    /// None in a recording so far. A later run may have some.
    NoneYet,
    Some,
}

/// Lack of rows.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Silence {
    #[default]
    None,
    Reported,
}

/// State of a connection. An outage is reported once, not at each attempt.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum ConnectionStatus {
    /// No connection yet.
    #[default]
    None,
    /// The first connection failed; reported.
    Failed,
    /// Connected.
    Up,
    /// The connection was lost; reported.
    Lost,
    /// The source has ended.
    Ended,
}
