//! `/proc/self/mountinfo`: mounted file systems, and their size.

use std::borrow::Cow;

use super::record_file::{Record, RecordFile};
use super::root::Root;

/// Mounts in mount order.
pub(crate) type MountsFile = RecordFile<Mount<'static>>;

/// Mounted file system. Blanks in paths are escaped as `\040`, see [`Mount::unescape`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mount<'a> {
    /// Folder of the file system that is mounted.
    pub(crate) root: &'a str,
    /// Mount point.
    pub(crate) point: &'a str,
    /// Options of the mount, such as `rw,relatime`.
    pub(crate) options: &'a str,
    /// File system type, such as `ext4`.
    pub(crate) kind: &'a str,
    /// Device, such as `/dev/vda`.
    pub(crate) device: &'a str,
    /// Options of the file system, such as `rw,cpu,cpuacct`.
    pub(crate) super_options: &'a str,
}

/// Size and use of a file system, bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Space {
    pub(crate) size: u64,
    pub(crate) free: u64,
    /// Bytes available to users other than root.
    pub(crate) available: u64,
    /// Capacity for files.
    pub(crate) files: u64,
    /// Number of files that can still be created.
    pub(crate) files_free: u64,
}

/// Returns the mounts of the whole system if readable, else those of this process. A service sees
/// mounts of its own, mostly read-only.
pub(crate) fn system_wide_mounts(root: &Root) -> MountsFile {
    let path = root.path("proc/1/mountinfo");
    if std::fs::File::open(&path).is_ok() {
        return MountsFile::with_buffer(path, Mount::BUFFER_BYTES);
    }
    MountsFile::new(root)
}

impl Record for Mount<'static> {
    type Of<'a> = Mount<'a>;

    const PATH: &'static str = "proc/self/mountinfo";

    /// Buffer for a line: two paths of up to 4 KiB, and options.
    const BUFFER_BYTES: usize = 16 * 1024;

    /// Parses `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue`.
    /// There may be any number of words like `master:1` before the dash.
    fn parse(line: &[u8]) -> Option<Mount<'_>> {
        let mut words = std::str::from_utf8(line).ok()?.split(' ');
        words.nth(2)?;
        let (root, point, options) = (words.next()?, words.next()?, words.next()?);
        words.by_ref().find(|word| *word == "-")?;
        let (kind, device) = (words.next()?, words.next()?);
        let super_options = words.next().unwrap_or_default();
        Some(Mount { root, point, options, kind, device, super_options })
    }
}

impl Mount<'_> {
    /// Replaces the escapes in a path or device: `\040` is a blank.
    pub(crate) fn unescape(text: &str) -> Cow<'_, str> {
        if !text.contains('\\') {
            return Cow::Borrowed(text);
        }
        let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
        while let [first, after @ ..] = rest {
            let octal = after.get(..3).filter(|_| *first == b'\\').and_then(octal);
            bytes.push(octal.unwrap_or(*first));
            rest = if octal.is_some() { &after[3..] } else { after };
        }
        Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// Parses three octal digits as a byte.
fn octal(digits: &[u8]) -> Option<u8> {
    digits.iter().try_fold(0_u8, |sum, digit| {
        let value = digit.checked_sub(b'0').filter(|value| *value < 8)?;
        sum.checked_mul(8)?.checked_add(value)
    })
}

#[cfg(target_os = "linux")]
impl Space {
    /// Returns the size of the file system of `path`. May block on a network file system.
    pub(crate) fn of(path: &std::path::Path) -> Option<Space> {
        let stats = rustix::fs::statvfs(path).ok()?;
        let bytes = |blocks: u64| blocks.saturating_mul(stats.f_frsize);
        Some(Space {
            size: bytes(stats.f_blocks),
            free: bytes(stats.f_bfree),
            available: bytes(stats.f_bavail),
            files: stats.f_files,
            files_free: stats.f_ffree,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn fields_of_a_mount_are_parsed() {
        let check = |line: &str, expected: [&str; 6]| {
            let mount = Mount::parse(line.as_bytes()).unwrap();
            let Mount { root, point, options, kind, device, super_options } = mount;
            assert_eq!([root, point, options, kind, device, super_options], expected);
        };
        check(
            "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue",
            ["/mnt1", "/mnt2", "rw,noatime", "ext3", "/dev/root", "rw,errors=continue"],
        );
        check(
            "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu",
            ["/", "/sys/fs/cgroup/cpu", "rw", "cgroup", "cgroup", "rw,cpu"],
        );
        for wrong in ["", "36 35 98:0 /mnt1 /mnt2 rw", "36 35 98:0 / / rw -", "- - - - - - - -"] {
            assert_eq!(Mount::parse(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn octal_escapes_are_decoded() {
        for (text, expected) in [
            ("/srv/data", "/srv/data"),
            (r"/srv/my\040data\011", "/srv/my data\t"),
            (r"/srv/\134040", r"/srv/\040"),
            (r"/srv/\04", r"/srv/\04"),
            (r"/srv/\999\777\", r"/srv/\999\777\"),
            (r"/srv/\303\274", "/srv/ü"),
            (r"/srv/\377", "/srv/\u{fffd}"),
        ] {
            assert_eq!(Mount::unescape(text), expected);
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_root_has_space() {
        let space = Space::of(Path::new("/")).unwrap();
        assert!(space.size >= space.free && space.free >= space.available, "{space:?}");
        assert_eq!(Space::of(Path::new("/no/such/place")), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_machine_has_a_root() {
        let mut is_there = false;
        MountsFile::new(&Root::of_this_machine()).for_each(|mount| is_there |= mount.point == "/");
        assert!(is_there);
    }
}
