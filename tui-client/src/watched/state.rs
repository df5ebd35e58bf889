//! What a source is doing, and what is to be said about it.

use loadline_protocol::{SafeText, Time};

/// What a source is doing. The only place where it is decided what is fresh.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// No row has come yet.
    Connecting(Option<Outage>),
    /// There were rows, but there is no connection now.
    Reconnecting(Option<Outage>),
    /// Rows arrive.
    Live,
    /// There is a connection, but no row for too long.
    Stale,
    /// A recording, or an input that has ended; with what is to be said about it.
    Replay(Option<SafeText>),
}

/// Why there is no connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outage {
    /// Why, in words.
    pub reason: SafeText,
    /// When the next try is made.
    pub retry: Time,
}

impl State {
    /// The word for it.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            State::Connecting(_) => "CONNECTING",
            State::Reconnecting(_) => "RECONNECTING",
            State::Live => "LIVE",
            State::Stale => "STALE",
            State::Replay(_) => "REPLAY",
        }
    }

    /// Whether its newest rows are those that should be there: they arrive, or no more are to come.
    #[must_use]
    pub fn is_up_to_date(&self) -> bool {
        matches!(self, State::Live | State::Replay(_))
    }

    /// Why there is no connection, if there is none.
    #[must_use]
    pub fn outage(&self) -> Option<&Outage> {
        match self {
            State::Connecting(outage) | State::Reconnecting(outage) => outage.as_ref(),
            State::Live | State::Stale | State::Replay(_) => None,
        }
    }
}
