//! Pressure stall information (PSI). Own reader on Linux: sysinfo has none.

use loadline_protocol::Column;

use super::Collector;
use super::snapshot::SystemSnapshot;

/// Collector of the share of the last ten seconds in which at least one task waited for CPU, memory
/// or disk. Linux only.
pub(super) struct PressureCollector(reader::PressureReader);

impl PressureCollector {
    pub(super) fn new() -> PressureCollector {
        PressureCollector(reader::PressureReader::new())
    }
}

impl Collector for PressureCollector {
    fn columns(&self) -> Vec<Column> {
        ["psi_cpu", "psi_mem", "psi_io"].map(|name| Column::new(name, "%")).into()
    }

    fn sample(&mut self, _: &SystemSnapshot, values: &mut Vec<f64>) -> bool {
        let percents = self.0.percents();
        values.extend(percents);
        percents.iter().any(|percent| !percent.is_nan())
    }
}

#[cfg(target_os = "linux")]
mod reader {
    use crate::kernel::PressureFile;

    pub(super) struct PressureReader([PressureFile; 3]);

    impl PressureReader {
        pub(super) fn new() -> PressureReader {
            PressureReader(["cpu", "memory", "io"].map(PressureFile::for_resource))
        }

        pub(super) fn percents(&mut self) -> [f64; 3] {
            self.0.each_mut().map(|file| {
                let some = file.read().and_then(|stalls| stalls.some);
                some.map_or(f64::NAN, |some| some.avg10)
            })
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod reader {
    pub(super) struct PressureReader;

    impl PressureReader {
        pub(super) fn new() -> PressureReader {
            PressureReader
        }

        #[expect(clippy::unused_self, reason = "same interface as on Linux")]
        pub(super) fn percents(&mut self) -> [f64; 3] {
            [f64::NAN; 3]
        }
    }
}
