//! State directory: its path, its lock, and its files.
//!
//! Only this user and root can replace the directory or a file in it: otherwise another user could
//! direct the writes of the agent to any file.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use rustix::fs::OFlags;

use super::ArchiveError;
use super::owner::{refuse_other_owners, refuse_other_writers};

/// Rows before those of [`NEWER`].
pub(super) const OLDER: &str = "older.load";

/// The recording that is being written.
pub(super) const NEWER: &str = "newer.load";

/// The next [`NEWER`], until it has all samples of the ring.
pub(super) const NEXT: &str = "next.load";

/// Locked by the agent that uses the directory.
const LOCK: &str = "lock";

/// Mode of a new directory: the group may read.
const FOLDER_MODE: u32 = 0o750;

/// Mode of a new file, whatever the umask.
const FILE_MODE: u32 = 0o640;

/// Permission to write for group and others.
const OTHERS_WRITE: u32 = 0o022;

/// Symbolic links in a path, as in Linux.
const LINKS_MAX: usize = 40;

/// Identity and length of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileId {
    device: u64,
    inode: u64,
    pub(super) length: u64,
}

impl FileId {
    pub(super) fn of(metadata: &Metadata) -> FileId {
        FileId { device: metadata.dev(), inode: metadata.ino(), length: metadata.len() }
    }

    fn is_same_file(&self, other: &FileId) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }

    /// Describes what happened to the file, which was at `path`. `None` if it is unchanged.
    pub(super) fn change_at(&self, path: &Path) -> io::Result<Option<String>> {
        let change = match file_id(path)? {
            None => "removed",
            Some(now) if !self.is_same_file(&now) => "replaced",
            Some(now) if now.length < self.length => "truncated",
            Some(now) if now.length > self.length => "changed by another program",
            Some(_) => return Ok(None),
        };
        Ok(Some(format!("{} was {change}", path.display())))
    }
}

/// Locked state directory. Dropping it unlocks the directory.
#[derive(Debug)]
pub(super) struct StateFolder {
    /// Path as given, possibly with symbolic links.
    given: PathBuf,
    /// The same path without symbolic links.
    path: PathBuf,
    lock: Arc<File>,
    lock_id: FileId,
    /// Length of [`OLDER`], which never changes. Its inode may: the file is not open, and some file
    /// systems renumber it.
    older_bytes: Option<u64>,
}

impl StateFolder {
    /// Locks a state directory, and creates it if necessary.
    pub(super) fn open(given: &Path) -> Result<StateFolder, ArchiveError> {
        let unusable = |why| ArchiveError::new(given, why);
        let path = resolve(given, true).map_err(unusable)?;
        for name in [OLDER, NEWER, NEXT] {
            file_id(&path.join(name)).map_err(unusable)?;
        }
        let lock = open_lock(&path.join(LOCK)).map_err(unusable)?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => ArchiveError::InUse { folder: given.to_owned() },
            TryLockError::Error(why) => unusable(why),
        })?;
        let lock_id = FileId::of(&lock.metadata().map_err(unusable)?);
        let older_bytes = length(&path.join(OLDER)).map_err(unusable)?;
        Ok(StateFolder {
            given: given.to_owned(),
            path,
            lock: Arc::new(lock),
            lock_id,
            older_bytes,
        })
    }

    pub(super) fn lock(&self) -> &Arc<File> {
        &self.lock
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Returns what another program did to the directory, its lock or the older file, if anything.
    pub(super) fn change(&self) -> io::Result<Option<String>> {
        let given = self.given.display();
        let path = match resolve(&self.given, false) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Some(format!("{given} was removed")));
            }
            path => path?,
        };
        if path != self.path {
            return Ok(Some(format!("{given} was replaced")));
        }
        let lock = self.lock_id.change_at(&self.file(LOCK))?;
        let older = self.file(OLDER);
        let is_changed = self.older_bytes.is_some() && length(&older)? != self.older_bytes;
        Ok(lock.or(is_changed.then(|| format!("{} was changed or removed", older.display()))))
    }

    /// Renames a file, or removes it if there is no new name. Nothing happens if it is missing.
    pub(super) fn rename(&mut self, from: &str, to: Option<&str>) -> io::Result<()> {
        let from = self.file(from);
        // On a disk that takes no writes for now, removing a missing file blocks as well.
        if file_id(&from)?.is_none() {
            return Ok(());
        }
        match to {
            Some(to) => fs::rename(from, self.file(to))?,
            None => fs::remove_file(from)?,
        }
        self.older_bytes = length(&self.file(OLDER))?;
        Ok(())
    }
}

/// Returns `None` if the file is missing.
pub(super) fn if_found<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        result => result.map(Some),
    }
}

