//! What a TCP port needs to speak TLS: 1.3, with the cryptography of ring, and nothing else.
//!
//! ```text
//!  files   a certificate, its key, CAs: read, and told in a line if they cannot be used
//!    ▼
//!  Tls     what new connections get; read anew while others go on
//!    ▼
//!  stream  a connection whose handshake is done by whoever uses it first
//!    │
//!  why     a handshake that failed, in words
//! ```

mod failure;
mod files;
mod stream;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use tokio_rustls::rustls::sign::SingleCertAndKey;
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{Error, ServerConfig};

use failure::HandshakeFailure;
pub use files::{TlsFileError, provider, read_authorities, read_identity};
pub(crate) use stream::TlsConnection;

use crate::tls_files::ServerTlsFiles;

/// One handshake that fails is told in so long a time; how many others did is told with it.
const FAILURE_LOG_INTERVAL: Duration = Duration::from_mins(1);

/// What TCP ports speak TLS with. Cheap to clone; all clones are the same one.
#[derive(Clone)]
pub struct ServerTls(Arc<TlsShared>);

struct TlsShared {
    files: ServerTlsFiles,
    /// What the next handshake begins with. Locked to take a copy, or to put another one there.
    acceptor: Mutex<TlsAcceptor>,
    /// What was told of failures. Sessions share it, so that a crowd of them does not fill the log.
    failure_log: Mutex<FailureLog>,
}

/// What was told of handshakes that failed.
#[derive(Debug, Default)]
struct FailureLog {
    last_logged: Option<Instant>,
    suppressed: u64,
}

impl ServerTls {
    /// TLS with what is in these files.
    ///
    /// # Errors
    /// One of them cannot be used; which one, why, and what to do.
    pub fn open(files: ServerTlsFiles) -> Result<ServerTls, TlsFileError> {
        let acceptor = Mutex::new(acceptor(&files)?);
        Ok(ServerTls(Arc::new(TlsShared { files, acceptor, failure_log: Mutex::default() })))
    }

    /// Reads the files anew, for connections that are still to come.
    ///
    /// # Errors
    /// One of them cannot be used. What there was before stays.
    pub fn reload(&self) -> Result<(), TlsFileError> {
        let read = acceptor(&self.0.files)?;
        *self.0.acceptor.lock().unwrap_or_else(PoisonError::into_inner) = read;
        Ok(())
    }

    /// Whether a client needs a certificate of its own.
    #[must_use]
    pub fn requires_client_certificates(&self) -> bool {
        self.0.files.client_ca.is_some()
    }

    fn acceptor(&self) -> TlsAcceptor {
        self.0.acceptor.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Says in the log that somebody could not come in.
    fn log_failure(&self, peer: &str, why: &HandshakeFailure) {
        let others = {
            let mut failure_log = self.0.failure_log.lock().unwrap_or_else(PoisonError::into_inner);
            failure_log.record(why, Instant::now())
        };
        match others {
            Some(0) => tracing::warn!(peer, %why, "no TLS with a client"),
            Some(others) => tracing::warn!(peer, %why, others, "no TLS with clients"),
            None => tracing::debug!(peer, %why, "no TLS with a client"),
        }
    }
}

impl FailureLog {
    /// How many were not told since the last one, if this one is to be.
    fn record(&mut self, why: &HandshakeFailure, now: Instant) -> Option<u64> {
        // Who only looks whether the port is open is nothing to look into.
        if *why == HandshakeFailure::Disconnected {
            return None;
        }
        if self.last_logged.is_some_and(|last| now - last < FAILURE_LOG_INTERVAL) {
            self.suppressed = self.suppressed.saturating_add(1);
            return None;
        }
        self.last_logged = Some(now);
        Some(std::mem::take(&mut self.suppressed))
    }
}

impl PartialEq for ServerTls {
    fn eq(&self, other: &ServerTls) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for ServerTls {}

impl fmt::Debug for ServerTls {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tls").field(&self.0.files).finish()
    }
}

fn acceptor(files: &ServerTlsFiles) -> Result<TlsAcceptor, TlsFileError> {
    let identity = read_identity(&files.cert, &files.key)?;
    let unusable = |why| TlsFileError::Unusable { path: files.cert.clone(), why };
    let config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .map_err(unusable)?;
    let config = match &files.client_ca {
        None => config.with_no_client_auth(),
        Some(path) => {
            let authorities = Arc::new(read_authorities(path)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(authorities, provider());
            let verifier = verifier.build().map_err(|error| TlsFileError::Unusable {
                path: path.clone(),
                why: Error::General(error.to_string()),
            })?;
            config.with_client_cert_verifier(verifier)
        }
    };
    let mut config = config.with_cert_resolver(Arc::new(SingleCertAndKey::from(identity)));
    // Each connection shows its certificate: one of a CA that is trusted no more does not come in
    // by an earlier session. Connections last for hours, so a handshake costs nothing.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_failure_a_minute_is_logged_with_the_number_suppressed() {
        let mut failure_log = FailureLog::default();
        let start = Instant::now();
        let mut record = |why: HandshakeFailure, seconds| {
            failure_log.record(&why, start + Duration::from_secs(seconds))
        };
        assert_eq!(record(HandshakeFailure::Disconnected, 0), None, "a probe");
        assert_eq!(record(HandshakeFailure::NotTls, 1), Some(0));
        assert_eq!(record(HandshakeFailure::NotTls, 2), None);
        assert_eq!(record(HandshakeFailure::TimedOut, 60), None);
        assert_eq!(record(HandshakeFailure::TimedOut, 61), Some(2));
        assert_eq!(record(HandshakeFailure::Disconnected, 200), None);
        assert_eq!(record(HandshakeFailure::TimedOut, 201), Some(0));
    }
}
