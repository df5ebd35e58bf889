//! Kernel files with a record in each line.

use std::marker::PhantomData;
use std::path::PathBuf;

use super::open_file::OpenFile;
use super::root::Root;

/// Record of a kernel file.
pub(crate) trait Record {
    /// The record, which may borrow text from its line.
    type Of<'a>;

    /// Path of the file below the root.
    const PATH: &'static str;

    /// Buffer: the kernel returns about a page per read, and no line is nearly as long.
    const BUFFER_BYTES: usize = 8 * 1024;

    /// Parses a line. `None` if it is no record.
    fn parse(line: &[u8]) -> Option<Self::Of<'_>>;
}

/// File that stays open, with its buffer.
#[derive(Debug)]
pub(crate) struct RecordFile<R> {
    file: OpenFile,
    buffer: Box<[u8]>,
    record: PhantomData<fn() -> R>,
}

impl<R: Record> RecordFile<R> {
    pub(crate) fn new(root: &Root) -> RecordFile<R> {
        RecordFile::with_buffer(root.path(R::PATH), R::BUFFER_BYTES)
    }

    /// Returns the file at another path. Lines longer than `buffer_bytes` are skipped.
    pub(crate) fn with_buffer(path: PathBuf, buffer_bytes: usize) -> RecordFile<R> {
        let (file, buffer) = (OpenFile::new(path), vec![0; buffer_bytes].into());
        RecordFile { file, buffer, record: PhantomData }
    }

    /// Passes each record to `each`. Returns whether there was one.
    pub(crate) fn for_each(&mut self, mut each: impl FnMut(R::Of<'_>)) -> bool {
        let mut found_any = false;
        self.find_map(|record| {
            found_any = true;
            each(record);
            None::<()>
        });
        found_any
    }

    /// Reads up to the first record for which `map` returns a value, and returns this value.
    pub(crate) fn find_map<T>(&mut self, mut map: impl FnMut(R::Of<'_>) -> Option<T>) -> Option<T> {
        let mut found = None;
        self.file.for_each_line(&mut self.buffer, |line| {
            found = R::parse(line).and_then(&mut map);
            found.is_none()
        });
        found
    }
}
