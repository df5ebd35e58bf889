//! How busy the processor is.

use std::time::Duration;

use loadline_protocol::Column;
use sysinfo::{CpuRefreshKind, MINIMUM_CPU_UPDATE_INTERVAL, RefreshKind, System};

use super::Source;

/// Utilization of all cores since the previous sample.
pub(super) struct Cpu {
    /// Its own, for refreshing anything else in it delays the next reading of the usage.
    system: Option<System>,
}

impl Cpu {
    pub(super) fn new() -> Cpu {
        // The first reading is the average since the machine was started. It is taken here and
        // shown to nobody.
        let usage = CpuRefreshKind::nothing().with_usage();
        let system = System::new_with_specifics(RefreshKind::nothing().with_cpu(usage));
        Cpu { system: system.ok() }
    }
}

impl Source for Cpu {
    fn columns(&self) -> Vec<Column> {
        vec![Column::new("cpu", "%")]
    }

    fn sample(&mut self, values: &mut Vec<f64>) {
        values.push(self.system.as_mut().map_or(f64::NAN, |system| {
            system.refresh_cpu_usage();
            f64::from(system.global_cpu_usage()).clamp(0.0, 100.0)
        }));
    }

    fn warm_up(&self) -> Duration {
        // Within this time of the last reading there is no new one.
        MINIMUM_CPU_UPDATE_INTERVAL + Duration::from_millis(10)
    }
}

/// The number of logical cores, where the system tells it.
pub(super) fn logical_cores() -> Option<u32> {
    let usage = CpuRefreshKind::nothing().with_usage();
    let system = System::new_with_specifics(RefreshKind::nothing().with_cpu(usage)).ok()?;
    u32::try_from(system.cpus().len()).ok().filter(|cores| *cores > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_sample_after_the_warm_up_is_no_average_since_the_start() {
        let mut cpu = Cpu::new();
        let begin = std::time::Instant::now();
        while begin.elapsed() < cpu.warm_up() {
            // Keeps a core busy, which the average since the start does not show.
            std::hint::spin_loop();
        }
        let mut values = Vec::new();
        cpu.sample(&mut values);
        let cores = f64::from(logical_cores().unwrap_or(1));
        assert!(values[0] > 60.0 / cores, "{values:?} with {cores} cores");
        assert!(values[0] <= 100.0);
    }
}
