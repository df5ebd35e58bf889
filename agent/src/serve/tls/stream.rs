//! TLS connection. The first read or write performs the handshake, so that only the client's own
//! session waits for it.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use loadline_protocol::{Note, SafeText};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::server::TlsStream;

use super::{HANDSHAKE_TIMEOUT, HandshakeFailure, ServerTls};
use crate::serve::session;

/// First byte of a TLS handshake record.
const HANDSHAKE_RECORD: u8 = 0x16;

/// Error note for a client without TLS.
const NO_TLS_MESSAGE: &str = "this port speaks TLS; connect to tls://HOST:PORT";

pub(crate) struct TlsConnection {
    state: HandshakeState,
    /// Bytes of a write that are encrypted but not yet accepted by the system.
    unflushed_bytes: usize,
}

type HandshakeFuture = dyn Future<Output = io::Result<TlsStream<TcpStream>>> + Send;

enum HandshakeState {
    /// Before or during the handshake.
    InProgress(Pin<Box<HandshakeFuture>>),
    Open(Box<TlsStream<TcpStream>>),
    /// The handshake failed.
    Failed,
}

impl TlsConnection {
    /// Starts the handshake timeout.
    pub(crate) fn start(tcp: TcpStream, tls: &ServerTls, peer: String) -> TlsConnection {
        let deadline = Instant::now() + HANDSHAKE_TIMEOUT;
        let state = HandshakeState::InProgress(Box::pin(perform_handshake(
            tcp,
            tls.clone(),
            peer,
            deadline,
        )));
        TlsConnection { state, unflushed_bytes: 0 }
    }

    /// Returns the connection once the handshake is done.
    fn poll_open(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Pin<&mut TlsStream<TcpStream>>>> {
        if let HandshakeState::InProgress(handshake) = &mut self.state {
            self.state = match ready!(handshake.as_mut().poll(cx)) {
                Ok(stream) => {
                    // The handshake may have run in a read while a write of the same task waits.
                    cx.waker().wake_by_ref();
                    HandshakeState::Open(Box::new(stream))
                }
                Err(error) => {
                    self.state = HandshakeState::Failed;
                    return Poll::Ready(Err(error));
                }
            };
        }
        Poll::Ready(match &mut self.state {
            HandshakeState::Open(stream) => Ok(Pin::new(stream.as_mut())),
            HandshakeState::InProgress(_) | HandshakeState::Failed => {
                Err(io::ErrorKind::NotConnected.into())
            }
        })
    }
}

/// Performs the handshake. Logs a failure and closes the connection after the client could read the
/// alert.
async fn perform_handshake(
    tcp: TcpStream,
    tls: ServerTls,
    peer: String,
    deadline: Instant,
) -> io::Result<TlsStream<TcpStream>> {
    let mut first = [0];
    let peeked = timeout_at(deadline, tcp.peek(&mut first)).await;
    let why = match peeked {
        Ok(Ok(1..)) if first[0] == HANDSHAKE_RECORD => {
            let handshake = tls.acceptor().accept(tcp).into_fallible();
            match timeout_at(deadline, handshake).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err((error, tcp))) => {
                    let why = HandshakeFailure::from(error);
                    tls.log_failure(&peer, &why);
                    session::drain_and_close(tcp).await;
                    why
                }
                Err(_) => {
                    tls.log_failure(&peer, &HandshakeFailure::TimedOut);
                    HandshakeFailure::TimedOut
                }
            }
        }
        // A client of the plain stream may also send nothing.
        Ok(Ok(1..)) | Err(_) => {
            tls.log_failure(&peer, &HandshakeFailure::NotTls);
            session::refuse(tcp, Note::Error(SafeText::new(NO_TLS_MESSAGE))).await;
            HandshakeFailure::NotTls
        }
        Ok(Ok(0) | Err(_)) => {
            tls.log_failure(&peer, &HandshakeFailure::Disconnected);
            HandshakeFailure::Disconnected
        }
    };
    Err(io::Error::other(why.to_string()))
}

impl AsyncRead for TlsConnection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_open(cx))?.poll_read(cx, into)
    }
}

impl AsyncWrite for TlsConnection {
    /// Ready once the system has accepted all bytes. So the caller counts unsent bytes and detects
    /// a stuck client, and at most one write is encrypted in advance.
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let taken = self.unflushed_bytes;
        let mut stream = ready!(self.poll_open(cx))?;
        let taken = match taken {
            0 => ready!(stream.as_mut().poll_write(cx, bytes))?,
            // The previous write, which was not ready.
            taken => taken,
        };
        let flushed = stream.poll_flush(cx);
        self.unflushed_bytes = if flushed.is_pending() { taken } else { 0 };
        ready!(flushed)?;
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_open(cx))?.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.state {
            HandshakeState::Open(stream) => Pin::new(stream.as_mut()).poll_shutdown(cx),
            // The client is gone.
            HandshakeState::InProgress(_) | HandshakeState::Failed => Poll::Ready(Ok(())),
        }
    }
}

impl fmt::Debug for TlsConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").finish_non_exhaustive()
    }
}
