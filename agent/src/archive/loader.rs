//! Loader of the samples that an earlier agent wrote.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::time::Duration;

use loadline_protocol::{Column, Decoder, Line, Note, Row, RunId, Schema, Stamp};

use crate::ring::{Ring, SampleId};

/// Buffer size for reading a file.
const READ_BYTES: usize = 64 * 1024;

/// Cuts off an incomplete last line. A missing file is no error.
pub(super) fn cut_torn_tail(path: &Path) -> io::Result<()> {
    let opened = File::options().read(true).write(true).open(path);
    let Some(mut file) = if_found(opened)? else { return Ok(()) };
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

/// Statistics of a loaded file.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct LoadedFile {
    /// Size of its rows in bytes, with line ends.
    pub(super) row_bytes: u64,
    /// Number of lines that are neither rows nor notes.
    pub(super) invalid_lines: u64,
}

/// Loads the samples of a file into a ring. A missing file is empty.
pub(super) fn restore(path: &Path, ring: &mut Ring, schema: &Schema) -> io::Result<LoadedFile> {
    let Some(file) = if_found(File::open(path))? else { return Ok(LoadedFile::default()) };
    // The file may be a device without an end.
    let length = file.metadata()?.len();
    let mut file = file.take(length);
    let mut loader = Loader::new(ring, schema);
    let mut decoder = Decoder::new();
    let mut bytes = vec![0; READ_BYTES];
    loop {
        let count = match file.read(&mut bytes) {
            Ok(0) => return Ok(loader.loaded),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let mut input = &bytes[..count];
        while let Some(line) = decoder.decode(&mut input) {
            if line.ok().and_then(|line| loader.load_line(line)).is_none() {
                loader.loaded.invalid_lines += 1;
            }
        }
    }
}

/// Returns `None` if the file is missing.
pub(super) fn if_found<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        result => result.map(Some),
    }
}

/// Parser of the lines of a file.
struct Loader<'a> {
    ring: &'a mut Ring,
    columns: &'a [Column],
    /// Run and interval of the following rows, from the last header.
    run: Option<(RunId, Duration)>,
    /// Columns of the file's rows, and the index in them of each ring column.
    file_schema: Schema,
    positions: Vec<Option<usize>>,
    row: Row,
    values: Vec<f64>,
    loaded: LoadedFile,
}

impl Loader<'_> {
    fn new<'a>(ring: &'a mut Ring, schema: &'a Schema) -> Loader<'a> {
        Loader {
            ring,
            columns: schema.columns(),
            run: None,
            file_schema: schema.clone(),
            positions: Vec::new(),
            row: Row::default(),
            values: Vec::new(),
            loaded: LoadedFile::default(),
        }
    }

    /// Loads a line. `None` if it is invalid.
    fn load_line(&mut self, line: &str) -> Option<()> {
        match Line::parse(line).ok()? {
            Line::Row(row) => self.load_row(row)?,
            Line::Note(Note::Header(header)) => self.run = header.run.zip(header.interval),
            Line::Note(Note::Columns(schema)) => self.set_columns(schema),
            Line::Note(_) | Line::Blank => {}
        }
        Some(())
    }

    /// A ring column that the file lacks becomes NaN; extra columns of the file are ignored.
    fn set_columns(&mut self, schema: Schema) {
        let position = |column: &Column| schema.position(column.name());
        self.positions = self.columns.iter().map(position).collect();
        self.file_schema = schema.with_stamp(Stamp::TimeSeq);
    }

    fn load_row(&mut self, row: &str) -> Option<()> {
        self.loaded.row_bytes += row.len() as u64 + 1;
        self.file_schema.parse_row_into(row, &mut self.row).ok()?;
        let ((run, interval), time) = (self.run?, self.row.time?);
        let id = SampleId { run, interval, seq: self.row.seq? };
        let value = |at: &Option<usize>| at.map_or(f64::NAN, |at| self.row.values[at]);
        self.values.clear();
        self.values.extend(self.positions.iter().map(value));
        self.ring.restore_sample(id, time, &self.values);
        Some(())
    }
}
