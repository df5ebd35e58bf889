//! Files of the state directory, as the writer uses them.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::ArchiveError;
use super::activity::Activity;
use super::folder::{FileId, NEWER, NEXT, OLDER, StateFolder, create_file, file_id, open_file};
use super::loader::FileLoader;
use crate::agent_info::AgentInfo;
use crate::ring::{Ring, RingHandle};

/// Buffer size for reading a file.
const READ_BYTES: usize = 64 * 1024;

/// Size of rows below which a file is not rotated: 4 KiB.
const FILE_BYTES_MIN: u64 = 4 * 1024;

/// Time between two checks for changes by other programs. [`NEWER`] is checked at each write.
pub(super) const CHECK_INTERVAL: Duration = Duration::from_secs(30);

/// State directory and its files.
pub(super) struct StateFiles {
    /// Path of the directory as given.
    given: PathBuf,
    activity: Arc<Activity>,
    /// `None` until it could be opened, and after a change by another program.
    folder: Option<StateFolder>,
    content: Content,
    /// Identity of [`NEWER`]. `None` if it is missing.
    newer_id: Option<FileId>,
    /// Opened to append. Closed after an error, because a file does not survive that of its disk.
    newer_file: Option<File>,
    /// Size of the rows in [`NEWER`] in bytes.
    newer_row_bytes: u64,
    /// Time of the last check of the directory.
    checked: Instant,
}

/// Content of the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    /// Samples of earlier agents, not loaded yet.
    Unread,
    /// All samples that were written.
    Complete,
    /// Changed by another program, and not loaded yet.
    Changed,
    /// Changed by another program: all samples of the ring have to be rewritten.
    Damaged,
}

impl StateFiles {
    pub(super) fn new(given: &Path, activity: Arc<Activity>) -> StateFiles {
        StateFiles {
            given: given.to_owned(),
            activity,
            folder: None,
            content: Content::Unread,
            newer_id: None,
            newer_file: None,
            newer_row_bytes: 0,
            checked: Instant::now(),
        }
    }

    pub(super) fn given(&self) -> &Path {
        &self.given
    }

    pub(super) fn activity(&self) -> &Activity {
        &self.activity
    }

    pub(super) fn content(&self) -> Content {
        self.content
    }

    /// Opens and locks the directory, unless that is done.
    pub(super) fn open(&mut self) -> Result<(), ArchiveError> {
        if self.folder.is_none() {
            self.activity.begin();
            let folder = StateFolder::open(&self.given);
            self.activity.end();
            self.activity.set_lock(self.folder.insert(folder?).lock());
        }
        Ok(())
    }

    /// Returns what another program did to the files, if anything.
    pub(super) fn find_change(&mut self) -> io::Result<Option<String>> {
        let Some(folder) = &self.folder else { return Ok(None) };
        self.activity.begin();
        match self.content {
            Content::Complete => {}
            // Known to be changed: only the directory matters, which is about to be written.
            Content::Damaged => return self.find_change_of_folder().map(|_| None),
            Content::Unread | Content::Changed => return Ok(None),
        }
        let path = folder.file(NEWER);
        let change = match &self.newer_id {
            Some(id) => id.change_at(&path)?,
            None => file_id(&path)?.map(|_| format!("{} was replaced", path.display())),
        };
        if change.is_some() {
            self.forget_folder();
            return Ok(change);
        }
        if self.checked.elapsed() >= CHECK_INTERVAL {
            self.find_change_of_folder()
        } else {
            Ok(None)
        }
    }

    /// Returns what another program did to the directory, if anything. A directory that was changed or that must not
    /// be used is opened and checked again before the next write.
    fn find_change_of_folder(&mut self) -> io::Result<Option<String>> {
        let Some(folder) = &self.folder else { return Ok(None) };
        self.checked = Instant::now();
        let change = folder.change();
        if !matches!(change, Ok(None)) {
            self.forget_folder();
        }
        change
    }

    fn forget_folder(&mut self) {
        (self.folder, self.newer_file) = (None, None);
        self.content = Content::Changed;
    }

