//! Clients: listeners, TLS, limits, and a session for each client.
//!
//! ```text
//!  connection  stream of a client, and the handshake that comes first
//!  origin      address or user that a client comes from
//!  places      places of clients, and who gives way when all are taken
//!  log_limit   limit on log lines that clients cause
//!    ▼
//!  session     one client: requests in, rows out
//!    ▼
//!  tls         encryption of TCP connections
//!  listen      addresses, listeners and accepted connections
//!  server      accepts clients of rows and metrics, limits their number, stops them
//! ```

pub(crate) mod connection;
pub(crate) mod listen;
pub(crate) mod log_limit;
pub(crate) mod origin;
pub(crate) mod places;
pub(crate) mod server;
pub(crate) mod session;
#[cfg(feature = "tls")]
pub(crate) mod tls;
#[cfg(not(feature = "tls"))]
#[path = "serve/tls/none.rs"]
pub(crate) mod tls;

use std::path::PathBuf;

/// Files for TLS.
#[derive(Debug, Clone)]
pub struct ServerTlsFiles {
    /// Certificate chain of the server.
    pub cert: PathBuf,
    /// Private key of the certificate.
    pub key: PathBuf,
    /// CAs of client certificates. `None` if clients need no certificate.
    pub client_ca: Option<PathBuf>,
}
