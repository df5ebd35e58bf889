//! Local time.

use chrono::{DateTime, FixedOffset, Local, MappedLocalTime, NaiveDateTime, TimeZone, Utc};
use loadline_protocol::Time;

/// The time zone of what is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zone {
    /// This machine's, with its changes of daylight saving.
    Local,
    /// A fixed distance from UTC, seconds east.
    Fixed(i32),
}

impl Zone {
    /// What a clock on the wall shows at `time`.
    #[must_use]
    pub fn local_time(self, time: Time) -> NaiveDateTime {
        let utc = utc(time);
        match self {
            Zone::Local => utc.with_timezone(&Local).naive_local(),
            Zone::Fixed(seconds) => match FixedOffset::east_opt(seconds) {
                Some(offset) => utc.with_timezone(&offset).naive_local(),
                None => utc.naive_utc(),
            },
        }
    }

    /// The times at which a clock on the wall shows `local_time`: two or none where it is set.
    #[must_use]
    pub fn instants(self, wall: NaiveDateTime) -> MappedLocalTime<Time> {
        fn of(zone: &impl TimeZone, wall: NaiveDateTime) -> MappedLocalTime<Time> {
            zone.from_local_datetime(&wall).map(|at| Time::from_millis(at.timestamp_millis()))
        }
        match self {
            Zone::Local => of(&Local, wall),
            Zone::Fixed(seconds) => match FixedOffset::east_opt(seconds) {
                Some(offset) => of(&offset, wall),
                None => of(&Utc, wall),
            },
        }
    }

    /// How far the wall clock is ahead of UTC at `time`, milliseconds.
    #[must_use]
    pub fn utc_offset_ms(self, time: Time) -> i64 {
        self.local_time(time).and_utc().timestamp_millis() - time.as_millis()
    }
}

/// The time in UTC.
#[must_use]
pub fn utc(time: Time) -> DateTime<Utc> {
    // Its range, up to the year 9999, is within what chrono has.
    Utc.timestamp_millis_opt(time.as_millis()).single().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wall_clock_is_ahead_of_utc_in_the_east() {
        let time = Time::from_millis(1_763_836_800_123);
        assert_eq!(Zone::Fixed(3600).local_time(time).to_string(), "2025-11-22 19:40:00.123");
        assert_eq!(Zone::Fixed(-3600).utc_offset_ms(time), -3_600_000);
        assert_eq!(utc(Time::MAX).to_rfc3339(), "9999-12-31T23:59:59.999+00:00");
    }
}
