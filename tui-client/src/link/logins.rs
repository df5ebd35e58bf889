//! Logins that were denied: repeated without a person, they would lock the account.

use std::io;
use std::time::Duration;

use thiserror::Error;

use super::disconnect::Disconnect;
use super::terminal::TerminalAccess;

/// Attempts of a login that was denied: 3. Servers lock an account after a few more.
const ATTEMPTS_MAX: u32 = 3;

/// Delay after a denied login: 5 s. A server that is starting up may not know its users yet.
const DENIED_DELAY: Duration = Duration::from_secs(5);

/// Failed attempt of a transport that logs in.
#[derive(Debug, Error)]
#[error("{reason}")]
pub(super) struct LoginError {
    pub(super) reason: String,
    pub(super) login: Login,
}

/// Result of the login of a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Login {
    /// The server was not reached, or gave another reason.
    Unknown,
    /// The login succeeded, and something later failed.
    Accepted,
    Denied {
        /// Number of logins that the server has seen.
        attempts: u32,
        /// True if the server would accept a password or a code.
        asks: bool,
    },
}

/// Next step after a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Retry {
    /// Try again after the backoff delay.
    Backoff,
    /// Try again after the longer backoff delay: each attempt costs the server a login.
    LongBackoff,
    /// Try again after this delay.
    After(Duration),
    /// Wait until the terminal is lent: a person can answer the server's questions.
    WithPerson,
}

/// Logins of one link.
#[derive(Debug, Default)]
pub(super) struct Logins {
    /// Denied attempts since the last login that succeeded.
    denied: u32,
    /// True if a login succeeded while nobody could be asked, for example by key.
    works_unattended: bool,
    /// Failure after the last login that succeeded with a person, for example a missing agent.
    later_failure: Option<Disconnect>,
}

impl Logins {
    /// Records a connection.
    pub(super) fn succeed(&mut self, terminal: TerminalAccess) {
        self.denied = 0;
        self.later_failure = None;
        self.works_unattended |= !terminal.has_person();
    }

    /// Records a failed attempt. Returns the end to report, and when to try again.
    pub(super) fn fail(
        &mut self,
        terminal: TerminalAccess,
        error: &io::Error,
        end: Disconnect,
    ) -> (Disconnect, Retry) {
        let error = error.get_ref().and_then(|error| error.downcast_ref::<LoginError>());
        match error.map_or(Login::Unknown, |error| error.login) {
            Login::Unknown => (end, Retry::Backoff),
            Login::Accepted => {
                self.succeed(terminal);
                let with_person = terminal.has_person();
                self.later_failure = with_person.then(|| end.clone());
                (end, Retry::LongBackoff)
            }
            // A key that was accepted before: the server may accept it again.
            Login::Denied { asks: false, .. } if self.works_unattended => (end, Retry::Backoff),
            Login::Denied { attempts, asks } => {
                let is_final = asks && terminal.has_person();
                let attempts = if is_final { ATTEMPTS_MAX } else { attempts };
                self.denied = self.denied.saturating_add(attempts);
                match self.later_failure.clone() {
                    // Only a person can log in, and the login is not what failed.
                    Some(later) => (later, Retry::WithPerson),
                    None if self.denied >= ATTEMPTS_MAX => (end, Retry::WithPerson),
                    None => (end, Retry::After(DENIED_DELAY)),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERSON: TerminalAccess = TerminalAccess::Lent { echo: true };
    const NOBODY: TerminalAccess = TerminalAccess::Taken;
    const PASSWORD: Login = Login::Denied { attempts: 1, asks: true };
    const KEY: Login = Login::Denied { attempts: 1, asks: false };

    fn fail(logins: &mut Logins, terminal: TerminalAccess, login: Login) -> (String, Retry) {
        let reason = format!("{login:?}");
        let error = io::Error::other(LoginError { reason: reason.clone(), login });
        let (end, retry) = logins.fail(terminal, &error, Disconnect::lost(&reason));
        (end.reason.to_string(), retry)
    }

    #[test]
    fn a_login_that_asks_is_attempted_three_times_and_then_waits_for_a_person() {
        let mut logins = Logins::default();
        logins.succeed(PERSON);
        for expected in [Retry::After(DENIED_DELAY), Retry::After(DENIED_DELAY), Retry::WithPerson]
        {
            assert_eq!(fail(&mut logins, NOBODY, Login::Unknown).1, Retry::Backoff);
            assert_eq!(fail(&mut logins, NOBODY, PASSWORD).1, expected);
        }
        logins.succeed(PERSON);
        assert_eq!(fail(&mut logins, NOBODY, PASSWORD).1, Retry::After(DENIED_DELAY));
    }

    #[test]
    fn a_passphrase_is_no_key_that_works_without_a_person() {
        let mut logins = Logins::default();
        logins.succeed(PERSON);
        for expected in [Retry::After(DENIED_DELAY), Retry::After(DENIED_DELAY), Retry::WithPerson]
        {
            assert_eq!(fail(&mut logins, NOBODY, KEY).1, expected);
        }
    }

    #[test]
    fn a_password_that_was_refused_or_sent_three_times_is_not_sent_again() {
        assert_eq!(fail(&mut Logins::default(), PERSON, PASSWORD).1, Retry::WithPerson);
        let thrice = Login::Denied { attempts: 3, asks: true };
        assert_eq!(fail(&mut Logins::default(), NOBODY, thrice).1, Retry::WithPerson);
    }

    #[test]
    fn a_key_that_worked_without_a_person_is_tried_for_ever() {
        let mut logins = Logins::default();
        logins.succeed(PERSON);
        logins.succeed(NOBODY);
        for _ in 0..100 {
            assert_eq!(fail(&mut logins, NOBODY, KEY).1, Retry::Backoff);
        }
    }

    #[test]
    fn a_denied_login_does_not_hide_that_the_agent_is_missing() {
        let mut logins = Logins::default();
        let failure = fail(&mut logins, PERSON, Login::Accepted);
        assert_eq!(failure, ("Accepted".to_owned(), Retry::LongBackoff));
        let denied = fail(&mut logins, NOBODY, PASSWORD);
        assert_eq!(denied, ("Accepted".to_owned(), Retry::WithPerson));
    }
}
