//! Dates of all rows, and the date of clock times without one.

use std::borrow::Cow;

use loadline_protocol::Time;

use super::clock::{WrittenTime, is_yearless};
use super::times::{TimeFormat, TimeReader, TimeSource};
use super::tools::Tool;
use super::{ImportOptions, Refusal};

/// Returns the dates in a time column.
pub(super) fn dates<'r>(
    rows: impl Iterator<Item = Vec<Cow<'r, str>>>,
    source: TimeSource,
    year: Option<i32>,
) -> Vec<String> {
    let date = |row: Vec<Cow<'r, str>>| {
        let time = WrittenTime::split(&source.text(&row)?)?;
        let is_yearless = is_yearless(&time.date);
        match year.filter(|_| is_yearless) {
            Some(year) => Some(format!("{}-{year}", time.date.replace(' ', "-"))),
            None => Some(time.date).filter(|date| !date.is_empty()),
        }
    };
    rows.filter_map(date).collect()
}

/// Finds the date of clock times without one: of the first row if the program wrote it, else so that
/// the last row is before `end`.
pub(super) fn place_clocks<'r>(
    time: &mut TimeReader,
    tool: &Tool,
    options: &ImportOptions,
    rows: impl Iterator<Item = Vec<Cow<'r, str>>>,
    end: Time,
) -> Result<(), Refusal> {
    let (format, source) = (time.format.clone(), time.source);
    if source == TimeSource::None || matches!(format, TimeFormat::Unix(_) | TimeFormat::Written(_))
    {
        return Ok(());
    }
    if let Some(date) = tool.first_date(options)? {
        time.begin_on(date);
        return Ok(());
    }
    let clock = |row: Vec<Cow<'r, str>>| {
        let moment = format.moment(&source.text(&row)?, Some(2000))?;
        moment.date.is_none().then_some(moment.clock)
    };
    time.end_at(rows.filter_map(clock), end);
    Ok(())
}
