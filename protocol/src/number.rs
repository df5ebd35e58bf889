//! Numbers of the line format: as short as possible without losing precision.

use std::fmt::Write as _;

/// Parses a number. Returns `None` for invalid text and for infinity. `nan` is a missing value.
#[must_use]
pub fn parse_number(text: &str) -> Option<f64> {
    text.parse::<f64>().ok().filter(|number| !number.is_infinite())
}

/// Appends `value` with at least `decimals` decimals, and with as many as [`parse_number`] needs to
/// return exactly `value`. NaN and infinity are written as `nan`.
///
/// ```
/// let mut line = String::new();
/// loadline_protocol::write_number(&mut line, 0.4, 2);
/// assert_eq!(line, "0.40");
/// ```
pub fn write_number(out: &mut String, value: f64, decimals: usize) {
    if !value.is_finite() {
        out.push_str("nan");
        return;
    }
    if try_write_scaled(out, value, decimals) {
        return;
    }
    let start = out.len();
    // `{:?}` is the shortest text that parses to the same number. Writing to a String cannot fail.
    let _ = write!(out, "{value:?}");
    let written = &out[start..];
    if written.contains('e') {
        return;
    }
    let have = written.find('.').map_or(0, |point| written.len() - point - 1);
    if decimals == 0 && written.ends_with(".0") {
        out.truncate(out.len() - ".0".len());
    } else {
        out.extend(std::iter::repeat_n('0', decimals.saturating_sub(have)));
    }
}

/// Powers of ten, indexed by the number of decimals of a unit.
pub(crate) const SCALES: [f64; 4] = [1.0, 10.0, 100.0, 1000.0];

/// Whole numbers below this have at most 15 digits, which a double represents exactly.
const SCALED_MAX: f64 = 1e15;

/// Fast path for numbers that need only their usual `decimals`, as most do: several times as fast
/// as the search for the shortest text. Returns false, and writes nothing, for other numbers.
///
/// `value` equals a whole number divided by a power of ten, both exact. Division and parsing round
/// alike, so the text parses to `value`. With at most 15 digits, no shorter text would.
fn try_write_scaled(out: &mut String, value: f64, decimals: usize) -> bool {
    let Some(scale) = SCALES.get(decimals) else { return false };
    let scaled = (value * scale).round();
    // Comparing bits requires exactly the same number and distinguishes -0 from 0.
    if scaled.abs() >= SCALED_MAX || (scaled / scale).to_bits() != value.to_bits() {
        return false;
    }
    if value.is_sign_negative() {
        out.push('-');
    }
    write_decimal(out, scaled.abs() as u64, decimals);
    true
}

/// Appends `scaled` / 10^`decimals`: 1234 with two decimals is `12.34`. At most three decimals.
pub(crate) fn write_decimal(out: &mut String, scaled: u64, decimals: usize) {
    // 20 digits and a decimal point.
    let mut text = [0; 21];
    let (mut start, mut rest) = (text.len(), scaled);
    let mut put = |byte| {
        start -= 1;
        text[start] = byte;
    };
    for _ in 0..decimals {
        put(b'0' + (rest % 10) as u8);
        rest /= 10;
    }
    if decimals > 0 {
        put(b'.');
    }
    loop {
        put(b'0' + (rest % 10) as u8);
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.push_str(std::str::from_utf8(&text[start..]).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(value: f64, decimals: usize) -> String {
        let mut out = String::from("x");
        write_number(&mut out, value, decimals);
        out.split_off(1)
    }

    #[test]
    fn numbers_have_their_usual_decimals_or_as_many_as_they_need() {
        for (value, decimals, expected) in [
            (12.5, 1, "12.5"),
            (2400.0, 1, "2400.0"),
            (0.4, 2, "0.40"),
            (0.0, 2, "0.00"),
            (67_385_159_680.0, 0, "67385159680"),
            (1.5, 0, "1.5"),
            (12.345_678, 1, "12.345678"),
            (-3.0, 1, "-3.0"),
            (1e300, 1, "1e300"),
            (0.0, 0, "0"),
            (-0.0, 0, "-0"),
            (-0.0, 1, "-0.0"),
            (0.001, 3, "0.001"),
            (-0.05, 2, "-0.05"),
            (999_999_999_999.999, 3, "999999999999.999"),
            (1e15, 0, "1000000000000000"),
            (1e16, 0, "1e16"),
            (f64::NAN, 1, "nan"),
            (f64::INFINITY, 1, "nan"),
        ] {
            assert_eq!(written(value, decimals), expected);
        }
    }

    #[test]
    fn infinity_and_invalid_text_are_rejected() {
        for text in ["inf", "-Infinity", "1e999", "", "high", "0x10", "1,5", "--1", "1_000"] {
            assert_eq!(parse_number(text), None, "{text:?}");
        }
        for text in ["nan", "NaN", "-nan"] {
            assert!(parse_number(text).is_some_and(f64::is_nan), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_decimal_is_the_scaled_number_with_a_point(scaled: u64, decimals in 0..4_usize) {
            let mut out = String::new();
            write_decimal(&mut out, scaled, decimals);
            let scale = 10_u64.pow(decimals as u32);
            let expected = match decimals {
                0 => scaled.to_string(),
                _ => format!("{}.{:0decimals$}", scaled / scale, scaled % scale),
            };
            prop_assert_eq!(out, expected);
        }

        #[test]
        fn every_finite_number_parses_back_bit_for_bit(bits: u64, decimals in 0..6_usize) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite());
            let back = parse_number(&written(value, decimals));
            prop_assert_eq!(back.map(f64::to_bits), Some(bits));
        }

        #[test]
        fn a_number_is_as_short_as_its_usual_decimals_permit(
            scaled in -2_000_000_000_000_000..2_000_000_000_000_000_i64,
            digits in 0..16_u32,
            decimals in 0..4_usize,
        ) {
            let scaled = scaled / 10_i64.pow(digits);
            let value = scaled as f64 / 10_f64.powi(decimals as i32);
            let shortest = format!("{value:?}");
            let text = written(value, decimals);
            // Only zeros that fill up the decimals follow the shortest text.
            let shortest = shortest.strip_suffix(".0").filter(|_| decimals == 0).unwrap_or(&shortest);
            let zeros = text.strip_prefix(shortest).map(|zeros| zeros.trim_matches('0'));
            prop_assert_eq!(zeros, Some(""), "{} {}", text, shortest);
            let have = text.split_once('.').map_or(0, |(_, have)| have.len());
            prop_assert!(have >= decimals, "{}", text);
        }
    }
}
