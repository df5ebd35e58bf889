//! Reasons of failed handshakes, in words for the log.

use std::borrow::Cow;
use std::io;

use loadline_protocol::sanitize;
use thiserror::Error;
use tokio_rustls::rustls::{self, AlertDescription, CertificateError, PeerIncompatible};

use super::HANDSHAKE_TIMEOUT;
use loadline_common::without_error_number;

/// Failure of a handshake.
#[derive(Debug, PartialEq, Eq, Error)]
pub(super) enum HandshakeFailure {
    /// The client sent no byte.
    #[error("the client disconnected at once")]
    Disconnected,
    /// The client does not use TLS, or waits for rows.
    #[error("the client does not speak TLS")]
    NotTls,
    #[error("the handshake took longer than {} s", HANDSHAKE_TIMEOUT.as_secs())]
    TimedOut,
    #[error("{0}")]
    Failed(String),
}

impl From<io::Error> for HandshakeFailure {
    fn from(error: io::Error) -> HandshakeFailure {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
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

fn describe(error: &rustls::Error) -> Cow<'static, str> {
    match error {
        rustls::Error::NoCertificatesPresented => {
            "no client certificate, required by --tls-client-ca".into()
        }
        rustls::Error::InvalidCertificate(fault) => {
            format!("the client's certificate {}", describe_certificate_error(fault)).into()
        }
        rustls::Error::AlertReceived(alert) => {
            format!("the client {}", describe_alert(*alert)).into()
        }
        rustls::Error::InvalidMessage(_) => "the client does not speak TLS".into(),
        rustls::Error::PeerIncompatible(
            PeerIncompatible::Tls12NotOffered
            | PeerIncompatible::Tls13RequiredForQuic
            | PeerIncompatible::SupportedVersionsExtensionRequired,
        ) => "the client does not support TLS 1.3".into(),
        error => error.to_string().into(),
    }
}

fn describe_certificate_error(fault: &CertificateError) -> Cow<'static, str> {
    use CertificateError::{Expired, ExpiredContext, NotValidYet, NotValidYetContext};
    match fault {
        Expired | ExpiredContext { .. } => "has expired".into(),
        NotValidYet | NotValidYetContext { .. } => "is not valid yet".into(),
        CertificateError::UnknownIssuer => "was not issued by a CA in --tls-client-ca".into(),
        fault => format!("is invalid: {fault}").into(),
    }
}

fn describe_alert(alert: AlertDescription) -> Cow<'static, str> {
    use AlertDescription::{BadCertificate, CertificateExpired, CertificateUnknown};
    match alert {
        AlertDescription::UnknownCA => "does not trust the CA of our certificate".into(),
        CertificateExpired => "says that our certificate has expired".into(),
        BadCertificate | CertificateUnknown => {
            "rejects our certificate, possibly because of its name".into()
        }
        AlertDescription::ProtocolVersion => "does not support TLS 1.3".into(),
        alert => format!("ended the handshake: {alert:?}").into(),
    }
}
