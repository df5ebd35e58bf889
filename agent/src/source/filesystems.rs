//! Use of file systems. A thread of its own reads it, because a query blocks if a disk or the
//! server of a file system does not answer. Own reader on Linux: sysinfo queries each mount, and
//! lists a file system once for each mount.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use self::reader::Reader;
use crate::kernel::root::Root;

/// Time between two readings. A disk takes minutes to fill up.
const READ_INTERVAL: Duration = Duration::from_secs(5);

/// Age from which values are unknown: a file system has not answered for several intervals.
const AGE_MAX: Duration = Duration::from_secs(20);

/// Time that the agent's start waits for the first reading. Disks that sleep take longer.
const START_TIMEOUT: Duration = Duration::from_millis(100);

/// Use of the file systems that can fill up, read in the background.
pub(super) struct Filesystems {
    shared: Arc<Mutex<Reading>>,
    is_reported: bool,
    /// The thread ends when it is dropped.
    _stop: mpsc::Sender<()>,
}

/// File system that can fill up.
struct FilesystemUse {
    point: String,
    /// Use in %. NaN if unknown.
    used: f64,
    /// True for a tmpfs. It counts for the fullest file system and has no column, since many come and go.
    in_memory: bool,
}

#[derive(Default)]
struct Reading {
    filesystems: Vec<FilesystemUse>,
    at: Option<Instant>,
    /// Mount point that is being queried.
    querying: Option<String>,
}

impl Filesystems {
    pub(super) fn new(root: &Root) -> Filesystems {
        let shared = Arc::<Mutex<Reading>>::default();
        let (stop, stopped) = mpsc::channel();
        let (first, has_first) = mpsc::sync_channel(1);
        let (root, reading) = (root.clone(), Arc::clone(&shared));
        let run = move || {
            let mut reader = Reader::new(&root);
            loop {
                read_once(&mut reader, &reading);
                // Full from the second reading on.
                let _ = first.try_send(());
                if stopped.recv_timeout(READ_INTERVAL) != Err(RecvTimeoutError::Timeout) {
                    return;
                }
            }
        };
        let thread = thread::Builder::new().name("filesystems".to_owned()).spawn(run);
        if thread.is_ok() {
            // An error means that the first reading takes long. Values are unknown until then.
            let _ = has_first.recv_timeout(START_TIMEOUT);
        }
        Filesystems { shared, is_reported: false, _stop: stop }
    }

    /// Returns the use of the fullest file system, %.
    pub(super) fn fullest_percent(&mut self) -> Option<f64> {
        let fullest = |all: &[FilesystemUse]| all.iter().map(|it| it.used).reduce(f64::max);
        self.read(fullest).filter(|used| !used.is_nan())
    }

    /// Returns the mount points of the file systems.
    pub(super) fn points(&mut self) -> Vec<String> {
        let points = |all: &[FilesystemUse]| {
            all.iter().filter(|it| !it.in_memory).map(|it| it.point.clone()).collect()
        };
        self.read(points)
    }

    /// Appends the use of the file systems at these mount points, %. NaN if unknown.
    pub(super) fn append_percents(&mut self, points: &[String], values: &mut Vec<f64>) {
        self.read(|all| {
            let used = |point: &String| {
                let found = all.iter().find(|it| it.point == *point);
                found.map_or(f64::NAN, |it| it.used)
            };
            values.extend(points.iter().map(used));
        });
    }

    /// Passes the newest reading to `use_of`, or nothing if it is too old.
    fn read<T>(&mut self, use_of: impl FnOnce(&[FilesystemUse]) -> T) -> T {
        let reading = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let is_fresh = reading.at.is_some_and(|at| at.elapsed() <= AGE_MAX);
        if !is_fresh && !self.is_reported && reading.at.is_some() {
            let point = reading.querying.as_deref().unwrap_or_default();
            let point = &*loadline_protocol::sanitize(point);
            tracing::warn!(point, "the file system does not answer, use of disks is unknown");
        }
        self.is_reported = !is_fresh;
        use_of(if is_fresh { &reading.filesystems } else { &[] })
    }
}

fn read_once(reader: &mut Reader, shared: &Mutex<Reading>) {
    let reading = || shared.lock().unwrap_or_else(PoisonError::into_inner);
    let mut filesystems = Vec::new();
    for (point, in_memory) in reader.points() {
        reading().querying = Some(point.clone());
        let used = reader.used_percent(&point).unwrap_or(f64::NAN);
        filesystems.push(FilesystemUse { point, used, in_memory });
    }
    let now = Some(Instant::now());
    *reading() = Reading { filesystems, at: now, querying: None };
}

