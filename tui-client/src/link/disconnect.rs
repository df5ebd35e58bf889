//! Reason for the end of a connection.

use loadline_protocol::SafeText;

/// End of a connection, or of an attempt to connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disconnect {
    /// Reason, as given by the server, if it gave one.
    pub(crate) reason: SafeText,
    /// True if the server refuses the request.
    pub refused: bool,
}

impl Disconnect {
    /// Creates the end of a connection that may come back.
    pub(crate) fn lost(reason: &str) -> Disconnect {
        Disconnect { reason: SafeText::new(reason), refused: false }
    }

    /// Creates a refusal: another attempt would end the same way.
    pub(crate) fn refused(reason: &str) -> Disconnect {
        Disconnect { reason: SafeText::new(reason), refused: true }
    }
}
