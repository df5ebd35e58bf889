//! Samples that an earlier agent wrote down.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::time::Duration;

use loadline_protocol::{Column, Decoder, Line, Note, Row, RunId, Schema, Stamp};

use crate::ring::{Ring, SampleId};

/// How much of a file is read at once.
const READ_BYTES: usize = 64 * 1024;

/// Ends a file with a whole line. One that is not there has none.
pub(super) fn cut_torn_tail(path: &Path) -> io::Result<()> {
    let mut file = match OpenOptions::new().read(true).write(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
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

/// What was in a file.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct LoadedFile {
    /// The bytes of its rows, with their line ends.
    pub(super) row_bytes: u64,
    /// How many lines were neither rows nor notes.
    pub(super) invalid_lines: u64,
}

/// Puts the samples of a file into a ring. A file that is not there has none.
pub(super) fn restore(path: &Path, ring: &mut Ring, schema: &Schema) -> io::Result<LoadedFile> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(LoadedFile::default()),
        Err(error) => return Err(error),
    };
    // What stands there instead may have no end.
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

/// The lines of a file, on their way into a ring.
struct Loader<'a> {
    ring: &'a mut Ring,
    /// The columns of the ring.
    columns: &'a [Column],
    /// What the rows that follow belong to, once the file has told.
    run: Option<(RunId, Duration)>,
    /// The columns of the rows, and which of them each column of the ring is.
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

    /// Takes a line; `None` if it says nothing that can be understood.
    fn load_line(&mut self, line: &str) -> Option<()> {
        match Line::parse(line).ok()? {
            Line::Row(row) => self.load_row(row)?,
            Line::Note(Note::Header(header)) => self.run = header.run.zip(header.interval),
            Line::Note(Note::Columns(schema)) => self.set_columns(schema),
            Line::Note(_) | Line::Blank => {}
        }
        Some(())
    }

    /// A column that there was not is not known, and one that there is no more is left out.
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
