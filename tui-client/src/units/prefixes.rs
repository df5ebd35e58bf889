//! Unit prefixes: `KiB/s`, `Mbit/s`.

/// Unit of network rates in the alternative units: network links are sold by bit rate.
pub(super) const BIT_RATE_UNIT: &str = "bit/s";

/// Set of prefixes of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Prefixes {
    None,
    /// Ki, Mi, Gi.
    Binary,
    /// k, M, G.
    Decimal,
}

impl Prefixes {
    pub(super) fn of(suffix: &str) -> Prefixes {
        match suffix {
            "B" | "B/s" => Prefixes::Binary,
            BIT_RATE_UNIT => Prefixes::Decimal,
            _ => Prefixes::None,
        }
    }

    /// Returns the factor between neighbouring prefixes, and the prefixes in ascending order.
    fn steps(self) -> (f64, &'static [&'static str]) {
        match self {
            Prefixes::None => (1.0, &[""]),
            Prefixes::Binary => (1024.0, &["", "Ki", "Mi", "Gi", "Ti", "Pi"]),
            Prefixes::Decimal => (1000.0, &["", "k", "M", "G", "T", "P"]),
        }
    }

    /// Returns factor and name of the smallest prefix at which the value is below `limit`, or of
    /// the largest prefix.
    pub(super) fn prefix_below(self, value: f64, limit: f64) -> (f64, &'static str) {
        let (step, prefixes) = self.steps();
        let (mut factor, mut at) = (1.0, 0);
        while value.abs() / factor >= limit && at + 1 < prefixes.len() {
            factor *= step;
            at += 1;
        }
        (factor, prefixes[at])
    }

    /// Scales a value to its shortest form. Returns the scaled value and its prefix.
    pub(super) fn shorten(self, value: f64) -> (f64, &'static str) {
        let (factor, prefix) = self.prefix_below(value, self.steps().0);
        (value / factor, prefix)
    }
}
