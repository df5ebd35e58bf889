//! Simulated network as transport of the agent and the client.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
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

/// Network of a simulated client.
#[derive(Debug, Clone)]
pub(crate) struct ClientNetwork {
    resume: ResumeMode,
    /// Bytes that each connection receives in a second.
    bytes_per_second: Arc<AtomicU64>,
}

impl ClientNetwork {
    /// Rate that limits nothing.
    pub(crate) const UNLIMITED: u64 = u64::MAX;

    pub(crate) fn new(resume: ResumeMode) -> ClientNetwork {
        ClientNetwork { resume, bytes_per_second: Arc::new(AtomicU64::new(Self::UNLIMITED)) }
    }

    /// Limits the bytes that each connection receives in a second.
    pub(crate) fn limit(&self, bytes_per_second: u64) {
        self.bytes_per_second.store(bytes_per_second, Ordering::Relaxed);
    }

    /// Returns the bytes of the next read, and the time that they take; `None` without a limit.
    fn next_read(&self) -> Option<(usize, Duration)> {
        let rate = self.bytes_per_second.load(Ordering::Relaxed);
        let bytes = (rate / 10).max(1);
        (rate != Self::UNLIMITED)
            .then(|| (bytes as usize, Duration::from_millis(1000 * bytes / rate)))
    }
}

/// Connection of a simulated client.
pub(crate) struct SimulatedStream {
    stream: TcpStream,
    keepalive: Pin<Box<Sleep>>,
    network: ClientNetwork,
    /// End of the transmission of the last bytes read, over a slow link.
    busy: Option<Pin<Box<Sleep>>>,
}

impl SimulatedStream {
    /// Connects to an agent.
    pub(crate) async fn connect(
        agent: &'static str,
        network: ClientNetwork,
    ) -> io::Result<SimulatedStream> {
        loop {
            let attempt = timeout(OPENING_REPETITION, TcpStream::connect((agent, PORT)));
            if let Ok(stream) = attempt.await {
                let keepalive = Box::pin(sleep(KEEPALIVE));
                return Ok(SimulatedStream { stream: stream?, keepalive, network, busy: None });
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
        if let Some(busy) = &mut this.busy {
            ready!(busy.as_mut().poll(cx));
            this.busy = None;
        }
        let next = this.network.next_read();
        let polled = match next {
            Some((bytes, _)) => {
                let mut part = vec![0; bytes.min(buf.remaining())];
                let mut part = ReadBuf::new(&mut part);
                let polled = Pin::new(&mut this.stream).poll_read(cx, &mut part);
                buf.put_slice(part.filled());
                polled
            }
            None => Pin::new(&mut this.stream).poll_read(cx, buf),
        };
        if let Poll::Ready(read) = polled {
            this.busy = next.map(|(_, time)| Box::pin(sleep(time)));
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
        let changed = match this.network.resume {
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
    let (resume, rest) = resume.split_once(' ').unwrap_or((resume, ""));
    let (run, seq) = resume.split_once(':')?;
    let seq = seq.parse::<u64>().ok()? + 1;
    Some(format!("{head} resume={run}:{seq} {rest}\n").into_bytes())
}
