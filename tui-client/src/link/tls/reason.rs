//! Reasons of TLS failures, in words that fit a header line.

use std::io;

use loadline_protocol::SafeText;
use tokio_rustls::rustls::{AlertDescription, CertificateError, Error, PeerIncompatible};

use crate::link::disconnect::Disconnect;

/// Maximum number of a certificate's names in a reason; the first names are enough.
const NAMES_SHOWN: usize = 2;

/// Returns why TLS failed, if `error` comes from TLS. An alert about this client is a refusal:
/// another attempt would fail the same way.
pub(in crate::link) fn classify_error(error: &io::Error) -> Option<Disconnect> {
    let error = error.get_ref()?.downcast_ref::<Error>()?;
    let (reason, refused) = match error {
        Error::InvalidCertificate(fault) => (certificate_problem(fault), false),
        Error::AlertReceived(AlertDescription::ProtocolVersion)
        | Error::PeerIncompatible(
            PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
            | PeerIncompatible::SupportedVersionsExtensionRequired,
        ) => ("the server does not support TLS 1.3".to_owned(), false),
        Error::AlertReceived(alert) => (alert_reason(*alert), true),
        Error::InvalidMessage(_) => {
            ("the server does not speak TLS; remove tls://".to_owned(), false)
        }
        error => (format!("TLS error: {error}"), false),
    };
    Some(Disconnect { reason: SafeText::new(&reason), refused })
}

/// Describes the problem of the server's certificate.
fn certificate_problem(fault: &CertificateError) -> String {
    use CertificateError::{
        Expired, ExpiredContext, NotValidForName, NotValidForNameContext, NotValidYet,
        NotValidYetContext, Other, UnknownIssuer,
    };
    let problem = match fault {
        Expired | ExpiredContext { .. } => "has expired",
        NotValidYet | NotValidYetContext { .. } => "is not valid yet; compare the clocks",
        UnknownIssuer => "has an unknown issuer; give its CA with --tls-ca",
        NotValidForName => "is for another name",
        NotValidForNameContext { presented, .. } if presented.is_empty() => "names no host",
        NotValidForNameContext { expected, presented } => {
            let names: Vec<_> =
                presented.iter().take(NAMES_SHOWN).map(|name| bare_name(name)).collect();
            let more = if presented.len() > NAMES_SHOWN { ", ..." } else { "" };
            let names = names.join(", ");
            &format!("is not valid for {}, only for {names}{more}", expected.to_str())
        }
        Other(other) if other.to_string().contains("CaUsedAsEndEntity") => {
            "is a CA certificate; issue a server certificate with it"
        }
        fault => &format!("is unusable: {fault}"),
    };
    format!("the server's certificate {problem}")
}

/// Strips what the library writes around a name, as in `DnsName("web-1")`.
fn bare_name(name: &str) -> &str {
    let inner = name.split_once('(').and_then(|(_, inner)| inner.strip_suffix(')'));
    inner.unwrap_or(name).trim_matches('"')
}

/// Describes an alert of the server about this client.
fn alert_reason(alert: AlertDescription) -> String {
    let reason = match alert {
        AlertDescription::CertificateRequired => {
            "a client certificate is required; give --tls-cert and --tls-key"
        }
        AlertDescription::UnknownCA => "the server does not know the CA of the client certificate",
        AlertDescription::CertificateExpired => {
            "the client certificate has expired or is not valid yet"
        }
        AlertDescription::CertificateRevoked => "the client certificate was revoked",
        AlertDescription::BadCertificate
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::AccessDenied => {
            &format!("the server does not accept the client certificate ({alert:?})")
        }
        AlertDescription::HandshakeFailure => {
            "no TLS cipher or algorithm in common with the server"
        }
        alert => &format!("TLS alert from the server: {alert:?}"),
    };
    reason.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alert_refuses_the_client_and_a_bad_server_certificate_does_not() {
        let of = |error: Error| {
            classify_error(&io::Error::new(io::ErrorKind::InvalidData, error)).unwrap()
        };
        let wanted = of(Error::AlertReceived(AlertDescription::CertificateRequired));
        assert!(wanted.refused && wanted.reason.as_str().ends_with("--tls-cert and --tls-key"));
        let expired = of(Error::InvalidCertificate(CertificateError::Expired));
        assert!(!expired.refused);
        assert_eq!(expired.reason.as_str(), "the server's certificate has expired");
        assert_eq!(classify_error(&io::ErrorKind::ConnectionRefused.into()), None);
        assert_eq!(classify_error(&io::Error::other("else")), None);
    }

    #[test]
    fn names_of_a_certificate_are_shown_bare() {
        assert_eq!(bare_name("DnsName(\"web-1\")"), "web-1");
        assert_eq!(bare_name("IpAddress(127.0.0.1)"), "127.0.0.1");
        assert_eq!(bare_name("web-1"), "web-1");
    }
}
