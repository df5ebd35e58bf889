//! Why there is no connection over TLS, in words that fit a header line.

use std::io;

use loadline_protocol::SafeText;
use tokio_rustls::rustls::{AlertDescription, CertificateError, Error, PeerIncompatible};

use crate::link::Disconnect;

/// Names of a certificate that are told; of more, the first ones are enough.
const NAMES_SHOWN: usize = 2;

/// Why a connection cannot be made or has ended, if that is for TLS to say. What the server does not
/// like about us it will not like another time.
pub(in crate::link) fn classify_error(error: &io::Error) -> Option<Disconnect> {
    let error = error.get_ref()?.downcast_ref::<Error>()?;
    let (reason, refused) = match error {
        Error::InvalidCertificate(fault) => (certificate_problem(fault), false),
        Error::AlertReceived(AlertDescription::ProtocolVersion)
        | Error::PeerIncompatible(
            PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
            | PeerIncompatible::SupportedVersionsExtensionRequired,
        ) => ("the server speaks no TLS 1.3".to_owned(), false),
        Error::AlertReceived(alert) => (alert_reason(*alert), true),
        Error::InvalidMessage(_) => {
            ("the server speaks no TLS; leave out tls://".to_owned(), false)
        }
        error => (format!("no TLS with the server: {error}"), false),
    };
    Some(Disconnect { reason: SafeText::new(&reason), refused })
}

/// What is wrong with the certificate of the server.
fn certificate_problem(fault: &CertificateError) -> String {
    use CertificateError::{
        Expired, ExpiredContext, NotValidForName, NotValidForNameContext, NotValidYet,
        NotValidYetContext, Other, UnknownIssuer,
    };
    let problem = match fault {
        Expired | ExpiredContext { .. } => "has expired",
        NotValidYet | NotValidYetContext { .. } => "is not valid yet; compare the clocks",
        UnknownIssuer => "is of an unknown issuer; give its CA by --tls-ca",
        NotValidForName => "is for another name",
        NotValidForNameContext { expected, presented } => {
            let names: Vec<_> =
                presented.iter().take(NAMES_SHOWN).map(|name| bare_name(name)).collect();
            let names = if names.is_empty() { "nobody".to_owned() } else { names.join(", ") };
            let more = if presented.len() > NAMES_SHOWN { ", ..." } else { "" };
            &format!("is not for {}, but for {names}{more}", expected.to_str())
        }
        Other(other) if other.to_string().contains("CaUsedAsEndEntity") => {
            "is that of a CA itself; have the CA make one for the server"
        }
        fault => &format!("cannot be used: {fault}"),
    };
    format!("the server's certificate {problem}")
}

/// A name without what the library writes around it, as in `DnsName("web-1")`.
fn bare_name(name: &str) -> &str {
    let inner = name.split_once('(').and_then(|(_, inner)| inner.strip_suffix(')'));
    inner.unwrap_or(name).trim_matches('"')
}

/// What the server says of us.
fn alert_reason(alert: AlertDescription) -> String {
    let reason = match alert {
        AlertDescription::CertificateRequired => {
            "a client certificate is wanted; give --tls-cert and --tls-key"
        }
        AlertDescription::UnknownCA => "our certificate is of a CA that the server does not know",
        AlertDescription::CertificateExpired => "our certificate has expired, or is not valid yet",
        AlertDescription::CertificateRevoked => "our certificate was revoked",
        AlertDescription::BadCertificate
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::AccessDenied => {
            &format!("our certificate is not what the server wants ({alert:?})")
        }
        AlertDescription::HandshakeFailure => "the server has no way of TLS in common with us",
        alert => &format!("the server ended TLS: {alert:?}"),
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