/// Returns the identity of a file, without opening it. `None` if it is missing. Opening anything but
/// a regular file may block or have effects, so that is an error.
pub(super) fn file_id(path: &Path) -> io::Result<Option<FileId>> {
    let Some(metadata) = if_found(path.symlink_metadata())? else { return Ok(None) };
    if !metadata.is_file() {
        let (path, kind) = (path.display(), kind_of(&metadata));
        return Err(io::Error::other(format!("{path} is {kind}; remove it")));
    }
    refuse_other_owners(path, &metadata)?;
    Ok(Some(FileId::of(&metadata)))
}

fn length(path: &Path) -> io::Result<Option<u64>> {
    Ok(file_id(path)?.map(|id| id.length))
}

/// Opens a regular file that no other user can change. `None` if it is missing.
pub(super) fn open_file(path: &Path, options: &mut OpenOptions) -> io::Result<Option<File>> {
    let Some(id) = file_id(path)? else { return Ok(None) };
    // The path still leads to the same file, because nobody else can replace it.
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
    let Some(file) = if_found(options.custom_flags(flags as i32).open(path))? else {
        return Ok(None);
    };
    let metadata = file.metadata()?;
    if !id.is_same_file(&FileId::of(&metadata)) {
        return Err(io::Error::other(format!("{} was replaced", path.display())));
    }
    if metadata.mode() & OTHERS_WRITE != 0 {
        set_mode(&file, metadata.mode() & 0o777 & !OTHERS_WRITE)?;
    }
    Ok(Some(file))
}

/// Creates a file to append to.
pub(super) fn create_file(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    let file = options.create_new(true).append(true).mode(FILE_MODE).open(path)?;
    set_mode(&file, FILE_MODE)?;
    Ok(file)
}

/// Creates a directory.
fn create_folder(path: &Path) -> io::Result<Metadata> {
    DirBuilder::new().mode(FOLDER_MODE).create(path)?;
    set_mode(&File::open(path)?, FOLDER_MODE)?;
    path.symlink_metadata()
}

/// Sets the mode of a file, whatever the umask. Some file systems, such as FAT, refuse modes: then
/// others must not be able to write.
fn set_mode(file: &File, mode: u32) -> io::Result<()> {
    let result = file.set_permissions(Permissions::from_mode(mode));
    if result.is_err() && file.metadata()?.mode() & OTHERS_WRITE == 0 { Ok(()) } else { result }
}

/// Opens the file for the lock: to write, because NFS locks only such files, or to read, because
/// earlier samples can be read from a read-only disk as well.
fn open_lock(path: &Path) -> io::Result<File> {
    let opened = match open_file(path, File::options().write(true)) {
        Err(error) if error.kind() == io::ErrorKind::ReadOnlyFilesystem => {
            open_file(path, File::options().read(true))
        }
        opened => opened,
    };
    opened?.map_or_else(|| create_file(path), Ok)
}

fn kind_of(metadata: &Metadata) -> &'static str {
    let kind = metadata.file_type();
    match () {
        () if kind.is_symlink() => "a symbolic link",
        () if kind.is_dir() => "a directory",
        () if kind.is_fifo() => "a fifo",
        () if kind.is_socket() => "a socket",
        () => "a device",
    }
}

/// Returns the path of a directory without symbolic links. Creates what is missing, if `creates`.
///
/// # Errors
/// Another user can replace a part of the path.
fn resolve(given: &Path, creates: bool) -> io::Result<PathBuf> {
    let absolute = std::path::absolute(given)?;
    let mut pending = components(&absolute);
    let mut path = PathBuf::from("/");
    let mut links = 0;
    while let Some(name) = pending.pop() {
        if name == Path::new("..") {
            path.pop();
            continue;
        }
        let next = path.join(name);
        let metadata = match next.symlink_metadata() {
            Err(error) if creates && error.kind() == io::ErrorKind::NotFound => {
                create_folder(&next)?
            }
            metadata => metadata?,
        };
        refuse_other_owners(&next, &metadata)?;
        if metadata.is_symlink() {
            links += 1;
            if links > LINKS_MAX {
                return Err(io::Error::other(format!("too many links at {}", next.display())));
            }
            let target = next.read_link()?;
            path = if target.is_absolute() { "/".into() } else { path };
            pending.extend(components(&target));
            continue;
        }
        if !metadata.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        refuse_other_writers(&next, &metadata, !pending.is_empty())?;
        path = next;
    }
    Ok(path)
}

/// Returns the names and `..` of a path, the last one first.
fn components(path: &Path) -> Vec<PathBuf> {
    let is_step = |it: &Component| matches!(it, Component::Normal(_) | Component::ParentDir);
    path.components().rev().filter(is_step).map(|it| it.as_os_str().into()).collect()
}
