//! Stream of a client, and the handshake that comes first.

use std::io;
use std::pin::Pin;

use tokio::io::{AsyncRead, AsyncWrite};

/// Stream of a client over any transport.
pub trait Connection: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Connection for S {}

/// Handshake with an accepted client. Resolves to the stream of the client.
pub type Handshake = Pin<Box<dyn Future<Output = io::Result<Box<dyn Connection>>> + Send>>;

/// Returns the stream of a client at once: without TLS there is no handshake.
pub fn without_handshake(stream: impl Connection + 'static) -> Handshake {
    Box::pin(async { Ok(Box::new(stream) as Box<dyn Connection>) })
}
