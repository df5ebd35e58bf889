//! Columns named by the first line of a stream: a CSV file, or a program that prints a heading
//! above its numbers.
//!
//! A record is a line. The first field may be a time: RFC 3339, Unix seconds or Unix milliseconds.
//! Fields that are numbers are values; the other fields are left out.

use std::borrow::Cow;
use std::collections::HashSet;

use chrono::DateTime;
use loadline_protocol::{
    Column, LineError, PLAIN_COLUMNS, Row, Schema, Stamp, Time, parse_number, sanitize,
};

use super::columns::ColumnSelection;
use super::disconnect::Disconnect;

/// First columns of loadline's own CSV output.
const LOADLINE_CSV_COLUMNS: [&str; 4] = ["timestamp", "received", "source", "seq"];

/// Limit of Unix seconds. A number from here on counts milliseconds: as seconds, it would be in the
/// year 5138, as milliseconds in 1973.
const SECONDS_MAX: f64 = 1e11;

/// Meaning of a field of a record.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Role {
    Time,
    Seq,
    /// Name of the source: rows of other sources belong to other series.
    Source,
    Value,
    /// Not a number: left out.
    Text,
}

/// Columns of a stream with a heading.
#[derive(Debug)]
pub(super) struct RecordColumns {
    pub(super) heading: String,
    /// Separator of fields; spaces if `None`.
    separator: Option<char>,
    roles: Vec<Role>,
    source: Option<String>,
    /// Selected columns.
    pub(super) schema: Schema,
}

/// Returns whether a line may be a heading: words, and no number among them.
pub(super) fn is_heading(line: &str) -> bool {
    let names = split_fields(line, detect_separator(line));
    let is_number = |name: &Cow<'_, str>| parse_number(name).is_some();
    names.iter().any(|name| !name.is_empty()) && !names.iter().any(is_number)
}

impl RecordColumns {
    /// Returns the columns that `heading` names, if `row` fits below `heading`.
    pub(super) fn detect(heading: &str, row: &str) -> Option<RecordColumns> {
        let separator = detect_separator(heading);
        let (names, values) = (split_fields(heading, separator), split_fields(row, separator));
        if names.len() != values.len() {
            return None;
        }
        let is_loadline_csv = names.len() > LOADLINE_CSV_COLUMNS.len()
            && names.iter().zip(LOADLINE_CSV_COLUMNS).all(|(a, b)| a == b);
        let is_timed = values.first().is_some_and(|value| is_time(&names[0], value));
        let role = |(at, value): (usize, &Cow<'_, str>)| match (at, is_loadline_csv) {
            (0, _) if is_timed => Role::Time,
            (2, true) => Role::Source,
            // No stamp has a sequence number without a time.
            (3, true) if is_timed => Role::Seq,
            (3, true) => Role::Text,
            _ if value.is_empty() || parse_number(value).is_some() => Role::Value,
            _ => Role::Text,
        };
        let roles: Vec<Role> = values.iter().enumerate().map(role).collect();
        let columns = unique_columns(names.iter().zip(&roles).enumerate().filter_map(
            |(at, (name, role))| (*role == Role::Value).then_some((at, name.as_ref())),
        ));
        let has = |role| roles.contains(&role);
        let stamp = match (has(Role::Time), has(Role::Seq)) {
            (false, _) => Stamp::None,
            (true, false) => Stamp::Time,
            (true, true) => Stamp::TimeSeq,
        };
        Some(RecordColumns {
            heading: heading.to_owned(),
            separator,
            source: has(Role::Source).then(|| values[2].clone().into_owned()),
            roles,
            schema: Schema::new(stamp, columns).ok()?,
        })
    }

    /// Selects columns by name, or renames all of them. An unknown name is refused.
    pub(super) fn select(&mut self, names: &[String]) -> Result<ColumnSelection, Disconnect> {
        match ColumnSelection::named(&self.schema, names) {
            Ok((selection, schema)) => {
                self.schema = schema;
                Ok(selection)
            }
            Err(_) if names.len() == self.schema.columns().len() => {
                let columns = names.iter().filter_map(|name| name.parse().ok()).collect();
                if let Ok(schema) = Schema::new(self.schema.stamp(), columns) {
                    self.schema = schema;
                }
                Ok(ColumnSelection::default())
            }
            Err(refusal) => Err(refusal),
        }
    }

