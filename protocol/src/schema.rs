//! Schema of a stream: the columns of its rows, in order.

use std::collections::HashSet;
use std::fmt::{self, Write as _};
use std::str::FromStr;

use crate::number::{SCALES, write_decimal, write_number};
use crate::text::sanitize;
use crate::{LineError, Row, Seq, Time};

/// Maximum number of columns: more would not fit a line of [`LINE_MAX`](crate::LINE_MAX) bytes.
pub const COLUMNS_MAX: usize = 4096;

/// Names and units of the columns of the plain stream, in order.
pub const PLAIN_COLUMNS: [(&str, &str); 6] =
    [("cpu", "%"), ("freq", "MHz"), ("mem", "%"), ("load1", ""), ("load5", ""), ("load15", "")];

/// Name and unit of a column's quantity, written `name` or `name:unit`.
///
/// **Invariant:** name and unit are safe to print and hold no blank, colon, comma, semicolon, quote
/// or `=`. The name is not empty.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Column {
    name: String,
    unit: String,
}

impl Column {
    /// Creates a column. Characters that names and units cannot hold become `_`.
    ///
    /// ```
    /// use loadline_protocol::Column;
    /// assert_eq!(Column::new("CPU usage", "%").to_string(), "CPU_usage:%");
    /// ```
    #[must_use]
    pub fn new(name: &str, unit: &str) -> Column {
        let name = if name.is_empty() { "_".to_owned() } else { word(name) };
        Column { name, unit: word(unit) }
    }

    /// Returns the name: `cpu`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the unit: `MHz`. Empty if there is none.
    #[must_use]
    pub fn unit(&self) -> &str {
        &self.unit
    }

    /// Returns the heading of the column in a table: `freq MHz`, `load1`.
    #[must_use]
    pub fn heading(&self) -> String {
        self.to_string().replace(':', " ")
    }

    /// Returns the usual number of decimals for the unit.
    #[must_use]
    pub fn decimals(&self) -> usize {
        match self.unit.as_str() {
            "" => 2,
            "B" | "B/s" => 0,
            "s" => 3,
            _ => 1,
        }
    }

    /// Rounds `value` to the usual number of decimals.
    ///
    /// ```
    /// use loadline_protocol::Column;
    /// assert_eq!(Column::new("cpu", "%").round(12.345), 12.3);
    /// ```
    #[must_use]
    pub fn round(&self, value: f64) -> f64 {
        let scale = SCALES[self.decimals()];
        let rounded = (value * scale).round() / scale;
        if rounded.is_finite() { rounded } else { value }
    }
}

/// Replaces characters that are not allowed in names and units.
fn word(text: &str) -> String {
    let forbidden = |c: char| c.is_whitespace() || matches!(c, ':' | ',' | ';' | '"' | '=');
    sanitize(text).chars().map(|c| if forbidden(c) { '_' } else { c }).collect()
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.unit.as_str() {
            "" => f.write_str(&self.name),
            unit => write!(f, "{}:{unit}", self.name),
        }
    }
}

impl FromStr for Column {
    type Err = LineError;

    fn from_str(text: &str) -> Result<Column, LineError> {
        // A trailing colon marks a column whose name looks like a stamp.
        let text = text.strip_suffix(':').unwrap_or(text);
        let (name, unit) = text.split_once(':').unwrap_or((text, ""));
        if name.is_empty() {
            return Err(LineError::field("column", text));
        }
        Ok(Column::new(name, unit))
    }
}

/// Fields in front of the values in each row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Stamp {
    /// No fields: a plain stream.
    #[default]
    None = 0,
    /// Timestamp (`time:s`).
    Time = 1,
    /// Timestamp and sequence number (`time:s seq`).
    TimeSeq = 2,
}

impl Stamp {
    /// Returns the number of fields.
    #[must_use]
    pub fn width(self) -> usize {
        self as usize
    }
}

