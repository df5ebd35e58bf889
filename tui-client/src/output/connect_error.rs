//! Error of a failed first connection.

use crate::source::PORT;

/// Returns the error of a failed first connection, with a hint. Messages of ssh need no hint.
pub(crate) fn connect_error(name: &str, reason: &str) -> String {
    let host = name.strip_suffix(&format!(":{PORT}")).filter(|host| !host.contains([':', '/']));
    // A host with several addresses has a reason for each.
    let is_unanswered = ["connection refused", "timed out"]
        .iter()
        .any(|it| reason.starts_with(it) || reason.ends_with(&format!(": {it}")));
    let hint = match (reason, host) {
        _ if is_unanswered => "; start loadline-agent there, or use loadline USER@HOST".to_owned(),
        _ if !reason.starts_with("failed to lookup address") || reason.contains("; ") => {
            String::new()
        }
        (_, Some(host)) => format!("; check the name, or write ./{host} for a file"),
        (_, None) => "; check the name".to_owned(),
    };
    format!("cannot connect to {name}: {reason}{hint}")
}
