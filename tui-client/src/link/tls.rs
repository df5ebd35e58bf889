//! Transport over TLS 1.3. The server's certificate must be for the host and from a trusted CA.

mod reason;

use std::io;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use loadline_common::{provider, read_authorities, read_file, read_identity};
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::sign::SingleCertAndKey;
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

use super::options::TlsClientFiles;
use super::tcp::TcpTransport;
use crate::source::Address;
pub(super) use reason::classify_error;

/// Size limit of the CAs of the system: 4 MiB, sixteen times their usual size.
const AUTHORITIES_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Error of setting up TLS.
#[derive(Debug, Error)]
pub enum TlsClientError {
    /// A file cannot be used.
    #[error(transparent)]
    File(#[from] loadline_common::TlsFileError),
    /// No CA is trusted.
    #[error("no trusted CAs found on this system{0}; give one with --tls-ca FILE")]
    NoAuthorities(String),
    /// The TLS library rejects the configuration.
    #[error("cannot set up TLS: {0}")]
    Unusable(#[from] rustls::Error),
}

/// TLS configuration, loaded once, when the first source needs it.
#[derive(Debug)]
pub struct TlsClient {
    files: TlsClientFiles,
    config: OnceLock<Arc<ClientConfig>>,
}

impl TlsClient {
    /// Creates a client; the files are read later.
    pub fn new(files: TlsClientFiles) -> TlsClient {
        TlsClient { files, config: OnceLock::new() }
    }

    pub(super) fn transport(&self, address: &Address) -> Result<TlsTransport, TlsClientError> {
        let config = if let Some(config) = self.config.get() {
            config.clone()
        } else {
            let config = Arc::new(build_config(&self.files)?);
            self.config.get_or_init(|| config).clone()
        };
        Ok(TlsTransport { tcp: TcpTransport::new(address.clone()), tls: config.into() })
    }
}

fn build_config(files: &TlsClientFiles) -> Result<ClientConfig, TlsClientError> {
    let authorities = match &files.ca {
        Some(path) => read_authorities(path)?,
        None => system_authorities()?,
    };
    let config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])?
        .with_root_certificates(authorities);
    let mut config = match &files.identity {
        None => config.with_no_client_auth(),
        Some((cert, key)) => {
            let identity = read_identity(cert, key)?;
            config.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity)))
        }
    };
    // Every connection verifies the server's certificate.
    config.resumption = Resumption::disabled();
    Ok(config)
}

fn system_authorities() -> Result<RootCertStore, TlsClientError> {
    if let Some(path) = std::env::var_os("SSL_CERT_FILE") {
        check_authorities(Path::new(&path))?;
    }
    let found = rustls_native_certs::load_native_certs();
    let mut authorities = RootCertStore::empty();
    // Some system certificates cannot be parsed; the others suffice.
    authorities.add_parsable_certificates(found.certs);
    if authorities.is_empty() {
        let why = found.errors.first().map_or_else(String::new, |error| format!(": {error}"));
        return Err(TlsClientError::NoAuthorities(why));
    }
    Ok(authorities)
}

/// Checks that a file of CAs can be read: the library would wait for a pipe, and read an endless device.
fn check_authorities(path: &Path) -> Result<(), TlsClientError> {
    match read_file(path, AUTHORITIES_BYTES_MAX) {
        // There may be a folder of CAs instead.
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            let path = path.display();
            Err(TlsClientError::NoAuthorities(format!(": SSL_CERT_FILE is {path}: {error}")))
        }
        _ => Ok(()),
    }
}

/// Handshake timeout while the host has another address: 4 s. One of a cluster may accept connections and
/// never answer.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(4);

/// Transport to one host and port over TLS.
pub(super) struct TlsTransport {
    pub(super) tcp: TcpTransport,
    tls: TlsConnector,
}

impl TlsTransport {
    /// Connects to an address with a valid certificate. Addresses are raced for TCP alone, so that a slow server
    /// does not see handshakes that are dropped; after a failed handshake, the next address is tried.
    pub(super) async fn connect(&mut self) -> io::Result<TlsStream<TcpStream>> {
        // The scope of an address, as in `fe80::1%eth0`, is local and in no certificate.
        let name = self.tcp.address.host.split('%').next().unwrap_or_default();
        let name = ServerName::try_from(name.to_owned())
            .map_err(|_| io::Error::other("invalid host name for TLS"))?;
        let mut tcp = self.tcp.connect().await?;
        loop {
            let limit = if self.tcp.has_another() { HANDSHAKE_TIMEOUT } else { Duration::MAX };
            let made = timeout(limit, self.tls.connect(name.clone(), tcp)).await;
            match made.map_err(io::Error::from).flatten() {
                Ok(stream) => return Ok(stream),
                Err(error) if self.tcp.is_only_address() => return Err(error),
                Err(error) => {
                    self.tcp.reject(&error);
                    tcp = self.tcp.connect_to_another().await?;
                }
            }
        }
    }
}