    /// Puts the samples on disk in front of those of the ring, unless that is done. Logs and skips a file that cannot be
    /// read: samples without earlier ones are better than none.
    pub(super) fn load(&mut self, ring: &RingHandle, info: &AgentInfo) -> io::Result<()> {
        let next = match self.content {
            Content::Unread => Content::Complete,
            Content::Changed => Content::Damaged,
            Content::Complete | Content::Damaged => return Ok(()),
        };
        let Some(folder) = &mut self.folder else { return Ok(()) };
        // Left by an agent that was killed. On a read-only disk, it stays.
        let _ = folder.rename(NEXT, None);
        let path = folder.file(NEWER);
        let row_bytes = ring.span_of_older().map(|span| {
            let mut older = Ring::new(&info.schema, info.interval, span.end - span.start);
            let (schema, top) = (&info.schema, info.top);
            let loader = FileLoader { schema, top, span, activity: &self.activity };
            loader.load(&folder.file(OLDER), &mut older);
            let row_bytes = loader.load(&path, &mut older);
            ring.prepend(&older);
            row_bytes
        });
        self.newer_id = file_id(&path)?;
        self.newer_row_bytes = row_bytes.or(self.newer_id.map(|id| id.length)).unwrap_or(0);
        self.content = next;
        Ok(())
    }

    /// Returns whether the older file is not needed any more once rows of this size are written: then
    /// the newer one has more rows than the ring.
    pub(super) fn is_full(&self, row_bytes: u64, ring_bytes: u64) -> bool {
        self.content == Content::Complete
            && self.newer_row_bytes + row_bytes > ring_bytes.max(FILE_BYTES_MIN)
    }

    /// Renames the newer file to the older one. The next write begins a new one.
    pub(super) fn rotate(&mut self) -> io::Result<()> {
        if let Some(folder) = &mut self.folder {
            self.activity.begin();
            folder.rename(NEWER, Some(OLDER))?;
            (self.newer_file, self.newer_id, self.newer_row_bytes) = (None, None, 0);
        }
        Ok(())
    }

    /// Appends lines, whose rows have this size, to the newer file. All or none of them are written.
    pub(super) fn append(&mut self, lines: &[u8], row_bytes: u64) -> io::Result<()> {
        self.activity.begin();
        let mut file = match self.newer_file.take() {
            Some(file) => file,
            None => self.open_newer()?,
        };
        let length = self.newer_id.map_or(0, |id| id.length);
        if let Err(error) = file.write_all(lines) {
            // Part of a row would make the next one invalid. If it stays, the file counts as changed.
            let _ = file.set_len(length);
            return Err(error);
        }
        self.newer_file = Some(file);
        self.newer_row_bytes += row_bytes;
        if let Some(id) = &mut self.newer_id {
            id.length += lines.len() as u64;
        }
        Ok(())
    }

    /// Opens the newer file to append, and cuts off the line that a crash left incomplete.
    fn open_newer(&mut self) -> io::Result<File> {
        let Some(folder) = &self.folder else { return Err(io::ErrorKind::NotFound.into()) };
        let path = folder.file(NEWER);
        let file = if self.newer_id.is_some() {
            let file = open_file(&path, File::options().read(true).append(true))?;
            let mut file = file.ok_or(io::ErrorKind::NotFound)?;
            cut_torn_tail(&mut file)?;
            file
        } else {
            create_file(&path)?
        };
        self.newer_id = Some(FileId::of(&file.metadata()?));
        Ok(file)
    }

    /// Begins a file that will replace the damaged ones.
    pub(super) fn begin_rewrite(&mut self) -> io::Result<()> {
        if let Some(folder) = &mut self.folder {
            self.activity.begin();
            folder.rename(NEXT, None)?;
            let file = create_file(&folder.file(NEXT))?;
            self.newer_id = Some(FileId::of(&file.metadata()?));
            (self.newer_file, self.newer_row_bytes) = (Some(file), 0);
        }
        Ok(())
    }

    /// Replaces the damaged files by the new one. Without success, gives its space back.
    pub(super) fn end_rewrite(&mut self, result: io::Result<()>) -> io::Result<()> {
        let Some(folder) = &mut self.folder else { return result };
        // Else a power failure might leave an empty file in place of the damaged ones.
        let sync = |file: &File| file.sync_data();
        let replaced = result
            .and_then(|()| self.newer_file.as_ref().map_or(Ok(()), sync))
            .and_then(|()| folder.rename(NEXT, Some(NEWER)))
            .and_then(|()| folder.rename(OLDER, None));
        if replaced.is_err() {
            self.newer_file = None;
            let _ = folder.rename(NEXT, None);
        } else {
            self.content = Content::Complete;
        }
        replaced
    }
}

/// Cuts off an incomplete last line.
fn cut_torn_tail(file: &mut File) -> io::Result<()> {
    let length = file.metadata()?.len();
    let mut end = length;
    let mut bytes = vec![0; READ_BYTES];
    while end > 0 {
        let start = end.saturating_sub(READ_BYTES as u64);
        let piece = &mut bytes[..(end - start) as usize];
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(piece)?;
        if let Some(at) = piece.iter().rposition(|byte| *byte == b'\n') {
            end = start + at as u64 + 1;
            break;
        }
        end = start;
    }
    if end < length { file.set_len(end) } else { Ok(()) }
}
