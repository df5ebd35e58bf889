//! Reasons why ssh ended.

use std::process::ExitStatus;

use super::agent_failure::AgentFailure;
use super::login_text::to_reason;
use crate::link::logins::Login;

/// Exit code of ssh for its own errors.
const SSH_FAILED: i32 = 255;

/// Words after a password that the server refused.
const TRY_AGAIN: &str = "Permission denied, please try again.";

/// Beginnings of ssh's lines that only say that the connection has ended.
const CLOSED: [&str; 4] =
    ["Connection closed by ", "Connection reset by ", "Disconnected from ", "Connection to "];

/// End of ssh, with its last words.
#[derive(Debug, Default)]
pub(super) struct SshExit {
    /// `None` if ssh did not exit.
    pub(super) status: Option<ExitStatus>,
    /// Text of the login on standard output, if no row came.
    pub(super) text: String,
    /// Last lines of standard error.
    pub(super) errors: Vec<String>,
}

impl SshExit {
    fn code(&self) -> Option<i32> {
        self.status.and_then(|status| status.code())
    }

    /// Returns why the server cannot run the agent, if its shell says so.
    pub(super) fn agent_failure(&self, agent: &str) -> Option<AgentFailure> {
        let code = self.code().filter(|code| *code != 0)?;
        if self.errors.is_empty() && !self.text.is_empty() {
            return None;
        }
        let failure = AgentFailure::detect(code, &self.errors, agent)?;
        // The other words may be those of ssh itself.
        (code != SSH_FAILED || failure == AgentFailure::NoLoader).then_some(failure)
    }

    pub(super) fn login(&self) -> Login {
        let denied = |line: &&String| {
            line.contains("Permission denied (")
                || line.contains("Too many authentication failures")
                || *line == TRY_AGAIN
        };
        let Some(denial) = self.errors.iter().rfind(denied) else {
            let is_of_server = self.code().is_some_and(|code| code != SSH_FAILED);
            return if is_of_server { Login::Accepted } else { Login::Unknown };
        };
        let methods = denial.split_once("Permission denied (").map(|(_, methods)| methods);
        let asks = |methods: &str| ["password", "keyboard-"].iter().any(|it| methods.contains(it));
        let refused = self.errors.iter().filter(|line| *line == TRY_AGAIN).count();
        Login::Denied { attempts: 1 + refused as u32, asks: methods.is_none_or(asks) }
    }

    /// Returns why ssh ended, in words that fit a header line.
    pub(super) fn reason(&self) -> String {
        let is_closed = |line: &str| CLOSED.iter().any(|start| line.starts_with(start));
        let errors: Vec<&str> = self.errors.iter().map(String::as_str).collect();
        if self.code() != Some(SSH_FAILED) {
            let words = to_reason(self.text.lines().chain(errors));
            return if words.is_empty() { self.reason_without_words() } else { words };
        }
        match errors.split_last() {
            // A server may say why in front of that.
            Some((last, before)) if is_closed(last) && !before.is_empty() => {
                format!("{} ({})", to_reason(before.iter().copied()), last)
            }
            Some((last, _)) => to_reason([*last]),
            None => self.reason_without_words(),
        }
    }

    fn reason_without_words(&self) -> String {
        match self.status.map(|status| status.code()) {
            Some(Some(0)) => "closed by the server".to_owned(),
            Some(Some(code)) => format!("ssh exited with code {code}"),
            Some(None) => "ssh was killed by a signal".to_owned(),
            None => "no row from the server".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;

    fn exit(code: i32, text: &str, errors: &[&str]) -> SshExit {
        let errors = errors.iter().map(ToString::to_string).collect();
        SshExit { status: Some(ExitStatus::from_raw(code << 8)), text: text.to_owned(), errors }
    }

    fn reason(code: i32, text: &str, errors: &[&str]) -> String {
        exit(code, text, errors).reason()
    }

    #[test]
    fn the_reason_is_the_sentence_of_the_login() {
        let ubuntu = "Please login as the user \"ubuntu\" rather than the user \"root\".\n\n";
        assert_eq!(
            reason(142, ubuntu, &[]),
            "Please login as the user \"ubuntu\" rather than the user \"root\""
        );
        assert_eq!(
            reason(1, "This account is currently not available.\n", &["Authorized use only"]),
            "This account is currently not available. Authorized use only"
        );
        let expired = [
            "WARNING: Your password has expired.",
            "You must change your password now and login again!",
            "Password change required but no TTY available.",
        ];
        assert_eq!(
            reason(1, "", &expired),
            "WARNING: Your password has expired. You must change your password now and login again! \
             Password change required but no TTY available"
        );
        assert_eq!(
            reason(255, "", &["System is going down.", "Connection closed by 10.0.0.7 port 22"]),
            "System is going down (Connection closed by 10.0.0.7 port 22)"
        );
    }

    #[test]
    fn the_reason_is_the_last_line_of_ssh_or_its_exit_code() {
        assert_eq!(
            reason(255, "", &["Authorized use only", "me@web-1: Permission denied (publickey)."]),
            "me@web-1: Permission denied (publickey)"
        );
        let closed = "Connection closed by 10.0.0.7 port 22";
        assert_eq!(reason(255, "", &[closed]), closed);
        assert_eq!(reason(255, "", &[]), "ssh exited with code 255");
        assert_eq!(reason(0, "", &[]), "closed by the server");
        let killed = SshExit { status: Some(ExitStatus::from_raw(9)), ..SshExit::default() };
        assert_eq!(killed.reason(), "ssh was killed by a signal");
        assert_eq!(SshExit::default().reason(), "no row from the server");
    }

    #[test]
    fn a_denied_login_says_whether_the_server_would_ask() {
        let denied = |attempts, asks| Login::Denied { attempts, asks };
        for (expected, errors) in [
            (denied(1, false), &["me@web-1: Permission denied (publickey,gssapi-with-mic)."][..]),
            (denied(1, true), &["me@web-1: Permission denied (publickey,password)."]),
            (denied(1, true), &["me@web-1: Permission denied (keyboard-interactive)."]),
            (denied(3, true), &[TRY_AGAIN, TRY_AGAIN, "Permission denied (password)."]),
            (denied(2, true), &[TRY_AGAIN]),
            (
                denied(1, true),
                &[
                    "Received disconnect from 10.0.0.7 port 22:2: Too many authentication failures",
                    "Disconnected from 10.0.0.7 port 22",
                ],
            ),
            (Login::Unknown, &["ssh: connect to host web-1 port 22: Connection refused"]),
            (Login::Unknown, &["Host key verification failed."]),
        ] {
            assert_eq!(exit(255, "", errors).login(), expected, "{errors:?}");
        }
        assert_eq!(exit(127, "", &["sh: 1: x: Permission denied"]).login(), Login::Accepted);
    }

    #[test]
    fn a_sentence_is_told_from_a_missing_agent() {
        let missing = exit(127, "Welcome!\n", &["sh: 1: loadline-agent: not found"]);
        assert_eq!(missing.agent_failure("loadline-agent"), Some(AgentFailure::NotFound));
        assert_eq!(exit(127, "Closed for today.\n", &[]).agent_failure("loadline-agent"), None);
        let key = "Load key \"/home/me/loadline-agent\": Permission denied";
        assert_eq!(exit(255, "", &[key]).agent_failure("loadline-agent"), None);
    }
}
