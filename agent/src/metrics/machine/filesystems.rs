//! Size and use of file systems.

use std::collections::HashSet;

use prometheus_client::metrics::MetricType::Gauge;

use super::{is_new, label};
use crate::kernel::filesystem_filter::is_local_filesystem;
use crate::kernel::mounts::{Mount, MountsFile, Space, system_wide_mounts};
use crate::kernel::root::Root;
use crate::metrics::family::{Family, Labels};

pub(super) struct FilesystemCollector {
    mounts: MountsFile,
    root: Root,
}

struct Filesystem {
    /// State of the mount in the system. In the view of a sandboxed service all mounts are
    /// read-only.
    is_read_only: bool,
    /// `None` if the file system reports an error.
    space: Option<Space>,
}

type FilesystemField = (&'static str, &'static str, fn(&Filesystem) -> Option<f64>);

const FIELDS: [FilesystemField; 7] = [
    ("size_bytes", "Filesystem size in bytes.", |it| Some(it.space?.size as f64)),
    ("free_bytes", "Filesystem free space in bytes.", |it| Some(it.space?.free as f64)),
    ("avail_bytes", "Filesystem space available to non-root users in bytes.", |it| {
        Some(it.space?.available as f64)
    }),
    ("files", "Filesystem total file nodes.", |it| Some(it.space?.files as f64)),
    ("files_free", "Filesystem total free file nodes.", |it| Some(it.space?.files_free as f64)),
    ("readonly", "Filesystem read-only status.", |it| Some(f64::from(it.is_read_only))),
    (
        "device_error",
        "Whether an error occurred while getting statistics for the given device.",
        |it| Some(f64::from(it.space.is_none())),
    ),
];

impl FilesystemCollector {
    pub(super) fn new(root: &Root) -> FilesystemCollector {
        FilesystemCollector { mounts: system_wide_mounts(root), root: root.clone() }
    }

    pub(super) fn read(&mut self) -> Option<Vec<Family>> {
        let (mut known, mut filesystems) = (HashSet::new(), Vec::new());
        let is_any = self.mounts.for_each(|mount| {
            let point = Mount::unescape(mount.point);
            if !is_local_filesystem(&point, mount.kind) {
                return;
            }
            let labels = labels(&mount);
            if is_new(&mut known, &labels) {
                let options = [mount.options, mount.super_options];
                let is_read_only = options.iter().any(|list| list.split(',').any(|it| it == "ro"));
                let space = Space::of(&self.root.path(&point));
                filesystems.push((labels, Filesystem { is_read_only, space }));
            }
        });
        let families = FIELDS.into_iter().map(|(name, help, field)| {
            let values = filesystems
                .iter()
                .filter_map(|(labels, filesystem)| Some((labels.clone(), field(filesystem)?)));
            Family::new(Gauge, format!("node_filesystem_{name}"), help, values)
        });
        is_any.then(|| families.collect())
    }
}

fn labels(mount: &Mount) -> Labels {
    let (device, point) = (Mount::unescape(mount.device), Mount::unescape(mount.point));
    [label("device", &device), label("fstype", mount.kind), label("mountpoint", &point)].into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::tests::TestRoot;
    use crate::metrics::machine::tests::samples;

    /// Returns the device errors and read-only flags of mounts: one line for each file system.
    fn check(mounts: &str, expected: &[&str]) {
        let files = TestRoot::with(&[("proc/self/mountinfo", mounts), ("srv/here", "")]);
        let samples = samples(FilesystemCollector::new(&files.root()).read()).unwrap();
        let flags = samples.lines().filter_map(|line| {
            let line = line.strip_prefix("node_filesystem_")?;
            (line.starts_with("readonly") || line.starts_with("device_error")).then_some(line)
        });
        assert_eq!(flags.collect::<Vec<_>>(), expected);
        assert_eq!(samples.contains("node_filesystem_size_bytes{"), mounts.contains("/srv "));
    }

    #[test]
    fn each_local_filesystem_is_exported_once() {
        let labels = r#"{device="/dev/sda1",fstype="ext4",mountpoint="/srv"}"#;
        check(
            "27 1 8:1 / /srv rw - ext4 /dev/sda1 rw\n28 1 8:1 / /srv rw - ext4 /dev/sda1 rw\n\
             29 1 0:9 / /proc rw - proc proc rw\n30 1 0:8 / /far rw - nfs4 files:/far rw\n",
            &[&format!("readonly{labels} 0.0"), &format!("device_error{labels} 0.0")],
        );
        check("29 1 0:9 / /proc rw - proc proc rw\n", &[]);
    }

    #[test]
    fn a_filesystem_without_sizes_is_an_error_and_may_be_read_only() {
        for (mount, superblock) in [("ro,relatime", "rw"), ("rw", "rw,ro")] {
            let labels = r#"{device="/dev/my disk",fstype="xfs",mountpoint="/none"}"#;
            check(
                &format!("27 1 8:1 / /none {mount} - xfs /dev/my\\040disk {superblock}\n"),
                &[&format!("readonly{labels} 1.0"), &format!("device_error{labels} 1.0")],
            );
        }
    }

    #[test]
    fn without_mounts_there_is_nothing_to_export() {
        let files = TestRoot::with(&[("proc/self/mountinfo", "what is this\n")]);
        assert_eq!(samples(FilesystemCollector::new(&files.root()).read()), None);
    }

    #[test]
    fn mounts_of_the_whole_system_come_first() {
        let files = TestRoot::with(&[
            ("proc/self/mountinfo", "27 1 8:1 / /mine rw - ext4 /dev/sda1 rw\n"),
            ("proc/1/mountinfo", "27 1 8:1 / /all rw - ext4 /dev/sda1 rw\n"),
        ]);
        let samples = samples(FilesystemCollector::new(&files.root()).read()).unwrap();
        assert!(samples.contains("/all") && !samples.contains("/mine"), "{samples}");
    }
}
