//! Parts of a written time: date, clock time and zone.

use chrono::{Datelike as _, NaiveDate, NaiveTime};

/// Formats of dates: chrono's pattern and its name. Dates with a month by name are understood in any
/// order; `%B` also matches short names.
pub(super) const DATE_FORMATS: [(&str, &str); 20] = [
    ("%Y-%m-%d", "YYYY-MM-DD"),
    ("%Y/%m/%d", "YYYY/MM/DD"),
    ("%Y.%m.%d", "YYYY.MM.DD"),
    ("%Y%m%d", "YYYYMMDD"),
    ("%d.%m.%Y", "DD.MM.YYYY"),
    ("%d.%m.%y", "DD.MM.YY"),
    ("%m/%d/%Y", "MM/DD/YYYY"),
    ("%d/%m/%Y", "DD/MM/YYYY"),
    ("%m/%d/%y", "MM/DD/YY"),
    ("%d/%m/%y", "DD/MM/YY"),
    ("%m-%d-%Y", "MM-DD-YYYY"),
    ("%d-%m-%Y", "DD-MM-YYYY"),
    ("%m-%d-%y", "MM-DD-YY"),
    ("%d-%m-%y", "DD-MM-YY"),
    ("%y/%m/%d", "YY/MM/DD"),
    ("%y-%m-%d", "YY-MM-DD"),
    ("%d-%B-%Y", "DD-Mon-YYYY"),
    ("%d/%B/%Y", "DD/Mon/YYYY"),
    ("%d %B %Y", "DD Mon YYYY"),
    ("%B %d %Y", "Mon DD YYYY"),
];

/// Formats of a clock time, with the milliseconds that one value covers. `%.f` is an optional fraction.
const CLOCK_FORMATS: [(&str, i64); 4] =
    [("%H:%M:%S%.f", 1000), ("%H:%M", 60_000), ("%I:%M:%S%.f %p", 1000), ("%I:%M %p", 60_000)];

const WEEKDAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// Text of a time, split into its parts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct WrittenTime {
    /// Empty for a clock time alone.
    pub(super) date: String,
    /// Empty for a date alone.
    pub(super) clock: String,
    /// Offset from UTC in seconds; `None` without a zone.
    pub(super) offset: Option<i32>,
}

impl WrittenTime {
    /// Splits a text. `None` if it does not look like a time.
    pub(super) fn split(text: &str) -> Option<WrittenTime> {
        // More words than any time has: the text is a sentence.
        const WORDS_MAX: usize = 8;
        let text = text.trim_matches(|c: char| c.is_whitespace() || matches!(c, '[' | ']' | '"'));
        if !text.contains(|c: char| c.is_ascii_digit()) || text.len() > 64 {
            return None;
        }
        let text = separate_date(text);
        let mut time = WrittenTime::default();
        for (at, word) in text.split_whitespace().enumerate() {
            if at >= WORDS_MAX || !time.add(word.trim_end_matches(',')) {
                return None;
            }
        }
        let is_date = time.date.is_empty() || looks_like_date(&time.date);
        (is_date && (!time.date.is_empty() || !time.clock.is_empty())).then_some(time)
    }

    /// Adds a word. Returns false if no time has such a word.
    fn add(&mut self, word: &str) -> bool {
        let has_clock = !self.clock.is_empty();
        if is_meridiem(word) && has_clock {
            self.clock.push_str(if is_afternoon(word) { " PM" } else { " AM" });
        } else if !has_clock && word.contains(':') && word.starts_with(|c: char| c.is_ascii_digit())
        {
            return self.add_clock(word);
        } else if let Some(offset) = zone_offset(word).filter(|_| has_clock) {
            self.offset = Some(offset);
        } else if !is_weekday(word) {
            if !self.date.is_empty() {
                self.date.push(' ');
            }
            self.date.push_str(word);
        }
        true
    }

