//! Size and use of file systems.

use std::collections::HashSet;
use std::fmt;

use loadline_protocol::sanitize;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use super::{COUNT_MAX, MetricCollector};
use crate::metrics::family_writer::{FamilyWriter, Label};
use crate::procfs::{Mount, MountsFile, Space, is_local_filesystem};

pub(super) struct FilesystemCollector(MountsFile);

impl FilesystemCollector {
    pub(super) fn new() -> FilesystemCollector {
        FilesystemCollector(MountsFile::system_wide())
    }
}

impl MetricCollector for FilesystemCollector {
    fn name(&self) -> &'static str {
        "filesystem"
    }

    fn read(&mut self) -> Option<Box<dyn Collector>> {
        let (mut known, mut is_any) = (HashSet::new(), false);
        let mut snapshot = Vec::new();
        self.0.for_each(|mount| {
            is_any = true;
            let point = Mount::unescape(mount.point);
            if snapshot.len() >= COUNT_MAX || !is_local_filesystem(&point, mount.kind) {
                return;
            }
            let labels = [&*Mount::unescape(mount.device), &*point, mount.kind];
            let labels = labels.map(|label| sanitize(label).into_owned());
            if known.insert(labels.clone()) {
                let space = Space::of(&point);
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
