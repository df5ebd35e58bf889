//! Search for the columns with the times of a table, and for their format.

use std::borrow::Cow;

use chrono::NaiveDate;
use loadline_protocol::parse_number;

use super::clock::{DATE_FORMATS, WrittenTime, is_yearless, parse_date};
use super::dialect::Decimal;
use super::missing::is_missing;
use super::times::{TimeFormat, TimeReader, TimeSource, unix_unit_ms};
use super::units::{factor, split_heading};
use super::{ImportOptions, Refusal};
use crate::zone::Zone;

/// Names of time columns, in lower case and without other characters than letters.
const NAMES: [&str; 24] = [
    "time",
    "timestamp",
    "date",
    "datetime",
    "ts",
    "t",
    "epoch",
    "when",
    "unixtime",
    "unix",
    "unixtimestamp",
    "epochtime",
    "localtime",
    "utc",
    "gmt",
    "utctime",
    "timeutc",
    "timestamputc",
    "datetimeutc",
    "clock",
    "stamp",
    "sampletime",
    "dateandtime",
    "systemtime",
];

/// Words of names that may be those of a time column.
const WORDS: [&str; 6] = ["time", "date", "timestamp", "datetime", "epoch", "stamp"];

/// Smallest number that counts as Unix seconds below a name that only contains such a word: 1973.
/// `response_time` has smaller numbers.
const UNIX_MIN: f64 = 1e8;

/// Hint of refusals that `--time-format` resolves.
const FORMAT_HINT: &str = "give --time-format, for example --time-format '%d/%m/%Y %H:%M:%S'";

/// Kind of the cells of a column, as times.
#[derive(Debug, Clone, Copy, PartialEq)]
enum CellKind {
    DateAndClock,
    Date,
    Clock,
    Number,
    Other,
}

/// Beginning of a table: its columns, and rows of which each has as many cells.
pub(super) struct TableSample<'s> {
    pub(super) names: &'s [String],
    pub(super) rows: &'s [Vec<Cow<'s, str>>],
    pub(super) decimal: Decimal,
}

impl<'s> TableSample<'s> {
    /// Returns the cells of a column that have a value.
    pub(super) fn cells(&self, at: usize) -> impl Iterator<Item = &'s str> + Clone + use<'s> {
        let rows: &'s [Vec<Cow<'s, str>>] = self.rows;
        rows.iter()
            .filter_map(move |row| row.get(at))
            .map(|cell| &**cell)
            .filter(|it| !is_missing(it))
    }

    /// Returns the kind of most cells of a column.
    fn kind(&self, at: usize) -> CellKind {
        let kinds = [CellKind::DateAndClock, CellKind::Date, CellKind::Clock, CellKind::Number];
        let mut counts = [0_usize; 4];
        let mut total = 0;
        for cell in self.cells(at) {
            total += 1;
            let kind = cell_kind(cell, self.decimal);
            if let Some(at) = kinds.iter().position(|it| *it == kind) {
                counts[at] += 1;
            }
        }
        let most = kinds.into_iter().zip(counts).find(|(_, count)| 2 * count > total);
        most.map_or(CellKind::Other, |(kind, _)| kind)
    }
}

fn cell_kind(cell: &str, decimal: Decimal) -> CellKind {
    if decimal.parse(cell).is_some() {
        return CellKind::Number;
    }
    match WrittenTime::split(cell) {
        Some(time) if time.clock.is_empty() && is_yearless(&time.date) => CellKind::Other,
        Some(time) if time.clock.is_empty() => CellKind::Date,
        Some(time) if time.date.is_empty() => CellKind::Clock,
        Some(_) => CellKind::DateAndClock,
        None => CellKind::Other,
    }
}

fn has_time_name(name: &str) -> bool {
    let letters: String = name.chars().filter(|c| c.is_alphabetic()).collect();
    NAMES.contains(&letters.to_lowercase().as_str())
}

