//! `/proc/self/mountinfo`: which file systems are where; and how full one is.

use std::borrow::Cow;

use super::OpenFile;

/// The kernel's file.
#[derive(Debug)]
pub(crate) struct MountsFile {
    file: OpenFile,
    buffer: Box<[u8]>,
}

/// A file system that is mounted. As in the kernel's file, a blank in a path is `\040` there; see
/// [`Mount::unescape`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mount<'a> {
    /// The number of the device, as in `254:0`.
    pub(crate) device_number: &'a str,
    /// Which folder of the file system is mounted.
    pub(crate) root: &'a str,
    /// Where.
    pub(crate) point: &'a str,
    /// How, as in `rw,relatime`.
    pub(crate) options: &'a str,
    /// The kind of file system, as in `ext4`.
    pub(crate) kind: &'a str,
    /// Such as `/dev/vda`.
    pub(crate) device: &'a str,
    /// How the file system itself is used, as in `rw,cpu,cpuacct`.
    pub(crate) super_options: &'a str,
}

/// How full a file system is, bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Space {
    pub(crate) size: u64,
    pub(crate) free: u64,
    /// What users other than root may still take.
    pub(crate) available: u64,
    /// Files that there can be.
    pub(crate) files: u64,
    /// And how many more.
    pub(crate) files_free: u64,
    pub(crate) is_read_only: bool,
}

/// Room for a line: two paths of 4 KiB at most, and options.
const BUFFER_BYTES: usize = 16 * 1024;

impl MountsFile {
    pub(crate) fn new() -> MountsFile {
        MountsFile::of("/proc/self/mountinfo")
    }

    /// Those of the whole system, if we may see them: a service has some of its own, most of them
    /// read-only.
    #[cfg(feature = "metrics")]
    pub(crate) fn system_wide() -> MountsFile {
        let whole = "/proc/1/mountinfo";
        if std::fs::File::open(whole).is_ok() { MountsFile::of(whole) } else { MountsFile::new() }
    }

    pub(crate) fn of(path: &str) -> MountsFile {
        MountsFile { file: OpenFile::new(path), buffer: vec![0; BUFFER_BYTES].into() }
    }

    /// Hands out each, in the order in which they were mounted.
    pub(crate) fn for_each(&mut self, mut each: impl FnMut(Mount)) {
        self.file.for_each_line(&mut self.buffer, |line| {
            if let Some(mount) = Mount::parse(line) {
                each(mount);
            }
            true
        });
    }
}

impl Mount<'_> {
    /// `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue`, with none,
    /// one or several words before the dash.
    pub(crate) fn parse(line: &[u8]) -> Option<Mount<'_>> {
        let mut words = std::str::from_utf8(line).ok()?.split(' ');
        let number = words.nth(2)?;
        let (root, point, options) = (words.next()?, words.next()?, words.next()?);
        words.by_ref().find(|word| *word == "-")?;
        let (kind, device) = (words.next()?, words.next()?);
        let super_options = words.next().unwrap_or_default();
        Some(Mount { device_number: number, root, point, options, kind, device, super_options })
    }

    /// A path or a device as it is called: `\040` is a blank.
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

/// Three digits that are a byte.
fn octal(digits: &[u8]) -> Option<u8> {
    digits.iter().try_fold(0_u8, |sum, digit| {
        let value = digit.checked_sub(b'0').filter(|value| *value < 8)?;
        sum.checked_mul(8)?.checked_add(value)
    })
}

impl Space {
    /// Of the file system that this path is on. It may take long where that is across a network.
    pub(crate) fn of(path: &str) -> Option<Space> {
        let stats = rustix::fs::statvfs(path).ok()?;
        let bytes = |blocks: u64| blocks.saturating_mul(stats.f_frsize);
        Some(Space {
            size: bytes(stats.f_blocks),
            free: bytes(stats.f_bfree),
            available: bytes(stats.f_bavail),
            files: stats.f_files,
            files_free: stats.f_ffree,
            is_read_only: stats.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn fields_of_a_mount_are_parsed() {
        let check = |line: &str, expected: [&str; 7]| {
            let mount = Mount::parse(line.as_bytes()).unwrap();
            let Mount { device_number: number, root, point, options, kind, device, super_options } =
                mount;
            assert_eq!([number, root, point, options, kind, device, super_options], expected);
        };
        check(
            "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue",
            ["98:0", "/mnt1", "/mnt2", "rw,noatime", "ext3", "/dev/root", "rw,errors=continue"],
        );
        check(
            "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu",
            ["0:29", "/", "/sys/fs/cgroup/cpu", "rw", "cgroup", "cgroup", "rw,cpu"],
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
    fn the_root_has_space() {
        let space = Space::of("/").unwrap();
        assert!(space.size >= space.free && space.free >= space.available, "{space:?}");
        assert_eq!(Space::of("/no/such/place"), None);
    }

    #[test]
    fn this_machine_has_a_root() {
        let mut is_there = false;
        MountsFile::new().for_each(|mount| is_there |= mount.point == "/");
        assert!(is_there);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_mount_or_none(line: Vec<u8>, text: String) {
            let _ = (Mount::parse(&line), Mount::unescape(&text));
        }
    }
}
