//! CSV output: a header line, then one line per row. A missing value is an empty field.

use loadline_protocol::Column;

use super::{OutputFormatter, value_text};
use crate::event::{Sample, StreamInfo};
use crate::zone::utc_text;

#[derive(Default)]
pub(super) struct CsvFormatter {
    /// Columns of the header line, which is written once.
    columns: Vec<Column>,
}

impl OutputFormatter for CsvFormatter {
    fn begin(&mut self, columns: &[Column], out: &mut String) {
        self.columns = columns.to_vec();
        let fixed = ["timestamp", "received", "source", "seq"].into_iter();
        write_record(out, fixed.chain(self.columns.iter().map(Column::name)));
    }

    fn write_row(&mut self, name: &str, stream: &StreamInfo, sample: Sample<'_>, out: &mut String) {
        let mut fields = vec![
            utc_text(sample.time),
            utc_text(sample.received),
            name.to_owned(),
            sample.seq.map_or(String::new(), |seq| seq.to_string()),
        ];
        fields.extend(self.columns.iter().map(|column| value_text(stream, sample, column, "")));
        write_record(out, fields.iter().map(String::as_str));
    }
}

fn write_record<'a>(out: &mut String, fields: impl Iterator<Item = &'a str>) {
    let mut writer = csv::Writer::from_writer(Vec::new());
    // Writing to memory does not fail.
    let _ = writer.write_record(fields);
    let line = writer.into_inner().unwrap_or_default();
    out.push_str(&String::from_utf8_lossy(&line));
}