fn has_time_word(name: &str) -> bool {
    let name = name.to_lowercase();
    name.split(|c: char| !c.is_alphanumeric()).any(|word| WORDS.contains(&word))
}

/// Returns whether a name says that its times are UTC.
fn names_utc(name: &str) -> bool {
    let name = name.to_lowercase();
    name.split(|c: char| !c.is_alphanumeric()).any(|word| ["utc", "gmt"].contains(&word))
}

/// Finds the time of the rows. `dates` returns all dates of a column, also below the sample.
///
/// # Errors
/// A column is named or looks like a time that is not understood, or in two ways.
pub(super) fn find_time(
    sample: &TableSample<'_>,
    options: &ImportOptions,
    dates: impl Fn(TimeSource) -> Vec<String>,
) -> Result<TimeReader, Refusal> {
    let wanted = match &options.time_column {
        Some(name) => Some(find_column(sample, name)?),
        None => None,
    };
    let source = match &options.time_format {
        Some(format) => find_custom(sample, format, wanted)?,
        None => find_source(sample, wanted)?,
    };
    let format = match (&options.time_format, source) {
        (Some(format), _) => TimeFormat::Custom(format.clone()),
        (None, TimeSource::None) => TimeFormat::Clock,
        (None, TimeSource::Column(at)) if sample.kind(at) == CellKind::Number => {
            unix_format(sample, at)?
        }
        (None, TimeSource::Column(at)) if sample.kind(at) == CellKind::Clock => TimeFormat::Clock,
        (None, source) => date_format(sample, source, &dates(source))?,
    };
    let name = |at: usize| sample.names.get(at).map_or("", String::as_str);
    let is_utc = match source {
        TimeSource::None => false,
        TimeSource::Column(at) => names_utc(name(at)),
        TimeSource::Pair(date, clock) => names_utc(name(date)) || names_utc(name(clock)),
    };
    let zone = if is_utc { Zone::Fixed(0) } else { options.zone };
    Ok(TimeReader::new(source, format, zone))
}

fn find_column(sample: &TableSample<'_>, name: &str) -> Result<usize, Refusal> {
    let is_named = |it: &&String| *it == name || split_heading(it).0 == name;
    let at = sample.names.iter().position(|it| is_named(&it));
    at.ok_or_else(|| {
        let names: Vec<&str> = sample.names.iter().map(String::as_str).collect();
        let hint = format!("available: {}", names.join(", "));
        Refusal::new(&format!("no column {name:?} for --time-column"), &hint)
    })
}

/// Finds the columns that have the user's format: one, or two neighbours.
fn find_custom(
    sample: &TableSample<'_>,
    format: &str,
    wanted: Option<usize>,
) -> Result<TimeSource, Refusal> {
    let custom = TimeFormat::Custom(format.to_owned());
    let columns = wanted.map_or(0..sample.names.len(), |at| at..at + 1);
    let single = columns.clone().map(TimeSource::Column);
    let pairs = columns.map(|at| TimeSource::Pair(at, at + 1));
    let has_format = |source: &TimeSource| {
        let texts = sample.rows.iter().filter_map(|row| source.text(row));
        texts.take(8).any(|text| custom.moment(&text, Some(2000)).is_some())
    };
    let found = single.chain(pairs).find(has_format);
    found.ok_or_else(|| {
        let example = sample.cells(wanted.unwrap_or(0)).next().unwrap_or_default();
        Refusal::new(
            &format!("no time has the format {format:?}; the first is {example:?}")
                .replace("; ", ", "),
            "see strftime for the letters of --time-format",
        )
    })
}

