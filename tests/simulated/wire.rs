//! The simulated network as the agent and the client use it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use loadline_agent::{Accept, Peer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};
use turmoil::net::{TcpListener, TcpStream};

use super::ResumeMode;

/// A connection that says nothing for so long is dead. The system asks its peer with probes that are
/// not simulated, and does so for longer than a simulated minute has time for; and a packet that is
/// lost is not sent again here.
const KEEPALIVE: Duration = Duration::from_secs(6);

/// The port of all agents.
pub(crate) const PORT: u16 = 1027;

/// A port of a simulated host.
pub(crate) struct SimulatedListener(pub TcpListener);

impl Accept for SimulatedListener {
    type Stream = TcpStream;

    async fn accept(&self) -> io::Result<(TcpStream, Peer)> {
        let (stream, from) = self.0.accept().await?;
        Ok((stream, from.into()))
    }
}

/// A connection of a client.
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
        let stream = TcpStream::connect((agent, PORT)).await?;
        Ok(SimulatedStream { stream, keepalive: Box::pin(sleep(KEEPALIVE)), resume })
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
        // The request is one small write, which a simulated socket takes as a whole.
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

/// A request that resumes, with one row left out.
fn off_by_one(request: &[u8]) -> Option<Vec<u8>> {
    let request = std::str::from_utf8(request).ok()?;
    let (head, resume) = request.trim_end().split_once(" resume=")?;
    let (run, seq) = resume.split_once(':')?;
    let seq = seq.parse::<u64>().ok()? + 1;
    Some(format!("{head} resume={run}:{seq}\n").into_bytes())
}
