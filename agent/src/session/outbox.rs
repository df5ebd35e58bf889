//! What a client is about to get.

use std::fmt::Display;
use std::time::Duration;

use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::time::{Instant, timeout_at};

use super::Ending;
use crate::ring::BATCH;

/// A client that takes no byte for so long, while there are some for it, is stuck.
pub(super) const WRITE_STALL_MAX: Duration = Duration::from_secs(30);

/// What an empty outbox may keep of its memory: room for a row or two.
const KEPT_MAX: usize = 256;

/// Bytes on their way to a client.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    /// Never much more than [`BATCH`]: nothing is added when there is no room.
    bytes: Vec<u8>,
    /// How many of them the client has taken.
    sent: usize,
    /// Since when the client has taken none, if there are some for it.
    waiting_since: Option<Instant>,
}

impl Outbox {
    /// The bytes, to append to.
    pub(super) fn bytes(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Appends a line.
    pub(super) fn line(&mut self, line: &impl Display) {
        self.bytes.extend_from_slice(format!("{line}\n").as_bytes());
    }

    /// Whether the client has taken everything.
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Whether anything may be added.
    pub(super) fn has_room(&self) -> bool {
        self.bytes.len() < BATCH
    }

    /// Offers the client all there is, once; it may take a part.
    pub(super) async fn send(
        &mut self,
        writer: &mut (impl AsyncWrite + Unpin),
    ) -> Result<(), Ending> {
        let stuck_at = *self.waiting_since.get_or_insert_with(Instant::now) + WRITE_STALL_MAX;
        match timeout_at(stuck_at, writer.write(&self.bytes[self.sent..])).await {
            Err(_) => Err(Ending::Stuck),
            Ok(Ok(0) | Err(_)) => Err(Ending::Left),
            Ok(Ok(taken)) => {
                self.took(taken);
                Ok(())
            }
        }
    }

    fn took(&mut self, bytes: usize) {
        self.waiting_since = None;
        self.sent += bytes;
        if self.sent >= self.bytes.len() {
            self.bytes.clear();
            self.bytes.shrink_to(KEPT_MAX);
            self.sent = 0;
        }
    }
}
