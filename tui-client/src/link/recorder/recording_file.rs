//! File of a recording: opened by one program at a time, and written in whole lines.

use std::fs::{self, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt as _, FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use loadline_protocol::parse_plain_row;

/// Bytes of one read of the search for the last line end: 64 KiB.
const READ_BYTES: u64 = 64 * 1024;

/// Permissions of a new file, less those of the umask: others may never write to it.
const MODE: u32 = 0o664;

/// Start of a header, and of a columns note.
const HEADER_START: &[u8] = b"# loadline/";
const COLUMNS_START: &[u8] = b"# columns";

/// File of a recording. The file has whole lines only.
#[derive(Debug, Default)]
pub(super) struct RecordingFile {
    path: PathBuf,
    open: Option<OpenFile>,
    /// Header and columns note of the last line, for a file that replaces this one.
    head: Vec<u8>,
    /// True if the next row needs `head` above it.
    is_head_due: bool,
    /// Messages about the file.
    pub(super) notices: Vec<String>,
}

/// Open file, locked.
#[derive(Debug)]
struct OpenFile {
    file: File,
    /// Device and inode; `None` if the file is no regular one.
    id: Option<(u64, u64)>,
    /// Length of all whole lines in bytes.
    bytes: u64,
    /// True if half a line stands behind the whole lines.
    is_torn: bool,
}

/// Change that another program made to an open file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FileChange {
    Removed,
    Replaced,
    Truncated,
    /// Another program wrote to the file without a lock.
    Extended,
}

impl FileChange {
    fn text(self) -> &'static str {
        match self {
            FileChange::Removed => "was removed",
            FileChange::Replaced => "was replaced",
            FileChange::Truncated => "was truncated",
            FileChange::Extended => "was written by another program",
        }
    }
}

impl RecordingFile {
    /// Opens and locks the file of a recording. `source` is the path of the source, if the source is a
    /// file. Cuts off an incomplete last line.
    ///
    /// # Errors
    /// The file is not regular, is in use, or cannot be written.
    pub(super) fn open(path: &Path, source: Option<&Path>) -> io::Result<RecordingFile> {
        let mut recording = RecordingFile { path: path.to_owned(), ..RecordingFile::default() };
        recording.reopen(source)?;
        Ok(recording)
    }

    fn reopen(&mut self, source: Option<&Path>) -> io::Result<()> {
        self.open = None;
        let (file, metadata) = open_regular(&self.path)?;
        let mut id = None;
        let mut bytes = 0;
        if metadata.is_file() {
            check_use(&metadata, source)?;
            if let Some(error) = lock(&file)? {
                self.notices.push(format!(
                    "its file system has no locks ({error}), record to it from one program only"
                ));
            }
            let cut = cut_incomplete_line(&file)?;
            if cut > 0 {
                self.notices.push(format!("its incomplete last line, {cut} bytes, is cut off"));
            }
            id = Some((metadata.dev(), metadata.ino()));
            bytes = file.metadata()?.len();
        }
        self.open = Some(OpenFile { file, id, bytes, is_torn: false });
        self.is_head_due = !self.head.is_empty();
        Ok(())
    }

    /// Writes whole lines. Returns the number of bytes of the whole lines that the file took.
    pub(super) fn write(&mut self, lines: &[u8]) -> (usize, io::Result<()>) {
        let (taken, result) = self.try_write(lines);
        let is_lost = |change| matches!(change, Ok(Some(change)) if change != FileChange::Extended);
        // A file that was replaced just before took the lines in vain.
        if result.is_ok() && is_lost(self.find_change()) {
            return self.try_write(lines);
        }
        (taken, result)
    }

    fn try_write(&mut self, lines: &[u8]) -> (usize, io::Result<()>) {
        let open = match self.prepare(lines.starts_with(HEADER_START)) {
            Ok(open) => open,
            Err(error) => return (0, Err(error)),
        };
        let (taken, result) = open.append(lines);
        self.note_head(&lines[..taken]);
        (taken, result)
    }