/// Returns the use of a file system, %. As in `df`, space reserved for root does not count.
fn used_percent(used: u64, available: u64) -> Option<f64> {
    let all = used.checked_add(available).filter(|bytes| *bytes > 0)?;
    Some(used as f64 / all as f64 * 100.0)
}

#[cfg(target_os = "linux")]
mod reader {
    use crate::kernel::filesystem_filter::{can_fill_up, is_memory_of_users};
    use crate::kernel::mounts::{Mount, MountsFile, Space};
    use crate::kernel::root::Root;

    /// Maximum number of file systems. Each query takes a few microseconds.
    const FILESYSTEMS_MAX: usize = 256;

    pub(super) struct Reader {
        mounts: MountsFile,
        root: Root,
    }

    impl Reader {
        pub(super) fn new(root: &Root) -> Reader {
            Reader { mounts: MountsFile::new(root), root: root.clone() }
        }

        /// Returns the mount points of the file systems that can fill up, each file system once, in
        /// mount order, and whether they are in memory. The root if none is on a disk.
        pub(super) fn points(&mut self) -> Vec<(String, bool)> {
            // `None` as the device of a file system in memory, because all have the same.
            let mut found: Vec<(Option<String>, String)> = Vec::new();
            self.mounts.for_each(|mount| {
                let (device, point) = (Mount::unescape(mount.device), Mount::unescape(mount.point));
                found.retain(|(_, older)| !is_hidden(older, &point));
                // Bind mounts and subvolumes have the device of another mount.
                let is_new = found.iter().all(|(known, _)| known.as_deref() != Some(&*device));
                let is_on_disk = can_fill_up(&point, &mount) && is_new;
                if (is_on_disk || is_memory_of_users(&point, &mount))
                    && found.len() < FILESYSTEMS_MAX
                {
                    found.push((is_on_disk.then(|| device.into_owned()), point.into_owned()));
                }
            });
            if found.iter().all(|(device, _)| device.is_none()) {
                found.insert(0, (Some(String::new()), "/".to_owned()));
            }
            found.into_iter().map(|(device, point)| (point, device.is_none())).collect()
        }

        /// May block.
        pub(super) fn used_percent(&self, point: &str) -> Option<f64> {
            let space = Space::of(&self.root.path(point))?;
            super::used_percent(space.size.saturating_sub(space.free), space.available)
        }
    }

    /// Returns whether a later mount at `point` hides the one at `older`.
    fn is_hidden(older: &str, point: &str) -> bool {
        let below = older.strip_prefix(point);
        below.is_some_and(|rest| rest.is_empty() || point != "/" && rest.starts_with('/'))
    }

    #[cfg(test)]
    mod tests {
        use super::*;
        use crate::kernel::tests::TestRoot;

        /// Checks the file systems of these mounts, each written `DEVICE KIND POINT`, with a `ro`
        /// behind it if the file system is read-only.
        fn check(mounts: &[&str], expected: &str) {
            let line = |mount: &&str| {
                let words: Vec<&str> = mount.split(' ').collect();
                let state = words.get(3).unwrap_or(&"rw");
                format!("27 1 8:1 / {} rw - {} {} {state}\n", words[2], words[1], words[0])
            };
            let text: String = mounts.iter().map(line).collect();
            let files = TestRoot::with(&[("proc/self/mountinfo", &text)]);
            let points = Reader::new(&files.root()).points();
            let text = |(point, in_memory): (String, bool)| {
                if in_memory { format!("({point})") } else { point }
            };
            let points: Vec<String> = points.into_iter().map(text).collect();
            assert_eq!(points.join(" "), expected, "{mounts:?}");
        }

        #[test]
        fn each_filesystem_that_can_fill_up_is_listed_once() {
            check(
                &[
                    "/dev/md0 ext4 /",
                    "tmpfs tmpfs /run",
                    "/dev/sda1 vfat /boot/efi",
                    "/dev/mapper/cachedev_0 btrfs /volume1",
                    "/dev/mapper/cachedev_0 btrfs /volume1/@docker",
                    "/dev/loop3 squashfs /snap/core/1",
                    "/dev/sr0 iso9660 /media/cdrom ro",
                    "/dev/sdc1 ext4 /mnt/rescue ro",
                    "files:/backup nfs4 /mnt/backup",
                    "/dev/sdd1 fuseblk /mnt/usb\\040disk",
                    "tank/media zfs /tank/media",
                ],
                "/ (/run) /volume1 /mnt/usb disk /tank/media",
            );
        }

