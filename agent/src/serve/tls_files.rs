//! Paths of the files for TLS.

use std::path::PathBuf;

/// Files for TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerTlsFiles {
    /// Certificate chain of the server.
    pub cert: PathBuf,
    /// Private key of the certificate.
    pub key: PathBuf,
    /// CAs of client certificates. `None` if clients need no certificate.
    pub client_ca: Option<PathBuf>,
}
