//! Test certificate authority that writes its certificates and keys to files.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};

/// Certificate authority (CA) with a temporary folder of its own.
pub(crate) struct Authority {
    folder: tempfile::TempDir,
    issuer: Issuer<'static, KeyPair>,
    /// Path of the CA certificate.
    pub(crate) ca: PathBuf,
}

/// Paths of a certificate and its private key.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) cert: PathBuf,
    pub(crate) key: PathBuf,
}

/// Validity period of a certificate, relative to now.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Validity {
    Now,
    Expired,
    NotYetValid,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Authority {
        let folder = tempfile::tempdir().unwrap();
        let mut params = params(name, &[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().unwrap();
        let ca = folder.path().join("ca.pem");
        fs::write(&ca, params.self_signed(&key).unwrap().pem()).unwrap();
        Authority { folder, issuer: Issuer::new(params, key), ca }
    }

    /// Signs a certificate for an agent on the loopback address.
    pub(crate) fn server(&self) -> Identity {
        self.sign("server", &["localhost", "127.0.0.1"], Validity::Now)
    }

    pub(crate) fn client(&self) -> Identity {
        self.sign("client", &["client"], Validity::Now)
    }

    /// Signs a certificate for `names` and writes it to `file`.pem, its key to `file`.key. Existing
    /// files are replaced.
    pub(crate) fn sign(&self, file: &str, names: &[&str], validity: Validity) -> Identity {
        let mut params = params(file, names);
        match validity {
            Validity::Now => {}
            Validity::Expired => params.not_after = date_time_ymd(2001, 1, 1),
            Validity::NotYetValid => params.not_before = date_time_ymd(3000, 1, 1),
        }
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let identity = Identity { cert: self.path(file, "pem"), key: self.path(file, "key") };
        fs::write(&identity.cert, certificate.pem()).unwrap();
        fs::write(&identity.key, key.serialize_pem()).unwrap();
        identity
    }

    fn path(&self, file: &str, extension: &str) -> PathBuf {
        Path::new(self.folder.path()).join(file).with_extension(extension)
    }
}

fn params(name: &str, names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(2000, 1, 1);
    params
}
