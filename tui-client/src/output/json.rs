//! JSON output: one object per line. A missing value is `null`.

use loadline_protocol::Column;
use serde::Serializer as _;
use serde::ser::SerializeMap as _;

use super::OutputFormatter;
use super::csv::TIME_FORMAT;
use crate::event::{Sample, StreamInfo};
use crate::zone::utc;

pub(super) struct JsonFormatter {
    names: Vec<String>,
}

impl JsonFormatter {
    pub(super) fn new(names: Vec<String>) -> JsonFormatter {
        JsonFormatter { names }
    }

    fn object(
        &self,
        source: usize,
        stream: &StreamInfo,
        sample: Sample<'_>,
    ) -> Result<Vec<u8>, serde_json::Error> {
        let mut line = Vec::new();
        let mut serializer = serde_json::Serializer::new(&mut line);
        let mut object = serializer.serialize_map(None)?;
        let time = |time| utc(time).format(TIME_FORMAT).to_string();
        object.serialize_entry("timestamp", &time(sample.time))?;
        object.serialize_entry("received", &time(sample.received))?;
        object.serialize_entry("source", &self.names[source])?;
        object.serialize_entry("seq", &sample.seq.map(|seq| seq.0))?;
        for (column, value) in stream.schema.columns().iter().zip(sample.values) {
            // NaN is written as null.
            object.serialize_entry(column.name(), value)?;
        }
        object.end()?;
        Ok(line)
    }
}

impl OutputFormatter for JsonFormatter {
    fn begin(&mut self, _: &[Column], _: &mut String) {}

    fn write_row(
        &mut self,
        source: usize,
        stream: &StreamInfo,
        sample: Sample<'_>,
        out: &mut String,
    ) {
        // Serializing text and numbers to memory does not fail.
        if let Ok(line) = self.object(source, stream, sample) {
            out.push_str(&String::from_utf8_lossy(&line));
            out.push('\n');
        }
    }
}
