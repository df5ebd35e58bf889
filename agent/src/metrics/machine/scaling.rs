//! CPU frequencies per core, from cpufreq.

use prometheus_client::metrics::MetricType::Gauge;

use super::COUNT_MAX;
use crate::kernel::cpufreq::core_frequencies;
use crate::kernel::root::Root;
use crate::metrics::family::{Family, Labels};

pub(super) fn frequencies(root: &Root) -> Vec<Family> {
    let cores = core_frequencies(root, COUNT_MAX);
    let family = |(at, (which, word))| {
        let values = cores.iter().filter_map(|(core, khz)| {
            let labels = Labels::from([("cpu", core.to_string().into())]);
            Some((labels, khz[at]? as f64 * 1000.0))
        });
        let name = format!("node_cpu_scaling_frequency{which}_hertz");
        let help = format!("{word} scaled CPU thread frequency in hertz.");
        Family::new(Gauge, name, help, values)
    };
    let fields = [("", "Current"), ("_min", "Minimum"), ("_max", "Maximum")];
    fields.into_iter().enumerate().map(family).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::tests::TestRoot;
    use crate::metrics::machine::tests::samples;

    #[test]
    fn frequencies_are_exported_in_hertz_where_they_are_known() {
        let folder = "sys/devices/system/cpu";
        let files = TestRoot::with(&[
            (&format!("{folder}/cpu0/cpufreq/scaling_cur_freq"), "800000\n"),
            (&format!("{folder}/cpu0/cpufreq/scaling_max_freq"), "3600000\n"),
            (&format!("{folder}/cpu1/cpufreq/scaling_max_freq"), "3600000\n"),
        ]);
        let expected = "node_cpu_scaling_frequency_hertz{cpu=\"0\"} 800000000.0\n\
                        node_cpu_scaling_frequency_max_hertz{cpu=\"0\"} 3600000000.0\n";
        assert_eq!(samples(Some(frequencies(&files.root()))).as_deref(), Some(expected));
    }

    #[test]
    fn a_machine_without_frequencies_is_no_failure() {
        let files = TestRoot::new();
        assert_eq!(samples(Some(frequencies(&files.root()))).as_deref(), Some(""));
    }
}
