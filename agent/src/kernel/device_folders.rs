//! `/sys/block/` and `/sys/class/net/`: entries of disks and network interfaces.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;

use rustix::fs::{Access, access};

use super::root::Root;

/// Maximum length of an attribute: the kernel writes at most a page.
const ATTRIBUTE_BYTES_MAX: usize = 4096;

/// Folder with a folder for each whole disk, or for each network interface.
pub(crate) struct DeviceFolders(PathBuf);

impl DeviceFolders {
    pub(crate) fn of_disks(root: &Root) -> DeviceFolders {
        DeviceFolders(root.path("sys/block"))
    }

    pub(crate) fn of_interfaces(root: &Root) -> DeviceFolders {
        DeviceFolders(root.path("sys/class/net"))
    }

    /// Returns the names of the devices, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let mut names: Vec<String> = names.map(|name| name.replace('!', "/")).collect();
        names.sort_unstable();
        names
    }

    /// Returns whether the folder of a device has this entry. If `entry` is empty, returns whether
    /// there is a folder.
    pub(crate) fn has(&self, device: &str, entry: &str) -> bool {
        access(self.path(device, entry), Access::EXISTS).is_ok()
    }

    /// Returns whether the folder of a device, or a folder in it, has an entry whose name begins
    /// with `prefix`.
    pub(crate) fn has_prefixed(&self, device: &str, folder: &str, prefix: &str) -> bool {
        let entries = fs::read_dir(self.path(device, folder)).into_iter().flatten().flatten();
        entries
            .into_iter()
            .any(|it| it.file_name().as_encoded_bytes().starts_with(prefix.as_bytes()))
    }

    /// Returns the text of an attribute without blanks at its ends. `None` if the device does not
    /// have it.
    pub(crate) fn text(&self, device: &str, attribute: &str) -> Option<String> {
        let bytes = fs::read(self.path(device, attribute)).ok()?;
        let bytes = bytes.get(..ATTRIBUTE_BYTES_MAX).unwrap_or(&bytes);
        Some(String::from_utf8_lossy(bytes).trim().to_owned())
    }

    /// Returns the last part of the target of a link. `None` if the device does not have it.
    pub(crate) fn link_target(&self, device: &str, link: &str) -> Option<OsString> {
        Some(fs::read_link(self.path(device, link)).ok()?.file_name()?.to_owned())
    }

    pub(crate) fn number(&self, device: &str, attribute: &str) -> Option<u64> {
        self.text(device, attribute)?.parse().ok()
    }

    fn path(&self, device: &str, entry: &str) -> PathBuf {
        // The kernel replaces a slash in a folder name by an exclamation mark.
        self.0.join(device.replace('/', "!")).join(entry)
    }
}
