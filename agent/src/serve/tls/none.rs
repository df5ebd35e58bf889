//! Placeholder for a build without TLS.

use tokio::net::TcpStream;

use crate::serve::ServerTlsFiles;
use crate::serve::connection::Handshake;

/// **Invariant:** never constructed.
#[derive(Debug, Clone)]
pub enum ServerTls {}

impl ServerTls {
    /// Fails: this build has no TLS.
    pub fn open(_files: ServerTlsFiles) -> anyhow::Result<ServerTls> {
        anyhow::bail!("built without TLS; rebuild with --features tls, or connect through ssh")
    }

    /// Never called.
    pub fn reload(&self) -> anyhow::Result<()> {
        match *self {}
    }

    /// Never called.
    pub(crate) fn handshake(&self, _tcp: TcpStream, _peer: String) -> Handshake {
        match *self {}
    }
}
