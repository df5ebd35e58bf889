//! What a column looks like: its unit decides how its values are written and on which axis they
//! stand. The one table of it.

use malevich::scale::Unit;

/// Which values an axis spans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Range {
    /// 0 to 100, always.
    Percent,
    /// From 0 to the next round number above the greatest value.
    FromZero,
    /// From below the least to above the greatest value.
    Fitted,
}

/// How the values of a unit are shown.
#[derive(Debug, Clone, PartialEq)]
pub struct Look {
    /// Which values the axis spans.
    pub range: Range,
    /// Values are multiplied by this before they are shown.
    pub scale: f64,
    /// What stands behind a shown value.
    pub suffix: &'static str,
    /// How many decimals a shown value has.
    pub decimals: usize,
    /// Whether values get a binary prefix of their own.
    pub binary: bool,
}

impl Look {
    const fn new(range: Range, scale: f64, suffix: &'static str, decimals: usize) -> Look {
        Look { range, scale, suffix, decimals, binary: false }
    }

    /// The look of a unit as it is written in a header; `known` says whether the column is one of
    /// ours, which are never negative.
    #[must_use]
    pub fn of(unit: &str, known: bool) -> Look {
        let range = if known { Range::FromZero } else { Range::Fitted };
        match unit {
            "%" => Look::new(Range::Percent, 1.0, "%", 1),
            "MHz" => Look::new(Range::FromZero, 0.001, "GHz", 2),
            "B" => Look { binary: true, ..Look::new(Range::FromZero, 1.0, "B", 1) },
            "B/s" => Look { binary: true, ..Look::new(Range::FromZero, 1.0, "B/s", 1) },
            "s" => Look::new(range, 1.0, "s", 1),
            "°C" => Look::new(Range::FromZero, 1.0, "°C", 1),
            _ => Look::new(range, 1.0, "", 2),
        }
    }

    /// The value as people read it, with its unit: `12.5 %`, `2.40 GHz`, `1.5 GiB`, `0.52`.
    #[must_use]
    pub fn value(&self, value: f64) -> String {
        if !value.is_finite() {
            return "-".to_owned();
        }
        let (scaled, prefix) = if self.binary { binary(value) } else { (value * self.scale, "") };
        let number = number(scaled, self.decimals);
        match self.suffix {
            "" => number,
            suffix => format!("{number} {prefix}{suffix}"),
        }
    }

    /// The unit of an axis's labels.
    #[must_use]
    pub fn axis_unit(&self) -> Unit {
        match self.suffix {
            "" => Unit::Plain,
            "B" | "B/s" => Unit::Bytes,
            "%" => Unit::suffix("%"),
            suffix => Unit::suffix(format!(" {suffix}")),
        }
    }
}

/// A number of at most so many decimals; very large and very small ones with an exponent.
#[must_use]
pub fn number(value: f64, decimals: usize) -> String {
    let size = value.abs();
    if size >= 1e9 || (size > 0.0 && size < 1e-4) {
        format!("{value:.2e}")
    } else {
        format!("{value:.decimals$}")
    }
}

fn binary(value: f64) -> (f64, &'static str) {
    let prefixes = ["", "Ki", "Mi", "Gi", "Ti", "Pi"];
    let mut scaled = value;
    let mut at = 0;
    while scaled.abs() >= 1024.0 && at + 1 < prefixes.len() {
        scaled /= 1024.0;
        at += 1;
    }
    (scaled, prefixes[at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_people_read_them() {
        for (unit, value, expected) in [
            ("%", 12.5, "12.5 %"),
            ("MHz", 2400.0, "2.40 GHz"),
            ("B", 67_385_159_680.0, "62.8 GiB"),
            ("B/s", 512.0, "512.0 B/s"),
            ("", 0.4, "0.40"),
            ("", 1e300, "1.00e300"),
            ("", -1e-9, "-1.00e-9"),
            ("%", f64::NAN, "-"),
            ("%", f64::INFINITY, "-"),
        ] {
            assert_eq!(Look::of(unit, true).value(value), expected);
        }
    }
}
