//! What TLS is spoken with, by name.

use std::path::PathBuf;

/// The files that TLS needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerTlsFiles {
    /// The certificate of the server, and those that lead to its CA.
    pub cert: PathBuf,
    /// The key of the certificate.
    pub key: PathBuf,
    /// The CAs of which clients need a certificate, if they need one.
    pub client_ca: Option<PathBuf>,
}
