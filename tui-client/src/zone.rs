//! Time zones: conversion between timestamps and local time.

use chrono::{DateTime, FixedOffset, Local, MappedLocalTime, NaiveDateTime, Offset, TimeZone, Utc};
use loadline_protocol::Time;

/// Time zone of displayed and typed times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zone {
    /// Time zone of this machine, with daylight saving time.
    Local,
    /// Fixed offset from UTC in seconds, positive in the east.
    Fixed(i32),
}

impl Zone {
    pub(crate) fn local_time(self, time: Time) -> NaiveDateTime {
        let utc = utc(time);
        match self {
            Zone::Local => utc.with_timezone(&Local).naive_local(),
            Zone::Fixed(seconds) => utc.with_timezone(&offset(seconds)).naive_local(),
        }
    }

    /// Returns the times of a local time: two or none around a change of daylight saving time.
    pub(crate) fn instants(self, local: NaiveDateTime) -> MappedLocalTime<Time> {
        fn of(zone: &impl TimeZone, local: NaiveDateTime) -> MappedLocalTime<Time> {
            zone.from_local_datetime(&local).map(|at| Time::from_millis(at.timestamp_millis()))
        }
        match self {
            Zone::Local => of(&Local, local),
            Zone::Fixed(seconds) => of(&offset(seconds), local),
        }
    }

    /// Returns the offset of local time from UTC at `time` in milliseconds, positive in the east.
    pub(crate) fn utc_offset_ms(self, time: Time) -> i64 {
        self.local_time(time).and_utc().timestamp_millis() - time.as_millis()
    }
}

/// Returns an offset from UTC; none if it is a day or more.
fn offset(seconds: i32) -> FixedOffset {
    FixedOffset::east_opt(seconds).unwrap_or(Utc.fix())
}

/// Formats a time in UTC: `2026-11-22T14:03:07.123Z`.
pub(crate) fn utc_text(time: Time) -> String {
    utc(time).format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

fn utc(time: Time) -> DateTime<Utc> {
    // Times end with the year 9999, which is within chrono's range.
    Utc.timestamp_millis_opt(time.as_millis()).single().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_time_is_ahead_of_utc_in_the_east() {
        let time = Time::from_millis(1_763_836_800_123);
        assert_eq!(Zone::Fixed(3600).local_time(time).to_string(), "2025-11-22 19:40:00.123");
        assert_eq!(Zone::Fixed(-3600).utc_offset_ms(time), -3_600_000);
        assert_eq!(utc(Time::MAX).to_rfc3339(), "9999-12-31T23:59:59.999+00:00");
    }
}
