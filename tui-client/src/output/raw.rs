//! The stream's own lines: a recording.

use loadline_protocol::{Column, Note};

use super::Lines;
use crate::event::{Sample, Stream};

pub(super) struct Raw;

impl Lines for Raw {
    fn begin(&mut self, _: &[Column], _: &mut String) {}

    fn row(&mut self, _: usize, stream: &Stream, sample: Sample<'_>, out: &mut String) {
        if let Some(line) = sample.line {
            out.push_str(line);
        } else {
            let values = sample.values.iter().copied();
            stream.schema.write_row(out, Some(sample.time), sample.seq, values);
        }
        out.push('\n');
    }

    fn note(&mut self, note: &Note, out: &mut String) {
        out.push_str(&note.to_string());
        out.push('\n');
    }
}
