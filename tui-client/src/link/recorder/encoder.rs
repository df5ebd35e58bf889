//! Recordings: each row as a line of the format, below a header.
//!
//! A recording is a subscribed stream, so the same parser reads both. Each start appends a header.
//! Rows without a timestamp get the time of receipt.

use std::fmt::Write as _;

use loadline_protocol::{Header, LINE_MAX, Note, RunId, Schema, Seq, Stamp, Time, VERSION};

use crate::event::{Event, Rows, Sample, StreamInfo};

/// Encoder of events as lines of a recording.
#[derive(Debug, Default)]
pub struct Recorder {
    /// Header and columns; `None` if their lines exceed [`LINE_MAX`].
    stream: Option<(Header, Schema)>,
    last: Option<LastRow>,
    rows: u64,
    rows_max: Option<u64>,
    /// Number of rows left out because the row or its header exceeds [`LINE_MAX`].
    pub too_long: u64,
    /// Number of rows left out since the last line.
    pub(super) lost: u64,
    /// True if the header is to be written before the next line.
    is_header_due: bool,
}

/// Last recorded row.
#[derive(Debug, Clone, Copy)]
struct LastRow {
    run: Option<RunId>,
    time: Time,
    seq: Option<Seq>,
    /// True if another header was written after the row.
    is_before_header: bool,
}

impl Recorder {
    /// Creates a recorder of at most `rows_max` rows.
    pub fn new(rows_max: Option<u64>) -> Recorder {
        Recorder { rows_max, ..Recorder::default() }
    }

    /// Appends the lines of an event to `out`.
    pub fn record(&mut self, event: &Event, out: &mut String) {
        match event {
            Event::Stream(stream) => {
                self.resume(out);
                self.set_stream(stream);
                self.write_header(out);
            }
            Event::Rows(rows) => {
                self.resume(out);
                self.record_rows(rows, out);
            }
            Event::Look(look) if self.takes_rows() => {
                self.resume(out);
                let _ = write!(out, "{look}");
            }
            Event::Skipped { count } if self.stream.is_some() => {
                self.resume(out);
                self.write_skipped(*count, out);
            }
            _ => {}
        }
    }

    /// Returns whether the recording takes further rows, and the looks in front of them.
    fn takes_rows(&self) -> bool {
        self.stream.is_some() && self.rows_max.is_none_or(|most| self.rows < most)
    }

    /// Leaves out an event that the file has no room for. The next lines say how many rows are missing.
    pub(super) fn leave_out(&mut self, event: &Event) {
        match event {
            Event::Stream(stream) => {
                self.set_stream(stream);
                self.is_header_due = true;
            }
            Event::Rows(rows) => {
                let left = self.rows_max.map_or(u64::MAX, |most| most - self.rows);
                let count = left.min(rows.len() as u64);
                self.rows += count;
                self.lost += count;
            }
            Event::Skipped { count } => self.lost = self.lost.saturating_add(*count),
            _ => {}
        }
    }

    /// Appends a note of the rows that were left out, and the header if it changed meanwhile.
    fn resume(&mut self, out: &mut String) {
        if let lost @ 1.. = std::mem::take(&mut self.lost) {
            self.write_skipped(lost, out);
        }
        if std::mem::take(&mut self.is_header_due) {
            self.write_header(out);
        }
    }

    /// Appends a note of missing rows. The numbers are those after the last row of the run.
    fn write_skipped(&self, count: u64, out: &mut String) {
        let run = self.run_id();
        let is_of_run = |last: &LastRow| !last.is_before_header || run.is_some() && run == last.run;
        let last = self.last.filter(is_of_run).and_then(|last| last.seq).unwrap_or_default();
        let to = last.plus(count);
        let skipped = Note::Skipped { from: last.next().min(to), to };
        let _ = writeln!(out, "{skipped}");
    }

    fn set_stream(&mut self, stream: &StreamInfo) {
        // Rows without a sequence number get none.
        let stamp = match stream.schema.stamp() {
            Stamp::None | Stamp::Time => Stamp::Time,
            Stamp::TimeSeq => Stamp::TimeSeq,
        };
        let mut header = stream.header.clone().unwrap_or_else(minimal_header);
        // Times of receipt need not rise within a run.
        header.run = header.run.filter(|_| stream.schema.stamp() != Stamp::None);
        // The agent had it, the file has not.
        header.oldest = None;
        self.stream = Some((header, stream.schema.clone().with_stamp(stamp)));
    }

    /// Writes the header for the rows that follow.
    fn write_header(&mut self, out: &mut String) {
        let Some((header, schema)) = &self.stream else { return };
        let header = Note::Header(header.clone()).to_string();
        let columns = Note::Columns(schema.clone()).to_string();
        if let Some(last) = &mut self.last {
            last.is_before_header = true;
        }
        if header.len().max(columns.len()) > LINE_MAX {
            self.stream = None;
            return;
        }
        // Writing to a String does not fail.
        let _ = writeln!(out, "{header}\n{columns}");
    }

    fn run_id(&self) -> Option<RunId> {
        self.stream.as_ref().and_then(|(header, _)| header.run)
    }

    /// Returns whether readers would drop `sample` as a duplicate: below a header and within a run,
    /// times and sequence numbers rise. Causes: our clock was set back, or a run was sent twice.
    fn is_repeated(&self, last: LastRow, sample: Sample<'_>) -> bool {
        let run = self.run_id();
        let is_of_run = run.is_some() && run == last.run;
        let is_numbered =
            is_of_run && sample.seq.zip(last.seq).is_some_and(|(now, last)| now <= last);
        (is_of_run || !last.is_before_header) && (sample.time <= last.time || is_numbered)
    }

    fn record_rows(&mut self, rows: &Rows, out: &mut String) {
        for sample in rows.iter() {
            if self.rows_max.is_some_and(|most| self.rows >= most) {
                return;
            }
            if self.last.is_some_and(|last| self.is_repeated(last, sample)) {
                // After a header without a run, readers drop no rows as duplicates.
                let _ = writeln!(out, "{}", Note::Header(minimal_header()));
                self.write_header(out);
            }
            let Some((_, schema)) = &self.stream else {
                self.too_long += 1;
                continue;
            };
            let (start, values) = (out.len(), sample.values.iter().copied());
            schema.write_row(out, Some(sample.time), sample.seq, values);
            if out.len() - start > LINE_MAX {
                out.truncate(start);
                self.too_long += 1;
                continue;
            }
            out.push('\n');
            let run = self.run_id();
            self.last =
                Some(LastRow { run, time: sample.time, seq: sample.seq, is_before_header: false });
            self.rows += 1;
        }
    }
}

/// Returns the header for a source that sends none.
fn minimal_header() -> Header {
    Header { version: VERSION, ..Header::default() }
}
