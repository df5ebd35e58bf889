//! Pressure stall information: the time that tasks waited for CPU, memory and IO.

use prometheus_client::metrics::MetricType::Counter;

use crate::kernel::pressure::{PressureFile, Stall};
use crate::metrics::family::Family;

/// Resources in the order of the files, and the ends of the help texts for `some` and `full`.
/// `full` is undefined for the CPU of the whole system: some task always runs.
const RESOURCES: [(&str, &str, Option<&str>); 3] = [
    ("cpu", "for CPU time", None),
    ("memory", "for memory", Some("due to memory congestion")),
    ("io", "due to IO congestion", Some("due to IO congestion")),
];

pub(super) fn stall_times(files: &mut [PressureFile; 3]) -> Option<Vec<Family>> {
    let mut families = Vec::new();
    let seconds = |stall: Stall| stall.total_us as f64 / 1e6;
    for (file, (resource, some, full)) in files.iter_mut().zip(RESOURCES) {
        let Some(stalls) = file.read() else { continue };
        let name = format!("node_pressure_{resource}_waiting_seconds");
        let help = format!("Total time in seconds that processes have waited {some}");
        families.push(Family::unlabelled(Counter, name, help, stalls.some.map(seconds)));
        if let Some(full) = full {
            let name = format!("node_pressure_{resource}_stalled_seconds");
            let help = format!("Total time in seconds no process could make progress {full}");
            families.push(Family::unlabelled(Counter, name, help, stalls.full.map(seconds)));
        }
    }
    (!families.is_empty()).then_some(families)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::pressure::pressure_files;
    use crate::kernel::tests::TestRoot;
    use crate::metrics::machine::tests::samples;

    #[test]
    fn only_known_stall_times_are_exported_and_none_for_a_stalled_cpu() {
        let line = |kind, us: u32| format!("{kind} avg10=0.00 avg60=0.00 avg300=0.00 total={us}\n");
        let both = line("some", 2_500_000) + &line("full", 500_000);
        let files = TestRoot::with(&[
            ("proc/pressure/cpu", &*both),
            ("proc/pressure/memory", &line("some", 1_000_000)),
        ]);
        let mut collector = pressure_files(&files.root());
        let expected = "node_pressure_cpu_waiting_seconds_total 2.5\n\
                        node_pressure_memory_waiting_seconds_total 1.0\n";
        assert_eq!(samples(stall_times(&mut collector)).as_deref(), Some(expected));
        files.write("proc/pressure/io", &both);
        let expected = expected.to_owned()
            + "node_pressure_io_waiting_seconds_total 2.5\n\
               node_pressure_io_stalled_seconds_total 0.5\n";
        assert_eq!(samples(stall_times(&mut collector)), Some(expected));
    }

    #[test]
    fn a_kernel_without_pressure_has_nothing_to_export() {
        assert_eq!(samples(stall_times(&mut pressure_files(&TestRoot::new().root()))), None);
    }
}
