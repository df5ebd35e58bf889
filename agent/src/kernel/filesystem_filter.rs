//! Filter for local file systems.

/// Returns whether a file system of type `kind` at `point` is local and holds data. False for those
/// that `node_exporter` excludes by default, and on a network, where a query may block forever.
pub(crate) fn is_local_filesystem(point: &str, kind: &str) -> bool {
    let is_below = |folder: &str| {
        point.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let is_inside = |folder: &str| point.strip_prefix(folder).is_some_and(|rest| !rest.is_empty());
    let is_technical = EXCLUDED_FOLDERS.into_iter().any(is_below);
    let is_of_containers = EXCLUDED_PARENTS.into_iter().any(is_inside);
    let is_listed = |kinds: &str| kinds.split(' ').any(|listed| listed == kind);
    let is_remote = is_listed(REMOTE_KINDS) || kind.starts_with("fuse.");
    !(is_technical || is_of_containers || is_remote || is_listed(EXCLUDED_KINDS))
}

const EXCLUDED_FOLDERS: [&str; 3] = ["/dev", "/proc", "/sys"];

const EXCLUDED_PARENTS: [&str; 3] =
    ["/run/credentials/", "/var/lib/docker/", "/var/lib/containers/storage/"];

const EXCLUDED_KINDS: &str = "autofs binfmt_misc bpf cgroup cgroup2 configfs debugfs devpts \
    devtmpfs erofs fusectl hugetlbfs iso9660 mqueue nsfs overlay proc procfs pstore rpc_pipefs \
    securityfs selinuxfs squashfs sysfs tracefs";

const REMOTE_KINDS: &str =
    "9p afs beegfs ceph cifs coda fuse gfs2 glusterfs gpfs lustre ncpfs nfs nfs4 smb3 smbfs";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_local_filesystems_are_included() {
        for (point, kind) in [
            ("/", "ext4"),
            ("/home", "xfs"),
            ("/mnt/disk", "fuseblk"),
            ("/run", "tmpfs"),
            ("/developers", "btrfs"),
            ("/var/lib/docker", "ext4"),
        ] {
            assert!(is_local_filesystem(point, kind), "{point} {kind}");
        }
        for (point, kind) in [
            ("/dev/shm", "tmpfs"),
            ("/dev", "tmpfs"),
            ("/proc", "proc"),
            ("/run/credentials/a.service", "tmpfs"),
            ("/var/lib/docker/overlay2/a/merged", "ext4"),
            ("/", "overlay"),
            ("/mnt/far", "nfs4"),
            ("/mnt/far", "fuse.sshfs"),
        ] {
            assert!(!is_local_filesystem(point, kind), "{point} {kind}");
        }
    }
}