/// Stamp and columns of a stream, in the order of its rows.
///
/// **Invariant:** 1 to [`COLUMNS_MAX`] columns with unique names.
///
/// ```
/// use loadline_protocol::{Schema, Seq};
/// let schema: Schema = "time:s seq cpu:% load1".parse().unwrap();
/// let row = schema.parse_row("1763836800.123 4712 12.5 0.52").unwrap();
/// assert_eq!((row.seq, row.values[1]), (Some(Seq(4712)), 0.52));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Schema {
    stamp: Stamp,
    columns: Vec<Column>,
}

impl Schema {
    /// Creates a schema.
    ///
    /// # Errors
    /// There are no columns, too many columns, or two columns of the same name.
    pub fn new(stamp: Stamp, columns: Vec<Column>) -> Result<Schema, LineError> {
        if columns.is_empty() || columns.len() > COLUMNS_MAX {
            return Err(LineError::ColumnCount(columns.len()));
        }
        let mut names = HashSet::with_capacity(columns.len());
        match columns.iter().find(|column| !names.insert(column.name())) {
            Some(twice) => Err(LineError::DuplicateColumn(twice.name().to_owned())),
            None => Ok(Schema { stamp, columns }),
        }
    }

    /// Returns the schema of a stream without a header: the six columns of the plain stream, or
    /// `c1 … cN` for any other `count`.
    #[must_use]
    pub fn plain(count: usize) -> Schema {
        let columns = if count == PLAIN_COLUMNS.len() {
            PLAIN_COLUMNS.iter().map(|(name, unit)| Column::new(name, unit)).collect()
        } else {
            let count = count.clamp(1, COLUMNS_MAX);
            (1..=count).map(|number| Column::new(&format!("c{number}"), "")).collect()
        };
        Schema { stamp: Stamp::None, columns }
    }

    /// Returns the fields in front of the values.
    #[must_use]
    pub fn stamp(&self) -> Stamp {
        self.stamp
    }

    /// Returns the columns, in the order of the values.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Returns the same columns with another stamp.
    #[must_use]
    pub fn with_stamp(mut self, stamp: Stamp) -> Schema {
        self.stamp = stamp;
        self
    }

    /// Returns the index of the column with this name.
    #[must_use]
    pub fn position(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name() == name)
    }

    /// Parses a row. Fields are separated by blanks, tabs, commas or semicolons. An empty field
    /// between two commas is a missing value.
    ///
    /// # Errors
    /// A field is not a number, or the number of fields differs from the schema.
    pub fn parse_row(&self, line: &str) -> Result<Row, LineError> {
        let mut row = Row { values: Vec::with_capacity(self.columns.len()), ..Row::default() };
        self.parse_row_into(line, &mut row)?;
        Ok(row)
    }

    /// Parses like [`Schema::parse_row`], but reuses the allocation of `row`. After an error, the
    /// contents of `row` are unspecified.
    ///
    /// # Errors
    /// Same as [`Schema::parse_row`].
    pub fn parse_row_into(&self, line: &str, row: &mut Row) -> Result<(), LineError> {
        row.time = None;
        row.seq = None;
        row.values.clear();
        let expected = self.stamp.width() + self.columns.len();
        let mut found = 0;
        for field in row_fields(line) {
            found += 1;
            let wrong = || LineError::number(found, field);
            match (self.stamp, found) {
                (Stamp::Time | Stamp::TimeSeq, 1) => {
                    row.time = Some(crate::time::read_time(field).ok_or_else(wrong)?);
                }
                (Stamp::TimeSeq, 2) => row.seq = Some(field.parse().map_err(|_| wrong())?),
                _ if found > expected => {}
                _ => row.values.push(read_value(field).ok_or_else(wrong)?),
            }
        }
        if found == expected { Ok(()) } else { Err(LineError::FieldCount { expected, found }) }
    }

    /// Appends a row without the line end: the stamp, then `values`, separated by single blanks.
    /// A missing time or sequence number that the stamp requires is written as 0.
    pub fn write_row(
        &self,
        out: &mut String,
        time: Option<Time>,
        seq: Option<Seq>,
        values: impl IntoIterator<Item = f64>,
    ) {
        let start = out.len();
        if self.stamp != Stamp::None {
            write_decimal(out, time.unwrap_or_default().as_millis() as u64, 3);
        }
        if self.stamp == Stamp::TimeSeq {
            out.push(' ');
            write_decimal(out, seq.unwrap_or_default().0, 0);
        }
        for (column, value) in self.columns.iter().zip(values) {
            if out.len() > start {
                out.push(' ');
            }
            write_number(out, value, column.decimals());
        }
    }
}