    /// Parses all values of a line into `row`.
    pub(super) fn parse_row(&self, line: &str, row: &mut Row) -> Result<(), LineError> {
        (row.time, row.seq) = (None, None);
        row.values.clear();
        let fields = split_fields(line, self.separator);
        let (expected, found) = (self.roles.len(), fields.len());
        if found != expected {
            return Err(LineError::FieldCount { expected, found });
        }
        for (at, (field, role)) in fields.iter().zip(&self.roles).enumerate() {
            let wrong = || LineError::Number { column: at + 1, text: excerpt(field) };
            match role {
                Role::Time => row.time = Some(parse_time(field).ok_or_else(wrong)?),
                Role::Seq if field.is_empty() => {}
                Role::Seq => row.seq = Some(field.parse().map_err(|_| wrong())?),
                Role::Source if self.source.as_deref() != Some(field) => {
                    return Err(LineError::Field { key: "source", text: excerpt(field) });
                }
                Role::Value if field.is_empty() => row.values.push(f64::NAN),
                Role::Value => row.values.push(parse_number(field).ok_or_else(wrong)?),
                Role::Source | Role::Text => {}
            }
        }
        Ok(())
    }
}

/// Returns the first 40 characters of a field, safe for a terminal.
fn excerpt(field: &str) -> String {
    sanitize(field).chars().take(40).collect()
}

/// Returns the separator of a heading and of the rows below; `None` for spaces.
fn detect_separator(heading: &str) -> Option<char> {
    [',', ';', '\t'].into_iter().find(|separator| heading.contains(*separator))
}

fn split_fields(line: &str, separator: Option<char>) -> Vec<Cow<'_, str>> {
    match separator {
        None => line.split_whitespace().map(Cow::Borrowed).collect(),
        Some(separator) if line.contains('"') => {
            let mut reader = csv::ReaderBuilder::new()
                .has_headers(false)
                .delimiter(separator as u8)
                .trim(csv::Trim::All)
                .from_reader(line.as_bytes());
            let mut record = csv::StringRecord::new();
            // An unreadable line yields no fields, so the caller rejects their number.
            let _ = reader.read_record(&mut record);
            record.iter().map(|field| Cow::Owned(field.to_owned())).collect()
        }
        Some(separator) => line.split(separator).map(|field| field.trim().into()).collect(),
    }
}

/// Returns columns with unique names. Each name comes with its index in the record.
fn unique_columns<'a>(names: impl Iterator<Item = (usize, &'a str)>) -> Vec<Column> {
    let mut taken = HashSet::new();
    let mut columns = Vec::new();
    for (at, name) in names {
        let wanted = if name.is_empty() { format!("c{}", at + 1) } else { name.to_owned() };
        let mut column = parse_column(&wanted);
        let mut number = 2;
        while !taken.insert(column.name().to_owned()) {
            column = Column::new(&format!("{wanted}_{number}"), column.unit());
            number += 1;
        }
        columns.push(column);
    }
    columns
}

/// Parses `temp:°C`, `temp (°C)`, `temp [°C]`, or a bare name. Standard columns have known units.
fn parse_column(name: &str) -> Column {
    let bracketed = |open: char, close: char| {
        let (name, unit) = name.strip_suffix(close)?.rsplit_once(open)?;
        Some((name.trim_end(), unit))
    };
    let ours = || PLAIN_COLUMNS.into_iter().find(|(ours, _)| *ours == name);
    let parts = name.split_once(':').or_else(|| bracketed('(', ')'));
    let (name, unit) = parts.or_else(|| bracketed('[', ']')).or_else(ours).unwrap_or((name, ""));
    Column::new(name, unit)
}

