//! Hints for a host whose name cannot be looked up.

use std::io;

use tokio::sync::OnceCell;

use super::ssh::{SshCommand, query_configuration};

/// Beginning of the standard library's error of a failed lookup.
const LOOKUP_FAILED: &str = "failed to lookup address";

/// Other ways to name the host that a word stands for.
#[derive(Debug)]
pub(super) struct LookupHints {
    ssh: SshCommand,
    /// Similar name in the configuration of loadline.
    pub(super) suggestion: Option<String>,
    /// Hint, once it was needed.
    hint: OnceCell<Option<String>>,
}

impl LookupHints {
    pub(super) fn new(ssh: SshCommand) -> LookupHints {
        LookupHints { ssh, suggestion: None, hint: OnceCell::new() }
    }

    /// Adds the hint to the error of a failed lookup.
    pub(super) async fn explain(&self, host: &str, error: io::Error) -> io::Error {
        let text = error.to_string();
        if !text.starts_with(LOOKUP_FAILED) {
            return error;
        }
        match self.hint.get_or_init(|| self.find_hint(host)).await {
            Some(hint) => io::Error::other(format!("{text}; {hint}")),
            None => error,
        }
    }

    async fn find_hint(&self, host: &str) -> Option<String> {
        let arguments = vec!["--".to_owned(), host.to_owned()];
        if is_configured(&query_configuration(&self.ssh, arguments).await, host) {
            return Some(format!("use ssh://{host}"));
        }
        self.suggestion.as_ref().map(|name| format!("did you mean {name}?"))
    }
}

/// Returns whether `configuration`, the output of `ssh -G`, leads to another name than `host`, or
/// through another host that may know the name.
fn is_configured(configuration: &str, host: &str) -> bool {
    configuration.lines().filter_map(|line| line.split_once(' ')).any(|(name, value)| match name {
        "hostname" => !value.eq_ignore_ascii_case(host),
        "proxyjump" | "proxycommand" => value != "none",
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_of_the_ssh_configuration_has_another_name_or_a_jump_host() {
        assert!(is_configured("host web-1\nuser me\nhostname 10.0.0.7\nport 22\n", "web-1"));
        assert!(is_configured("hostname web-1\nproxyjump bastion\n", "web-1"));
        assert!(is_configured("hostname web-1\nproxycommand nc %h %p\n", "web-1"));
        assert!(!is_configured("host web-1\nhostname web-1\nproxycommand none\n", "WEB-1"));
        assert!(!is_configured("", "web-1"));
    }
}
