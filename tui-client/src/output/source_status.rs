//! State of a source during an output.

use tokio::time::Instant;

use super::columns::OutputStream;

/// State of a source, and the messages already reported about it.
#[derive(Default)]
pub(super) struct SourceStatus {
    pub(super) stream: Option<OutputStream>,
    pub(super) connection: ConnectionStatus,
    pub(super) answer: Answer,
    pub(super) rows: u64,
    pub(super) is_skip_reported: bool,
    pub(super) is_column_change_reported: bool,
    pub(super) is_refusal_reported: bool,
}

impl SourceStatus {
    /// Returns whether the stream is known or there is no connection.
    pub(super) fn is_settled(&self) -> bool {
        use ConnectionStatus::{Ended, Failed, Lost};
        self.stream.is_some() || matches!(self.connection, Failed | Lost | Ended)
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