    /// Opens the file again if it is another one now, and writes the header unless one follows.
    fn prepare(&mut self, is_header_next: bool) -> io::Result<&mut OpenFile> {
        match self.find_change() {
            Ok(None) => {}
            Ok(Some(change)) => {
                self.open = None;
                self.notices.push(format!("the file {}, a new header is written", change.text()));
            }
            Err(error) => {
                // The open file may be useless for good, as after an unmount.
                self.open = None;
                return Err(error);
            }
        }
        if self.open.is_none() {
            self.reopen(None)?;
        }
        let open = self.open.as_mut().ok_or(io::ErrorKind::NotFound)?;
        if std::mem::take(&mut self.is_head_due) && !is_header_next {
            let (_, written) = open.append(&self.head);
            self.is_head_due = written.is_err();
            written?;
        }
        Ok(open)
    }

    /// Returns the change that another program made to the file.
    fn find_change(&self) -> io::Result<Option<FileChange>> {
        let Some(OpenFile { file, id: Some(id), bytes, is_torn }) = &self.open else {
            return Ok(None);
        };
        let there = fs::metadata(&self.path);
        if there.as_ref().is_ok_and(|there| (there.dev(), there.ino()) != *id) {
            return Ok(Some(FileChange::Replaced));
        }
        // Another error, for example of permissions, does not keep the open file from being written.
        if there.is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            return Ok(Some(FileChange::Removed));
        }
        let length = file.metadata()?.len();
        Ok(match length {
            _ if length < *bytes => Some(FileChange::Truncated),
            _ if length > *bytes && !is_torn => Some(FileChange::Extended),
            _ => None,
        })
    }

    /// Notes header and columns of the rows that follow `lines`.
    fn note_head(&mut self, lines: &[u8]) {
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            if line.starts_with(HEADER_START) {
                self.head = line.to_vec();
            } else if line.starts_with(COLUMNS_START) {
                self.head.extend_from_slice(line);
            }
        }
    }

    /// Waits until the disk has all rows.
    pub(super) fn sync(&self) -> io::Result<()> {
        match &self.open {
            Some(OpenFile { file, id: Some(_), .. }) => file.sync_data(),
            _ => Ok(()),
        }
    }
}

impl OpenFile {
    /// Appends lines. Returns the number of bytes of whole lines that the file took; cuts off the rest.
    fn append(&mut self, lines: &[u8]) -> (usize, io::Result<()>) {
        if self.is_torn {
            if let Err(error) = self.file.set_len(self.bytes) {
                return (0, Err(error));
            }
            self.is_torn = false;
        }
        let mut taken = 0;
        let result = loop {
            match self.file.write(&lines[taken..]) {
                Ok(0) if taken < lines.len() => break Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => taken += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break Err(error),
            }
            if taken == lines.len() {
                break Ok(());
            }
        };
        let whole = lines[..taken].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        self.bytes += whole as u64;
        if taken > whole {
            self.is_torn = self.file.set_len(self.bytes).is_err();
        }
        (whole, result)
    }
}

