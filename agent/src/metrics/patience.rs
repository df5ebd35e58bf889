//! A connection on which nobody is waited for for ever.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// How long a client may take to send a request, from its first byte on; and how long a new one may
/// take to begin.
pub(super) const REQUEST_MAX: Duration = Duration::from_secs(10);

/// How long a client may take to read an answer.
pub(super) const ANSWER_MAX: Duration = Duration::from_secs(30);

/// How long a client may stay without asking again: two scrapes at the pace of the slowest.
pub(super) const IDLE_MAX: Duration = Duration::from_mins(2);

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The rest of a request, and then our answer.
    Request,
    /// That the client takes the answer.
    Answer,
    /// The next request.
    Idle,
}

/// A stream that fails when its other end takes too long for what it is at.
#[derive(Debug)]
pub(super) struct Patience<S> {
    stream: S,
    phase: Phase,
    /// When it has been at that for too long.
    end: Pin<Box<Sleep>>,
}

impl<S> Patience<S> {
    pub(super) fn new(stream: S) -> Patience<S> {
        Patience { stream, phase: Phase::Request, end: Box::pin(sleep(REQUEST_MAX)) }
    }

    fn enter(&mut self, phase: Phase) {
        if self.phase != phase {
            self.phase = phase;
            let max = match phase {
                Phase::Request => REQUEST_MAX,
                Phase::Answer => ANSWER_MAX,
                Phase::Idle => IDLE_MAX,
            };
            self.end.as_mut().reset(Instant::now() + max);
        }
    }

    /// What a wait comes to: an error when it has been too long.
    fn wait<T>(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        match self.end.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patience<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        match Pin::new(&mut self.stream).poll_read(cx, into) {
            Poll::Ready(result) => {
                if self.phase == Phase::Idle && into.filled().len() > before {
                    self.enter(Phase::Request);
                }
                Poll::Ready(result)
            }
            Poll::Pending => self.wait(cx),
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patience<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.enter(Phase::Answer);
        match Pin::new(&mut self.stream).poll_write(cx, bytes) {
            Poll::Ready(result) => Poll::Ready(result),
            Poll::Pending => self.wait(cx),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.stream).poll_flush(cx) {
            // Flushed is what is written in full.
            Poll::Ready(Ok(())) => {
                if self.phase == Phase::Answer {
                    self.enter(Phase::Idle);
                }
                Poll::Ready(Ok(()))
            }
            Poll::Ready(error) => Poll::Ready(error),
            Poll::Pending => self.wait(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.stream).poll_shutdown(cx) {
            Poll::Ready(result) => Poll::Ready(result),
            Poll::Pending => self.wait(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

    use super::*;

    fn pair() -> (DuplexStream, Patience<DuplexStream>) {
        let (client, server) = duplex(8);
        (client, Patience::new(server))
    }

    /// How long it lasts until the connection is given up.
    async fn waits(end: impl Future<Output = io::Error>) -> Duration {
        let begin = Instant::now();
        assert_eq!(end.await.kind(), io::ErrorKind::TimedOut);
        begin.elapsed()
    }

    /// Reads until the connection is given up.
    async fn read_on(patience: &mut Patience<DuplexStream>) -> io::Error {
        loop {
            if let Err(error) = patience.read_u8().await {
                return error;
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_comes_byte_by_byte_has_no_more_time_than_another() {
        let (mut client, mut patience) = pair();
        let drip = async {
            loop {
                sleep(Duration::from_secs(1)).await;
                client.write_all(b"x").await.unwrap();
            }
        };
        let waited = tokio::select! {
            waited = waits(read_on(&mut patience)) => waited,
            never = drip => never,
        };
        assert_eq!(waited.as_secs(), REQUEST_MAX.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn who_was_answered_may_stay_for_a_while_and_then_ask_in_time() {
        let (mut client, mut patience) = pair();
        client.write_all(b"ask").await.unwrap();
        patience.read_exact(&mut [0; 3]).await.unwrap();
        patience.write_all(b"told").await.unwrap();
        patience.flush().await.unwrap();
        assert_eq!(waits(read_on(&mut patience)).await.as_secs(), IDLE_MAX.as_secs());

        let (mut client, mut patience) = pair();
        patience.write_all(b"told").await.unwrap();
        patience.flush().await.unwrap();
        sleep(Duration::from_mins(1)).await;
        client.write_all(b"ask").await.unwrap();
        assert_eq!(waits(read_on(&mut patience)).await.as_secs(), REQUEST_MAX.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_read_the_answer_is_let_go() {
        let (mut client, mut patience) = pair();
        let drip = async {
            loop {
                sleep(Duration::from_secs(1)).await;
                client.read_u8().await.unwrap();
            }
        };
        let send = async { patience.write_all(&[0; 1024]).await.unwrap_err() };
        let waited = tokio::select! {
            waited = waits(send) => waited,
            never = drip => never,
        };
        assert_eq!(waited.as_secs(), ANSWER_MAX.as_secs());
    }
}
