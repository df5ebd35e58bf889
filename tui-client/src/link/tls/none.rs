//! Stub for a program that was built without TLS: any use is an error.

use std::convert::Infallible;
use std::io;

use thiserror::Error;
use tokio::net::TcpStream;

use super::disconnect::Disconnect;
use super::options::TlsClientFiles;
use super::tcp::TcpTransport;
use crate::source::Address;

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
    pub(super) fn transport(&self, _address: &Address) -> Result<TlsTransport, TlsClientError> {
        Err(TlsClientError)
    }
}

/// Transport of which no value exists.
pub(super) struct TlsTransport {
    pub(super) tcp: TcpTransport,
    never: Infallible,
}

impl TlsTransport {
    #[expect(clippy::unused_async, reason = "same signature as with TLS")]
    pub(super) async fn connect(&mut self) -> io::Result<TcpStream> {
        match self.never {}
    }
}

/// Returns `None`: no error can be a TLS error.
pub(super) fn classify_error(_error: &io::Error) -> Option<Disconnect> {
    None
}
