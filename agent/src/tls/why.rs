//! Why a handshake failed, in words for the log.

use std::fmt;
use std::io;

use loadline_protocol::sanitize;
use tokio_rustls::rustls::{AlertDescription, CertificateError, Error, PeerIncompatible};

use super::stream::HANDSHAKE_MAX;

/// Why there is no TLS with a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Why {
    /// It left before it said anything.
    Left,
    /// It says something that is no TLS, or waits for rows.
    Plain,
    /// It took too long.
    Slow,
    /// The two of them could not agree, and this is why.
    Failed(String),
}

impl From<io::Error> for Why {
    fn from(error: io::Error) -> Why {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
        match inner {
            // Some of it may be of the other side's making.
            Some(inner) => Why::Failed(sanitize(&words(inner)).into_owned()),
            None if error.kind() == io::ErrorKind::UnexpectedEof => {
                Why::Failed("it left during the handshake".to_owned())
            }
            None => Why::Failed(error.to_string()),
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::Left => f.write_str("it left at once"),
            Why::Plain => f.write_str("it speaks no TLS"),
            Why::Slow => {
                write!(f, "its handshake takes longer than {} s", HANDSHAKE_MAX.as_secs())
            }
            Why::Failed(why) => f.write_str(why),
        }
    }
}

fn words(error: &Error) -> String {
    match error {
        Error::NoCertificatesPresented => {
            "it has no client certificate, and --tls-client-ca asks for one".to_owned()
        }
        Error::InvalidCertificate(fault) => format!("its certificate {}", refused(fault)),
        Error::AlertReceived(alert) => format!("it {}", alerted(*alert)),
        Error::InvalidMessage(_) => "it speaks no TLS".to_owned(),
        Error::PeerIncompatible(
            PeerIncompatible::Tls12NotOffered
            | PeerIncompatible::Tls13RequiredForQuic
            | PeerIncompatible::SupportedVersionsExtensionRequired,
        ) => "it speaks no TLS 1.3".to_owned(),
        error => error.to_string(),
    }
}

fn refused(fault: &CertificateError) -> String {
    match fault {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "has expired".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "is not valid yet".to_owned()
        }
        CertificateError::UnknownIssuer => "is of no CA in --tls-client-ca".to_owned(),
        fault => format!("cannot be used: {fault}"),
    }
}

fn alerted(alert: AlertDescription) -> String {
    match alert {
        AlertDescription::UnknownCA => "does not know the CA of our certificate".to_owned(),
        AlertDescription::CertificateExpired => {
            "says that our certificate is out of date".to_owned()
        }
        AlertDescription::BadCertificate | AlertDescription::CertificateUnknown => {
            "does not take our certificate; it may be for another name".to_owned()
        }
        AlertDescription::ProtocolVersion => "speaks no TLS 1.3".to_owned(),
        alert => format!("ended the handshake: {alert:?}"),
    }
}