/// Parses a plain row whose number of columns is not known yet.
///
/// # Errors
/// A field is not a number, or there are more than [`COLUMNS_MAX`] fields, or none.
pub fn parse_plain_row(line: &str) -> Result<Vec<f64>, LineError> {
    let mut values = Vec::new();
    parse_plain_row_into(line, &mut values)?;
    Ok(values)
}

/// Parses like [`parse_plain_row`], but reuses the allocation of `values`. After an error, the
/// contents of `values` are unspecified.
///
/// # Errors
/// Same as [`parse_plain_row`].
pub fn parse_plain_row_into(line: &str, values: &mut Vec<f64>) -> Result<(), LineError> {
    values.clear();
    for field in row_fields(line) {
        let wrong = || LineError::number(values.len() + 1, field);
        let value = read_value(field).ok_or_else(wrong)?;
        values.push(value);
    }
    match values.len() {
        1..=COLUMNS_MAX => Ok(()),
        count => Err(LineError::ColumnCount(count)),
    }
}

/// Parses a number or `nan`. An empty field also means a missing value.
fn read_value(field: &str) -> Option<f64> {
    if field.is_empty() { Some(f64::NAN) } else { crate::parse_number(field) }
}

/// Splits a row. Consecutive spaces and tabs form one separator; each comma or semicolon is one.
fn row_fields(line: &str) -> impl Iterator<Item = &str> {
    const BLANKS: [char; 2] = [' ', '\t'];
    let line = line.trim_matches(BLANKS);
    // `None` at the end; an empty rest is an empty last field.
    let mut rest = (!line.is_empty()).then_some(line);
    std::iter::from_fn(move || {
        let text = rest?;
        let end = text.find([' ', '\t', ',', ';']).unwrap_or(text.len());
        let (field, after) = text.split_at(end);
        let after = after.trim_start_matches(BLANKS);
        rest = match after.strip_prefix([',', ';']) {
            Some(rest) => Some(rest.trim_start_matches(BLANKS)),
            None => (!after.is_empty()).then_some(after),
        };
        Some(field)
    })
}

impl fmt::Display for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.stamp {
            Stamp::None => {}
            Stamp::Time => f.write_str("time:s ")?,
            Stamp::TimeSeq => f.write_str("time:s seq ")?,
        }
        for (at, column) in self.columns.iter().enumerate() {
            let blank = if at == 0 { "" } else { " " };
            write!(f, "{blank}{column}")?;
            if at == 0 && looks_like_stamp(self.stamp, column) {
                f.write_char(':')?;
            }
        }
        Ok(())
    }
}

/// Returns whether `column` after `stamp` would be parsed as part of the stamp.
fn looks_like_stamp(stamp: Stamp, column: &Column) -> bool {
    match stamp {
        Stamp::None => column.name == "time" && matches!(column.unit.as_str(), "" | "s"),
        Stamp::Time => column.name == "seq" && column.unit.is_empty(),
        Stamp::TimeSeq => false,
    }
}

impl FromStr for Schema {
    type Err = LineError;

    /// Parses the columns of a `# columns` note.
    fn from_str(text: &str) -> Result<Schema, LineError> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let stamp = match words.as_slice() {
            ["time:s" | "time", "seq", ..] => Stamp::TimeSeq,
            ["time:s" | "time", ..] => Stamp::Time,
            _ => Stamp::None,
        };
        let columns = words[stamp.width()..].iter().map(|word| word.parse());
        Schema::new(stamp, columns.collect::<Result<_, _>>()?)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(schema: &str, line: &str, expected: &Result<&[f64], LineError>) {
        let schema: Schema = schema.parse().unwrap();
        let row = schema.parse_row(line).map(|row| row.values);
        // Compared as text, because NaN is not equal to itself.
        assert_eq!(format!("{:?}", row.as_deref()), format!("{:?}", expected.as_deref()), "{line}");
    }

