//! Error of a failed first connection.

use crate::source::PORT;

/// Returns the error of a failed first connection, with a hint. Messages of ssh need no hint.
pub(crate) fn connect_error(name: &str, reason: &str) -> String {
    let host = name.strip_suffix(&format!(":{PORT}")).filter(|host| !host.contains([':', '/']));
    let hint = match (reason, host) {
        ("connection refused" | "timed out", _) => {
            "; start loadline-agent there, or use loadline USER@HOST".to_owned()
        }
        _ if !reason.starts_with("failed to lookup address") || reason.contains("; ") => {
            String::new()
        }
        (_, Some(host)) => format!("; check the name, or write ./{host} for a file"),
        (_, None) => "; check the name".to_owned(),
    };
    format!("cannot connect to {name}: {reason}{hint}")
}