/// Finds the time columns by their cells and names.
fn find_source(sample: &TableSample<'_>, wanted: Option<usize>) -> Result<TimeSource, Refusal> {
    let kinds: Vec<CellKind> = (0..sample.names.len()).map(|at| sample.kind(at)).collect();
    let is_named = |at: &usize| has_time_name(split_heading(&sample.names[*at]).0);
    let of = |kind: CellKind| (0..kinds.len()).filter(|at| kinds[*at] == kind).collect::<Vec<_>>();
    if let Some(at) = wanted {
        return if kinds[at] == CellKind::Other {
            Err(unknown(sample, at))
        } else {
            Ok(TimeSource::Column(at))
        };
    }
    let whole = of(CellKind::DateAndClock);
    if let Some(at) = whole.iter().copied().find(is_named).or(whole.first().copied()) {
        return Ok(TimeSource::Column(at));
    }
    let (dates, clocks) = (of(CellKind::Date), of(CellKind::Clock));
    if let (Some(date), Some(clock)) = (dates.first(), clocks.first()) {
        return Ok(TimeSource::Pair(*date, *clock));
    }
    let numbers = of(CellKind::Number);
    let is_unix = |at: &usize| is_unix_column(sample, *at);
    let is_time = |at: &usize| is_named(at) || *at == 0;
    let found = numbers
        .into_iter()
        .find(is_unix)
        .or_else(|| clocks.into_iter().find(is_time))
        .or_else(|| dates.into_iter().find(is_time));
    match found {
        Some(at) => Ok(TimeSource::Column(at)),
        None => {
            match (0..kinds.len()).find(|at| is_odd_time(sample, *at, kinds[*at], is_named(at))) {
                Some(at) => Err(unknown(sample, at)),
                None => Ok(TimeSource::None),
            }
        }
    }
}

/// Returns whether the numbers of a column are times, by its name.
fn is_unix_column(sample: &TableSample<'_>, at: usize) -> bool {
    let name = split_heading(&sample.names[at]).0;
    let first = sample.cells(at).next().and_then(|cell| sample.decimal.parse(cell));
    // Only the first column may count seconds from 0.
    (has_time_name(name) && at == 0)
        || ((has_time_name(name) || has_time_word(name)) && first.is_some_and(|it| it >= UNIX_MIN))
}

/// Returns whether a column should be a time, but has another content: rows without a time would get
/// invented ones.
fn is_odd_time(sample: &TableSample<'_>, at: usize, kind: CellKind, is_named: bool) -> bool {
    let starts_with_digit = |cell: &str| cell.starts_with(|c: char| c.is_ascii_digit());
    let has_clock = |cell: &str| cell.split_whitespace().any(super::clock::is_clock);
    kind == CellKind::Other
        && sample.cells(at).next().is_some_and(|cell| {
            is_named || (starts_with_digit(cell) && has_clock(cell)) || has_clock(cell) && at == 0
        })
}

fn unknown(sample: &TableSample<'_>, at: usize) -> Refusal {
    let cell = sample.cells(at).next().unwrap_or_default();
    Refusal::new(
        &format!("column {:?}: {cell:?} is not understood as a time", sample.names[at]),
        FORMAT_HINT,
    )
}

