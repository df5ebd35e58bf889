//! Size and use of file systems.

use std::collections::HashSet;
use std::fmt;

use loadline_protocol::sanitize;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use super::{COUNT_MAX, MetricCollector};
use crate::kernel::filesystem_filter::is_local_filesystem;
use crate::kernel::mounts::{Mount, MountsFile, Space, system_wide_mounts};
use crate::kernel::root::Root;
use crate::metrics::family_writer::{FamilyWriter, Label};

pub(super) struct FilesystemCollector {
    mounts: MountsFile,
    root: Root,
}

impl FilesystemCollector {
    pub(super) fn new(root: &Root) -> FilesystemCollector {
        FilesystemCollector { mounts: system_wide_mounts(root), root: root.clone() }
    }
}

impl MetricCollector for FilesystemCollector {
    fn name(&self) -> &'static str {
        "filesystem"
    }

    fn read(&mut self) -> Option<Box<dyn Collector>> {
        let (mut known, mut is_any) = (HashSet::new(), false);
        let mut snapshot = Vec::new();
        let FilesystemCollector { mounts, root } = self;
        mounts.for_each(|mount| {
            is_any = true;
            let point = Mount::unescape(mount.point);
            if snapshot.len() >= COUNT_MAX || !is_local_filesystem(&point, mount.kind) {
                return;
            }
            let labels = [&*Mount::unescape(mount.device), &*point, mount.kind];
            let labels = labels.map(|label| sanitize(label).into_owned());
            if known.insert(labels.clone()) {
                let space = Space::of(&root.path(&point));
                let options = [mount.options, mount.super_options];
                let is_read_only =
                    options.iter().any(|options| options.split(',').any(|option| option == "ro"));
                snapshot.push(Filesystem { labels, is_read_only, space });
            }
        });
        is_any.then(|| Box::new(FilesystemSnapshot(snapshot)) as Box<dyn Collector>)
    }
}

#[derive(Debug)]
struct Filesystem {
    /// Device, mount point and type.
    labels: [String; 3],
    /// State of the mount in the system. In the view of a sandboxed service all mounts are
    /// read-only.
    is_read_only: bool,
    /// `None` if the file system reports an error.
    space: Option<Space>,
}

impl Filesystem {
    fn labels(&self) -> [Label<'_>; 3] {
        let [device, point, kind] = self.labels.each_ref().map(String::as_str);
        [("device", device), ("fstype", kind), ("mountpoint", point)]
    }
}

#[derive(Debug)]
struct FilesystemSnapshot(Vec<Filesystem>);

type FilesystemField = (&'static str, &'static str, fn(&Space) -> u64);

const FIELDS: [FilesystemField; 5] = [
    ("size_bytes", "Filesystem size in bytes.", |space| space.size),
    ("free_bytes", "Filesystem free space in bytes.", |space| space.free),
    ("avail_bytes", "Filesystem space available to non-root users in bytes.", |space| {
        space.available
    }),
    ("files", "Filesystem total file nodes.", |space| space.files),
    ("files_free", "Filesystem total free file nodes.", |space| space.files_free),
];

impl Collector for FilesystemSnapshot {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut families = FamilyWriter::new(encoder);
        for (name, help, field) in FIELDS {
            let values = self.0.iter().filter_map(|filesystem| {
                Some((filesystem.labels(), field(filesystem.space.as_ref()?) as f64))
            });
            families.gauge(&format!("node_filesystem_{name}"), help, values)?;
        }
        let flag = |is: bool| if is { 1.0 } else { 0.0 };
        let values =
            self.0.iter().map(|filesystem| (filesystem.labels(), flag(filesystem.is_read_only)));
        families.gauge("node_filesystem_readonly", "Filesystem read-only status.", values)?;
        let help = "Whether an error occurred while getting statistics for the given device.";
        let errors =
            self.0.iter().map(|filesystem| (filesystem.labels(), flag(filesystem.space.is_none())));
        families.gauge("node_filesystem_device_error", help, errors)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::tests::TestRoot;
    use crate::metrics::machine::tests::samples;

    /// Returns the device errors and read-only flags of mounts: one line for each file system.
    fn check(mounts: &str, expected: &[&str]) {
        let files = TestRoot::with(&[("proc/self/mountinfo", mounts), ("srv/here", "")]);
        let samples = samples(&mut FilesystemCollector::new(&files.root())).unwrap();
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
        assert_eq!(samples(&mut FilesystemCollector::new(&files.root())), None);
    }

    #[test]
    fn mounts_of_the_whole_system_come_first() {
        let files = TestRoot::with(&[
            ("proc/self/mountinfo", "27 1 8:1 / /mine rw - ext4 /dev/sda1 rw\n"),
            ("proc/1/mountinfo", "27 1 8:1 / /all rw - ext4 /dev/sda1 rw\n"),
        ]);
        let samples = samples(&mut FilesystemCollector::new(&files.root())).unwrap();
        assert!(samples.contains("/all") && !samples.contains("/mine"), "{samples}");
    }
}
