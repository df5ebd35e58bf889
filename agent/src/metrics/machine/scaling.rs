//! CPU frequencies per core, from cpufreq.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use super::{COUNT_MAX, MetricCollector};
use crate::metrics::family_writer::FamilyWriter;
use crate::procfs::{self, CoreFrequency};

pub(super) struct CpufreqCollector;

impl MetricCollector for CpufreqCollector {
    fn name(&self) -> &'static str {
        "cpufreq"
    }

    fn read(&mut self) -> Option<Box<dyn Collector>> {
        Some(Box::new(CpufreqSnapshot(procfs::core_frequencies(COUNT_MAX))))
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
