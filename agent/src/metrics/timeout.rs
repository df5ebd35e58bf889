//! Connection with timeouts for each phase of an HTTP exchange.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// Timeout of a request, from its first byte on; for the first request from the handshake on.
pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Timeout of a response.
pub(super) const RESPONSE_TIMEOUT: Duration = Duration::from_secs(30);

/// Timeout of an idle connection: two scrapes at the longest usual interval.
pub(super) const IDLE_TIMEOUT: Duration = Duration::from_mins(2);

/// Phase of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TimeoutPhase {
    /// Until the request is received and the response begins.
    Request,
    /// Until the client has received the response.
    Response,
    /// Until the next request begins.
    Idle,
}

/// Stream that fails with `TimedOut` when its peer exceeds the timeout of a phase.
#[derive(Debug)]
pub(super) struct TimeoutStream<S> {
    stream: S,
    phase: TimeoutPhase,
    /// End of the current phase's timeout.
    deadline: Pin<Box<Sleep>>,
}

impl<S> TimeoutStream<S> {
    pub(super) fn new(stream: S) -> TimeoutStream<S> {
        TimeoutStream {
            stream,
            phase: TimeoutPhase::Request,
            deadline: Box::pin(sleep(REQUEST_TIMEOUT)),
        }
    }

    fn enter(&mut self, phase: TimeoutPhase) {
        if self.phase != phase {
            self.phase = phase;
            let max = match phase {
                TimeoutPhase::Request => REQUEST_TIMEOUT,
                TimeoutPhase::Response => RESPONSE_TIMEOUT,
                TimeoutPhase::Idle => IDLE_TIMEOUT,
            };
            self.deadline.as_mut().reset(Instant::now() + max);
        }
    }

    /// Returns an error instead of `Pending` after the deadline.
    fn or_timeout<T>(
        &mut self,
        cx: &mut Context<'_>,
        poll: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if poll.is_pending() && self.deadline.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        poll
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for TimeoutStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let poll = Pin::new(&mut self.stream).poll_read(cx, into);
        if self.phase == TimeoutPhase::Idle && into.filled().len() > before {
            self.enter(TimeoutPhase::Request);
        }
        self.or_timeout(cx, poll)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for TimeoutStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.enter(TimeoutPhase::Response);
        let poll = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.or_timeout(cx, poll)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.stream).poll_flush(cx);
        // A flush ends a complete response.
        if matches!(poll, Poll::Ready(Ok(()))) && self.phase == TimeoutPhase::Response {
            self.enter(TimeoutPhase::Idle);
        }
        self.or_timeout(cx, poll)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.or_timeout(cx, poll)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

    use super::*;

    fn pair() -> (DuplexStream, TimeoutStream<DuplexStream>) {
        let (client, server) = duplex(8);
        (client, TimeoutStream::new(server))
    }

    /// Measures the time until the connection fails with `TimedOut`.
    async fn time_to_timeout(end: impl Future<Output = io::Error>) -> Duration {
        let begin = Instant::now();
        assert_eq!(end.await.kind(), io::ErrorKind::TimedOut);
        begin.elapsed()
    }

    /// Reads until the connection fails.
    async fn read_on(stream: &mut TimeoutStream<DuplexStream>) -> io::Error {
        loop {
            if let Err(error) = stream.read_u8().await {
                return error;
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_sent_byte_by_byte_gets_no_extra_time() {
        let (mut client, mut stream) = pair();
        let drip = async {
            loop {
                sleep(Duration::from_secs(1)).await;
                client.write_all(b"x").await.unwrap();
            }
        };
        let waited = tokio::select! {
            waited = time_to_timeout(read_on(&mut stream)) => waited,
            never = drip => never,
        };
        assert_eq!(waited.as_secs(), REQUEST_TIMEOUT.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_connection_may_send_another_request_in_time() {
        let (mut client, mut stream) = pair();
        client.write_all(b"ask").await.unwrap();
        stream.read_exact(&mut [0; 3]).await.unwrap();
        stream.write_all(b"done").await.unwrap();
        stream.flush().await.unwrap();
        assert_eq!(time_to_timeout(read_on(&mut stream)).await.as_secs(), IDLE_TIMEOUT.as_secs());

        let (mut client, mut stream) = pair();
        stream.write_all(b"done").await.unwrap();
        stream.flush().await.unwrap();
        sleep(Duration::from_mins(1)).await;
        client.write_all(b"ask").await.unwrap();
        assert_eq!(
            time_to_timeout(read_on(&mut stream)).await.as_secs(),
            REQUEST_TIMEOUT.as_secs()
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_read_the_response_is_dropped() {
        let (mut client, mut stream) = pair();
        let drip = async {
            loop {
                sleep(Duration::from_secs(1)).await;
                client.read_u8().await.unwrap();
            }
        };
        let send = async { stream.write_all(&[0; 1024]).await.unwrap_err() };
        let waited = tokio::select! {
            waited = time_to_timeout(send) => waited,
            never = drip => never,
        };
        assert_eq!(waited.as_secs(), RESPONSE_TIMEOUT.as_secs());
    }
}
