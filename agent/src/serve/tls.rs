//! TLS of TCP ports: version 1.3 only, with the cryptography of ring.
//!
//! ```text
//!  ServerTls  the configuration of new connections; reloaded while others continue
//!    ▼
//!  stream     handshake and stream of a connection
//!    │
//!  failure    reasons of failed handshakes
//! ```

mod failure;
mod stream;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use loadline_common::{TlsFileError, provider, read_authorities, read_identity};
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use tokio_rustls::rustls::sign::SingleCertAndKey;
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{Error, ServerConfig};

use failure::HandshakeFailure;

use crate::serve::ServerTlsFiles;
use crate::serve::log_limit::LogLimit;

/// Handshake timeout from the accept on: 10 s, enough for three lost packets and a slow machine.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// TLS configuration of the TCP ports. Cheap to clone; clones share the configuration.
#[derive(Clone)]
pub struct ServerTls(Arc<TlsShared>);

struct TlsShared {
    files: ServerTlsFiles,
    /// Configuration of the next handshake. Locked only to copy or replace it.
    acceptor: Mutex<TlsAcceptor>,
    /// Shared by all sessions, so that many failures do not fill the log.
    failure_log: Mutex<LogLimit>,
}

impl ServerTls {
    /// Loads the configuration from files.
    pub fn open(files: ServerTlsFiles) -> Result<ServerTls, TlsFileError> {
        let acceptor = Mutex::new(acceptor(&files)?);
        Ok(ServerTls(Arc::new(TlsShared { files, acceptor, failure_log: Mutex::default() })))
    }

    /// Reloads the files, for new connections. After an error, the previous configuration stays.
    pub fn reload(&self) -> Result<(), TlsFileError> {
        let read = acceptor(&self.0.files)?;
        *self.0.acceptor.lock().unwrap_or_else(PoisonError::into_inner) = read;
        Ok(())
    }

    fn acceptor(&self) -> TlsAcceptor {
        self.0.acceptor.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Logs a failed handshake.
    fn log_failure(&self, peer: &str, why: &HandshakeFailure) {
        // A probe of an open port is not worth a line.
        let others = (*why != HandshakeFailure::Disconnected).then(|| {
            let mut log_limit = self.0.failure_log.lock().unwrap_or_else(PoisonError::into_inner);
            log_limit.record(Instant::now())
        });
        match others.flatten() {
            Some(0) => tracing::warn!(peer, %why, "TLS handshake failed"),
            Some(others) => tracing::warn!(peer, %why, others, "TLS handshakes failed"),
            None => tracing::debug!(peer, %why, "TLS handshake failed"),
        }
    }
}

impl fmt::Debug for ServerTls {
    /// Omits the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tls").field(&self.0.files).finish()
    }
}

fn acceptor(files: &ServerTlsFiles) -> Result<TlsAcceptor, TlsFileError> {
    let identity = read_identity(&files.cert, &files.key)?;
    let config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .map_err(|why| TlsFileError::Unusable(files.cert.clone(), why))?;
    let config = match &files.client_ca {
        None => config.with_no_client_auth(),
        Some(path) => {
            let authorities = Arc::new(read_authorities(path)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(authorities, provider());
            let verifier = verifier.build().map_err(|why| {
                TlsFileError::Unusable(path.clone(), Error::General(why.to_string()))
            })?;
            config.with_client_cert_verifier(verifier)
        }
    };
    let mut config = config.with_cert_resolver(Arc::new(SingleCertAndKey::from(identity)));
    // No session resumption: each connection must show its certificate, in case its CA is no longer
    // trusted. Connections last for hours, so the cost of a full handshake does not matter.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(TlsAcceptor::from(Arc::new(config)))
}
