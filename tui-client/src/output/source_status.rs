//! State of a source during an output.

use super::columns::OutputStream;

/// State of a source, and the messages already reported about it.
#[derive(Default)]
pub(super) struct SourceStatus {
    pub(super) stream: Option<OutputStream>,
    pub(super) connection: ConnectionStatus,
    pub(super) rows: u64,
    /// True from the report of an outage or of overdue rows until the next row.
    pub(super) is_silence_reported: bool,
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
