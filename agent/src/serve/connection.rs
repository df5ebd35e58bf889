//! Stream of a client, and the handshake that comes first.

use std::io;
use std::pin::Pin;

use tokio::io::{AsyncRead, AsyncWrite};

/// Stream of a client over any transport.
pub trait Connection: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Connection for S {}

/// Handshake with an accepted client.
pub enum Handshake {
    /// Plaintext: the stream is ready.
    Done(Box<dyn Connection>),
    /// TLS: resolves to the stream, and to true if the client presented a valid certificate.
    Pending(PendingHandshake),
}

/// Future of a handshake.
pub type PendingHandshake = Pin<Box<dyn Future<Output = HandshakeResult> + Send>>;

/// Stream of a client, and true if the client presented a valid certificate.
pub(crate) type HandshakeResult = io::Result<(Box<dyn Connection>, bool)>;

/// Returns the stream of a client at once: without TLS there is no handshake.
pub fn without_handshake(stream: impl Connection + 'static) -> Handshake {
    Handshake::Done(Box::new(stream))
}