    /// Adds a clock time with the zone or AM, PM right behind it.
    fn add_clock(&mut self, word: &str) -> bool {
        let end = word.find(|c: char| !matches!(c, '0'..='9' | ':' | '.' | ','));
        let (clock, rest) = word.split_at(end.unwrap_or(word.len()));
        self.clock = clock.replace(',', ".");
        if is_meridiem(rest) {
            self.clock.push_str(if is_afternoon(rest) { " PM" } else { " AM" });
        } else if let Some(offset) = zone_offset(rest) {
            self.offset = Some(offset);
        } else {
            return rest.is_empty();
        }
        true
    }

    /// Parses the clock time; midnight for a date alone. Returns also the milliseconds it covers.
    pub(super) fn parse_clock(&self) -> Option<(NaiveTime, i64)> {
        if self.clock.is_empty() {
            return Some((NaiveTime::MIN, 24 * 3600 * 1000));
        }
        let fraction = if self.clock.contains('.') { 1 } else { i64::MAX };
        CLOCK_FORMATS.iter().find_map(|(format, covered)| {
            let time = NaiveTime::parse_from_str(&self.clock, format).ok()?;
            Some((time, (*covered).min(fraction)))
        })
    }
}

/// Parses a date. Years before 1970 are no years of samples: `28/11/26` is not in the year 26.
pub(super) fn parse_date(text: &str, format: &str) -> Option<NaiveDate> {
    let date = NaiveDate::parse_from_str(text, format).ok()?;
    (1970..=9999).contains(&date.year()).then_some(date)
}

/// Puts a blank between date and clock time: `2025-11-22T18:40:00`, `22/Nov/2025:18:40:00`.
fn separate_date(text: &str) -> String {
    let bytes = text.as_bytes();
    let is_digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let is_between = |at: usize| at > 0 && is_digit(at - 1) && is_digit(at + 1);
    let at = bytes.iter().enumerate().position(|(at, byte)| match byte {
        b'T' | b't' | b'_' => is_between(at),
        b':' => is_between(at) && text[..at].matches('/').count() == 2 && !text[..at].contains(' '),
        _ => false,
    });
    match at {
        Some(at) => format!("{} {}", &text[..at], &text[at + 1..]),
        None => text.to_owned(),
    }
}

/// Returns whether a text may be a date: two separators, a month's name, or eight digits.
fn looks_like_date(text: &str) -> bool {
    let has_format = || DATE_FORMATS.iter().any(|(format, _)| parse_date(text, format).is_some());
    is_date(text) || (!text.contains('.') && has_format()) || is_yearless(text)
}

/// Returns whether a date has no year: `28-02`, `Feb-28`, as dstat writes it, or `Nov 22`.
pub(super) fn is_yearless(text: &str) -> bool {
    let parts: Vec<&str> = text.split(['-', ' ']).filter(|part| !part.is_empty()).collect();
    let [first, second] = parts[..] else { return false };
    let is_day = |text: &str| text.len() <= 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_month = |text: &str| is_day(text) || is_month_name(text);
    (is_day(first) && is_month(second)) || (is_month(first) && is_day(second))
}

fn is_month_name(text: &str) -> bool {
    text.len() >= 3 && NaiveDate::parse_from_str(&format!("1 {text} 2000"), "%d %B %Y").is_ok()
}

