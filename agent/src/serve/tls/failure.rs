//! Reasons of failed handshakes, in words for the log.

use std::fmt;
use std::io;

use loadline_protocol::sanitize;
use tokio_rustls::rustls::{AlertDescription, CertificateError, Error, PeerIncompatible};

use super::HANDSHAKE_TIMEOUT;
use loadline_common::without_error_number;

/// Failure of a handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum HandshakeFailure {
    /// The client disconnected before it sent a byte.
    Disconnected,
    /// The client does not use TLS, or waits for rows.
    NotTls,
    /// The handshake exceeded [`HANDSHAKE_TIMEOUT`].
    TimedOut,
    /// The handshake failed for this reason.
    Failed(String),
}

impl From<io::Error> for HandshakeFailure {
    fn from(error: io::Error) -> HandshakeFailure {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
        match inner {
            // The peer may have chosen a part of the text.
            Some(inner) => HandshakeFailure::Failed(sanitize(&describe(inner)).into_owned()),
            None if error.kind() == io::ErrorKind::UnexpectedEof => {
                HandshakeFailure::Failed("the client disconnected during the handshake".to_owned())
            }
            None => HandshakeFailure::Failed(without_error_number(&error.to_string())),
        }
    }
}

impl fmt::Display for HandshakeFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HandshakeFailure::Disconnected => f.write_str("the client disconnected at once"),
            HandshakeFailure::NotTls => f.write_str("the client does not speak TLS"),
            HandshakeFailure::TimedOut => {
                write!(f, "the handshake took longer than {} s", HANDSHAKE_TIMEOUT.as_secs())
            }
            HandshakeFailure::Failed(why) => f.write_str(why),
        }
    }
}

fn describe(error: &Error) -> String {
    match error {
        Error::NoCertificatesPresented => {
            "no client certificate, required by --tls-client-ca".to_owned()
        }
        Error::InvalidCertificate(fault) => {
            format!("the client's certificate {}", describe_certificate_error(fault))
        }
        Error::AlertReceived(alert) => format!("the client {}", describe_alert(*alert)),
        Error::InvalidMessage(_) => "the client does not speak TLS".to_owned(),
        Error::PeerIncompatible(
            PeerIncompatible::Tls12NotOffered
            | PeerIncompatible::Tls13RequiredForQuic
            | PeerIncompatible::SupportedVersionsExtensionRequired,
        ) => "the client does not support TLS 1.3".to_owned(),
        error => error.to_string(),
    }
}

fn describe_certificate_error(fault: &CertificateError) -> String {
    match fault {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "has expired".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "is not valid yet".to_owned()
        }
        CertificateError::UnknownIssuer => "was not issued by a CA in --tls-client-ca".to_owned(),
        fault => format!("is invalid: {fault}"),
    }
}

fn describe_alert(alert: AlertDescription) -> String {
    match alert {
        AlertDescription::UnknownCA => "does not trust the CA of our certificate".to_owned(),
        AlertDescription::CertificateExpired => "says that our certificate has expired".to_owned(),
        AlertDescription::BadCertificate | AlertDescription::CertificateUnknown => {
            "rejects our certificate, possibly because of its name".to_owned()
        }
        AlertDescription::ProtocolVersion => "does not support TLS 1.3".to_owned(),
        alert => format!("ended the handshake: {alert:?}"),
    }
}
