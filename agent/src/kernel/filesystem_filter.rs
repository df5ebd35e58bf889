//! Filters for local file systems, and for those that can fill up.

use super::mounts::Mount;

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

const REMOTE_KINDS: &str = "9p acfs afs beegfs ceph cifs coda davfs drvfs fuse gfs2 glusterfs gpfs \
    lustre ncpfs nfs nfs4 ocfs2 orangefs panfs prl_fs pvfs2 smb3 smbfs vboxsf virtiofs vmhgfs wekafs";

/// Returns whether users can fill the file system at `point`. True for local file systems on disks,
/// and for the root of a container. False for memory, for images and media that are always full or
/// read-only, and for the partition of the firmware.
pub(crate) fn can_fill_up(point: &str, mount: &Mount<'_>) -> bool {
    let is_listed = |kinds: &str| kinds.split(' ').any(|listed| listed == mount.kind);
    let is_local = point == "/" || is_local_filesystem(point, mount.kind);
    let is_read_only = mount.super_options.split(',').any(|option| option == "ro");
    let is_firmware = mount.kind == "vfat" && FIRMWARE_POINTS.contains(&point);
    let is_of_engine = CONTAINER_FILES.contains(&point);
    is_local
        && !(is_read_only || is_firmware || is_of_engine || is_listed(MEMORY_KINDS))
        && !(is_listed(FULL_KINDS) || is_listed(STACKED_KINDS))
}

/// Returns whether `mount` is a tmpfs that users can fill, such as `/tmp` or `/dev/shm`. False for the
/// root: on appliances it holds the system, and is always nearly full.
pub(crate) fn is_memory_of_users(point: &str, mount: &Mount<'_>) -> bool {
    let is_read_only = mount.super_options.split(',').any(|option| option == "ro");
    let is_local = point == SHARED_MEMORY || is_local_filesystem(point, mount.kind);
    mount.kind == "tmpfs" && point != "/" && is_local && !is_read_only
}

/// Shared memory of programs, the one file system below `/dev` that users can fill.
const SHARED_MEMORY: &str = "/dev/shm";

const MEMORY_KINDS: &str = "efivarfs functionfs nfsd ramfs resctrl rootfs tmpfs";

const FULL_KINDS: &str = "cramfs erofs iso9660 romfs squashfs udf";

/// Kinds whose space is that of another mounted file system.
const STACKED_KINDS: &str = "aufs ecryptfs shiftfs unionfs wrapfs";

const FIRMWARE_POINTS: [&str; 5] = ["/boot", "/boot/efi", "/boot/firmware", "/efi", "/boot/EFI"];

/// Files of the machine that container engines mount.
const CONTAINER_FILES: [&str; 3] = ["/etc/hostname", "/etc/hosts", "/etc/resolv.conf"];

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
