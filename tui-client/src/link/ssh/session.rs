//! The stream of an ssh that is connected.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::process::{ChildStdin, ChildStdout};

use super::Running;

/// Reads what the agent writes, writes what it reads. At the end of the stream stands an error, which
/// says why it ended.
pub(in crate::link) struct Session {
    /// What came while it was open whether anything would, not read yet.
    first: Vec<u8>,
    rows: ChildStdout,
    requests: ChildStdin,
    end: End,
}

enum End {
    /// It has not come.
    Open(Box<Running>),
    /// It has; ssh is asked why.
    Asking(Pin<Box<dyn Future<Output = io::Error> + Send>>),
    /// That has been said.
    Told,
}

impl Session {
    pub(super) fn new(
        first: Vec<u8>,
        rows: ChildStdout,
        requests: ChildStdin,
        running: Running,
    ) -> Session {
        Session { first, rows, requests, end: End::Open(Box::new(running)) }
    }

    fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.end = match std::mem::replace(&mut self.end, End::Told) {
            End::Open(running) => End::Asking(Box::pin(running.end())),
            end => end,
        };
        let End::Asking(answer) = &mut self.end else { return Poll::Ready(Ok(())) };
        let error = ready!(answer.as_mut().poll(context));
        self.end = End::Told;
        Poll::Ready(Err(error))
    }
}

impl AsyncRead for Session {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.first.is_empty() {
            let count = self.first.len().min(into.remaining());
            into.put_slice(&self.first[..count]);
            self.first.drain(..count);
            return Poll::Ready(Ok(()));
        }
        if matches!(self.end, End::Open(_)) {
            let before = into.filled().len();
            ready!(Pin::new(&mut self.rows).poll_read(context, into))?;
            if into.filled().len() > before {
                return Poll::Ready(Ok(()));
            }
        }
        self.poll_end(context)
    }
}

impl AsyncWrite for Session {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match ready!(Pin::new(&mut self.requests).poll_write(context, bytes)) {
            // Why it has ended is said where it is read.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Poll::Ready(Ok(bytes.len())),
            written => Poll::Ready(written),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.requests).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.requests).poll_shutdown(context)
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}
