//! Temperature sensors.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use super::MetricCollector;
use crate::metrics::family_writer::FamilyWriter;
use crate::procfs::{self, Chip};

/// Collector `hwmon`, limited to temperatures.
pub(super) struct HwmonCollector;

impl MetricCollector for HwmonCollector {
    fn name(&self) -> &'static str {
        "hwmon"
    }

    fn read(&mut self) -> Option<Box<dyn Collector>> {
        Some(Box::new(HwmonSnapshot(procfs::chips()?)))
    }
}

#[derive(Debug)]
struct HwmonSnapshot(Vec<Chip>);

impl Collector for HwmonSnapshot {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut families = FamilyWriter::new(encoder);
        let values = self.0.iter().flat_map(|chip| {
            chip.sensors.iter().map(|(sensor, celsius)| {
                ([("chip", chip.id.as_str()), ("sensor", sensor.as_str())], *celsius)
            })
        });
        let help = "Hardware monitor for temperature (input)";
        families.gauge("node_hwmon_temp_celsius", help, values)?;
        let names = self.0.iter().filter_map(|chip| {
            Some(([("chip", chip.id.as_str()), ("chip_name", chip.name.as_deref()?)], 1.0))
        });
        let help = "Annotation metric for human-readable chip names";
        families.gauge("node_hwmon_chip_names", help, names)
    }
}