/// Decides the unit of numbers since 1970: by the heading, else by their magnitude.
fn unix_format(sample: &TableSample<'_>, at: usize) -> Result<TimeFormat, Refusal> {
    let numbers = || sample.cells(at).filter_map(|cell| sample.decimal.parse(cell));
    let Some(first) = numbers().next() else { return Err(unknown(sample, at)) };
    let (name, unit) = split_heading(&sample.names[at]);
    let word = name.rsplit(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
    let named = [unit, word].into_iter().find_map(|unit| factor(unit, "ms"));
    if let Some(ms) = named.filter(|_| word != "s" || unit == "s") {
        return Ok(TimeFormat::Unix(ms));
    }
    if let Some(format) = digits_format(sample, at)? {
        return Ok(format);
    }
    let ms = unix_unit_ms(first).ok_or_else(|| unknown(sample, at))?;
    let is_alike = numbers().all(|number| unix_unit_ms(number) == Some(ms) || number == 0.0);
    if is_alike { Ok(TimeFormat::Unix(ms)) } else { Err(unknown(sample, at)) }
}

/// Returns the format of dates written as digits only: `20251122`, `20251122184000`.
fn digits_format(sample: &TableSample<'_>, at: usize) -> Result<Option<TimeFormat>, Refusal> {
    let all = |length: usize, format: &str| {
        let is_time = |cell: &str| {
            let year = cell.get(..4).and_then(|year| year.parse::<u32>().ok());
            cell.len() == length
                && year.is_some_and(|year| (1970..2100).contains(&year))
                && parse_number(cell).is_some()
                && (TimeFormat::Custom(format.to_owned())).moment(cell, None).is_some()
        };
        sample.cells(at).all(is_time)
    };
    let custom = |format: &str| Ok(Some(TimeFormat::Custom(format.to_owned())));
    if all(14, "%Y%m%d%H%M%S") {
        return custom("%Y%m%d%H%M%S");
    }
    if all(8, "%Y%m%d") {
        return custom("%Y%m%d");
    }
    if all(12, "%Y%m%d%H%M") { Err(unknown(sample, at)) } else { Ok(None) }
}

/// Decides the order of day, month and year by all dates of a column.
fn date_format(
    sample: &TableSample<'_>,
    source: TimeSource,
    all: &[String],
) -> Result<TimeFormat, Refusal> {
    let at = match source {
        TimeSource::Column(at) | TimeSource::Pair(at, _) => at,
        TimeSource::None => 0,
    };
    let mut possible: Vec<&str> = DATE_FORMATS.iter().map(|(format, _)| *format).collect();
    for date in all {
        let fitting: Vec<&str> =
            possible.iter().copied().filter(|format| parse_date(date, format).is_some()).collect();
        if fitting.is_empty()
            && DATE_FORMATS.iter().any(|(format, _)| parse_date(date, format).is_some())
        {
            let what = format!("column {:?}: dates are written in several ways", sample.names[at]);
            return Err(Refusal::new(&what, FORMAT_HINT));
        }
        if !fitting.is_empty() {
            possible = fitting;
        }
    }
    match possible[..] {
        [format] => {
            let found = DATE_FORMATS.iter().find(|(pattern, _)| *pattern == format);
            Ok(TimeFormat::Written(found.map_or("", |(pattern, _)| pattern)))
        }
        [first, second, ..] if possible.len() < DATE_FORMATS.len() => {
            Err(ambiguous_date(all.first().map_or("", String::as_str), &[first, second]))
        }
        _ => Err(unknown(sample, at)),
    }
}

/// Returns the refusal of a date that may mean two days.
pub(super) fn ambiguous_date(date: &str, formats: &[&str]) -> Refusal {
    let names: Vec<&str> = formats
        .iter()
        .filter_map(|format| DATE_FORMATS.iter().find(|(pattern, _)| pattern == format))
        .map(|(_, name)| *name)
        .collect();
    let what = format!("the date {date} may be {}", names.join(" or "));
    let hint = format!("give --time-format, for example --time-format '{} %H:%M:%S'", formats[0]);
    Refusal::new(&what, &hint)
}

/// Parses a date alone, for example in the first line of `sar`.
///
/// # Errors
/// The date may mean two days.
pub(super) fn parse_any_date(
    text: &str,
    custom: Option<&str>,
) -> Result<Option<NaiveDate>, Refusal> {
    let given = custom.map(|format| format.split_whitespace().next().unwrap_or(format));
    if let Some(date) = given.and_then(|format| parse_date(text, format)) {
        return Ok(Some(date));
    }
    let possible =
        DATE_FORMATS.iter().filter_map(|(format, _)| Some((*format, parse_date(text, format)?)));
    let possible: Vec<_> = possible.filter(|(format, _)| *format != "%Y%m%d").collect();
    match possible[..] {
        [] => Ok(None),
        [(first, date), (second, other), ..] if date != other => {
            Err(ambiguous_date(text, &[first, second]))
        }
        [(_, date), ..] => Ok(Some(date)),
    }
}
