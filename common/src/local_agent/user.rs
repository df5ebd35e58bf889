//! Users of this machine, and the users to whom an agent may belong.

use std::fmt;
use std::fs;

use loadline_protocol::sanitize;
use rustix::process::geteuid;

/// Name of the service's user: that of its unit, as `DynamicUser=` chooses it, or of an account.
const SERVICE_USER: &str = "loadline-agent";

/// Links of systemd from the name of a dynamic user to its number, and back. A static program has no
/// other access to dynamic users.
const DYNAMIC_USERS: &str = "/run/systemd/dynamic-uid/direct:";

/// Default number that a user namespace shows for all users outside.
const OVERFLOW_USER: u32 = 65534;

/// User, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct User(pub(super) u32);

impl User {
    /// Returns whether an agent of this user is believed: root, the user of this process, or the
    /// service's user.
    pub(super) fn is_trusted(self) -> bool {
        let User(number) = self;
        let is_known = number == 0 || number == geteuid().as_raw() || is_service_user(number);
        is_known && (number != overflow_user() || maps_all_users(&text("/proc/self/uid_map")))
    }

    fn name(self) -> Option<String> {
        let User(number) = self;
        dynamic_user(&number.to_string()).or_else(|| {
            let accounts = text("/etc/passwd");
            let name = accounts.lines().filter_map(account).find(|(_, of)| *of == number)?.0;
            Some(name.to_owned())
        })
    }
}

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "user {} ({})", sanitize(&name), self.0),
            None => write!(f, "user {}", self.0),
        }
    }
}

fn is_service_user(number: u32) -> bool {
    dynamic_user(SERVICE_USER).is_some_and(|of| of == number.to_string())
        || text("/etc/passwd").lines().filter_map(account).any(|it| it == (SERVICE_USER, number))
}

/// Returns the number of a dynamic user by its name, or its name by its number.
fn dynamic_user(name_or_number: &str) -> Option<String> {
    let target = fs::read_link(format!("{DYNAMIC_USERS}{name_or_number}")).ok()?;
    target.into_os_string().into_string().ok()
}

/// Parses a line of `/etc/passwd`: name and number.
fn account(line: &str) -> Option<(&str, u32)> {
    let mut fields = line.split(':');
    let name = fields.next()?;
    Some((name, fields.nth(1)?.parse().ok()?))
}

fn overflow_user() -> u32 {
    text("/proc/sys/kernel/overflowuid").trim().parse().unwrap_or(OVERFLOW_USER)
}

/// Returns whether the map of a user namespace has all users. Else many share the overflow number.
fn maps_all_users(map: &str) -> bool {
    let all = u32::MAX.to_string();
    map.lines().any(|line| line.split_ascii_whitespace().last() == Some(&all))
}

/// Returns the text of a small file of the system; empty if the file cannot be read.
fn text(path: &str) -> String {
    fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_and_the_own_user_are_trusted_and_no_number_without_an_account() {
        assert!(User(0).is_trusted() && User(geteuid().as_raw()).is_trusted());
        assert!(!User(3_999_999_999).is_trusted());
        assert_eq!(User(3_999_999_999).to_string(), "user 3999999999");
        assert_eq!(User(0).to_string(), "user root (0)");
    }

    #[test]
    fn accounts_have_a_name_and_a_number() {
        let check = |line, expected| assert_eq!(account(line), expected, "{line}");
        check("loadline-agent:x:998:998::/:/sbin/nologin", Some(("loadline-agent", 998)));
        check("+::::::", None);
        check("+@admins", None);
        check("# local accounts", None);
        check("", None);
        check("nobody:*:-2:-2::/var/empty:/bin/false", None);
    }

    #[test]
    fn all_users_are_mapped_only_without_a_namespace_of_its_own() {
        for (map, expected) in [
            ("         0          0 4294967295\n", true),
            ("0 1000 1\n1 100000 65536\n", false),
            ("0 100000 65536\n", false),
            ("0 4294967295 1\n", false),
            // A namespace whose map is not written yet.
            ("", false),
        ] {
            assert_eq!(maps_all_users(map), expected, "{map}");
        }
    }
}
