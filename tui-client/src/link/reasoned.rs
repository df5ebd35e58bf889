//! Reader that gives a reason for the end of its stream.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};

/// Reader with a reason for the end of its stream.
pub(crate) struct ReasonedReader<R> {
    reader: R,
    /// `None` once the end was returned.
    end: Option<Pin<Box<dyn Future<Output = io::Result<()>> + Send>>>,
}

impl<R> ReasonedReader<R> {
    /// Creates a reader that returns the error of `end` once `reader` has ended.
    pub(crate) fn new(
        reader: R,
        end: impl Future<Output = io::Result<()>> + Send + 'static,
    ) -> ReasonedReader<R> {
        ReasonedReader { reader, end: Some(Box::pin(end)) }
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for ReasonedReader<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        ready!(Pin::new(&mut self.reader).poll_read(context, into))?;
        let is_end = into.filled().len() == before;
        let Some(end) = self.end.as_mut().filter(|_| is_end) else { return Poll::Ready(Ok(())) };
        let reason = ready!(end.as_mut().poll(context));
        self.end = None;
        Poll::Ready(reason)
    }
}
