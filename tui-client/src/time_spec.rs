//! Times as users type them: `03:12`, `yesterday 03:12`, `2026-11-28 03:12`, `-2h`.

use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, MappedLocalTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Timelike};
use loadline_protocol::{Time, parse_duration, sanitize};

use crate::zone::Zone;

/// Formats of a time of day, without and with seconds.
const TIME_OF_DAY_FORMATS: [&str; 2] = ["%H:%M", "%H:%M:%S%.f"];

/// Formats of a date with a time of day. A `T` may replace the space.
const DATE_TIME_FORMATS: [&str; 2] = ["%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S%.f"];

/// Longest time that a local clock ever skipped: one day, at a move across the date line.
const SKIPPED_MAX_MINUTES: i64 = 24 * 60;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TimeSpec {
    /// Duration before the newest sample: `-2h`.
    Ago(Duration),
    /// Latest occurrence of a time of day: `03:12`.
    TimeOfDay(NaiveTime),
    /// Time of the previous day: `yesterday 03:12`.
    Yesterday(NaiveTime),
    /// Date and local time, by default midnight: `2026-11-28 03:12`.
    Local(NaiveDateTime),
    /// Date and time with an offset from UTC: `2026-11-28T03:12:00Z`.
    Exact(Time),
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid time {0:?}; write it like 03:12, yesterday 03:12, 2026-11-28 03:12 or -2h")]
pub(crate) struct TimeSpecError(String);

impl FromStr for TimeSpec {
    type Err = TimeSpecError;

    fn from_str(text: &str) -> Result<TimeSpec, TimeSpecError> {
        read(text.trim()).ok_or_else(|| TimeSpecError(sanitize(text.trim()).into_owned()))
    }
}

fn read(text: &str) -> Option<TimeSpec> {
    let clock = |text: &str| {
        let parse = |format: &&str| NaiveTime::parse_from_str(text.trim(), format).ok();
        TIME_OF_DAY_FORMATS.iter().find_map(parse)
    };
    if let Some(duration) = text.strip_prefix('-') {
        return parse_duration(duration.trim()).ok().map(TimeSpec::Ago);
    }
    if let Some(time) = text.strip_prefix("yesterday ") {
        return clock(time).map(TimeSpec::Yesterday);
    }
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(TimeSpec::Exact(Time::from_millis(time.timestamp_millis())));
    }
    let local = text.replacen('T', " ", 1);
    let local = |format: &&str| NaiveDateTime::parse_from_str(&local, format).ok();
    let midnight = || Some(NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.into());
    let dated = || DATE_TIME_FORMATS.iter().find_map(local).or_else(midnight).map(TimeSpec::Local);
    clock(text).map(TimeSpec::TimeOfDay).or_else(dated)
}

impl TimeSpec {
    /// Resolves the time. Relative times count back from `now`. A time of day alone is its latest
    /// occurrence up to `latest`.
    pub(crate) fn resolve(self, now: Time, latest: Time, zone: Zone) -> Time {
        let at = |local: NaiveDateTime| resolve_local(local, latest, |local| zone.instants(local));
        let before = |day: NaiveDate| day.pred_opt().unwrap_or(day);
        match self {
            TimeSpec::Ago(ago) => now - ago,
            TimeSpec::TimeOfDay(time) => {
                let day = zone.local_time(latest).date();
                let today = at(day.and_time(time));
                if today <= latest { today } else { at(before(day).and_time(time)) }
            }
            TimeSpec::Yesterday(time) => at(before(zone.local_time(now).date()).and_time(time)),
            TimeSpec::Local(local) => at(local),
            TimeSpec::Exact(time) => time,
        }
    }
}

/// Parses a time and resolves it relative to `now`.
pub(crate) fn parse(text: &str, now: Time, zone: Zone) -> Result<Time, TimeSpecError> {
    text.parse::<TimeSpec>().map(|spec| spec.resolve(now, now, zone))
}

