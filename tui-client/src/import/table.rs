//! Table with a known dialect: names, roles and units of its columns, and its rows.

use std::borrow::Cow;

use loadline_protocol::{LineError, Row, Schema, Stamp, Time};

use super::clock::WrittenTime;
use super::columns::{ValueColumn, detect_column, names_devices, unique_columns};
use super::dates::{dates, place_clocks};
use super::devices::Devices;
use super::dialect::{Decimal, FieldLayout};
use super::find_time::find_time;
use super::layout::{TablePlace, fields_below, is_banner, is_next_heading};
use super::missing::is_missing;
use super::names::{field_names, owned};
use super::sample::TableSample;
use super::times::{TimeReader, TimeSource};
use super::tools::{Tool, dstat_start, dstat_year};
use super::{ImportLine, ImportOptions, Recognized, Refusal, excerpt, units};

/// Rows that decide about the columns. Dates are compared in all rows.
const SAMPLE_ROWS: usize = 1000;

/// First columns of loadline's own CSV output.
const LOADLINE_CSV_COLUMNS: [&str; 4] = ["timestamp", "received", "source", "seq"];

/// Meaning of a field.
#[derive(Debug, Clone, PartialEq)]
enum Role {
    /// Time, or text that is left out.
    None,
    Seq,
    /// Value of the column with this index.
    Value(usize),
}

/// Fields as the first heading names them. Later headings find their columns here.
#[derive(Debug)]
struct FirstFields {
    names: Vec<String>,
    roles: Vec<Role>,
    time: TimeSource,
}

/// Fields of a line.
#[derive(Debug)]
struct Fields {
    /// Name of each field.
    names: Vec<String>,
    /// Text of the heading, split.
    heading: Vec<String>,
    roles: Vec<Role>,
}

/// Error of a row.
#[derive(Debug)]
pub(crate) enum RowError {
    /// The row is left out.
    Fault(LineError),
    /// The rows are not those of one table.
    Refused(Refusal),
}

/// Table with a known dialect.
#[derive(Debug)]
pub(crate) struct Table {
    layout: FieldLayout,
    decimal: Decimal,
    tool: Tool,
    fields: Fields,
    first: FirstFields,
    columns: Vec<ValueColumn>,
    pub(super) time: TimeReader,
    devices: Devices,
    /// Selected columns.
    pub(crate) schema: Schema,
    /// Time of the first row of a table without times, if it is known.
    pub(crate) start: Option<Time>,
    /// Time of the last row.
    pub(super) last_time: Option<Time>,
}

impl Table {
    /// Detects names, roles and units from the first rows. Clock times without a date end at `end`.
    ///
    /// # Errors
    /// A column is not understood.
    pub(super) fn detect(
        lines: &[ImportLine],
        place: &TablePlace,
        options: &ImportOptions,
        end: Time,
    ) -> Result<Table, Refusal> {
        let layout = place.layout;
        let below = lines[place.first..].iter().filter(|line| !line.is_comment);
        let below = below.map(|line| &*line.text).filter(|line| !place.tool.is_beside_table(line));
        let heading: Vec<String> = match place.heading {
            Some(at) => owned(&layout.split(&lines[at].text)),
            None => Vec::new(),
        };
        let split = |line| layout.split(line);
        let all = below.clone().map(split);
        let count = if heading.is_empty() {
            all.clone().next().map_or(0, |row| row.len())
        } else {
            heading.len()
        };
        // Fields below other names have another meaning.
        let rows: Vec<Vec<Cow<'_, str>>> = all
            .clone()
            .filter(|row| owned(row) != heading)
            .take_while(|row| !is_next_heading(&heading, row))
            .filter(|row| fields_below(count, row) == count)
            .take(SAMPLE_ROWS)
            .collect();
        let section = place.heading.and_then(|at| lines.get(at.checked_sub(1)?));
        let section =
            section.filter(|_| place.tool == Tool::Dstat).map(|line| layout.split(&line.text));
        let mut names = field_names(&heading, count, section.as_deref());
        let units = place.units.map(|at| layout.split(&lines[at].text)).unwrap_or_default();
        for (name, unit) in names.iter_mut().zip(&units) {
            match units::unit_name(unit) {
                "Idx" => name.push_str(" index"),
                unit if units::is_known(unit) => *name = format!("{name} [{unit}]"),
                _ => {}
            }
        }
        let decimal = detect_decimal(layout, &rows)?;
        let sample = TableSample { names: &names, rows: &rows, decimal };
        let above = lines[..place.first].iter().map(|line| &*line.text);
        let year = above.clone().find_map(dstat_year);
        let mut time = find_time(&sample, options, |source| dates(all.clone(), source, year))?;
        if heading.is_empty() && time.source == TimeSource::None {
            let what = "rows of text and numbers without column names";
            return Err(Refusal::new(what, "give a first line that names each column"));
        }
        time.year = year;
        place_clocks(&mut time, &place.tool, options, all.clone(), end)?;
        let start = above
            .filter(|_| place.tool == Tool::Dstat)
            .find_map(|it| dstat_start(it, options.zone));
        Table::assemble(&sample, time, layout, place.tool.clone(), heading.clone(), start)
    }

