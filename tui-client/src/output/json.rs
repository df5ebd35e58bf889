//! JSON output: one object per line. A missing value is `null`.

use serde::Serializer as _;
use serde::ser::SerializeMap as _;

use super::OutputFormatter;
use super::columns::OutputRow;
use crate::zone::utc_text;

pub(super) struct JsonFormatter;

fn object(row: &OutputRow<'_>) -> serde_json::Result<Vec<u8>> {
    let sample = row.sample;
    let mut line = Vec::new();
    let mut serializer = serde_json::Serializer::new(&mut line);
    let mut object = serializer.serialize_map(None)?;
    object.serialize_entry("timestamp", &utc_text(sample.time))?;
    object.serialize_entry("received", &utc_text(sample.received))?;
    object.serialize_entry("source", row.name)?;
    object.serialize_entry("seq", &sample.seq.map(|seq| seq.0))?;
    for ((place, column), value) in row.stream.columns().zip(sample.values) {
        let column = place.map_or(column, |at| &row.columns[at]);
        // NaN is written as null.
        object.serialize_entry(column.name(), value)?;
    }
    object.end()?;
    Ok(line)
}

impl OutputFormatter for JsonFormatter {
    fn write_row(&mut self, row: &OutputRow<'_>, out: &mut String) {
        // Serializing text and numbers to memory does not fail.
        if let Ok(line) = object(row) {
            out.push_str(&String::from_utf8_lossy(&line));
            out.push('\n');
        }
    }
}
