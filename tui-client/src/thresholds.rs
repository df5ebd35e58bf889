//! Thresholds of columns, and the levels that begin there.

use std::collections::BTreeMap;

/// Level of a value. It begins at its threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) enum Level {
    #[default]
    Normal,
    Warning,
    Critical,
}

impl Level {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Level::Normal => "normal",
            Level::Warning => "warning",
            Level::Critical => "critical",
        }
    }
}

/// Thresholds of a column, in the unit of the column.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ThresholdLevels {
    /// Start of the warning level.
    pub warn: Option<f64>,
    /// Start of the critical level.
    pub critical: Option<f64>,
}

impl ThresholdLevels {
    /// Returns the level of a value. A missing value (NaN) is normal.
    pub(crate) fn level(&self, value: f64) -> Level {
        let reaches = |limit: Option<f64>| limit.is_some_and(|limit| value >= limit);
        if reaches(self.critical) {
            Level::Critical
        } else if reaches(self.warn) {
            Level::Warning
        } else {
            Level::Normal
        }
    }

    /// Returns the warning threshold, else the critical one, with its level.
    pub(crate) fn first(&self) -> Option<(Level, f64)> {
        let warn = self.warn.map(|limit| (Level::Warning, limit));
        warn.or(self.critical.map(|limit| (Level::Critical, limit)))
    }

    /// Multiplies per-core thresholds by the number of cores.
    fn scaled(self, cores: f64) -> ThresholdLevels {
        let times = |limit: Option<f64>| limit.map(|limit| limit * cores);
        ThresholdLevels { warn: times(self.warn), critical: times(self.critical) }
    }
}

/// Thresholds by column name. The name `load1/core` holds thresholds of `load1` per core.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Thresholds(pub BTreeMap<String, ThresholdLevels>);

impl Thresholds {
    /// Returns the thresholds of a column. Thresholds of the column itself take precedence over
    /// thresholds per core, which need the number of `cores`.
    pub(crate) fn of(&self, column: &str, cores: Option<f64>) -> ThresholdLevels {
        if let Some(limits) = self.0.get(column) {
            return *limits;
        }
        let per_core = self.0.get(&format!("{column}/core")).zip(cores);
        per_core.map(|(limits, cores)| limits.scaled(cores)).unwrap_or_default()
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
