//! Reasons of failed handshakes, in words for the log.

use std::borrow::Cow;
use std::io;

use loadline_protocol::sanitize;
use thiserror::Error;
use tokio_rustls::rustls::{
    AlertDescription as Alert, CertificateError as Fault, Error, PeerIncompatible,
};

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

fn describe(error: &Error) -> Cow<'static, str> {
    Cow::Borrowed(match error {
        Error::NoCertificatesPresented => "no client certificate, required by --tls-client-ca",
        Error::InvalidCertificate(Fault::Expired | Fault::ExpiredContext { .. }) => {
            "the client's certificate has expired"
        }
        Error::InvalidCertificate(Fault::NotValidYet | Fault::NotValidYetContext { .. }) => {
            "the client's certificate is not valid yet"
        }
        Error::InvalidCertificate(Fault::UnknownIssuer) => {
            "the client's certificate was not issued by a CA in --tls-client-ca"
        }
        Error::InvalidCertificate(fault) => {
            return format!("the client's certificate is invalid: {fault}").into();
        }
        Error::AlertReceived(Alert::UnknownCA) => {
            "the client does not trust the CA of our certificate"
        }
        Error::AlertReceived(Alert::CertificateExpired) => {
            "the client says that our certificate has expired"
        }
        Error::AlertReceived(Alert::BadCertificate | Alert::CertificateUnknown) => {
            "the client rejects our certificate, possibly because of its name"
        }
        Error::AlertReceived(Alert::ProtocolVersion)
        | Error::PeerIncompatible(
            PeerIncompatible::SupportedVersionsExtensionRequired
            | PeerIncompatible::Tls12NotOffered
            | PeerIncompatible::Tls13RequiredForQuic,
        ) => "the client does not support TLS 1.3",
        Error::AlertReceived(alert) => {
            return format!("the client ended the handshake: {alert:?}").into();
        }
        Error::InvalidMessage(_) => "the client does not speak TLS",
        error => return error.to_string().into(),
    })
}