    #[test]
    fn a_row_is_numbers_between_separators() {
        let three: &[f64] = &[1.0, 2.5, -3.0];
        for line in [
            "1 2.5 -3",
            "  1\t2.5 \t -3  ",
            "1,2.5,-3",
            "1, 2.5 , -3",
            "1;2.5;-3",
            "1;2.5, -3",
            "1e0 +2.5 -3.000",
        ] {
            check("a b c", line, &Ok(three));
        }
    }

    #[test]
    fn a_missing_value_is_nan_or_an_empty_field() {
        check("a b c", "1 nan 3", &Ok(&[1.0, f64::NAN, 3.0]));
        check("a b c", "1,,3", &Ok(&[1.0, f64::NAN, 3.0]));
        check("a b c", ",2,", &Ok(&[f64::NAN, 2.0, f64::NAN]));
        check("a b c", "1 ; ; 3", &Ok(&[1.0, f64::NAN, 3.0]));
    }

    #[test]
    fn an_error_names_the_invalid_field_or_count() {
        let number = |column, text: &str| LineError::Number { column, text: text.into() };
        let count = |expected, found| LineError::FieldCount { expected, found };
        check("a b c", "12.5 2400.0 high", &Err(number(3, "high")));
        check("a b c", "1 inf 3", &Err(number(2, "inf")));
        check("a b c", "1 1e999 3", &Err(number(2, "1e999")));
        check("a b c", "1 2", &Err(count(3, 2)));
        check("a b c", "1 2 3 4", &Err(count(3, 4)));
        check("a b c", "1 2 3 x", &Err(count(3, 4)));
        check("time:s seq a", "12.5 -1 3", &Err(number(2, "-1")));
        check("time:s seq a", "nan 1 3", &Err(number(1, "nan")));
        check("time:s seq a", "1 2", &Err(count(3, 2)));
        check("time:s a", "1763836800.5 2", &Ok(&[2.0]));
        check("a", "\x1b[2J\u{202e}", &Err(number(1, "\u{fffd}[2J\u{fffd}")));
    }

    #[test]
    fn six_columns_are_named_and_others_are_numbered() {
        assert_eq!(Schema::plain(6).to_string(), "cpu:% freq:MHz mem:% load1 load5 load15");
        assert_eq!(Schema::plain(2).to_string(), "c1 c2");
        assert_eq!(Schema::plain(0).to_string(), "c1");
    }

    #[test]
    fn a_schema_rejects_duplicate_missing_and_too_many_columns() {
        let parse = |text: &str| text.parse::<Schema>();
        assert_eq!(parse("a b a"), Err(LineError::DuplicateColumn("a".into())));
        assert_eq!(parse("time:s seq"), Err(LineError::ColumnCount(0)));
        assert_eq!(parse("a :b"), Err(LineError::field("column", ":b")));
        let many: Vec<_> = (0..=COLUMNS_MAX).map(|n| format!("c{n}")).collect();
        assert_eq!(parse(&many.join(" ")), Err(LineError::ColumnCount(COLUMNS_MAX + 1)));
        assert_eq!(parse(&many[1..].join(" ")).unwrap().columns().len(), COLUMNS_MAX);
    }

    #[test]
    fn a_row_has_at_most_as_many_numbers_as_a_schema_has_columns() {
        let row = |count: usize| vec!["1"; count].join(" ");
        assert_eq!(parse_plain_row(&row(COLUMNS_MAX)).unwrap().len(), COLUMNS_MAX);
        let one_more = Err(LineError::ColumnCount(COLUMNS_MAX + 1));
        assert_eq!(parse_plain_row(&row(COLUMNS_MAX + 1)), one_more);
    }

