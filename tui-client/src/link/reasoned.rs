//! Byte stream that gives a reason for its end.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Byte stream with a reason for its end.
pub(crate) struct ReasonedStream<S> {
    stream: S,
    /// `None` once the end was returned.
    end: Option<Pin<Box<dyn Future<Output = io::Result<()>> + Send>>>,
}

impl<S> ReasonedStream<S> {
    /// Creates a stream that returns the error of `end` once `stream` has ended.
    pub(crate) fn new(
        stream: S,
        end: impl Future<Output = io::Result<()>> + Send + 'static,
    ) -> ReasonedStream<S> {
        ReasonedStream { stream, end: Some(Box::pin(end)) }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for ReasonedStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, into))?;
        let is_end = into.filled().len() == before;
        let Some(end) = self.end.as_mut().filter(|_| is_end) else { return Poll::Ready(Ok(())) };
        let reason = ready!(end.as_mut().poll(context));
        self.end = None;
        Poll::Ready(reason)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for ReasonedStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match ready!(Pin::new(&mut self.stream).poll_write(context, bytes)) {
            // The read side returns the reason.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Poll::Ready(Ok(bytes.len())),
            written => Poll::Ready(written),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
