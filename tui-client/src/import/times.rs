//! Times of the rows of a table: the columns that hold them, their format and their zone.

use std::borrow::Cow;

use chrono::format::{Parsed, StrftimeItems};
use chrono::{Datelike as _, MappedLocalTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta};
use loadline_protocol::Time;

use super::clock::{DATE_FORMATS, WrittenTime, is_yearless, parse_date};
use crate::zone::Zone;

/// Columns with the time of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TimeSource {
    None,
    Column(usize),
    /// Date and clock time in columns of their own.
    Pair(usize, usize),
}

impl TimeSource {
    /// Returns the text of the time of a row.
    pub(super) fn text<'r>(self, cells: &'r [Cow<'_, str>]) -> Option<Cow<'r, str>> {
        match self {
            TimeSource::None => None,
            TimeSource::Column(at) => cells.get(at).map(|cell| Cow::Borrowed(&**cell)),
            TimeSource::Pair(date, clock) => {
                Some(format!("{} {}", cells.get(date)?, cells.get(clock)?).into())
            }
        }
    }

    pub(super) fn contains(self, column: usize) -> bool {
        match self {
            TimeSource::None => false,
            TimeSource::Column(at) => at == column,
            TimeSource::Pair(date, clock) => [date, clock].contains(&column),
        }
    }
}

/// Format of a time.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum TimeFormat {
    /// Format that the user gave, as for strftime.
    Custom(String),
    /// Number since 1970 UTC, with the milliseconds of one unit.
    Unix(f64),
    /// Date in one of [`DATE_FORMATS`], and clock time.
    Written(&'static str),
    /// Clock time alone.
    Clock,
}

/// Time as it is written: not yet in a zone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Moment {
    /// `None` for a clock time alone.
    pub(super) date: Option<NaiveDate>,
    pub(super) clock: NaiveTime,
    /// Offset from UTC in seconds, if it is written.
    pub(super) offset: Option<i32>,
    /// Milliseconds that one written value covers.
    pub(super) covered_ms: i64,
}

impl TimeFormat {
    /// Parses a text, with `year` for dates without one. `None` for a number.
    pub(super) fn moment(&self, text: &str, year: Option<i32>) -> Option<Moment> {
        match self {
            TimeFormat::Unix(_) => None,
            TimeFormat::Custom(format) => parse_custom(text, format, year),
            TimeFormat::Written(format) => {
                let mut time = WrittenTime::split(text)?;
                if let Some(year) = year.filter(|_| is_yearless(&time.date)) {
                    // dstat writes the day first, or the month by name.
                    time.date = format!("{}-{year}", time.date.replace(' ', "-"));
                }
                Moment::new(&time, Some(parse_date(&time.date, format)?))
            }
            TimeFormat::Clock => {
                let time = WrittenTime::split(text)?;
                if time.date.is_empty() { Moment::new(&time, None) } else { None }
            }
        }
    }

    fn name(&self) -> String {
        match self {
            TimeFormat::Custom(format) => format.clone(),
            TimeFormat::Unix(ms) => {
                let unit = match *ms {
                    ms if ms >= 1000.0 => "seconds",
                    ms if ms >= 1.0 => "milliseconds",
                    ms if ms >= 0.001 => "microseconds",
                    _ => "nanoseconds",
                };
                format!("Unix {unit}")
            }
            TimeFormat::Written(format) => {
                let found = DATE_FORMATS.iter().find(|(pattern, _)| pattern == format);
                found.map_or("date", |(_, name)| name).to_owned()
            }
            TimeFormat::Clock => "hh:mm:ss".to_owned(),
        }
    }
}

impl Moment {
    fn new(time: &WrittenTime, date: Option<NaiveDate>) -> Option<Moment> {
        let (clock, covered_ms) = time.parse_clock()?;
        Some(Moment { date, clock, offset: time.offset, covered_ms })
    }
}

/// Parses a text by a format of the user.
fn parse_custom(text: &str, format: &str, year: Option<i32>) -> Option<Moment> {
    let mut parsed = Parsed::new();
    chrono::format::parse(&mut parsed, text, StrftimeItems::new(format)).ok()?;
    let offset = parsed.offset().or(parsed.timestamp().map(|_| 0));
    let covered_ms = if format.contains(".f") || format.contains("%f") { 1 } else { 1000 };
    let moment = |date, clock| Moment { date, clock, offset, covered_ms };
    let has_year = parsed.year().is_some() || parsed.year_mod_100().is_some();
    if !has_year && parsed.timestamp().is_none() && parsed.month().is_some() {
        parsed.set_year(i64::from(year?)).ok()?;
    }
    if let Ok(time) = parsed.to_naive_datetime_with_offset(0) {
        return Some(moment(Some(time.date()), time.time()));
    }
    match (parsed.to_naive_date(), parsed.to_naive_time()) {
        (Ok(date), _) => Some(moment(Some(date), NaiveTime::MIN)),
        (Err(_), Ok(clock)) => Some(moment(None, clock)),
        (Err(_), Err(_)) => None,
    }
}

