//! Transport to an agent that already runs on this machine.

use std::io;
use std::time::Duration;

use loadline_common::{LocalAgent, LocalStream};

/// Time limit for the first byte after a reconnect: 10 s. Nothing else waits for it.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Agent of this machine that was found once. Each connection is checked again: after the agent's
/// end, another user may listen in its place.
pub(super) struct RunningAgent {
    pub(super) place: LocalAgent,
    /// Connection that is open already, for the first `connect`.
    pub(super) first_stream: Option<Box<dyn LocalStream>>,
}

impl RunningAgent {
    pub(super) async fn connect(&mut self) -> io::Result<Box<dyn LocalStream>> {
        match self.first_stream.take() {
            Some(stream) => Ok(stream),
            None => Ok(self.place.connect(ANSWER_TIMEOUT).await?),
        }
    }
}
