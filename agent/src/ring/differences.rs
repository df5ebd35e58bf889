//! Rows as differences to the row before, which take three quarters of the space once they are compressed.
//!
//! ```text
//! 1763836800.123 4712 12.5 nan 0.52        =1763836800.123 4712 12.5 nan 0.52
//! 1763836801.123 4713 11.0 nan 0.52   ⇄    1000 1 -15
//! 1763836802.125 4714 11.0 2.5 0.52        1002 1  =2.5
//! ```
//!
//! A field is empty if it is unchanged, a difference in units of its last decimal, or after `=` as it was. Empty
//! fields at the end are left out. After `=` at its start, a row is as it was; notes are never changed.

use std::io::Write as _;
use std::ops::Range;

/// Marks a field or a row that is as it was.
const AS_IT_WAS: u8 = b'=';

/// Most digits of a number whose difference is taken. The difference of two fits 64 bits.
const DIGITS_MAX: usize = 18;

/// Replaces the rows in `text` by their differences.
pub(super) fn take_differences(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut before: Option<&[u8]> = None;
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        if line.starts_with(b"#") {
            out.extend_from_slice(line);
            continue;
        }
        let start = out.len();
        if !before.is_some_and(|before| write_difference(before, line, &mut out)) {
            out.truncate(start);
            out.push(AS_IT_WAS);
            out.extend_from_slice(line);
        }
        before = Some(line);
    }
    out
}

/// Restores the rows. `length` is the size of the text.
pub(super) fn restore(differences: &[u8], length: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(length);
    let mut before = 0..0;
    for line in differences.split_inclusive(|byte| *byte == b'\n') {
        let start = out.len();
        match line {
            [b'#', ..] => {
                out.extend_from_slice(line);
                continue;
            }
            [AS_IT_WAS, row @ ..] => out.extend_from_slice(row),
            _ => restore_row(&mut out, before, line),
        }
        before = start..out.len();
    }
    out
}

/// Appends the difference between two rows. Returns false if there is none: their first fields must be
/// numbers alike, and their counts of fields the same.
fn write_difference(before: &[u8], row: &[u8], out: &mut Vec<u8>) -> bool {
    let (Some(before), Some(row)) = (before.strip_suffix(b"\n"), row.strip_suffix(b"\n")) else {
        return false;
    };
    let mut older = fields(before);
    let mut end = out.len();
    for (at, field) in fields(row).enumerate() {
        let Some(old) = older.next() else { return false };
        if at > 0 {
            out.push(b' ');
        }
        if field != old || at == 0 {
            match Decimal::parse(field).zip(Decimal::parse(old)) {
                Some((new, old)) if new.decimals == old.decimals => {
                    // Writing to memory cannot fail.
                    let _ = write!(out, "{}", new.scaled - old.scaled);
                }
                _ if at == 0 => return false,
                _ => {
                    out.push(AS_IT_WAS);
                    out.extend_from_slice(field);
                }
            }
            end = out.len();
        }
    }
    out.truncate(end);
    out.push(b'\n');
    older.next().is_none()
}

/// Appends the row whose difference to an earlier one, at `before`, is given.
fn restore_row(out: &mut Vec<u8>, before: Range<usize>, difference: &[u8]) {
    let mut fields = fields(difference.strip_suffix(b"\n").unwrap_or(difference));
    let mut start = before.start;
    while start < before.end {
        let length = out[start..].iter().position(|byte| matches!(byte, b' ' | b'\n'));
        let end = start + length.unwrap_or(0);
        match fields.next().unwrap_or_default() {
            [] => out.extend_from_within(start..end),
            [AS_IT_WAS, field @ ..] => out.extend_from_slice(field),
            number => {
                let old = Decimal::parse(&out[start..end]).unwrap_or_default();
                let by: i64 = str::from_utf8(number).unwrap_or_default().parse().unwrap_or(0);
                Decimal { scaled: old.scaled + by, ..old }.write(out);
            }
        }
        out.push(out[end]);
        start = end + 1;
    }
}

