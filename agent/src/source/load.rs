//! How many tasks want to run.

use loadline_protocol::Column;
use sysinfo::System;

use super::Source;

/// The load averages over 1, 5 and 15 minutes.
pub(super) struct Load;

impl Source for Load {
    fn columns(&self) -> Vec<Column> {
        ["load1", "load5", "load15"].map(|name| Column::new(name, "")).into()
    }

    fn sample(&mut self, values: &mut Vec<f64>) {
        values.extend(match System::load_average() {
            // Windows has none, and shows zeros for them.
            Ok(load) if cfg!(unix) => [load.one, load.five, load.fifteen],
            _ => [f64::NAN; 3],
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_three_averages_on_any_system() {
        let mut values = Vec::new();
        Load.sample(&mut values);
        assert_eq!(values.len(), Load.columns().len());
        assert!(values.iter().all(|load| load.is_nan() || *load >= 0.0), "{values:?}");
    }
}