/// Reader of the times of consecutive rows.
#[derive(Debug)]
pub(super) struct TimeReader {
    pub(super) source: TimeSource,
    pub(super) format: TimeFormat,
    /// Zone of times without one.
    pub(super) zone: Zone,
    /// Year of dates without one.
    pub(super) year: Option<i32>,
    /// Date of the next clock time.
    date: NaiveDate,
    first_date: NaiveDate,
    last_clock: Option<NaiveTime>,
    last: Option<Time>,
    /// Milliseconds that one time covers: rows of the same time lie within.
    pub(super) covered_ms: i64,
    has_offset: bool,
}

/// Step back of a clock time that means the next day: 12 h. A smaller step is a clock that was set.
const NEXT_DAY: TimeDelta = TimeDelta::hours(12);

impl TimeReader {
    pub(super) fn new(source: TimeSource, format: TimeFormat, zone: Zone) -> TimeReader {
        TimeReader {
            source,
            covered_ms: i64::MAX,
            format,
            zone,
            year: None,
            date: NaiveDate::default(),
            first_date: NaiveDate::default(),
            last_clock: None,
            last: None,
            has_offset: false,
        }
    }

    /// Starts clock times without a date at `date`.
    pub(super) fn begin_on(&mut self, date: NaiveDate) {
        (self.date, self.first_date, self.last_clock) = (date, date, None);
    }

    /// Sets the date of the first clock time so that the last of `clocks` is the newest one before
    /// `end`.
    pub(super) fn end_at(&mut self, clocks: impl Iterator<Item = NaiveTime>, end: Time) {
        let end = self.zone.local_time(end);
        let (mut days, mut last) = (0, None);
        for clock in clocks {
            days += i64::from(is_next_day(last, clock));
            last = Some(clock);
        }
        // The clocks of two machines may differ by some seconds.
        let is_yesterday = last.is_some_and(|last| last - end.time() > TimeDelta::minutes(1));
        let back = TimeDelta::days(days + i64::from(is_yesterday));
        self.begin_on(end.date().checked_sub_signed(back).unwrap_or(end.date()));
    }

    /// Returns the time of a row. `None` if the row has no valid time.
    pub(super) fn read(&mut self, text: &str) -> Option<Time> {
        let time = match self.format {
            TimeFormat::Unix(ms) => {
                let is_whole = ms >= 1000.0 && !text.contains(['.', ',']);
                self.covered_ms = self.covered_ms.min(if is_whole { 1000 } else { 1 });
                parse_unix(text, ms)?
            }
            _ => self.place(self.format.moment(text, self.year)?)?,
        };
        self.last = Some(time);
        Some(time)
    }

    /// Finds the time of a moment in its zone. In an hour that daylight saving time repeats, the
    /// times go on in order.
    fn place(&mut self, moment: Moment) -> Option<Time> {
        if moment.date.is_none() {
            if is_next_day(self.last_clock, moment.clock) {
                self.date = self.date.succ_opt()?;
            }
            self.last_clock = Some(moment.clock);
        }
        self.covered_ms = self.covered_ms.min(moment.covered_ms);
        self.has_offset |= moment.offset.is_some();
        let local = NaiveDateTime::new(moment.date.unwrap_or(self.date), moment.clock);
        let zone = moment.offset.map_or(self.zone, Zone::Fixed);
        let time = match zone.instants(local) {
            MappedLocalTime::Single(time) => time,
            MappedLocalTime::Ambiguous(one, other) => {
                let (first, second) = (one.min(other), one.max(other));
                if self.last.is_none_or(|last| last <= first) { first } else { second }
            }
            MappedLocalTime::None => return None,
        };
        (time > Time::default() || local.year() == 1970).then_some(time)
    }

    /// Describes source, format and zone.
    pub(super) fn describe(&self, names: &[String]) -> String {
        let name = |at: usize| names.get(at).map_or("", String::as_str);
        let column = match self.source {
            TimeSource::None => return String::new(),
            TimeSource::Column(at) => format!("column {}", name(at)),
            TimeSource::Pair(date, clock) => format!("columns {} and {}", name(date), name(clock)),
        };
        let date = match self.format {
            TimeFormat::Clock => format!(", first date {}", self.first_date),
            _ => String::new(),
        };
        let zone = match (&self.format, self.zone) {
            (TimeFormat::Unix(_), _) => "",
            _ if self.has_offset => ", with zone",
            (_, Zone::Fixed(_)) => ", UTC",
            (_, Zone::Local) => ", without a zone: local time",
        };
        format!("{column}, {}{date}{zone}", self.format.name())
    }
}

fn is_next_day(last: Option<NaiveTime>, clock: NaiveTime) -> bool {
    last.is_some_and(|last| last - clock > NEXT_DAY)
}

