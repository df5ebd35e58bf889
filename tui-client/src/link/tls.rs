//! Transport over TLS 1.3. The server's certificate must be for the host and from a trusted CA.

mod reason;

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use loadline_common::{provider, read_authorities, read_identity};
use thiserror::Error;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::sign::SingleCertAndKey;
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

use super::tcp::TcpTransport;
pub(super) use reason::classify_error;

/// Files for TLS.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct TlsClientFiles {
    /// Trusted CAs; the system's if `None`.
    pub ca: Option<PathBuf>,
    /// Client certificate and key, for servers that require one.
    pub identity: Option<(PathBuf, PathBuf)>,
}

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

    /// Returns the transport to a host.
    pub(super) fn transport(&self, host: &str, port: u16) -> Result<TlsTransport, TlsClientError> {
        let config = if let Some(config) = self.config.get() {
            config.clone()
        } else {
            let config = Arc::new(build_config(&self.files)?);
            self.config.get_or_init(|| config).clone()
        };
        let tls = TlsConnector::from(config);
        Ok(TlsTransport { tcp: TcpTransport::new(host, port), host: host.to_owned(), tls })
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

/// Transport to one host and port over TLS.
pub(super) struct TlsTransport {
    tcp: TcpTransport,
    host: String,
    tls: TlsConnector,
}

impl TlsTransport {
    pub(super) async fn connect(&mut self) -> io::Result<TlsStream<TcpStream>> {
        // The scope of an address, as in `fe80::1%eth0`, is local and in no certificate.
        let name = self.host.split('%').next().unwrap_or_default();
        let name = ServerName::try_from(name.to_owned())
            .map_err(|_| io::Error::other("invalid host name for TLS"))?;
        let tcp = self.tcp.connect().await?;
        self.tls.connect(name, tcp).await
    }
}
