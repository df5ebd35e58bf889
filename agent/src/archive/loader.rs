//! Loader of the samples that an earlier agent wrote.

use std::fs::File;
use std::io::{self, Read as _};
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use loadline_protocol::{
    Column, Decoder, LINE_MAX, LISTED_MAX, Line, Look, Note, Row, RunId, Schema, Stamp, Time,
};

use super::activity::Activity;
use super::folder::open_file;
use crate::ring::{Ring, SAMPLES_MAX, SampleId, limit_look};
use loadline_common::without_error_number;

/// Buffer size for reading a file.
const READ_BYTES: usize = 64 * 1024;

/// Size from which a file is not read: a million samples with the longest rows. No agent writes a
/// larger one, and reading it would take minutes.
const FILE_BYTES_MAX: u64 = (SAMPLES_MAX * LINE_MAX) as u64;

/// Properties of the samples to load.
pub(super) struct FileLoader<'a> {
    pub(super) schema: &'a Schema,
    /// Highest number of processes by CPU, and by memory, in a look; 0 without looks.
    pub(super) top: u16,
    /// Other samples are too old, or from a future that the clock has left.
    pub(super) span: Range<Time>,
    pub(super) activity: &'a Activity,
}

impl FileLoader<'_> {
    /// Loads the samples of a file into a ring. Returns the size of its rows in bytes. Logs why a file
    /// or a line cannot be read.
    pub(super) fn load(&self, path: &Path, ring: &mut Ring) -> u64 {
        let mut lines = LineLoader::new(self, ring);
        let result = self.read(path, &mut lines);
        let path = path.display();
        let skipped = result.unwrap_or_else(|error| {
            let error = without_error_number(&error.to_string());
            tracing::warn!(%error, %path, "cannot read earlier samples");
            0
        });
        if let invalid_lines @ 1.. = lines.invalid_lines {
            tracing::warn!(invalid_lines, %path, "skipped invalid lines of earlier samples");
        }
        skipped.max(lines.row_bytes)
    }

    /// Reads a file. Returns its size if it is too large.
    fn read(&self, path: &Path, lines: &mut LineLoader) -> io::Result<u64> {
        self.activity.begin();
        let Some(file) = open_file(path, File::options().read(true))? else { return Ok(0) };
        let length = file.metadata()?.len();
        if length > FILE_BYTES_MAX {
            let (path, bytes) = (path.display(), length);
            tracing::warn!(%path, bytes, "too large for earlier samples: not read");
            return Ok(length);
        }
        let mut file = file.take(length);
        let mut decoder = Decoder::new();
        let mut bytes = vec![0; READ_BYTES];
        loop {
            self.activity.begin();
            let count = match file.read(&mut bytes) {
                Ok(0) => return Ok(0),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let mut input = &bytes[..count];
            // The decoder keeps back an incomplete last line: its numbers may be cut.
            while let Some(line) = decoder.decode(&mut input) {
                if line.ok().and_then(|line| lines.load_line(line)).is_none() {
                    lines.invalid_lines += 1;
                }
            }
        }
    }
}

/// Parser of the lines of a file.
struct LineLoader<'a> {
    ring: &'a mut Ring,
    loader: &'a FileLoader<'a>,
    /// Run and interval of the following rows, from the last header.
    run: Option<(RunId, Duration)>,
    /// Columns of the file's rows, and the index in them of each ring column.
    file_schema: Schema,
    positions: Vec<Option<usize>>,
    row: Row,
    values: Vec<f64>,
    /// Look in front of the next row. An agent writes at most one.
    look: Option<Look>,
    /// Size of the rows and looks in bytes, with line ends.
    row_bytes: u64,
    /// Number of lines that are neither rows nor notes.
    invalid_lines: u64,
}

impl LineLoader<'_> {
    fn new<'a>(loader: &'a FileLoader, ring: &'a mut Ring) -> LineLoader<'a> {
        LineLoader {
            ring,
            loader,
            run: None,
            file_schema: loader.schema.clone(),
            positions: Vec::new(),
            row: Row::default(),
            values: Vec::new(),
            look: None,
            row_bytes: 0,
            invalid_lines: 0,
        }
    }

    /// Loads a line. `None` if it is invalid.
    fn load_line(&mut self, line: &str) -> Option<()> {
        match Line::parse(line).ok()? {
            Line::Row(row) => self.load_row(row)?,
            Line::Note(Note::Header(header)) => self.run = header.run.zip(header.interval),
            Line::Note(Note::Columns(schema)) => self.set_columns(schema),
            Line::Note(note @ (Note::Top(_) | Note::Process(_))) if self.loader.top > 0 => {
                self.row_bytes += line.len() as u64 + 1;
                self.add_to_look(note);
            }
            Line::Note(_) | Line::Blank | Line::Past(_) => {}
        }
        Some(())
    }

    fn add_to_look(&mut self, note: Note) {
        match (note, &mut self.look) {
            (Note::Top(top), look) => *look = Some(Look { top, processes: Vec::new() }),
            (Note::Process(process), Some(look)) if look.processes.len() < LISTED_MAX => {
                look.processes.push(process);
            }
            _ => {}
        }
    }

    /// A ring column that the file lacks becomes NaN; extra columns of the file are ignored.
    fn set_columns(&mut self, schema: Schema) {
        let position = |column: &Column| schema.position(column.name());
        self.positions = self.loader.schema.columns().iter().map(position).collect();
        self.file_schema = schema.with_stamp(Stamp::TimeSeq);
    }

    fn load_row(&mut self, row: &str) -> Option<()> {
        let look = self.look.take();
        self.row_bytes += row.len() as u64 + 1;
        self.file_schema.parse_row_into(row, &mut self.row).ok()?;
        let ((run, interval), time) = (self.run?, self.row.time?);
        let id = SampleId { run, interval, seq: self.row.seq? };
        if !self.loader.span.contains(&time) {
            return Some(());
        }
        let value = |at: &Option<usize>| at.map_or(f64::NAN, |at| self.row.values[at]);
        self.values.clear();
        self.values.extend(self.positions.iter().map(value));
        if let Some(look) = look {
            self.ring.add_look(&limit_look(look, usize::from(self.loader.top)));
        }
        self.ring.restore_sample(id, time, &self.values);
        Some(())
    }
}