fn fields(row: &[u8]) -> impl Iterator<Item = &[u8]> {
    row.split(|byte| *byte == b' ')
}

/// Number in units of its last decimal.
#[derive(Debug, Clone, Copy, Default)]
struct Decimal {
    scaled: i64,
    decimals: usize,
}

impl Decimal {
    /// Parses a number. `None` if it would not be written like this.
    fn parse(text: &[u8]) -> Option<Decimal> {
        let digits = text.strip_prefix(b"-").unwrap_or(text);
        let point = digits.iter().position(|byte| *byte == b'.');
        let (whole, fraction) = digits.split_at(point.unwrap_or(digits.len()));
        let fraction = fraction.strip_prefix(b".").unwrap_or(fraction);
        let all = || whole.iter().chain(fraction);
        let is_number = !whole.is_empty() && all().all(u8::is_ascii_digit);
        let has_point = point.is_some() != fraction.is_empty();
        let is_short = whole == b"0" || !whole.starts_with(b"0");
        if !(is_number && has_point && is_short) || whole.len() + fraction.len() > DIGITS_MAX {
            return None;
        }
        let size = all().fold(0, |scaled, digit| 10 * scaled + i64::from(digit - b'0'));
        let is_negative = digits.len() < text.len();
        let scaled = if is_negative { -size } else { size };
        (!is_negative || size > 0).then_some(Decimal { scaled, decimals: fraction.len() })
    }

    fn write(self, out: &mut Vec<u8>) {
        let Decimal { scaled, decimals } = self;
        let sign = if scaled < 0 { "-" } else { "" };
        // Writing to memory cannot fail.
        let _ = write!(out, "{sign}{:01$}", scaled.unsigned_abs(), decimals + 1);
        if decimals > 0 {
            out.insert(out.len() - decimals, b'.');
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expected: &str) {
        let differences = take_differences(text.as_bytes());
        assert_eq!(String::from_utf8_lossy(&differences), expected);
        assert_eq!(String::from_utf8(restore(&differences, text.len())).unwrap(), text);
    }

    #[test]
    fn a_row_is_the_difference_to_the_row_before() {
        check("1.123 1 12.5 nan 7\n2.123 2 11.0 nan 7\n", "=1.123 1 12.5 nan 7\n1000 1 -15\n");
        check("1 5\n# a note\n2 nan\n3 -0.5\n4 0.0\n", "=1 5\n# a note\n1 =nan\n1 =-0.5\n1 5\n");
        check("1 0.5\n1 -0.5\n1 0.25\n", "=1 0.5\n0 -10\n0 =0.25\n");
        check("1 2\n1 2 3\n1 2\nnan 2\n", "=1 2\n=1 2 3\n=1 2\n=nan 2\n");
        check(
            "1 00 1e3 -0 999999999999999999\n2 01 1e4 0 1\n",
            "=1 00 1e3 -0 999999999999999999\n1 =01 =1e4 =0 -999999999999999998\n",
        );
        check("", "");
    }

    fn any_field() -> impl Strategy<Value = String> {
        prop_oneof![
            (-2000..2000_i64).prop_map(|tenths| format!("{:.1}", tenths as f64 / 10.0)),
            any::<i64>().prop_map(|number| number.to_string()),
            any::<f64>().prop_map(|number| format!("{number:?}")),
            "[-=.0-9a-z]{0,6}",
            Just("nan".to_owned()),
        ]
    }

    proptest! {
        #[test]
        fn restored_rows_are_those_that_were_taken(
            lines in prop::collection::vec(
                (prop::collection::vec(any_field(), 1..5), prop::bool::weighted(0.2)), 0..30),
        ) {
            let line = |(fields, is_note): (Vec<String>, bool)| {
                let mark = if is_note { "# " } else { "" };
                format!("{mark}{}\n", fields.join(" "))
            };
            let text: String = lines.into_iter().map(line).collect();
            let differences = take_differences(text.as_bytes());
            prop_assert_eq!(restore(&differences, text.len()), text.as_bytes());
        }
    }
}
