//! Placeholders for a build without TLS.

use thiserror::Error;
use tokio::net::TcpStream;

use crate::serve::listen::Handshake;
use crate::serve::tls_files::ServerTlsFiles;

/// Error: this build has no TLS.
#[derive(Debug, Error)]
#[error("built without TLS; rebuild with --features tls, or connect through ssh")]
pub struct TlsFileError;

/// **Invariant:** never constructed.
#[derive(Debug, Clone)]
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
    pub fn requires_client_certificates(&self) -> bool {
        match *self {}
    }

    pub(crate) fn handshake(&self, _tcp: TcpStream, _peer: String) -> Handshake {
        match *self {}
    }
}
