//! What there is of TLS in a program that was built without it: a word that there is none.

use std::convert::Infallible;
use std::io;
use std::path::PathBuf;

use thiserror::Error;
use tokio::net::TcpStream;

use super::Disconnect;

/// The files for TLS.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsClientFiles {
    /// The CAs that are trusted; those of the system if `None`.
    pub ca: Option<PathBuf>,
    /// Our own certificate and its key, if a server may want one.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// Why there is no TLS.
#[derive(Debug, Error)]
#[error("this program was built without TLS; build it with its feature `tls`, or go by ssh")]
pub struct TlsClientError;

/// What TLS would be spoken with.
#[derive(Debug)]
pub struct TlsClient;

impl TlsClient {
    /// Looks at nothing.
    #[must_use]
    pub fn new(_files: TlsClientFiles) -> TlsClient {
        TlsClient
    }

    #[expect(clippy::unused_self, reason = "as where there is TLS")]
    pub(super) fn transport(
        &self,
        _host: &str,
        _port: u16,
    ) -> Result<TlsTransport, TlsClientError> {
        Err(TlsClientError)
    }
}

/// **Invariant:** there is none.
pub(super) struct TlsTransport(Infallible);

impl TlsTransport {
    #[expect(clippy::unused_async, reason = "as where there is TLS")]
    pub(super) async fn connect(&mut self) -> io::Result<TcpStream> {
        match self.0 {}
    }
}

/// No error is one of TLS.
pub(super) fn classify_error(_error: &io::Error) -> Option<Disconnect> {
    None
}