        #[test]
        fn a_root_in_memory_counts_only_if_nothing_else_does() {
            check(&["none tmpfs /", "/dev/md9 ext4 /mnt/HDA_ROOT"], "/mnt/HDA_ROOT");
            check(&["none tmpfs /"], "/");
            check(&[], "/");
            let in_memory =
                ["tmpfs tmpfs /tmp", "tmpfs tmpfs /dev/shm", "tmpfs tmpfs /sys/fs/cgroup ro"];
            check(&in_memory, "/ (/tmp) (/dev/shm)");
            let files = ["/dev/vda1 ext4 /etc/hosts", "/dev/vda1 ext4 /data"];
            check(&["overlay overlay /", files[0]], "/");
            check(&["overlay overlay /", files[0], files[1]], "/ /data");
        }

        #[test]
        fn a_hidden_mount_is_not_listed() {
            check(&["rootfs rootfs /", "/dev/sda2 ext4 /"], "/");
            let disks =
                ["/dev/sda1 ext4 /", "/dev/sdb1 ext4 /mnt/disk", "/dev/sdc1 xfs /mnt/disks"];
            check(&disks, "/ /mnt/disk /mnt/disks");
            let hidden = [disks[0], disks[1], disks[2], "tmpfs tmpfs /mnt/disk"];
            check(&hidden, "/ /mnt/disks (/mnt/disk)");
            check(&[disks[0], disks[1], disks[2], "/dev/sdd1 ext4 /mnt"], "/ /mnt");
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod reader {
    use std::path::Path;

    use crate::kernel::root::Root;

    pub(super) struct Reader(Option<sysinfo::Disks>);

    impl Reader {
        pub(super) fn new(_: &Root) -> Reader {
            Reader(sysinfo::Disks::new_with_refreshed_list().ok())
        }

        pub(super) fn points(&mut self) -> Vec<(String, bool)> {
            let Some(disks) = &mut self.0 else { return Vec::new() };
            disks.refresh(true);
            let own = disks.iter().filter(|disk| !disk.is_read_only());
            own.map(|disk| (disk.mount_point().to_string_lossy().into_owned(), false)).collect()
        }

        pub(super) fn used_percent(&self, point: &str) -> Option<f64> {
            let disk = self.0.as_ref()?.iter().find(|it| it.mount_point() == Path::new(point))?;
            let available = disk.available_space();
            super::used_percent(disk.total_space().saturating_sub(available), available)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn space_reserved_for_root_is_not_counted() {
        assert_eq!(used_percent(30, 90), Some(25.0));
        assert_eq!(used_percent(0, 0), None);
        assert_eq!(used_percent(u64::MAX, 1), None);
    }

    /// Returns file systems as read some time ago.
    fn read_before(age: Duration, all: &[(&str, f64)]) -> Filesystems {
        let filesystem = |(point, used): &(&str, f64)| FilesystemUse {
            point: (*point).to_owned(),
            used: *used,
            in_memory: point.starts_with("/tmp"),
        };
        let filesystems = all.iter().map(filesystem).collect();
        let at = Instant::now().checked_sub(age);
        let querying = Some("/mnt/usb".to_owned());
        let shared = Arc::new(Mutex::new(Reading { filesystems, at, querying }));
        Filesystems { shared, is_reported: false, _stop: mpsc::channel().0 }
    }

    #[test]
    fn the_fullest_filesystem_counts() {
        let check = |all: &[(&str, f64)], expected| {
            assert_eq!(read_before(Duration::ZERO, all).fullest_percent(), expected, "{all:?}");
        };
        check(&[("/", 21.0), ("/volume1", 93.5), ("/boot", 40.0)], Some(93.5));
        check(&[("/", f64::NAN), ("/volume1", 93.5)], Some(93.5));
        check(&[("/volume1", 93.5), ("/", f64::NAN)], Some(93.5));
        check(&[("/", 21.0), ("/tmp", 100.0)], Some(100.0));
        check(&[("/", f64::NAN)], None);
        check(&[], None);
        let mut with_memory = read_before(Duration::ZERO, &[("/", 21.0), ("/tmp", 100.0)]);
        assert_eq!(with_memory.points(), ["/"]);
    }

    #[test]
    fn a_filesystem_that_does_not_answer_is_unknown_after_a_while() {
        let all = [("/", 21.0), ("/mnt/usb", 50.0)];
        let points = ["/mnt/usb".to_owned(), "/gone".to_owned()];
        let mut values = Vec::new();
        read_before(AGE_MAX / 2, &all).append_percents(&points, &mut values);
        assert_eq!(format!("{values:?}"), "[50.0, NaN]");
        let mut late = read_before(AGE_MAX * 2, &all);
        assert_eq!(late.fullest_percent(), None);
        late.append_percents(&points, &mut values);
        assert_eq!(format!("{values:?}"), "[50.0, NaN, NaN, NaN]");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_root_of_this_machine_is_known_from_the_start() {
        let mut filesystems = Filesystems::new(&Root::of_this_machine());
        let fullest = filesystems.fullest_percent().unwrap();
        assert!((0.0..=100.0).contains(&fullest), "{fullest}");
    }
}
