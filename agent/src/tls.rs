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

mod files;
mod stream;
mod why;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use tokio_rustls::rustls::sign::SingleCertAndKey;
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{Error, ServerConfig};

pub use files::{TlsError, provider, read_authorities, read_identity};
pub(crate) use stream::Stream;
use why::Why;

use crate::tls_files::TlsFiles;

/// One handshake that fails is told in so long a time; how many others did is told with it.
const TOLD_EVERY: Duration = Duration::from_mins(1);

/// What TCP ports speak TLS with. Cheap to clone; all clones are the same one.
#[derive(Clone)]
pub struct Tls(Arc<Shared>);

struct Shared {
    files: TlsFiles,
    /// What the next handshake begins with. Locked to take a copy, or to put another one there.
    acceptor: Mutex<TlsAcceptor>,
    /// What was told of failures. Sessions share it, so that a crowd of them does not fill the log.
    told: Mutex<Told>,
}

/// What was told of handshakes that failed.
#[derive(Debug, Default)]
struct Told {
    last: Option<Instant>,
    untold: u64,
}

impl Tls {
    /// TLS with what is in these files.
    ///
    /// # Errors
    /// One of them cannot be used; which one, why, and what to do.
    pub fn open(files: TlsFiles) -> Result<Tls, TlsError> {
        let acceptor = Mutex::new(acceptor(&files)?);
        Ok(Tls(Arc::new(Shared { files, acceptor, told: Mutex::default() })))
    }

    /// Reads the files anew, for connections that are still to come.
    ///
    /// # Errors
    /// One of them cannot be used. What there was before stays.
    pub fn reload(&self) -> Result<(), TlsError> {
        let read = acceptor(&self.0.files)?;
        *self.0.acceptor.lock().unwrap_or_else(PoisonError::into_inner) = read;
        Ok(())
    }

    /// Whether a client needs a certificate of its own.
    #[must_use]
    pub fn asks_for_certificates(&self) -> bool {
        self.0.files.client_ca.is_some()
    }

    fn acceptor(&self) -> TlsAcceptor {
        self.0.acceptor.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Says in the log that somebody could not come in.
    fn complain(&self, peer: &str, why: &Why) {
        let others = {
            let mut told = self.0.told.lock().unwrap_or_else(PoisonError::into_inner);
            told.is_due(why, Instant::now())
        };
        match others {
            Some(0) => tracing::warn!(peer, %why, "no TLS with a client"),
            Some(others) => tracing::warn!(peer, %why, others, "no TLS with clients"),
            None => tracing::debug!(peer, %why, "no TLS with a client"),
        }
    }
}

impl Told {
    /// How many were not told since the last one, if this one is to be.
    fn is_due(&mut self, why: &Why, now: Instant) -> Option<u64> {
        // Who only looks whether the port is open is nothing to look into.
        if *why == Why::Left {
            return None;
        }
        if self.last.is_some_and(|last| now - last < TOLD_EVERY) {
            self.untold = self.untold.saturating_add(1);
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.untold))
    }
}

impl PartialEq for Tls {
    fn eq(&self, other: &Tls) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Tls {}

impl fmt::Debug for Tls {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tls").field(&self.0.files).finish()
    }
}

fn acceptor(files: &TlsFiles) -> Result<TlsAcceptor, TlsError> {
    let identity = read_identity(&files.cert, &files.key)?;
    let unusable = |why| TlsError::Unusable { path: files.cert.clone(), why };
    let config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .map_err(unusable)?;
    let config = match &files.client_ca {
        None => config.with_no_client_auth(),
        Some(path) => {
            let authorities = Arc::new(read_authorities(path)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(authorities, provider());
            let verifier = verifier.build().map_err(|error| TlsError::Unusable {
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
    fn one_failure_a_minute_is_told_and_how_many_others_there_were() {
        let mut told = Told::default();
        let start = Instant::now();
        let mut due = |why: Why, seconds| told.is_due(&why, start + Duration::from_secs(seconds));
        assert_eq!(due(Why::Left, 0), None, "a probe");
        assert_eq!(due(Why::Plain, 1), Some(0));
        assert_eq!(due(Why::Plain, 2), None);
        assert_eq!(due(Why::Slow, 60), None);
        assert_eq!(due(Why::Slow, 61), Some(2));
        assert_eq!(due(Why::Left, 200), None);
        assert_eq!(due(Why::Slow, 201), Some(0));
    }
}