/// Parses a number since 1970 whose unit has `ms` milliseconds.
fn parse_unix(text: &str, ms: f64) -> Option<Time> {
    if ms >= 1000.0
        && let Ok(time) = text.parse()
    {
        return Some(time);
    }
    let number: f64 = text.replace(',', ".").parse().ok()?;
    let ms = (number * ms).floor();
    (0.0..=Time::MAX.as_millis() as f64).contains(&ms).then(|| Time::from_millis(ms as i64))
}

/// Returns the milliseconds of a unit of numbers like `number`, by their magnitude: seconds up to the
/// year 5138, then milliseconds, microseconds and nanoseconds from 1973 to 2262.
pub(super) fn unix_unit_ms(number: f64) -> Option<f64> {
    match number {
        0.0..1e11 => Some(1000.0),
        1e11..9.3e12 => Some(1.0),
        1e14..9.3e15 => Some(1e-3),
        1e17..9.3e18 => Some(1e-6),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(format: TimeFormat, texts: &[&str]) -> Vec<Option<String>> {
        let mut reader = TimeReader::new(TimeSource::Column(0), format, Zone::Fixed(3600));
        reader.begin_on(NaiveDate::from_ymd_opt(2026, 11, 28).unwrap());
        let texts = texts.iter().map(|text| reader.read(text).map(crate::zone::utc_text));
        texts.collect()
    }

    fn check(format: TimeFormat, text: &str, expected: &str) {
        assert_eq!(read(format, &[text]), [Some(expected.to_owned())], "{text}");
    }

    #[test]
    fn times_have_a_zone_or_that_of_the_reader() {
        let iso = || TimeFormat::Written("%Y-%m-%d");
        check(iso(), "2025-11-22 18:40:00", "2025-11-22T17:40:00.000Z");
        check(iso(), "2025-11-22T18:40:00.123456Z", "2025-11-22T18:40:00.123Z");
        check(iso(), "2025-11-22 18:40:00 UTC", "2025-11-22T18:40:00.000Z");
        check(iso(), "2025-11-22 18:40", "2025-11-22T17:40:00.000Z");
        check(iso(), "2025-11-22 18:40:00 -0500", "2025-11-22T23:40:00.000Z");
        let us = TimeFormat::Written("%m/%d/%Y");
        check(us, "11/28/2026 5:00:00 PM", "2026-11-28T16:00:00.000Z");
    }

    #[test]
    fn unix_numbers_have_four_units() {
        for (number, text) in [
            (1_763_836_800.5, "1763836800.5"),
            (1_763_836_800_500.0, "1763836800500"),
            (1_763_836_800_500_000.0, "1763836800500000"),
            (1_763_836_800_500_000_000.0, "1763836800500000000"),
        ] {
            let format = TimeFormat::Unix(unix_unit_ms(number).unwrap());
            check(format, text, "2025-11-22T18:40:00.500Z");
        }
        // 22 November 2025, 18:40, as digits: no Unix time.
        assert_eq!(unix_unit_ms(20_251_122_184_000.0), None);
    }

    #[test]
    fn clock_times_pass_midnight() {
        let times = read(TimeFormat::Clock, &["23:59:59", "00:00:00", "00:00:01"]);
        let times: Vec<String> = times.into_iter().flatten().collect();
        assert_eq!(times[0], "2026-11-28T22:59:59.000Z");
        assert_eq!(times[2], "2026-11-28T23:00:01.000Z");
    }

    #[test]
    fn clock_times_end_at_the_time_of_the_file() {
        let mut reader = TimeReader::new(TimeSource::Column(0), TimeFormat::Clock, Zone::Fixed(0));
        let clock = |text: &str| text.parse::<NaiveTime>().unwrap();
        let end = Time::from_millis(1_763_836_800_000);
        reader.end_at([clock("23:59:00"), clock("18:39:00")].into_iter(), end);
        assert_eq!(reader.date.to_string(), "2025-11-22");
        reader.end_at([clock("23:59:00"), clock("00:01:00"), clock("18:39:00")].into_iter(), end);
        assert_eq!(reader.date.to_string(), "2025-11-21");
        reader.end_at([clock("18:45:00")].into_iter(), end);
        assert_eq!(reader.date.to_string(), "2025-11-21");
    }

    #[test]
    fn a_format_of_the_user_decides() {
        let custom = |format: &str| TimeFormat::Custom(format.to_owned());
        check(custom("%d/%m/%Y %H.%M"), "05/11/2025 18.40", "2025-11-05T17:40:00.000Z");
        check(custom("%s"), "1763836800", "2025-11-22T18:40:00.000Z");
        check(custom("%d/%m/%y"), "05/11/25", "2025-11-04T23:00:00.000Z");
        check(custom("%H%M%S"), "184000", "2026-11-28T17:40:00.000Z");
        check(custom("%Y%m%dT%H%M%S%z"), "20251122T184000+0000", "2025-11-22T18:40:00.000Z");
        assert_eq!(read(custom("%d/%m/%Y"), &["2025-11-22"]), [None]);
    }
}
