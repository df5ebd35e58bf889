//! Columns whose times are numbers: since 1970, or dates of digits only.

use loadline_protocol::parse_number;

use super::Refusal;
use super::sample::{TableSample, unknown};
use super::times::{TimeFormat, unix_unit_ms};
use super::units::{factor, split_heading};

/// Decides the unit of numbers since 1970: by the heading, else by their magnitude.
pub(super) fn unix_format(sample: &TableSample<'_>, at: usize) -> Result<TimeFormat, Refusal> {
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
    if numbers().all(is_serial_date) {
        let what = format!("column {:?}: {first} may be a date of a spreadsheet", sample.names[at]);
        let hint = "write times as text, for example 2025-11-22 18:40:00";
        return Err(Refusal::new(&what, hint));
    }
    let ms = unix_unit_ms(first).ok_or_else(|| unknown(sample, at))?;
    let is_alike = numbers().all(|number| unix_unit_ms(number) == Some(ms) || number == 0.0);
    if is_alike { Ok(TimeFormat::Unix(ms)) } else { Err(unknown(sample, at)) }
}

/// Returns whether a number may be days since 1900, as spreadsheets count them, in 1970 to 2100, with
/// a time as the fraction. Seconds have fewer decimals.
fn is_serial_date(number: f64) -> bool {
    let ms = number * 1000.0;
    (25_569.0..73_051.0).contains(&number) && (ms - ms.round()).abs() > 1e-6
}

/// Returns the format of dates written as digits only: `20251122`, `20251122184000`.
pub(super) fn digits_format(
    sample: &TableSample<'_>,
    at: usize,
) -> Result<Option<TimeFormat>, Refusal> {
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