    fn assemble(
        sample: &TableSample<'_>,
        time: TimeReader,
        layout: FieldLayout,
        tool: Tool,
        heading: Vec<String>,
        start: Option<Time>,
    ) -> Result<Table, Refusal> {
        let names = sample.names;
        let is_own = names.len() > LOADLINE_CSV_COLUMNS.len()
            && names.iter().zip(LOADLINE_CSV_COLUMNS).all(|(name, own)| name == own);
        let (mut roles, mut columns, mut texts) = (Vec::new(), Vec::new(), Vec::new());
        for at in 0..names.len() {
            if time.source.contains(at) || is_own && at == 1 {
                roles.push(Role::None);
            } else if is_own && at == 3 {
                roles.push(Role::Seq);
            } else if is_own && at == 2 || names_devices(sample, at, &tool) {
                roles.push(Role::None);
                texts.push(at);
            } else if let Some(column) = detect_column(sample, at, heading.get(at))? {
                roles.push(Role::Value(columns.len()));
                columns.push(column);
            } else {
                roles.push(Role::None);
                texts.push(at);
            }
        }
        let stamp = match (time.source, is_own) {
            // No stamp has a sequence number without a time.
            (TimeSource::None, _) => Stamp::None,
            (_, false) => Stamp::Time,
            (_, true) => Stamp::TimeSeq,
        };
        let schema =
            Schema::new(stamp, unique_columns(&columns)).map_err(|error| match columns.len() {
                0 => Refusal::new(
                    "no column has numbers",
                    "give a recording, a CSV file or rows of numbers",
                ),
                _ => Refusal::new(&error.to_string(), "choose columns, for example with cut"),
            })?;
        Ok(Table {
            layout,
            decimal: sample.decimal,
            tool,
            devices: Devices::new(names, texts),
            first: FirstFields { names: names.to_vec(), roles: roles.clone(), time: time.source },
            fields: Fields { names: names.to_vec(), heading, roles },
            columns,
            time,
            schema,
            start,
            last_time: None,
        })
    }

    /// Parses a line that arrives after the first rows. A row of the same time as the row before it is
    /// 1 ms later.
    pub(crate) fn parse_next(
        &mut self,
        line: &str,
        is_comment: bool,
        row: &mut Row,
    ) -> Result<bool, RowError> {
        if !self.parse(line, is_comment, row)? {
            return Ok(false);
        }
        if let (Some(time), Some(last)) = (row.time, self.last_time) {
            let lead_ms = last.ms_since(time);
            if (0..self.time.covered_ms.clamp(1, 1000)).contains(&lead_ms) {
                row.time = Some(last.shifted_ms(1));
            }
        }
        self.last_time = row.time.max(self.last_time);
        Ok(true)
    }

    /// Parses a line into `row`. Returns false if the line is no row. After an error, the contents of
    /// `row` are unspecified.
    pub(super) fn parse(
        &mut self,
        line: &str,
        is_comment: bool,
        row: &mut Row,
    ) -> Result<bool, RowError> {
        if line.trim().is_empty() || self.tool.is_beside_table(line) || is_banner(line) {
            return Ok(false);
        }
        let cells = self.layout.split(line);
        if self.adopt_heading(&cells)? || is_comment {
            return Ok(false);
        }
        let (expected, found) = (self.fields.names.len(), cells.len());
        if fields_below(expected, &cells) != expected {
            let is_time = || WrittenTime::split(line).is_some_and(|time| !time.clock.is_empty());
            if self.time.source == TimeSource::None && is_time() {
                let what = format!("times on lines of their own: {:?}", excerpt(line));
                let hint = "give a table with a column for the times";
                return Err(RowError::Refused(Refusal::new(&what, hint)));
            }
            return Err(RowError::Fault(LineError::FieldCount { expected, found }));
        }
        let text = self.time.source.text(&cells);
        self.devices
            .check(&self.fields.names, &cells, text.as_deref())
            .map_err(RowError::Refused)?;
        (row.time, row.seq) = (None, None);
        if let Some(text) = text {
            let fault = || RowError::Fault(LineError::Field { key: "time", text: excerpt(&text) });
            row.time = Some(self.time.read(&text).ok_or_else(fault)?);
        }
        row.values.clear();
        row.values.resize(self.columns.len(), f64::NAN);
        self.read_values(&cells, row).map_err(RowError::Fault)?;
        Ok(true)
    }

