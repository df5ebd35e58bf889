//! Folders `/proc/PID`: reads the files of many processes once, without keeping them open.

use std::fs::File;
use std::io::Read as _;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{Mode, OFlags, fstat, open, openat};
use rustix::io::{Errno, read, retry_on_intr};

use super::cgroups::parse_field;
use super::numbered_entries::for_each_number;
use super::process_stat::{self, ProcessStat};
use super::process_units::unit_of;
use super::root::Root;

/// Buffer for `/proc/PID/stat`: 52 numbers of at most 20 digits, and a name of at most 64 bytes.
const STAT_BYTES_MAX: usize = 2 * 1024;

/// Size limit of the other files: a dozen hierarchies of cgroups with a path each.
const TEXT_BYTES_MAX: u64 = 64 * 1024;

/// Folder `/proc`, open.
pub(crate) struct ProcessFiles(OwnedFd);

/// Folder of one process. After its end, its files cannot be read any more, even if another process has
/// its number.
pub(crate) struct ProcessFolder(OwnedFd);

impl ProcessFiles {
    pub(crate) fn open(root: &Root) -> Option<ProcessFiles> {
        open(root.path("proc"), OFlags::RDONLY | FOLDER, Mode::empty()).map(ProcessFiles).ok()
    }

    /// Passes the numbers of all visible processes to `each`.
    pub(crate) fn for_each(&self, each: impl FnMut(u32)) {
        for_each_number(&self.0, b"", each);
    }

    /// Passes the values of a process to `read`. `None` for a process that has ended or is hidden.
    ///
    /// # Errors
    /// Any other reason, such as too many open files: then nothing is known of the process.
    pub(crate) fn stat<T>(
        &self,
        pid: u32,
        read: impl FnOnce(ProcessStat<'_>) -> T,
    ) -> Result<Option<T>, Errno> {
        let mut buffer = [0; STAT_BYTES_MAX];
        match read_start(&self.0, &format!("{pid}/stat"), &mut buffer) {
            Ok(length) => Ok(process_stat::parse(&buffer[..length]).map(read)),
            Err(Errno::NOENT | Errno::SRCH | Errno::ACCESS | Errno::PERM) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Opens the folder of the process with this number and start.
    pub(crate) fn folder(&self, pid: u32, start: u64) -> Option<ProcessFolder> {
        let folder =
            openat(&self.0, format!("{pid}"), OFlags::PATH | FOLDER, Mode::empty()).ok()?;
        let mut buffer = [0; STAT_BYTES_MAX];
        let length = read_start(&folder, "stat", &mut buffer).ok()?;
        let opened = process_stat::parse(&buffer[..length])?.start;
        (opened == start).then_some(ProcessFolder(folder))
    }
}

impl ProcessFolder {
    /// Returns the number of the effective user.
    pub(crate) fn user(&self) -> Option<u32> {
        fstat(&self.0).ok().map(|folder| folder.st_uid)
    }

    /// Returns the systemd unit or container.
    pub(crate) fn unit(&self) -> Option<String> {
        unit_of(&self.text("cgroup")?)
    }

    /// Returns the bytes read from and written to disks, by ended children too. `None` if that is not
    /// permitted.
    pub(crate) fn io_bytes(&self) -> Option<u64> {
        parse_io(&self.text("io")?)
    }

    fn text(&self, name: &str) -> Option<String> {
        let file = openat(&self.0, name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()?;
        let mut bytes = Vec::new();
        File::from(file).take(TEXT_BYTES_MAX).read_to_end(&mut bytes).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }
}

const FOLDER: OFlags = OFlags::DIRECTORY.union(OFlags::CLOEXEC);

/// Reads as much as one read returns.
fn read_start(folder: impl AsFd, path: &str, buffer: &mut [u8]) -> Result<usize, Errno> {
    let file = openat(folder, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    retry_on_intr(|| read(&file, &mut *buffer))
}

/// Parses `read_bytes: 4096` and `write_bytes: 8192`.
pub(super) fn parse_io(text: &str) -> Option<u64> {
    parse_field(text, "read_bytes:")?.checked_add(parse_field(text, "write_bytes:")?)
}
