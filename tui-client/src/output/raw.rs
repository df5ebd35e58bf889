//! Raw output: the unchanged lines of the stream, which make a recording.

use std::fmt::Write as _;

use loadline_protocol::{Look, Note};

use super::OutputFormatter;
use super::columns::OutputRow;

pub(super) struct RawFormatter;

impl OutputFormatter for RawFormatter {
    fn write_row(&mut self, row: &OutputRow<'_>, out: &mut String) {
        let sample = row.sample;
        if let Some(line) = sample.line {
            out.push_str(line);
        } else {
            let values = sample.values.iter().copied();
            row.stream.info.schema.write_row(out, Some(sample.time), sample.seq, values);
        }
        out.push('\n');
    }

    fn write_look(&mut self, _source: &str, look: &Look, out: &mut String) {
        let _ = write!(out, "{look}");
    }

    fn write_note(&mut self, note: &Note, out: &mut String) {
        // Writing to a String does not fail.
        let _ = writeln!(out, "{note}");
    }
}
