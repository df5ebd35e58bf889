//! Search for the columns with the times of a table, and for their format.

use std::borrow::Cow;

use chrono::NaiveDate;

use super::clock::{DATE_FORMATS, WrittenTime, parse_date, zone_offset};
use super::sample::{CellKind, FORMAT_HINT, TableSample, unknown};
use super::times::{TimeFormat, TimeReader, TimeSource};
use super::units::split_heading;
use super::unix_time::{digits_format, unix_format};
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

pub(super) fn has_time_name(name: &str) -> bool {
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
    if !matches!(format, TimeFormat::Unix(_)) {
        check_zone_column(sample, source)?;
    }
    let zone = if is_utc { Zone::Fixed(0) } else { options.zone };
    Ok(TimeReader::new(source, format, zone))
}

/// Checks that no zone stands in a column of its own.
///
/// # Errors
/// The times of such a table are not local.
fn check_zone_column(sample: &TableSample<'_>, source: TimeSource) -> Result<(), Refusal> {
    const ZONES: [&str; 6] = ["tz", "timezone", "zone", "utcoffset", "gmtoffset", "offset"];
    let is_zone = |at: &usize| {
        let letters: String = sample.names[*at].chars().filter(|c| c.is_alphabetic()).collect();
        let first = sample.cells(*at).next();
        let is_offset = first.is_some_and(|cell| zone_offset(cell).is_some());
        let is_sure = ["tz", "timezone"].contains(&&*letters.to_lowercase());
        !source.contains(*at)
            && ZONES.contains(&&*letters.to_lowercase())
            && (is_offset || is_sure && first.is_some())
    };
    let has_offset = |row: &Vec<Cow<'_, str>>| {
        source
            .text(row)
            .and_then(|it| WrittenTime::split(&it))
            .is_some_and(|it| it.offset.is_some())
    };
    match (0..sample.names.len()).find(is_zone) {
        Some(at) if source != TimeSource::None && !sample.rows.iter().any(has_offset) => {
            let what = format!("column {:?} has the zone of the times", sample.names[at]);
            let hint = "write the zone behind the times, or remove the column for local times";
            Err(Refusal::new(&what, hint))
        }
        _ => Ok(()),
    }
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
    let is_digits = |at: &usize| matches!(digits_format(sample, *at), Ok(Some(_))) && is_named(at);
    if let (Some(date), Some(clock)) = (numbers.iter().find(|at| is_digits(at)), clocks.first()) {
        return Ok(TimeSource::Pair(*date, *clock));
    }
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
            is_named
                || starts_with_digit(cell) && (has_clock(cell) || begins_with_date(cell))
                || has_clock(cell) && at == 0
        })
}

/// Returns whether a cell begins with a date that has a year of this time: `2025-11`, `22.11.2025`.
fn begins_with_date(cell: &str) -> bool {
    let word = cell.split([' ', 'T']).next().unwrap_or_default();
    let parts: Vec<&str> = word.split(['-', '/', '.']).collect();
    let is_year =
        |part: &&str| part.len() == 4 && (part.starts_with("19") || part.starts_with("20"));
    let is_day = |part: &&str| (1..=2).contains(&part.len());
    let is_date = match &parts[..] {
        [year, month] => is_year(year) && is_day(month) && !word.contains('.'),
        [first, month, last] => {
            is_day(month) && (is_year(first) && is_day(last) || is_day(first) && is_year(last))
        }
        _ => false,
    };
    is_date && word.bytes().all(|byte| !byte.is_ascii_alphabetic())
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
    // No locale of sysstat begins with a year of two digits.
    let is_usual = |format: &str| !["%Y%m%d", "%y/%m/%d", "%y-%m-%d"].contains(&format);
    let possible: Vec<_> = possible.filter(|(format, _)| is_usual(format)).collect();
    match possible[..] {
        [] => Ok(None),
        [(first, date), (second, other), ..] if date != other => {
            Err(ambiguous_date(text, &[first, second]))
        }
        [(_, date), ..] => Ok(Some(date)),
    }
}
