//! CSV output of the processes: a heading line, then one line for each process of each look. A value that
//! is not known is an empty field.

use loadline_protocol::{Column, Look, Process, SafeText, write_number};

use super::OutputFormatter;
use super::columns::OutputRow;
use super::csv::{text_cell, write_record};
use crate::zone::utc_text;

/// Fields of each line.
const FIELDS: [&str; 9] =
    ["timestamp", "source", "pid", "name", "user", "unit", "cpu", "mem", "io"];

pub(super) struct TopFormatter;

impl OutputFormatter for TopFormatter {
    fn begin(&mut self, _columns: &[Column], out: &mut String) {
        write_record(out, FIELDS.into_iter());
    }

    fn write_row(&mut self, _row: &OutputRow<'_>, _out: &mut String) {}

    fn write_look(&mut self, source: &str, look: &Look, out: &mut String) {
        let (time, source) = (utc_text(look.top.time), text_cell(source));
        for process in &look.processes {
            let Process { pid, name, user, unit, cpu, mem, io } = process;
            let fields: [&str; FIELDS.len()] = [
                &time,
                &source,
                &pid.to_string(),
                &text_cell(name.as_str()),
                &text_cell(user.as_ref().map_or("", SafeText::as_str)),
                &text_cell(unit.as_ref().map_or("", SafeText::as_str)),
                &number(*cpu, 1),
                &mem.to_string(),
                &number(*io, 0),
            ];
            write_record(out, fields.into_iter());
        }
    }
}

/// Formats a number with this count of decimals at least.
fn number(number: Option<f64>, decimals: usize) -> String {
    let mut text = String::new();
    if let Some(number) = number {
        write_number(&mut text, number, decimals);
    }
    text
}
