//! State of a source during an output.

use tokio::time::Instant;

use super::columns::OutputStream;

/// State of a source, and the messages already reported about it.
#[derive(Default)]
pub(super) struct SourceStatus {
    pub(super) stream: Option<OutputStream>,
    pub(super) connection: ConnectionStatus,
    /// Time of the first connection to a server.
    pub(super) connected_at: Option<Instant>,
    /// True if a row or a header has come, or the source was given up.
    pub(super) has_answered: bool,
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