    fn read_values(&self, cells: &[Cow<'_, str>], row: &mut Row) -> Result<(), LineError> {
        for (at, (cell, role)) in cells.iter().zip(&self.fields.roles).enumerate() {
            let wrong = || LineError::Number { column: at + 1, text: excerpt(cell) };
            match role {
                Role::Value(_) if is_missing(cell) => {}
                Role::Value(column) => {
                    let value = self.columns[*column].parse(cell, self.decimal);
                    row.values[*column] = value.ok_or_else(wrong)?;
                }
                Role::Seq if cell.is_empty() || row.time.is_none() => {}
                Role::Seq => row.seq = Some(cell.parse().map_err(|_| wrong())?),
                Role::None => {}
            }
        }
        Ok(())
    }

    /// Returns whether a line is a heading. A heading with other names moves the columns that it has
    /// in common with the table; others are missing from there on.
    ///
    /// # Errors
    /// The heading begins another table, or has columns that are new: those are left out.
    fn adopt_heading(&mut self, cells: &[Cow<'_, str>]) -> Result<bool, RowError> {
        if !is_next_heading(&self.fields.heading, cells) {
            return Ok(false);
        }
        let skip = usize::from(WrittenTime::split(&cells[0]).is_some());
        if cells[skip..] == self.fields.heading[skip..] {
            return Ok(true);
        }
        let names = field_names(&owned(cells), cells.len(), None);
        let place = |at: usize| {
            let name = self.first.names.get(at)?;
            names.iter().position(|it| it == name)
        };
        let source = match self.first.time {
            TimeSource::None => Some(TimeSource::None),
            TimeSource::Column(at) => place(at).map(TimeSource::Column),
            TimeSource::Pair(date, clock) => {
                place(date).zip(place(clock)).map(|(date, clock)| TimeSource::Pair(date, clock))
            }
        };
        let mut roles = vec![Role::None; names.len()];
        for (at, role) in self.first.roles.iter().enumerate() {
            if let Some(to) = place(at) {
                roles[to] = role.clone();
            }
        }
        let has_values = roles.iter().any(|role| matches!(role, Role::Value(_)));
        let Some(source) = source.filter(|_| has_values) else {
            let what = format!(
                "several tables: {:?} follows below {:?}",
                excerpt(&cells.join(" ")),
                excerpt(&self.fields.heading.join(" "))
            );
            return Err(RowError::Refused(Refusal::new(
                &what,
                "give one table, for example with another option of the program that wrote it",
            )));
        };
        let mut added = names.iter().skip(skip).filter(|name| !self.first.names.contains(*name));
        let added = added.next().map(|name| LineError::ColumnBegins(excerpt(name)));
        let texts = roles
            .iter()
            .enumerate()
            .filter(|(at, role)| **role == Role::None && !source.contains(*at));
        self.devices = Devices::new(&names, texts.map(|(at, _)| at).collect());
        self.time.source = source;
        self.fields = Fields { names, heading: owned(cells), roles };
        added.map_or(Ok(true), |added| Err(RowError::Fault(added)))
    }

    /// Returns the findings for `--check`.
    pub(crate) fn recognized(&self) -> Recognized {
        let decimal = match self.decimal {
            Decimal::Point => "decimal point",
            Decimal::Comma => "decimal comma",
        };
        let is_text =
            |at: &usize| self.fields.roles[*at] == Role::None && !self.time.source.contains(*at);
        let left_out =
            (0..self.fields.names.len()).filter(is_text).map(|at| self.fields.names[at].as_str());
        let separator = self.layout.separator.name();
        let time = match (self.time.source, self.start) {
            (TimeSource::None, Some(start)) => {
                format!("from {}, rows at equal intervals", crate::zone::utc_text(start))
            }
            _ => self.time.describe(&self.fields.names),
        };
        Recognized {
            format: format!("table, {}separated by {separator}, {decimal}", self.tool.name()),
            time: loadline_protocol::sanitize(&time).into_owned(),
            left_out: loadline_protocol::sanitize(&left_out.collect::<Vec<_>>().join(", "))
                .into_owned(),
        }
    }

    /// Returns the text of the time of a line; `None` if the line is no row or has no time.
    pub(super) fn time_text(&self, line: &str) -> Option<String> {
        let cells = self.layout.split(line);
        let is_row = fields_below(self.fields.names.len(), &cells) == self.fields.names.len();
        self.time.source.text(&cells).filter(|_| is_row).map(Cow::into_owned)
    }
}

/// Decides the decimal sign by all cells but times.
fn detect_decimal(layout: FieldLayout, rows: &[Vec<Cow<'_, str>>]) -> Result<Decimal, Refusal> {
    let cells = rows.iter().flatten().map(|cell| &**cell);
    let is_number = |cell: &&str| !cell.contains(':') && !super::clock::is_date(cell);
    let decimal = Decimal::detect(cells.filter(is_number));
    // A quoted field may have a decimal comma although commas separate fields.
    decimal.map_err(|refusal| match layout.separator {
        super::dialect::Separator::Comma => Refusal {
            hint: "write numbers without quotes and thousands separators".into(),
            ..refusal
        },
        _ => refusal,
    })
}
