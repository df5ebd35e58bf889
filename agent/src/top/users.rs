//! Names of users.
//!
//! Asks the system's directory of users, which knows those of the network and of dynamic services too.
//! It may be slow, so that the thread of the looks asks, and names are kept for a while.

use std::time::Duration;

use loadline_protocol::SafeText;
use nix::unistd::{Uid, User};
use tokio::time::Instant;

/// Number of names that are kept, far more than a look lists.
const USERS_MAX: usize = 256;

/// Time for which a name is kept: 10 min. Users are seldom renamed.
const KEPT: Duration = Duration::from_mins(10);

/// Names that were looked up.
#[derive(Debug, Default)]
pub(super) struct UserNames(Vec<(u32, Instant, SafeText)>);

impl UserNames {
    /// Returns the name of a user; the number if there is none.
    pub(super) fn name(&mut self, number: u32, now: Instant) -> SafeText {
        self.name_by(number, now, |number| {
            User::from_uid(Uid::from_raw(number)).ok().flatten().map(|user| user.name)
        })
    }

    fn name_by(
        &mut self,
        number: u32,
        now: Instant,
        look_up: impl FnOnce(u32) -> Option<String>,
    ) -> SafeText {
        self.0.retain(|(_, at, _)| now.saturating_duration_since(*at) < KEPT);
        if let Some((.., name)) = self.0.iter().find(|(kept, ..)| *kept == number) {
            return name.clone();
        }
        let name = look_up(number).filter(|name| !name.is_empty());
        let name = SafeText::new(&name.unwrap_or_else(|| number.to_string()));
        if self.0.len() == USERS_MAX {
            self.0.remove(0);
        }
        self.0.push((number, now, name.clone()));
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_looked_up_once_in_10_minutes_and_bounded() {
        let (mut users, begin) = (UserNames::default(), Instant::now());
        let mut name = |number, minutes, found: Option<&str>| {
            let now = begin + Duration::from_mins(minutes);
            let name = users.name_by(number, now, |_| found.map(str::to_owned));
            assert!(users.0.len() <= USERS_MAX);
            name.as_str().to_owned()
        };
        assert_eq!(name(7, 0, Some("media")), "media");
        assert_eq!(name(7, 9, Some("other")), "media");
        assert_eq!(name(7, 10, Some("other")), "other");
        assert_eq!(name(8, 10, None), "8");
        assert_eq!(name(9, 10, Some("")), "9");
        assert_eq!(name(10, 10, Some("a\x1b[2J")), "a\u{fffd}[2J");
        for number in 1000..1000 + 2 * USERS_MAX as u32 {
            name(number, 10, None);
        }
    }

    #[test]
    fn the_first_user_of_this_machine_is_root() {
        assert_eq!(UserNames::default().name(0, Instant::now()).as_str(), "root");
    }
}
