//! From where on a value is worth a look.

use std::collections::BTreeMap;

/// Whether a value is worth a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Level {
    /// No.
    #[default]
    Normal,
    /// It may become too much.
    Warning,
    /// It is too much.
    Critical,
}

impl Level {
    /// What the level is called on the screen.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Level::Normal => "normal",
            Level::Warning => "warning",
            Level::Critical => "critical",
        }
    }
}

/// From where on a value is worth a look, in the unit of its column.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ThresholdLevels {
    /// It may become too much.
    pub warn: Option<f64>,
    /// It is too much.
    pub critical: Option<f64>,
}

impl ThresholdLevels {
    /// What a value means; one that is missing means nothing.
    #[must_use]
    pub fn level(&self, value: f64) -> Level {
        let reaches = |limit: Option<f64>| limit.is_some_and(|limit| value >= limit);
        if reaches(self.critical) {
            Level::Critical
        } else if reaches(self.warn) {
            Level::Warning
        } else {
            Level::Normal
        }
    }

    /// The limit that is reached first, and the level that begins there.
    #[must_use]
    pub fn first(&self) -> Option<(Level, f64)> {
        let warn = self.warn.map(|limit| (Level::Warning, limit));
        warn.or(self.critical.map(|limit| (Level::Critical, limit)))
    }

    /// Both as they are for so many cores.
    fn scaled(self, cores: f64) -> ThresholdLevels {
        let times = |limit: Option<f64>| limit.map(|limit| limit * cores);
        ThresholdLevels { warn: times(self.warn), critical: times(self.critical) }
    }
}

/// The limits of columns by their names; `load1/core` is that of `load1` for each core.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Thresholds(pub BTreeMap<String, ThresholdLevels>);

/// Behind the name of a column whose limits are for each core.
const PER_CORE: &str = "/core";

impl Thresholds {
    /// The limits of a column, on a machine of so many cores if that is known. What is said of the column
    /// itself comes before what is said for each core.
    #[must_use]
    pub fn of(&self, column: &str, cores: Option<f64>) -> ThresholdLevels {
        if let Some(limits) = self.0.get(column) {
            return *limits;
        }
        let per_core = self.0.get(&format!("{column}{PER_CORE}"));
        per_core
            .zip(cores)
            .map_or(ThresholdLevels::default(), |(limits, cores)| limits.scaled(cores))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_at_a_threshold_reaches_its_level() {
        let limits = ThresholdLevels { warn: Some(80.0), critical: Some(95.0) };
        let levels = [79.9, 80.0, 95.0, f64::NAN].map(|value| limits.level(value));
        assert_eq!(levels, [Level::Normal, Level::Warning, Level::Critical, Level::Normal]);
        let critical = ThresholdLevels { warn: None, critical: Some(1.0) };
        assert_eq!(critical.first(), Some((Level::Critical, 1.0)));
        assert_eq!(ThresholdLevels::default().level(1e300), Level::Normal);
    }

    #[test]
    fn a_threshold_may_be_given_per_core() {
        let limits = ThresholdLevels { warn: Some(1.5), critical: None };
        let thresholds = Thresholds([("load1/core".to_owned(), limits)].into());
        assert_eq!(thresholds.of("load1", Some(4.0)).warn, Some(6.0));
        assert_eq!(thresholds.of("load1", None), ThresholdLevels::default());
        assert_eq!(thresholds.of("load5", Some(4.0)), ThresholdLevels::default());
    }
}
