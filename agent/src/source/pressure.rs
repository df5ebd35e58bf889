//! Pressure stall information (PSI). Own reader on Linux: sysinfo has none.

use loadline_protocol::Column;

use super::Collector;
use super::snapshot::SystemSnapshot;
use crate::kernel::pressure::{PressureFile, pressure_files};
use crate::kernel::root::Root;

/// Collector of the share of the last ten seconds in which at least one task waited for CPU, memory
/// or disk. Linux only.
pub(super) struct PressureCollector([PressureFile; 3]);

impl PressureCollector {
    pub(super) fn new(root: &Root) -> PressureCollector {
        PressureCollector(pressure_files(root))
    }
}

impl Collector for PressureCollector {
    fn columns(&self) -> Vec<Column> {
        ["psi_cpu", "psi_mem", "psi_io"].map(|name| Column::new(name, "%")).into()
    }

    fn sample(&mut self, _: &SystemSnapshot, values: &mut Vec<f64>) -> bool {
        let percents = self.0.each_mut().map(|file| {
            let some = file.read().and_then(|stalls| stalls.some);
            some.map_or(f64::NAN, |some| some.avg10)
        });
        values.extend(percents);
        percents.iter().any(|percent| !percent.is_nan())
    }
}
