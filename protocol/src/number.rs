//! Numbers as the line format writes them: short, and exact.

use std::fmt::Write as _;

/// Reads a number; `None` for what is no number and for an infinite one. `nan` is a missing value.
#[must_use]
pub fn parse_number(text: &str) -> Option<f64> {
    text.parse::<f64>().ok().filter(|number| !number.is_infinite())
}

/// Appends `value` with at least `decimals` decimals, and with as many as it takes that
/// [`parse_number`] gives the same number again; `nan` for what is not finite.
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
    let start = out.len();
    // Rust's debug form is the shortest text that reads back; writing to a String cannot fail.
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
    fn numbers_keep_their_usual_decimals_and_no_more_than_they_need() {
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
            (f64::NAN, 1, "nan"),
            (f64::INFINITY, 1, "nan"),
        ] {
            assert_eq!(written(value, decimals), expected);
        }
    }

    #[test]
    fn what_is_infinite_or_no_number_is_refused() {
        for text in ["inf", "-Infinity", "1e999", "", "high", "0x10", "1,5", "--1", "1_000"] {
            assert_eq!(parse_number(text), None, "{text:?}");
        }
        for text in ["nan", "NaN", "-nan"] {
            assert!(parse_number(text).is_some_and(f64::is_nan), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn every_finite_number_reads_back_to_the_bit(bits: u64, decimals in 0..6_usize) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite());
            let back = parse_number(&written(value, decimals));
            prop_assert_eq!(back.map(f64::to_bits), Some(bits));
        }
    }
}
