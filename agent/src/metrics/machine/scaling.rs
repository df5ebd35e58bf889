//! CPU frequencies per core, from cpufreq.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use super::{COUNT_MAX, MetricCollector};
use crate::kernel::cpufreq::{CoreFrequency, core_frequencies};
use crate::kernel::root::Root;
use crate::metrics::family_writer::FamilyWriter;

pub(super) struct CpufreqCollector(pub(super) Root);

impl MetricCollector for CpufreqCollector {
    fn name(&self) -> &'static str {
        "cpufreq"
    }

    fn read(&mut self) -> Option<Box<dyn Collector>> {
        Some(Box::new(CpufreqSnapshot(core_frequencies(&self.0, COUNT_MAX))))
    }
}

#[derive(Debug)]
struct CpufreqSnapshot(Vec<CoreFrequency>);

type ScalingField = fn(&CoreFrequency) -> Option<u64>;

impl Collector for CpufreqSnapshot {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut families = FamilyWriter::new(encoder);
        let cores: Vec<_> =
            self.0.iter().map(|scaling| (scaling.core.to_string(), scaling)).collect();
        let fields: [(&str, &str, ScalingField); 3] = [
            ("", "Current", |scaling| scaling.now_khz),
            ("_min", "Minimum", |scaling| scaling.min_khz),
            ("_max", "Maximum", |scaling| scaling.max_khz),
        ];
        for (which, word, field) in fields {
            let values = cores.iter().filter_map(|(core, scaling)| {
                Some(([("cpu", core.as_str())], field(scaling)? as f64 * 1000.0))
            });
            let name = format!("node_cpu_scaling_frequency{which}_hertz");
            families.gauge(
                &name,
                &format!("{word} scaled CPU thread frequency in hertz."),
                values,
            )?;
        }
        Ok(())
    }
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
        assert_eq!(samples(&mut CpufreqCollector(files.root())).as_deref(), Some(expected));
    }

    #[test]
    fn a_machine_without_frequencies_is_no_failure() {
        let files = TestRoot::new();
        assert_eq!(samples(&mut CpufreqCollector(files.root())).as_deref(), Some(""));
    }
}
