//! State of a source.

use loadline_protocol::{SafeText, Time};

/// State of a source. Nothing else decides whether its rows are fresh.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// No row has arrived yet.
    Connecting(Option<Outage>),
    /// Rows have arrived, but the connection is lost.
    Reconnecting(Option<Outage>),
    /// Rows arrive.
    Live,
    /// Connected, but rows are overdue.
    Stale,
    /// A recording, or an input that has ended, with a message to show.
    Replay(Option<SafeText>),
}

/// Lack of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outage {
    /// Reason, in words.
    pub reason: SafeText,
    /// Time of the next attempt.
    pub retry: Time,
}

impl State {
    /// Returns the name of the state.
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

    /// Returns whether the newest rows are up to date: rows arrive, or no more are expected.
    #[must_use]
    pub fn is_up_to_date(&self) -> bool {
        matches!(self, State::Live | State::Replay(_))
    }

    /// Returns the outage, if there is no connection.
    #[must_use]
    pub fn outage(&self) -> Option<&Outage> {
        match self {
            State::Connecting(outage) | State::Reconnecting(outage) => outage.as_ref(),
            State::Live | State::Stale | State::Replay(_) => None,
        }
    }
}
