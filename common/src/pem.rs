//! Certificates and keys from PEM files.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;
use tokio_rustls::rustls;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{InconsistentKeys, RootCertStore};

use crate::files::read_file;

/// Size limit of a PEM file: 1 MiB, four times the CAs of a whole system.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Error in a PEM file.
#[derive(Debug, Error)]
pub enum TlsFileError {
    /// The file cannot be read.
    #[error("cannot read {}: {}; check the path and its permissions", .0.display(), .1)]
    Read(PathBuf, io::Error),
    /// The file has no certificate.
    #[error("no PEM certificate in {}; give the file that contains BEGIN CERTIFICATE", .0.display())]
    NoCertificate(PathBuf),
    /// The file has no key, or an encrypted one.
    #[error(
        "no PEM key in {}; give the file that contains BEGIN PRIVATE KEY, not encrypted",
        .0.display()
    )]
    NoKey(PathBuf),
    /// The certificate in the first file has another key than that in the second file.
    #[error(
        "the key in {} does not match the certificate in {}; give a certificate and its own key",
        .1.display(),
        .0.display()
    )]
    Mismatch(PathBuf, PathBuf),
    /// The certificate or key in the file is invalid or of an unsupported type.
    #[error("invalid certificate or key in {}: {}; create a new one", .0.display(), .1)]
    Unusable(PathBuf, rustls::Error),
}

/// Returns the cryptography provider of all TLS here.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// Reads a certificate chain and its key.
pub fn read_identity(cert: &Path, key: &Path) -> Result<CertifiedKey, TlsFileError> {
    let certificates = read_certificates(cert)?;
    let der = PrivateKeyDer::from_pem_slice(&read(key)?)
        .map_err(|_| TlsFileError::NoKey(key.to_owned()))?;
    let signing_key = provider().key_provider.load_private_key(der);
    let signing_key = signing_key.map_err(|why| TlsFileError::Unusable(key.to_owned(), why))?;
    let identity = CertifiedKey::new(certificates, signing_key);
    match identity.keys_match() {
        // The match cannot be checked for some types of keys.
        Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(identity),
        Err(rustls::Error::InconsistentKeys(_)) => {
            Err(TlsFileError::Mismatch(cert.to_owned(), key.to_owned()))
        }
        Err(why) => Err(TlsFileError::Unusable(cert.to_owned(), why)),
    }
}

/// Reads the CAs in a file.
pub fn read_authorities(path: &Path) -> Result<RootCertStore, TlsFileError> {
    let mut authorities = RootCertStore::empty();
    for certificate in read_certificates(path)? {
        let added = authorities.add(certificate);
        added.map_err(|why| TlsFileError::Unusable(path.to_owned(), why))?;
    }
    Ok(authorities)
}

fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsFileError> {
    let found = CertificateDer::pem_slice_iter(&read(path)?).collect::<Result<Vec<_>, _>>();
    let found = found.ok().filter(|found| !found.is_empty());
    found.ok_or_else(|| TlsFileError::NoCertificate(path.to_owned()))
}

fn read(path: &Path) -> Result<Vec<u8>, TlsFileError> {
    read_file(path, FILE_BYTES_MAX).map_err(|why| TlsFileError::Read(path.to_owned(), why))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    /// Returns a directory with a certificate and its key.
    fn certificate_files() -> (tempfile::TempDir, PathBuf, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let pair = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["web-1".to_owned()]).unwrap();
        let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
        fs::write(&cert, params.self_signed(&pair).unwrap().pem()).unwrap();
        fs::write(&key, pair.serialize_pem()).unwrap();
        (folder, cert, key)
    }

    fn check(cert: &Path, key: &Path, parts: &[&str]) {
        let error = read_identity(cert, key).unwrap_err().to_string();
        assert!(parts.iter().all(|part| error.contains(part)), "{error}");
        assert!(!error.contains('\n') && error.contains("; "), "{error}");
    }

    #[test]
    fn a_certificate_and_its_key_are_read_and_both_may_be_in_one_file() {
        let (folder, cert, key) = certificate_files();
        assert!(read_identity(&cert, &key).is_ok());
        let both = folder.path().join("both.pem");
        let text = [&key, &cert].map(|path| fs::read_to_string(path).unwrap()).concat();
        fs::write(&both, text).unwrap();
        assert!(read_identity(&both, &both).is_ok());
        assert_eq!(read_authorities(&both).unwrap().len(), 1);
    }

    #[test]
    fn file_errors_are_one_line() {
        let (folder, cert, key) = certificate_files();
        let (_other, _, other_key) = certificate_files();
        let at = |name: &str, text: &[u8]| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            path
        };
        let nowhere = folder.path().join("nowhere.pem");
        check(&nowhere, &key, &["cannot read", "nowhere.pem", "No such file"]);
        check(&cert, &nowhere, &["cannot read", "nowhere.pem", "No such file"]);
        check(folder.path(), &key, &["cannot read"]);
        for text in [&b""[..], b"hello\n", b"\xff\0", b"-----BEGIN CERTIFICATE-----\nMIIB\n"] {
            check(&at("c.pem", text), &key, &["no PEM certificate in", "c.pem"]);
            check(&cert, &at("k.pem", text), &["no PEM key in", "k.pem"]);
        }
        check(&key, &key, &["no PEM certificate in", "key.pem"]);
        check(&cert, &cert, &["no PEM key in", "cert.pem"]);
        check(&cert, &other_key, &["does not match", "cert.pem", "key.pem"]);
        let nonsense = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        check(&at("n.pem", nonsense.as_bytes()), &key, &["invalid certificate or key in", "n.pem"]);
        let nonsense = nonsense.replace("CERTIFICATE", "PRIVATE KEY");
        check(
            &cert,
            &at("n.pem", nonsense.as_bytes()),
            &["invalid certificate or key in", "n.pem"],
        );
        let large = at("large.pem", &vec![b'x'; FILE_BYTES_MAX as usize + 1]);
        check(&large, &key, &["cannot read", "large.pem: larger than 1024 KiB"]);
    }
}
