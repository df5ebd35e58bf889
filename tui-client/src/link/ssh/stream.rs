//! Byte stream over a connected ssh.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::process::{ChildStdin, ChildStdout};

use super::SshProcess;

/// Byte stream to the agent over ssh. Ends with an error that gives the reason.
pub(in crate::link) struct SshStream {
    /// Bytes that arrived during the connect, not read yet.
    first_bytes: Vec<u8>,
    stdout: ChildStdout,
    stdin: ChildStdin,
    exit: ExitState,
}

enum ExitState {
    /// ssh sends output.
    Running(Box<SshProcess>),
    /// The output ended; waits for ssh to exit with a reason.
    Waiting(Pin<Box<dyn Future<Output = io::Error> + Send>>),
    /// The reason was returned.
    Reported,
}

impl SshStream {
    pub(super) fn new(
        first_bytes: Vec<u8>,
        stdout: ChildStdout,
        stdin: ChildStdin,
        process: SshProcess,
    ) -> SshStream {
        SshStream { first_bytes, stdout, stdin, exit: ExitState::Running(Box::new(process)) }
    }

    fn poll_exit(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.exit = match std::mem::replace(&mut self.exit, ExitState::Reported) {
            ExitState::Running(process) => ExitState::Waiting(Box::pin(process.exit_error())),
            exit => exit,
        };
        let ExitState::Waiting(answer) = &mut self.exit else { return Poll::Ready(Ok(())) };
        let error = ready!(answer.as_mut().poll(context));
        self.exit = ExitState::Reported;
        Poll::Ready(Err(error))
    }
}

impl AsyncRead for SshStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.first_bytes.is_empty() {
            let count = self.first_bytes.len().min(into.remaining());
            into.put_slice(&self.first_bytes[..count]);
            self.first_bytes.drain(..count);
            return Poll::Ready(Ok(()));
        }
        if matches!(self.exit, ExitState::Running(_)) {
            let before = into.filled().len();
            ready!(Pin::new(&mut self.stdout).poll_read(context, into))?;
            if into.filled().len() > before {
                return Poll::Ready(Ok(()));
            }
        }
        self.poll_exit(context)
    }
}

impl AsyncWrite for SshStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match ready!(Pin::new(&mut self.stdin).poll_write(context, bytes)) {
            // The read side returns the reason.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Poll::Ready(Ok(bytes.len())),
            written => Poll::Ready(written),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stdin).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stdin).poll_shutdown(context)
    }
}

impl fmt::Debug for SshStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SshStream").finish_non_exhaustive()
    }
}
