//! JSON output: one object per line. A missing value is `null`.

use serde::Serializer as _;
use serde::ser::SerializeMap as _;

use super::OutputFormatter;
use crate::event::{Sample, StreamInfo};
use crate::zone::utc_text;

pub(super) struct JsonFormatter;

fn object(name: &str, stream: &StreamInfo, sample: Sample<'_>) -> serde_json::Result<Vec<u8>> {
    let mut line = Vec::new();
    let mut serializer = serde_json::Serializer::new(&mut line);
    let mut object = serializer.serialize_map(None)?;
    object.serialize_entry("timestamp", &utc_text(sample.time))?;
    object.serialize_entry("received", &utc_text(sample.received))?;
    object.serialize_entry("source", name)?;
    object.serialize_entry("seq", &sample.seq.map(|seq| seq.0))?;
    for (column, value) in stream.schema.columns().iter().zip(sample.values) {
        // NaN is written as null.
        object.serialize_entry(column.name(), value)?;
    }
    object.end()?;
    Ok(line)
}

impl OutputFormatter for JsonFormatter {
    fn write_row(&mut self, name: &str, stream: &StreamInfo, sample: Sample<'_>, out: &mut String) {
        // Serializing text and numbers to memory does not fail.
        if let Ok(line) = object(name, stream, sample) {
            out.push_str(&String::from_utf8_lossy(&line));
            out.push('\n');
        }
    }
}
