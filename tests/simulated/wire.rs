//! Simulated network as transport of the agent and the client.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use loadline_agent::{Accept, Handshake, Peer, without_handshake};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep, timeout};
use turmoil::net::{TcpListener, TcpStream};

use super::ResumeMode;

/// Timeout of a silent connection, as long as that of the client's keepalive probes, which are not
/// simulated. A client that has read a header notices earlier.
const KEEPALIVE: Duration = Duration::from_secs(22);

/// Time after which the packet that opens a connection is repeated. The simulated network does not repeat
/// it.
const OPENING_REPETITION: Duration = Duration::from_secs(1);

/// TCP port of all agents.
pub(crate) const PORT: u16 = 1027;

/// Listener of a simulated host.
pub(crate) struct SimulatedListener(pub TcpListener);

impl Accept for SimulatedListener {
    async fn accept(&self) -> io::Result<(Handshake, Peer)> {
        let (stream, from) = self.0.accept().await?;
        Ok((without_handshake(stream), from.into()))
    }
}

/// Connection of a simulated client.
pub(crate) struct SimulatedStream {
    stream: TcpStream,
    keepalive: Pin<Box<Sleep>>,
    resume: ResumeMode,
}

impl SimulatedStream {
    /// Connects to an agent.
    pub(crate) async fn connect(
        agent: &'static str,
        resume: ResumeMode,
    ) -> io::Result<SimulatedStream> {
        loop {
            let attempt = timeout(OPENING_REPETITION, TcpStream::connect((agent, PORT)));
            if let Ok(stream) = attempt.await {
                let keepalive = Box::pin(sleep(KEEPALIVE));
                return Ok(SimulatedStream { stream: stream?, keepalive, resume });
            }
        }
    }
}

impl AsyncRead for SimulatedStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Poll::Ready(read) = Pin::new(&mut this.stream).poll_read(cx, buf) {
            this.keepalive.as_mut().reset(Instant::now() + KEEPALIVE);
            return Poll::Ready(read);
        }
        ready!(this.keepalive.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncWrite for SimulatedStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let changed = match this.resume {
            ResumeMode::Correct => None,
            ResumeMode::OffByOne => off_by_one(bytes),
        };
        // The request is one small write, which a simulated socket accepts as a whole.
        let written =
            Pin::new(&mut this.stream).poll_write(cx, changed.as_deref().unwrap_or(bytes));
        written.map_ok(|written| if changed.is_some() { bytes.len() } else { written })
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

/// Returns a resume request that skips one row, or `None` if it does not resume.
fn off_by_one(request: &[u8]) -> Option<Vec<u8>> {
    let request = std::str::from_utf8(request).ok()?;
    let (head, resume) = request.trim_end().split_once(" resume=")?;
    let (run, seq) = resume.split_once(':')?;
    let seq = seq.parse::<u64>().ok()? + 1;
    Some(format!("{head} resume={run}:{seq}\n").into_bytes())
}