/// Returns whether the first column is a time: RFC 3339, or a time below a name such as `time`.
fn is_time(name: &str, value: &str) -> bool {
    let name = name.to_lowercase();
    let is_called_so = ["time", "date", "stamp", "epoch"].iter().any(|word| name.contains(word))
        || ["t", "ts"].contains(&name.as_str());
    parse_rfc3339(value).is_some() || (is_called_so && parse_time(value).is_some())
}

fn parse_time(text: &str) -> Option<Time> {
    text.parse().ok().or_else(|| parse_numeric_time(text)).or_else(|| parse_rfc3339(text))
}

fn parse_numeric_time(text: &str) -> Option<Time> {
    let number = parse_number(text).filter(|number| *number >= 0.0)?;
    let ms = if number < SECONDS_MAX { number * 1000.0 } else { number };
    (ms <= Time::MAX.as_millis() as f64).then(|| Time::from_millis(ms as i64))
}

fn parse_rfc3339(text: &str) -> Option<Time> {
    let ms = DateTime::parse_from_rfc3339(text).ok()?.timestamp_millis();
    (0..=Time::MAX.as_millis()).contains(&ms).then(|| Time::from_millis(ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks the columns and the first row, as text.
    fn check(heading: &str, row: &str, expected: Option<(&str, &str)>) {
        let found = RecordColumns::detect(heading, row).map(|table| {
            let mut read = Row::default();
            table.parse_row(row, &mut read).unwrap();
            (table.schema.to_string(), read.to_line(&table.schema))
        });
        let expected = expected.map(|(schema, row)| (schema.to_owned(), row.to_owned()));
        assert_eq!(found, expected, "{heading} / {row}");
    }

    #[test]
    fn the_first_column_may_be_a_time() {
        let expected = Some(("time:s a", "1763836800.123 1.00"));
        check("time,a", "2025-11-22T18:40:00.123Z,1", expected);
        check("when;a", "2025-11-22T19:40:00.123+01:00;1", expected);
        check("Time,a", "1763836800.123,1", expected);
        check("epoch\ta", "1763836800123\t1", expected);
        check("a,b", "1763836800,1", Some(("a b", "1763836800.00 1.00")));
    }

    #[test]
    fn the_heading_gives_names_and_units() {
        check("room temp (°C),fan", "20.5,3", Some(("room_temp:°C fan", "20.5 3.00")));
        check("\"room temp [°C]\",\"fan\"", "20.5,\"3\"", Some(("room_temp:°C fan", "20.5 3.00")));
        check("room,room,,cpu", "1,2,3,4", Some(("room room_2 c3 cpu:%", "1.00 2.00 3.00 4.0")));
        check("r  b   swpd", "1 0 17", Some(("r b swpd", "1.00 0.00 17.00")));
    }

    #[test]
    fn empty_fields_are_nan_and_text_columns_are_left_out() {
        check("host,a,b", "web-1,,2", Some(("a b", "nan 2.00")));
        check(
            "timestamp,received,source,seq,cpu",
            "1970-01-01T00:00:01.500Z,1970-01-01T00:00:01.600Z,web-1,7,12.5",
            Some(("time:s seq cpu:%", "1.500 7 12.5")),
        );
        check("timestamp,received,source,seq,cpu", "?,?,web-1,7,12.5", Some(("cpu:%", "12.5")));
        check("a b", "1", None);
        check("a b", "x y", None);
    }

    #[test]
    fn a_row_of_another_source_is_rejected() {
        let row = "1970-01-01T00:00:01Z,,web-1,7,12.5";
        let table = RecordColumns::detect("timestamp,received,source,seq,cpu", row).unwrap();
        let mut read = Row::default();
        assert!(table.parse_row(&row.replace("web-1", "web-2"), &mut read).is_err());
        assert!(table.parse_row(&row.replace(",7,", ",,"), &mut read).is_ok());
        assert_eq!(read.seq, None);
    }

    #[test]
    fn a_heading_consists_of_words() {
        for line in ["a", "a,b", "r b swpd", "\"x y\";z", ",a"] {
            assert!(is_heading(line), "{line}");
        }
        for line in ["1 2", "a 1", ",", "nan"] {
            assert!(!is_heading(line), "{line}");
        }
    }
}
