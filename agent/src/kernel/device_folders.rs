//! `/sys/block/` and `/sys/class/net/`: entries of disks and network interfaces.

use std::path::PathBuf;

use rustix::fs::{Access, access};

use super::root::Root;

/// Folder with a folder for each whole disk, or for each network interface.
pub(crate) struct DeviceFolders(PathBuf);

impl DeviceFolders {
    pub(crate) fn of_disks(root: &Root) -> DeviceFolders {
        DeviceFolders(root.path("sys/block"))
    }

    pub(crate) fn of_interfaces(root: &Root) -> DeviceFolders {
        DeviceFolders(root.path("sys/class/net"))
    }

    /// Returns whether the folder of a device has this entry. If `entry` is empty, returns whether
    /// there is a folder.
    pub(crate) fn has(&self, device: &str, entry: &str) -> bool {
        // The kernel replaces a slash in a folder name by an exclamation mark.
        let path = self.0.join(device.replace('/', "!")).join(entry);
        access(path, Access::EXISTS).is_ok()
    }
}
