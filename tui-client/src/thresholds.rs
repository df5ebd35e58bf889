//! From where on a value is worth a look.

use std::collections::BTreeMap;

/// Whether a value is worth a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Level {
    /// No.
    #[default]
    Calm,
    /// It may become too much.
    Warn,
    /// It is too much.
    Critical,
}

impl Level {
    /// What the level is called on the screen.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Level::Calm => "normal",
            Level::Warn => "warning",
            Level::Critical => "critical",
        }
    }
}

/// From where on a value is worth a look, in the unit of its column.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Limits {
    /// It may become too much.
    pub warn: Option<f64>,
    /// It is too much.
    pub critical: Option<f64>,
}

impl Limits {
    /// What a value means; one that is missing means nothing.
    #[must_use]
    pub fn level(&self, value: f64) -> Level {
        let reaches = |limit: Option<f64>| limit.is_some_and(|limit| value >= limit);
        if reaches(self.critical) {
            Level::Critical
        } else if reaches(self.warn) {
            Level::Warn
        } else {
            Level::Calm
        }
    }

    /// The limit that is reached first, and the level that begins there.
    #[must_use]
    pub fn first(&self) -> Option<(Level, f64)> {
        let warn = self.warn.map(|limit| (Level::Warn, limit));
        warn.or(self.critical.map(|limit| (Level::Critical, limit)))
    }

    /// Both as they are for so many cores.
    fn times(self, cores: f64) -> Limits {
        let times = |limit: Option<f64>| limit.map(|limit| limit * cores);
        Limits { warn: times(self.warn), critical: times(self.critical) }
    }
}

/// The limits of columns by their names; `load1/core` is that of `load1` for each core.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Thresholds(pub BTreeMap<String, Limits>);

/// Behind the name of a column whose limits are for each core.
const PER_CORE: &str = "/core";

impl Thresholds {
    /// The limits of a column, on a machine of so many cores if that is known. What is said of the column
    /// itself comes before what is said for each core.
    #[must_use]
    pub fn of(&self, column: &str, cores: Option<f64>) -> Limits {
        if let Some(limits) = self.0.get(column) {
            return *limits;
        }
        let per_core = self.0.get(&format!("{column}{PER_CORE}"));
        per_core.zip(cores).map_or(Limits::default(), |(limits, cores)| limits.times(cores))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_at_its_limit_is_worth_a_look() {
        let limits = Limits { warn: Some(80.0), critical: Some(95.0) };
        let levels = [79.9, 80.0, 95.0, f64::NAN].map(|value| limits.level(value));
        assert_eq!(levels, [Level::Calm, Level::Warn, Level::Critical, Level::Calm]);
        let critical = Limits { warn: None, critical: Some(1.0) };
        assert_eq!(critical.first(), Some((Level::Critical, 1.0)));
        assert_eq!(Limits::default().level(1e300), Level::Calm);
    }

    #[test]
    fn a_load_may_be_limited_for_each_core() {
        let limits = Limits { warn: Some(1.5), critical: None };
        let thresholds = Thresholds([("load1/core".to_owned(), limits)].into());
        assert_eq!(thresholds.of("load1", Some(4.0)).warn, Some(6.0));
        assert_eq!(thresholds.of("load1", None), Limits::default());
        assert_eq!(thresholds.of("load5", Some(4.0)), Limits::default());
    }
}
