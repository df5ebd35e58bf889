//! Clients: listeners, TLS, limits, and a session for each client.
//!
//! ```text
//!  session    one client: requests in, rows out
//!    │ bytes
//!    ▼
//!  tls_files  paths of certificate, key and client CA
//!  tls        encryption of TCP connections
//!  listen     addresses, listeners and accepted connections
//!  server     accepts clients of rows and metrics, limits their number, stops them
//! ```

pub(crate) mod listen;
pub(crate) mod server;
pub(crate) mod session;
#[cfg(feature = "tls")]
pub(crate) mod tls;
#[cfg(not(feature = "tls"))]
#[path = "serve/tls/none.rs"]
pub(crate) mod tls;
pub(crate) mod tls_files;
