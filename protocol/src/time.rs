//! Times and durations of the line format.

use std::fmt;
use std::ops::{Add, Sub};
use std::str::FromStr;
use std::time::Duration;

use crate::LineError;

/// Point in time in milliseconds since the Unix epoch, from 1970 to the end of the year 9999.
///
/// ```
/// use loadline_protocol::Time;
/// let time: Time = "1763836800.123".parse().unwrap();
/// assert_eq!(time.as_millis(), 1_763_836_800_123);
/// assert_eq!(time.to_string(), "1763836800.123");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time(i64);

impl Time {
    /// Last millisecond of the year 9999. No clock shows a later time.
    pub const MAX: Time = Time(253_402_300_799_999);

    /// Returns the time `ms` milliseconds after the epoch, clamped to the range.
    #[must_use]
    pub fn from_millis(ms: i64) -> Time {
        Time(ms.clamp(0, Time::MAX.0))
    }

    /// Returns the milliseconds since the epoch.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Milliseconds since `earlier`; negative if `earlier` is later.
    #[must_use]
    pub const fn ms_since(self, earlier: Time) -> i64 {
        self.0 - earlier.0
    }

    /// Time `ms` milliseconds later, or earlier if negative, brought into the range.
    #[must_use]
    pub fn shifted_ms(self, ms: i64) -> Time {
        Time::from_millis(self.0.saturating_add(ms))
    }
}

/// The sum ends at [`Time::MAX`].
impl Add<Duration> for Time {
    type Output = Time;

    fn add(self, duration: Duration) -> Time {
        self.shifted_ms(duration_ms(duration))
    }
}

/// The difference begins at the epoch.
impl Sub<Duration> for Time {
    type Output = Time;

    fn sub(self, duration: Duration) -> Time {
        self.shifted_ms(-duration_ms(duration))
    }
}

/// Duration since the other time; zero if that is later.
impl Sub for Time {
    type Output = Duration;

    fn sub(self, earlier: Time) -> Duration {
        Duration::from_millis(u64::try_from(self.ms_since(earlier)).unwrap_or(0))
    }
}

/// Whole milliseconds of a duration, at most `i64::MAX`.
#[must_use]
pub fn duration_ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.0 / 1000, self.0 % 1000)
    }
}

impl FromStr for Time {
    type Err = LineError;

    /// Parses seconds with any number of decimals, truncated to milliseconds.
    fn from_str(text: &str) -> Result<Time, LineError> {
        read_time(text).ok_or_else(|| LineError::field("time", text))
    }
}

pub(crate) fn read_time(text: &str) -> Option<Time> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !digits(seconds) || !digits(fraction) {
        return None;
    }
    let seconds: i64 = seconds.parse().ok()?;
    let millis = fraction.bytes().chain(*b"00").take(3);
    let millis = millis.fold(0, |millis, digit| millis * 10 + i64::from(digit - b'0'));
    let ms = seconds.checked_mul(1000)?.checked_add(millis)?;
    (ms <= Time::MAX.0).then_some(Time(ms))
}

/// Maximum duration: 100 years. No interval and no history needs more.
const DURATION_MAX: Duration = Duration::from_hours(100 * 365 * 24);

/// Parses `250ms`, `1s`, `10m`, `1h 30m` or `1h30m`: whole milliseconds, at most 100 years.
///
/// ```
/// use std::time::Duration;
/// use loadline_protocol::parse_duration;
/// assert_eq!(parse_duration("1h30m"), Ok(Duration::from_secs(5400)));
/// assert!(parse_duration("5").unwrap_err().contains("250ms"));
/// ```
///
/// # Errors
/// A message that names the problem and shows the format of a duration.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let shown = crate::sanitize(text);
    let wrong = |_| format!("invalid duration {shown:?}; write it like 250ms, 1s, 10m or 1h30m");
    let duration = humantime::parse_duration(text).map_err(wrong)?;
    if duration > DURATION_MAX {
        return Err(format!("duration {shown:?} is too long; give at most 100 years"));
    }
    if duration.subsec_nanos() % 1_000_000 != 0 {
        return Err(format!("duration {shown:?} is too precise; give whole milliseconds"));
    }
    Ok(duration)
}

/// Display of a duration in the largest unit that leaves no fraction: `90m`, `2s`, `250ms`.
/// Truncates to milliseconds. [`parse_duration`] is the inverse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DurationText(pub Duration);

impl fmt::Display for DurationText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (length, unit) = match self.0.as_millis() {
            0 => (1000, "s"),
            ms if ms.is_multiple_of(3_600_000) => (3_600_000, "h"),
            ms if ms.is_multiple_of(60_000) => (60_000, "m"),
            ms if ms.is_multiple_of(1000) => (1000, "s"),
            _ => (1, "ms"),
        };
        f.pad(&format!("{}{unit}", self.0.as_millis() / length))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn times_are_plain_decimal_seconds() {
        let check = |text: &str, ms: Option<i64>| {
            assert_eq!(read_time(text).map(Time::as_millis), ms, "{text:?}");
        };
        check("0", Some(0));
        check("1763836800.123", Some(1_763_836_800_123));
        check("1763836800.1", Some(1_763_836_800_100));
        check("1763836800.1239", Some(1_763_836_800_123));
        check("253402300799.999", Some(Time::MAX.0));
        check("253402300800", None);
        check("99999999999999999999", None);
        for text in ["", ".", "1.", ".5", "-1", "+1", "1e9", "nan", "1.2.3", "１"] {
            check(text, None);
        }
    }

    #[test]
    fn durations_are_parsed_as_people_write_them() {
        let ms = |text: &str| parse_duration(text).map(|d| d.as_millis());
        assert_eq!(ms("250ms"), Ok(250));
        assert_eq!(ms("1h 30m"), Ok(5_400_000));
        assert_eq!(ms("0s"), Ok(0));
        assert_eq!(ms("36500d"), Ok(DURATION_MAX.as_millis()));
        assert!(ms("36500d 1ms").unwrap_err().contains("too long"));
        for wrong in ["", "1", "fast", "-1s", "1us", "200y", "99999999999999999999s", "1s\x1b"] {
            let error = parse_duration(wrong).unwrap_err();
            assert!(!error.contains('\x1b'), "{error}");
        }
    }

    proptest! {
        #[test]
        fn a_printed_time_parses_back(ms in 0..=Time::MAX.0) {
            let time = Time::from_millis(ms);
            prop_assert_eq!(time.to_string().parse(), Ok(time));
        }

        #[test]
        fn a_printed_duration_parses_back(ms in 0..3_153_600_000_000_u64) {
            let duration = Duration::from_millis(ms);
            prop_assert_eq!(parse_duration(&DurationText(duration).to_string()), Ok(duration));
        }
    }
}
