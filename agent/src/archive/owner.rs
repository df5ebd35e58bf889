//! Check that no other user but root can change a file or a directory.

use std::fs::{self, File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::process::geteuid;

const GROUP_WRITE: u32 = 0o020;
const OTHERS_WRITE: u32 = 0o002;

/// In a directory with this bit, users can only remove and rename what belongs to them.
const STICKY: u32 = 0o1000;

/// Bytes of `/etc/group` and `/etc/passwd` that are read. In larger files, all groups count
/// as shared.
const ACCOUNTS_BYTES_MAX: u64 = 1024 * 1024;

/// Returns an error if a file belongs to a user other than this one and root.
pub(super) fn refuse_other_owners(path: &Path, metadata: &Metadata) -> io::Result<()> {
    let owner = metadata.uid();
    // The owner of `/` can replace everything. In a container, this is often not user 0.
    let is_trusted = || fs::symlink_metadata("/").is_ok_and(|root| root.uid() == owner);
    if owner == 0 || owner == geteuid().as_raw() || is_trusted() {
        return Ok(());
    }
    let path = path.display();
    let text = format!("{path} belongs to user {owner}; give --state-dir a directory of your own");
    Err(io::Error::other(text))
}

/// Returns an error if users other than this one and root can replace the files in a directory. Of a
/// parent directory, they only need to be kept from replacing what does not belong to them.
pub(super) fn refuse_other_writers(
    path: &Path,
    metadata: &Metadata,
    is_parent: bool,
) -> io::Result<()> {
    let (mode, path) = (metadata.mode(), path.display());
    let who = match () {
        () if is_parent && mode & STICKY != 0 => return Ok(()),
        () if mode & OTHERS_WRITE != 0 => "all users",
        () if mode & GROUP_WRITE != 0 && !is_private_group(metadata.gid()) => "its group",
        () => return Ok(()),
    };
    Err(io::Error::other(format!("{who} can write to {path}; run chmod go-w {path}")))
}

/// Returns whether a group has no member but this user. On many systems, each user has a group of
/// the same name, and directories are writable for it.
fn is_private_group(gid: u32) -> bool {
    let [users, groups] = ["/etc/passwd", "/etc/group"].map(read_accounts);
    is_private(gid, geteuid().as_raw(), &users, &groups)
}

fn is_private(gid: u32, uid: u32, users: &str, groups: &str) -> bool {
    let (users, groups) = (accounts(users), accounts(groups));
    let id = |account: &[&str], at: usize| account.get(at).and_then(|id| id.parse().ok());
    let is_own = |name: &str| users.iter().any(|it| it[0] == name && id(it, 2) == Some(uid));
    let Some(group) = groups.iter().find(|it| id(it, 2) == Some(gid)) else { return false };
    let mut members = group.get(3).into_iter().flat_map(|members| members.split(','));
    let is_shared = users.iter().any(|it| id(it, 3) == Some(gid) && id(it, 2) != Some(uid));
    is_own(group[0]) && members.all(|name| name.is_empty() || is_own(name)) && !is_shared
}

/// Returns the fields of each account.
fn accounts(text: &str) -> Vec<Vec<&str>> {
    text.lines().map(|line| line.split(':').collect()).collect()
}

/// Reads a file of accounts. Returns nothing if it is not readable.
fn read_accounts(path: &str) -> String {
    let mut text = String::new();
    let read =
        File::open(path).and_then(|it| it.take(ACCOUNTS_BYTES_MAX).read_to_string(&mut text));
    if !read.is_ok_and(|bytes| (bytes as u64) < ACCOUNTS_BYTES_MAX) {
        text.clear();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_private_if_it_has_the_users_name_and_no_other_member() {
        let users = "root:x:0:0:root:/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\nbob:x:1001:100::/:/\n";
        let check = |group: &str, is_expected: bool| {
            assert_eq!(is_private(1000, 1000, users, group), is_expected, "{group}");
        };
        check("root:x:0:\nann:x:1000:\n", true);
        check("ann:x:1000:ann", true);
        check("ann:x:1000:ann,bob", false);
        check("ann:x:1000:carol", false);
        check("users:x:1000:", false);
        check("ann:x:1001:", false);
        check("ann\n:::\n", false);
        check("", false);
        assert!(!is_private(1000, 1000, "", "ann:x:1000:"));
        assert!(!is_private(100, 1000, users, "users:x:100:\nann:x:1000:"));
        let shared = format!("{users}eve:x:1002:1000::/:/\n");
        assert!(!is_private(1000, 1000, &shared, "ann:x:1000:"));
        assert!(is_private(0, 0, users, "root:x:0:"));
    }
}
