//! Kind and magnitude of the values of a column.

/// Kind of a column's values since the store was created, dropped samples included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ValueKind {
    /// No value but NaN.
    None,
    /// Whole numbers only.
    Whole,
    /// At least one number that is not whole.
    Fractional,
}

/// Largest magnitude and sign of a column's values. Never shrinks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Magnitude {
    /// Power of ten of the greatest absolute value.
    pub(crate) exponent: i16,
    /// True if a value was negative.
    pub(crate) is_negative: bool,
    /// Smallest absolute value that raises `exponent`.
    limit: f64,
}

impl Magnitude {
    /// Magnitude of a column that has had no value but 0.
    pub(crate) const ZERO: Magnitude =
        Magnitude { exponent: i16::MIN, is_negative: false, limit: f64::MIN_POSITIVE };

    /// Returns the magnitude of the values of both.
    pub(super) fn union(self, other: Magnitude) -> Magnitude {
        let greater = if self.exponent < other.exponent { other } else { self };
        Magnitude { is_negative: self.is_negative || other.is_negative, ..greater }
    }

    /// Adds a value. Returns whether the magnitude has grown.
    pub(super) fn update(&mut self, value: f64) -> bool {
        let is_larger = value.abs() >= self.limit;
        if is_larger {
            self.exponent = value.abs().log10().floor() as i16;
            self.limit = 10f64.powi(i32::from(self.exponent) + 1);
        }
        let turns_negative = value < 0.0 && !self.is_negative;
        self.is_negative |= turns_negative;
        is_larger || turns_negative
    }
}
