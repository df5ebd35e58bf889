//! Handshake of a TLS connection, and its stream.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use loadline_protocol::{Note, SafeText};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::server::TlsStream;

use super::{HANDSHAKE_TIMEOUT, HandshakeFailure, ServerTls};
use crate::serve::connection::{Connection, Handshake};
use crate::serve::session;

/// First byte of a TLS handshake record.
const HANDSHAKE_RECORD: u8 = 0x16;

/// Error note for a client without TLS.
const NO_TLS_MESSAGE: &str = "this port speaks TLS; connect to tls://HOST:PORT";

impl ServerTls {
    /// Returns the handshake. Its timeout starts now. Failures are logged.
    pub(crate) fn handshake(&self, tcp: TcpStream, peer: String) -> Handshake {
        let deadline = Instant::now() + HANDSHAKE_TIMEOUT;
        let tls = self.clone();
        Handshake::Pending(Box::pin(async move {
            let (failure, closing) = match tls.accept(tcp, deadline).await {
                Ok(stream) => {
                    let has_certificate = stream.has_certificate();
                    return Ok((Box::new(stream) as Box<dyn Connection>, has_certificate));
                }
                Err(failed) => failed,
            };
            tls.log_failure(&peer, &failure);
            if let Some((tcp, text)) = closing {
                session::close(tcp, text).await;
            }
            Err(io::Error::other(failure))
        }))
    }

    /// Performs the handshake. A failure comes with the text for the client, if one can be sent.
    async fn accept(
        &self,
        tcp: TcpStream,
        deadline: Instant,
    ) -> Result<TlsConnection, (HandshakeFailure, Option<(TcpStream, String)>)> {
        let mut first = [0];
        match timeout_at(deadline, tcp.peek(&mut first)).await {
            Ok(Ok(1..)) if first[0] == HANDSHAKE_RECORD => {}
            // A client of the plain stream may also send nothing.
            Ok(Ok(1..)) | Err(_) => {
                let note = Note::Error(SafeText::new(NO_TLS_MESSAGE));
                return Err((HandshakeFailure::NotTls, Some((tcp, format!("{note}\n")))));
            }
            Ok(Ok(0) | Err(_)) => return Err((HandshakeFailure::Disconnected, None)),
        }
        match timeout_at(deadline, self.acceptor().accept(tcp).into_fallible()).await {
            Ok(Ok(stream)) => Ok(TlsConnection { stream, unflushed_bytes: 0 }),
            // Closing the connection at once could discard the alert.
            Ok(Err((error, tcp))) => Err((error.into(), Some((tcp, String::new())))),
            Err(_) => Err((HandshakeFailure::TimedOut, None)),
        }
    }
}

/// Stream whose writes are ready once the system has accepted all bytes. So the caller counts unsent
/// bytes and detects a stuck client, and at most one write is encrypted in advance.
struct TlsConnection {
    stream: TlsStream<TcpStream>,
    /// Bytes of a write that are encrypted but not yet accepted by the system.
    unflushed_bytes: usize,
}

impl TlsConnection {
    /// Returns whether the client presented a certificate. The handshake has verified it.
    fn has_certificate(&self) -> bool {
        self.stream.get_ref().1.peer_certificates().is_some_and(|chain| !chain.is_empty())
    }
}

impl AsyncRead for TlsConnection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, into)
    }
}

impl AsyncWrite for TlsConnection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.unflushed_bytes == 0 {
            self.unflushed_bytes = ready!(Pin::new(&mut self.stream).poll_write(cx, bytes))?;
        }
        // Otherwise `bytes` are those of the previous call, which was pending.
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        Poll::Ready(Ok(std::mem::take(&mut self.unflushed_bytes)))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