/// Returns whether a word is a date of three parts.
pub(super) fn is_date(word: &str) -> bool {
    let digits = |text: &str, most: usize| {
        (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    ['-', '/', '.'].into_iter().any(|separator| {
        let parts: Vec<&str> = word.split(separator).collect();
        let [first, second, third] = parts[..] else { return false };
        let is_numeric = digits(first, 4) && digits(second, 2) && digits(third, 4);
        let is_named =
            separator != '.' && digits(first, 2) && is_month_name(second) && digits(third, 4);
        // Version 1.2.3 is no date.
        is_named || is_numeric && (first.len() == 4 || third.len() == 4 || third.len() == 2)
    })
}

/// Returns whether a word begins like a clock time: `16:43`, `16:43:05.123`.
pub(super) fn is_clock(word: &str) -> bool {
    let mut parts = word.split(':');
    let is_number = |text: &str, most: usize| {
        (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    let has_hour = parts.next().is_some_and(|hour| is_number(hour, 2));
    has_hour && parts.next().is_some_and(|minute| is_number(minute.get(..2).unwrap_or(""), 2))
}

pub(super) fn is_meridiem(word: &str) -> bool {
    ["am", "pm", "a.m.", "p.m."].iter().any(|it| word.eq_ignore_ascii_case(it))
}

fn is_afternoon(word: &str) -> bool {
    word.starts_with(['p', 'P'])
}

fn is_weekday(word: &str) -> bool {
    let word = word.trim_end_matches(['.', ',']).to_lowercase();
    word.len() <= 9
        && WEEKDAYS.iter().any(|day| word == *day || word.starts_with(day) && word.ends_with("day"))
}

/// Returns the offset of a zone from UTC in seconds: `Z`, `UTC`, `+02:00`, `-0500`, `+02`.
pub(super) fn zone_offset(word: &str) -> Option<i32> {
    if ["z", "utc", "gmt"].iter().any(|zone| word.eq_ignore_ascii_case(zone)) {
        return Some(0);
    }
    let word = word.strip_prefix("UTC").or(word.strip_prefix("GMT")).unwrap_or(word);
    let sign = if word.starts_with('-') { -1 } else { 1 };
    let digits = word.strip_prefix(['+', '-'])?.replace(':', "");
    if !matches!(digits.len(), 2 | 4) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (hours, minutes) = digits.split_at(2);
    let hours: i32 = hours.parse().ok().filter(|hours| *hours < 24)?;
    let minutes: i32 = if minutes.is_empty() { 0 } else { minutes.parse().ok()? };
    (minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_split_into_date_clock_and_zone() {
        let check = |text: &str, expected: Option<(&str, &str, Option<i32>)>| {
            let found = WrittenTime::split(text);
            let parts = found.as_ref().map(|it| (it.date.as_str(), it.clock.as_str(), it.offset));
            assert_eq!(parts, expected, "{text}");
        };
        check("2025-11-22T18:40:00Z", Some(("2025-11-22", "18:40:00", Some(0))));
        check("2025-11-22 18:40:00.123456", Some(("2025-11-22", "18:40:00.123456", None)));
        check("2025-11-22 18:40:00,123 UTC", Some(("2025-11-22", "18:40:00.123", Some(0))));
        check("2025-11-22 18:40:00 +0200", Some(("2025-11-22", "18:40:00", Some(7200))));
        check("2025-11-22T18:40:00-05:30", Some(("2025-11-22", "18:40:00", Some(-19_800))));
        check("11/28/2026 5:00:00 PM", Some(("11/28/2026", "5:00:00 PM", None)));
        check("5:00PM", Some(("", "5:00 PM", None)));
        check("Sat Nov 22 18:40:00 UTC 2025", Some(("Nov 22 2025", "18:40:00", Some(0))));
        check("Sat, 22 Nov 2025 18:40:00 GMT", Some(("22 Nov 2025", "18:40:00", Some(0))));
        check("[22/Nov/2025:18:40:00 +0100]", Some(("22/Nov/2025", "18:40:00", Some(3600))));
        check("28-02 17:39:48", Some(("28-02", "17:39:48", None)));
        check("2025-11-22 18:40:00 CET", None);
        for text in ["web-1", "12.5", "1.2.3", "10.0.0.1", "", "all", "1:2 of 3"] {
            check(text, None);
        }
    }

    #[test]
    fn clock_times_have_12_or_24_hours() {
        let check = |clock: &str, expected: Option<&str>| {
            let time = WrittenTime { clock: clock.to_owned(), ..WrittenTime::default() };
            let found = time.parse_clock().map(|(time, _)| time.to_string());
            assert_eq!(found.as_deref(), expected, "{clock}");
        };
        check("5:00:00 PM", Some("17:00:00"));
        check("12:01 AM", Some("00:01:00"));
        check("18:40:00.123", Some("18:40:00.123"));
        check("25:00:00", None);
        check("13:00:00 PM", None);
    }
}
