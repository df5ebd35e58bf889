//! Placeholders for a build without TLS.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::serve::tls_files::ServerTlsFiles;

/// Error: this build has no TLS.
#[derive(Debug, Error)]
#[error("built without TLS; rebuild with --features tls, or connect through ssh")]
pub struct TlsFileError;

/// **Invariant:** never constructed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerTls {}

impl ServerTls {
    /// Fails.
    ///
    /// # Errors
    /// Always: this build has no TLS.
    pub fn open(_files: ServerTlsFiles) -> Result<ServerTls, TlsFileError> {
        Err(TlsFileError)
    }

    /// Never called.
    ///
    /// # Errors
    /// None.
    pub fn reload(&self) -> Result<(), TlsFileError> {
        match *self {}
    }

    /// Never called.
    #[must_use]
    pub fn requires_client_certificates(&self) -> bool {
        match *self {}
    }
}

/// **Invariant:** never constructed.
#[derive(Debug)]
pub(crate) enum TlsConnection {}

impl TlsConnection {
    pub(crate) fn new(_tcp: TcpStream, tls: &ServerTls, _peer: String) -> TlsConnection {
        match *tls {}
    }
}

impl AsyncRead for TlsConnection {
    fn poll_read(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        _into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match *self {}
    }
}

impl AsyncWrite for TlsConnection {
    fn poll_write(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        _bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match *self {}
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match *self {}
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match *self {}
    }
}
