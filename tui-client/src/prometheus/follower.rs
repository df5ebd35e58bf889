//! Follower: receives the rows of one instance from the hub.

use std::time::Duration;

use loadline_protocol::{History, Time};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::queries::PartValues;
use super::response::Failure;

/// Time that a full follower may block the others. After that, a slow follower gets events only
/// when it has room.
const SEND_TIMEOUT: Duration = Duration::from_secs(1);

/// Subscriber to the rows of an instance.
pub(super) struct Follower {
    /// Position among the watched instances.
    pub(super) index: usize,
    pub(super) history: History,
    pub(super) events: mpsc::Sender<FollowerEvent>,
    /// Next step to send. `None` before the history.
    pub(super) next: Option<Time>,
    pub(super) is_live: bool,
    /// The follower had no room for the last event.
    is_slow: bool,
}

/// Event that the hub sends to a follower.
#[derive(Debug, PartialEq)]
pub(super) enum FollowerEvent {
    /// Rows in ascending order of their times.
    Rows(Vec<StepRow>),
    /// The follower has all rows up to now.
    Live,
    /// The query failed. No event follows.
    Failed(Failure),
}

/// Values of an instance at a step.
#[derive(Debug, PartialEq)]
pub(super) struct StepRow {
    pub(super) time: Time,
    /// All parts of the query, in their order.
    pub(super) parts: PartValues,
}

impl Follower {
    pub(super) fn new(
        index: usize,
        history: History,
        events: mpsc::Sender<FollowerEvent>,
    ) -> Follower {
        Follower { index, history, events, next: None, is_live: false, is_slow: false }
    }

    /// Returns whether an event may be sent. A slow follower needs room in its channel.
    pub(super) fn has_room(&self) -> bool {
        !self.is_slow || self.events.capacity() > 0
    }

    /// Sends an event. Returns false if the follower has no room or is gone.
    pub(super) async fn send(&mut self, event: FollowerEvent) -> bool {
        let is_sent = match self.events.try_send(event) {
            Err(TrySendError::Full(event)) if !self.is_slow => {
                self.events.send_timeout(event, SEND_TIMEOUT).await.is_ok()
            }
            sent => sent.is_ok(),
        };
        self.is_slow = !is_sent;
        is_sent
    }
}