/// Converts a local time. A repeated local time is its second occurrence, or the first one if the
/// second is after `latest`. A skipped local time is the time at which the clock is put forward.
fn resolve_local(
    local: NaiveDateTime,
    latest: Time,
    instants: impl Fn(NaiveDateTime) -> MappedLocalTime<Time>,
) -> Time {
    match instants(local) {
        MappedLocalTime::Single(time) => time,
        MappedLocalTime::Ambiguous(_, second) if second <= latest => second,
        MappedLocalTime::Ambiguous(first, _) => first,
        MappedLocalTime::None => {
            let minute = local.with_second(0).and_then(|local| local.with_nanosecond(0));
            let minutes = (1..=SKIPPED_MAX_MINUTES).map(TimeDelta::minutes);
            let mut later = minutes.filter_map(|by| minute?.checked_add_signed(by));
            let next = later.find_map(|local| instants(local).earliest());
            next.unwrap_or_else(|| Time::from_millis(local.and_utc().timestamp_millis()))
        }
    }
}

/// Values of `--from` and `--to`, not resolved yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct TimeRange {
    pub(crate) from: Option<TimeSpec>,
    pub(crate) to: Option<TimeSpec>,
}

/// Range of times, both ends included. An end that is `None` is unbounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TimeBounds {
    pub(crate) from: Option<Time>,
    /// Latest time.
    pub(crate) to: Option<Time>,
}

impl TimeRange {
    /// Resolves both ends relative to `now`. A time of day as the start is its latest occurrence
    /// before the end.
    ///
    /// # Errors
    /// The range is empty.
    pub(crate) fn resolve(self, now: Time, zone: Zone) -> Result<TimeBounds, &'static str> {
        let to = self.to.map(|to| to.resolve(now, now, zone));
        let latest = to.unwrap_or(now);
        let from = self.from.map(|from| from.resolve(now, latest, zone));
        if from.is_some_and(|from| from >= latest) {
            return Err(match to {
                Some(_) => "--from must be before --to",
                None => "--from must be before the newest sample; give an earlier time",
            });
        }
        Ok(TimeBounds { from, to })
    }
}

impl TimeBounds {
    pub(crate) fn contains(&self, time: Time) -> bool {
        self.from.is_none_or(|from| time >= from) && !self.is_past(time)
    }

