//! Temperature sensors.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use super::MetricCollector;
use crate::kernel::hwmon::{Chip, chips};
use crate::kernel::root::Root;
use crate::metrics::family_writer::FamilyWriter;

/// Collector `hwmon`, limited to temperatures.
pub(super) struct HwmonCollector(pub(super) Root);

impl MetricCollector for HwmonCollector {
    fn name(&self) -> &'static str {
        "hwmon"
    }

    fn read(&mut self) -> Option<Box<dyn Collector>> {
        Some(Box::new(HwmonSnapshot(chips(&self.0)?)))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::tests::TestRoot;
    use crate::metrics::machine::tests::samples;

    #[test]
    fn a_chip_without_a_name_has_temperatures_only() {
        let files = TestRoot::with(&[
            ("sys/class/hwmon/hwmon0/temp1_input", "-2500\n"),
            ("sys/class/hwmon/hwmon1/name", "acpitz\n"),
            ("sys/class/hwmon/hwmon1/temp2_input", "27800\n"),
        ]);
        let expected = "node_hwmon_temp_celsius{chip=\"acpitz\",sensor=\"temp2\"} 27.8\n\
                        node_hwmon_temp_celsius{chip=\"hwmon0\",sensor=\"temp1\"} -2.5\n\
                        node_hwmon_chip_names{chip=\"acpitz\",chip_name=\"acpitz\"} 1.0\n";
        assert_eq!(samples(&mut HwmonCollector(files.root())).as_deref(), Some(expected));
    }

    #[test]
    fn a_machine_without_chips_has_nothing_to_export() {
        assert_eq!(samples(&mut HwmonCollector(TestRoot::new().root())), None);
    }
}