/// Opens a file for appending. Opening a pipe may block, and a device may act, so the kind is checked
/// first.
fn open_regular(path: &Path) -> io::Result<(File, Metadata)> {
    if path == Path::new("-") {
        return Err(io::Error::other("is standard output; use -o raw"));
    }
    match fs::metadata(path) {
        Ok(metadata) => check_kind(&metadata)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let mut options = OpenOptions::new();
    let options = options.read(true).append(true).create(true).mode(MODE);
    let file = options.open(path)?;
    let metadata = file.metadata()?;
    check_kind(&metadata)?;
    Ok((file, metadata))
}

/// Refuses anything but a regular file and `/dev/null`.
fn check_kind(metadata: &Metadata) -> io::Result<()> {
    let kind = metadata.file_type();
    let is_null = |null: Metadata| null.rdev() == metadata.rdev();
    if kind.is_file() || kind.is_char_device() && fs::metadata("/dev/null").is_ok_and(is_null) {
        return Ok(());
    }
    let what = match () {
        () if kind.is_dir() => "is a directory; give a file in it",
        () if kind.is_fifo() => "is a pipe; use -o raw and write its output to the pipe",
        () if kind.is_socket() => "is a socket; give a file",
        () => "is a device; give a file, or use -o raw",
    };
    Err(io::Error::other(what))
}

/// Refuses the file of the source and the file of standard output.
fn check_use(metadata: &Metadata, source: Option<&Path>) -> io::Result<()> {
    let is_same = |other: io::Result<Metadata>| {
        other.is_ok_and(|it| (it.dev(), it.ino()) == (metadata.dev(), metadata.ino()))
    };
    let of_stream = |stream: &dyn AsFd| File::from(stream.as_fd().try_clone_to_owned()?).metadata();
    let what = match source {
        Some(path) if is_same(fs::metadata(path)) => "this file is the source",
        _ if is_same(of_stream(&io::stdin())) => "this file is standard input",
        _ if is_same(of_stream(&io::stdout())) => "this file is standard output",
        _ => return Ok(()),
    };
    Err(io::Error::other(format!("{what}; give --record another file")))
}

/// Locks a file. Readers need no lock. Returns the error of a file system without locks.
fn lock(file: &File) -> io::Result<Option<io::Error>> {
    match file.try_lock() {
        Ok(()) => Ok(None),
        Err(TryLockError::Error(error)) => Ok(Some(error)),
        Err(TryLockError::WouldBlock) => {
            let what = "another program records to this file; give --record another file";
            Err(io::Error::other(what))
        }
    }
}

/// Cuts off an incomplete last line, and returns its length: with a line end, half a number would be
/// another number.
///
/// # Errors
/// The file is no recording.
fn cut_incomplete_line(file: &File) -> io::Result<u64> {
    let length = file.metadata()?.len();
    if length > 0 && !is_recording(file, length)? {
        return Err(io::Error::other("it is no recording; give --record another file"));
    }
    let end = end_of_lines(file, length)?;
    if end < length {
        file.set_len(end)?;
    }
    Ok(length - end)
}

/// Returns the position behind the last line end.
fn end_of_lines(file: &File, length: u64) -> io::Result<u64> {
    let mut bytes = vec![0; READ_BYTES.min(length) as usize];
    let mut end = length;
    while end > 0 {
        let start = end.saturating_sub(READ_BYTES);
        let piece = &mut bytes[..(end - start) as usize];
        file.read_exact_at(piece, start)?;
        if let Some(at) = piece.iter().rposition(|byte| *byte == b'\n') {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

/// Returns whether a file begins as a recording or a plain stream does.
fn is_recording(file: &File, length: u64) -> io::Result<bool> {
    let mut bytes = vec![0; READ_BYTES.min(length) as usize];
    file.read_exact_at(&mut bytes, 0)?;
    let mut first = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    // A crash of the machine may leave zeros.
    while let Some(rest) = first.strip_suffix(b"\0") {
        first = rest;
    }
    let is_note = |start: &[u8]| first.starts_with(start) || start.starts_with(first);
    let is_row = |line: &str| parse_plain_row(line).is_ok();
    Ok(is_note(HEADER_START)
        || is_note(COLUMNS_START)
        || std::str::from_utf8(first).is_ok_and(is_row))
}

#[cfg(test)]
impl RecordingFile {
    /// Creates a recording to a pipe or a device, which `--record` refuses.
    pub(super) fn device(file: File) -> RecordingFile {
        let open = OpenFile { file, id: None, bytes: 0, is_torn: false };
        RecordingFile { open: Some(open), ..RecordingFile::default() }
    }
}