    pub(crate) fn is_past(&self, time: Time) -> bool {
        self.to.is_some_and(|to| time > to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ZONE: Zone = Zone::Fixed(3600);

    /// Parses a local time of [`ZONE`].
    fn wall(text: &str) -> Time {
        let local = NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f").unwrap();
        Time::from_millis(local.and_utc().timestamp_millis() - 3_600_000)
    }

    #[test]
    fn times_are_parsed_as_users_type_them() {
        let now = wall("2026-11-28 18:30:00");
        for (text, expected) in [
            ("03:12", "2026-11-28 03:12:00"),
            (" 3:12 ", "2026-11-28 03:12:00"),
            ("03:12:30", "2026-11-28 03:12:30"),
            ("03:12:30.250", "2026-11-28 03:12:30.250"),
            ("18:30", "2026-11-28 18:30:00"),
            // Still in the future today, so yesterday is meant.
            ("18:31", "2026-11-27 18:31:00"),
            ("yesterday 03:12", "2026-11-27 03:12:00"),
            ("yesterday 23:59:59", "2026-11-27 23:59:59"),
            ("2026-11-02 03:12", "2026-11-02 03:12:00"),
            ("2026-11-02T03:12:30", "2026-11-02 03:12:30"),
            ("2026-11-02", "2026-11-02 00:00:00"),
            ("2026-11-28T03:12:00Z", "2026-11-28 04:12:00"),
            ("2026-11-28T03:12:00.5-02:00", "2026-11-28 06:12:00.500"),
            ("2027-01-01 00:00", "2027-01-01 00:00:00"),
            ("-2h", "2026-11-28 16:30:00"),
            ("- 1h 30m", "2026-11-28 17:00:00"),
            ("-0s", "2026-11-28 18:30:00"),
        ] {
            assert_eq!(parse(text, now, ZONE), Ok(wall(expected)), "{text:?}");
        }
    }

    #[test]
    fn an_invalid_time_is_an_error_with_examples() {
        for text in [
            "",
            "-",
            "now",
            "25:00",
            "03:60",
            "3",
            "03:12 pm",
            "yesterday",
            "2026-13-01",
            "2h",
            "-2",
        ] {
            let error = parse(text, wall("2026-11-28 18:30:00"), ZONE).unwrap_err().to_string();
            let expected = format!("invalid time {text:?}; write it like 03:12");
            assert!(error.starts_with(&expected), "{error}");
        }
        let error = "\x1b[31m".parse::<TimeSpec>().unwrap_err().to_string();
        assert!(!error.contains('\x1b'), "{error}");
    }

    #[test]
    fn far_off_times_are_clamped_to_the_range_of_a_time() {
        let now = wall("2026-11-28 18:30:00");
        for (text, expected) in [
            ("-99y", Time::default()),
            ("0001-01-01", Time::default()),
            ("+262000-01-01 00:00", Time::MAX),
        ] {
            assert_eq!(parse(text, now, ZONE), Ok(expected), "{text:?}");
        }
    }

    #[test]
    fn a_repeated_local_time_is_the_second_and_a_skipped_one_the_next() {
        let local = |text| NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S").unwrap();
        let utc = |text| Time::from_millis(local(text).and_utc().timestamp_millis());
        // Central Europe in 2026: 02:00 to 03:00 is skipped on 29 March and repeated on 25 October.
        let (forward, back) = (local("2026-03-29 02:00:00"), local("2026-10-25 02:00:00"));
        let instants = |at: NaiveDateTime| {
            let before = |hours| {
                Time::from_millis((at - TimeDelta::hours(hours)).and_utc().timestamp_millis())
            };
            let is_within = |from: NaiveDateTime| at >= from && at < from + TimeDelta::hours(1);
            match at {
                _ if is_within(forward) => MappedLocalTime::None,
                _ if is_within(back) => MappedLocalTime::Ambiguous(before(2), before(1)),
                _ if at > forward && at < back => MappedLocalTime::Single(before(2)),
                _ => MappedLocalTime::Single(before(1)),
            }
        };
        let check = |text, latest, expected| {
            assert_eq!(resolve_local(local(text), utc(latest), instants), utc(expected), "{text}");
        };
        check("2026-03-29 02:30:15", "2026-03-30 00:00:00", "2026-03-29 01:00:00");
        check("2026-03-29 03:00:00", "2026-03-30 00:00:00", "2026-03-29 01:00:00");
        check("2026-10-25 02:30:15", "2026-10-26 00:00:00", "2026-10-25 01:30:15");
        // The second occurrence is still in the future.
        check("2026-10-25 02:30:15", "2026-10-25 01:00:00", "2026-10-25 00:30:15");
    }

    #[test]
    fn a_range_begins_at_the_latest_matching_time_before_its_end() {
        let now = wall("2026-11-28 23:30:00");
        let spec = |text: &str| (!text.is_empty()).then(|| text.parse().unwrap());
        let range = |from, to| TimeRange { from: spec(from), to: spec(to) }.resolve(now, ZONE);
        for (from, to, expected) in [
            ("03:12", "03:20", ("2026-11-28 03:12:00", "2026-11-28 03:20:00")),
            ("23:00", "01:00", ("2026-11-27 23:00:00", "2026-11-28 01:00:00")),
            ("-2h", "-1h", ("2026-11-28 21:30:00", "2026-11-28 22:30:00")),
            ("yesterday 23:00", "01:00", ("2026-11-27 23:00:00", "2026-11-28 01:00:00")),
        ] {
            let expected = TimeBounds { from: Some(wall(expected.0)), to: Some(wall(expected.1)) };
            assert_eq!(range(from, to), Ok(expected), "{from} {to}");
        }
        let open = range("", "03:20").unwrap();
        assert_eq!(open, TimeBounds { from: None, to: Some(wall("2026-11-28 03:20:00")) });
        assert!(open.contains(Time::default()) && open.contains(wall("2026-11-28 03:20:00")));
        assert!(!open.contains(wall("2026-11-28 03:20:00.001")));
        assert_eq!(range("", ""), Ok(TimeBounds::default()));
        for (from, to) in [("-1h", "-2h"), ("-1h", "-1h"), ("2030-01-01", "18:00")] {
            assert_eq!(range(from, to), Err("--from must be before --to"), "{from} {to}");
        }
        assert_eq!(
            range("2030-01-01", ""),
            Err("--from must be before the newest sample; give an earlier time")
        );
    }
}
