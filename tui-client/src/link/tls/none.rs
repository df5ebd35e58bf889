//! Stub for a program that was built without TLS: any use is an error.

use std::convert::Infallible;
use std::io;
use std::path::PathBuf;

use thiserror::Error;
use tokio::net::TcpStream;

use super::disconnect::Disconnect;

/// Files for TLS.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct TlsClientFiles {
    /// Trusted CAs; the system's if `None`.
    pub ca: Option<PathBuf>,
    /// Client certificate and key, for servers that require one.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// Error of every use of TLS.
#[derive(Debug, Error)]
#[error("this program was built without TLS; build it with the feature `tls`, or connect over ssh")]
pub struct TlsClientError;

/// Empty TLS configuration.
#[derive(Debug)]
pub struct TlsClient;

impl TlsClient {
    /// Creates the stub; ignores the files.
    pub fn new(_files: TlsClientFiles) -> TlsClient {
        TlsClient
    }

    #[expect(clippy::unused_self, reason = "same signature as with TLS")]
    pub(super) fn transport(
        &self,
        _host: &str,
        _port: u16,
    ) -> Result<TlsTransport, TlsClientError> {
        Err(TlsClientError)
    }
}

/// **Invariant:** no value exists.
pub(super) struct TlsTransport(Infallible);

impl TlsTransport {
    #[expect(clippy::unused_async, reason = "same signature as with TLS")]
    pub(super) async fn connect(&mut self) -> io::Result<TcpStream> {
        match self.0 {}
    }
}

/// Returns `None`: no error can be a TLS error.
pub(super) fn classify_error(_error: &io::Error) -> Option<Disconnect> {
    None
}
