//! Bytes that wait to be sent to a client.

use std::cell::Cell;
use std::fmt::Display;
use std::io::Write as _;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::AsyncWrite;
use tokio::time::{Sleep, sleep};

use super::Ending;
use crate::ring::BATCH_BYTES;

/// Write timeout: 30 s. A client that accepts no byte for longer is stuck.
pub(super) const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// Capacity up to which a buffer is reused: a batch with a long last row.
const SPARE_BYTES_MAX: usize = 4 * BATCH_BYTES;

thread_local! {
    /// Buffer of the last outbox that became empty, for the next one that needs memory. Of
    /// thousands of clients only those that lag own a buffer.
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

#[derive(Debug, Default)]
pub(super) struct Outbox {
    /// Hardly more than [`BATCH_BYTES`]: nothing is added to a full outbox.
    bytes: Vec<u8>,
    /// Number of bytes already sent.
    sent: usize,
    /// Runs while the client accepts no bytes; expires after [`WRITE_TIMEOUT`].
    write_timeout: Option<Pin<Box<Sleep>>>,
}

impl Outbox {
    /// Calls `write` to append bytes.
    pub(super) fn write_with<T>(&mut self, write: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        if self.bytes.capacity() == 0 {
            self.bytes = SPARE.take();
        }
        let written = write(&mut self.bytes);
        if self.bytes.is_empty() {
            recycle(mem::take(&mut self.bytes));
        }
        written
    }

    pub(super) fn push_line(&mut self, line: &impl Display) {
        self.write_with(|bytes| {
            // Writing to memory cannot fail.
            let _ = writeln!(bytes, "{line}");
        });
    }

    /// Returns whether everything was sent.
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Returns whether more may be appended.
    pub(super) fn has_room(&self) -> bool {
        self.bytes.len() < BATCH_BYTES
    }

    /// Writes the bytes once; the stream may accept a part of them.
    pub(super) fn poll_send(
        &mut self,
        stream: &mut (impl AsyncWrite + Unpin),
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Ending>> {
        match Pin::new(stream).poll_write(cx, &self.bytes[self.sent..]) {
            Poll::Pending => {
                ready!(self.start_write_timeout().as_mut().poll(cx));
                Poll::Ready(Err(Ending::Stuck))
            }
            Poll::Ready(Ok(0) | Err(_)) => Poll::Ready(Err(Ending::Left)),
            Poll::Ready(Ok(taken)) => {
                self.write_timeout = None;
                self.sent += taken;
                if self.sent >= self.bytes.len() {
                    self.sent = 0;
                    recycle(mem::take(&mut self.bytes));
                }
                Poll::Ready(Ok(()))
            }
        }
    }

    /// Starts the write timeout unless it runs. Moves the unsent bytes out of the shared buffer.
    fn start_write_timeout(&mut self) -> &mut Pin<Box<Sleep>> {
        self.write_timeout.get_or_insert_with(|| {
            let rest = self.bytes[self.sent..].to_vec();
            recycle(mem::replace(&mut self.bytes, rest));
            self.sent = 0;
            Box::pin(sleep(WRITE_TIMEOUT))
        })
    }
}

/// Keeps the buffer for the next outbox, unless it is too large.
fn recycle(mut bytes: Vec<u8>) {
    bytes.clear();
    if bytes.capacity() <= SPARE_BYTES_MAX {
        SPARE.set(bytes);
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use tokio::io::{AsyncReadExt as _, duplex};

    use super::*;

    /// Polls once. Returns whether the stream accepted bytes.
    fn send(outbox: &mut Outbox, stream: &mut (impl AsyncWrite + Unpin)) -> bool {
        outbox.poll_send(stream, &mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[tokio::test]
    async fn only_a_client_that_lags_holds_memory_and_no_more_than_it_needs() {
        let (mut near, mut far) = duplex(20);
        let mut outboxes: [Outbox; 3] = Default::default();
        for outbox in &mut outboxes {
            outbox.write_with(|bytes| bytes.extend([b'x'; 15]));
            assert!(outbox.bytes.capacity() >= 15);
            // The pipe holds 20 bytes: all 15 of the first outbox, 5 of the second, none of the
            // third.
            while !outbox.is_empty() && send(outbox, &mut near) {}
        }
        assert_eq!(outboxes.each_ref().map(|outbox| outbox.bytes.capacity()), [0, 10, 15]);
        far.read_exact(&mut [0; 20]).await.unwrap();
        for outbox in &mut outboxes[1..] {
            assert!(send(outbox, &mut near));
            assert!(outbox.is_empty());
            far.read_exact(&mut [0; 10]).await.unwrap();
        }
    }
}