    #[test]
    fn a_name_may_fill_the_longest_line() {
        let head = "# columns ";
        let name = "n".repeat(crate::LINE_MAX - head.len());
        let stream = format!("{head}{name}\n{head}{name}n\n");
        let (mut decoder, mut bytes) = (crate::Decoder::new(), stream.as_bytes());
        let line = decoder.decode(&mut bytes).unwrap().unwrap();
        let crate::Line::Note(crate::Note::Columns(schema)) = crate::Line::parse(line).unwrap()
        else {
            panic!("{line}")
        };
        assert_eq!(schema.columns()[0].name(), name);
        assert_eq!(
            decoder.decode(&mut bytes).unwrap(),
            Err(LineError::TooLong { max: crate::LINE_MAX })
        );
    }

    #[test]
    fn values_are_rounded_to_the_decimals_of_their_unit() {
        let round = |unit, value| Column::new("x", unit).round(value).to_string();
        assert_eq!(round("%", 33.333), "33.3");
        assert_eq!(round("", 0.129), "0.13");
        assert_eq!(round("B/s", 1234.5), "1235");
        assert_eq!(round("%", f64::MAX), f64::MAX.to_string());
        assert_eq!(round("%", f64::NAN), "NaN");
    }

    #[test]
    fn a_column_named_like_a_stamp_is_not_a_stamp() {
        for (stamp, name, unit, text) in [
            (Stamp::None, "time", "s", "time:s: a"),
            (Stamp::None, "time", "", "time: a"),
            (Stamp::None, "time", "ms", "time:ms a"),
            (Stamp::Time, "seq", "", "time:s seq: a"),
            (Stamp::TimeSeq, "seq", "", "time:s seq seq a"),
        ] {
            let columns = vec![Column::new(name, unit), Column::new("a", "")];
            let schema = Schema::new(stamp, columns).unwrap();
            assert_eq!(schema.to_string(), text);
            assert_eq!(text.parse(), Ok(schema));
        }
    }

    pub(crate) fn any_schema() -> impl Strategy<Value = Schema> {
        let stamp = prop_oneof![Just(Stamp::None), Just(Stamp::Time), Just(Stamp::TimeSeq)];
        let columns = prop::collection::btree_map("\\PC{1,8}", "\\PC{0,4}", 1..9);
        (stamp, columns).prop_filter_map("names differ", |(stamp, columns)| {
            let columns: Vec<_> = columns.iter().map(|(n, u)| Column::new(n, u)).collect();
            Schema::new(stamp, columns).ok()
        })
    }

    proptest! {
        #[test]
        fn a_printed_schema_parses_back(schema in any_schema()) {
            prop_assert_eq!(schema.to_string().parse(), Ok(schema));
        }

        #[test]
        fn a_printed_row_parses_back_bit_for_bit(
            schema in any_schema(),
            ms in 0..=Time::MAX.as_millis(),
            seq: u64,
            values in prop::collection::vec(any::<f64>(), 9),
        ) {
            let values: Vec<f64> =
                values.into_iter().filter(|v| !v.is_infinite()).cycle().take(9).collect();
            prop_assume!(!values.is_empty());
            let values = &values[..schema.columns().len()];
            let mut line = String::new();
            let time = Time::from_millis(ms);
            schema.write_row(&mut line, Some(time), Some(Seq(seq)), values.iter().copied());
            let row = schema.parse_row(&line).unwrap();
            let bits = |v: &f64| if v.is_nan() { f64::NAN.to_bits() } else { v.to_bits() };
            prop_assert_eq!(
                row.values.iter().map(bits).collect::<Vec<_>>(),
                values.iter().map(bits).collect::<Vec<_>>()
            );
            prop_assert_eq!(row.time, (schema.stamp() != Stamp::None).then_some(time));
            prop_assert_eq!(row.seq, (schema.stamp() == Stamp::TimeSeq).then_some(Seq(seq)));
            let mut again = String::new();
            schema.write_row(&mut again, row.time, row.seq, row.values);
            prop_assert_eq!(again, line);
        }
    }
}
