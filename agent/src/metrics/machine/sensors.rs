//! Collector `hwmon`, limited to temperatures.

use prometheus_client::metrics::MetricType::Gauge;

use crate::kernel::hwmon::chips;
use crate::kernel::root::Root;
use crate::metrics::family::{Family, Label, Labels};

pub(super) fn temperatures(root: &mut Root) -> Option<Vec<Family>> {
    let chips = chips(root)?;
    let labels = |id: &str, label: Label| Labels::from([("chip", id.to_owned().into()), label]);
    let values = chips.iter().flat_map(|chip| {
        chip.sensors.iter().map(|(sensor, celsius)| {
            (labels(&chip.id, ("sensor", sensor.clone().into())), *celsius)
        })
    });
    let names = chips
        .iter()
        .filter_map(|chip| Some((labels(&chip.id, ("chip_name", chip.name.clone()?.into())), 1.0)));
    let help = "Hardware monitor for temperature (input)";
    let names_help = "Annotation metric for human-readable chip names";
    Some(vec![
        Family::new(Gauge, "node_hwmon_temp_celsius", help, values),
        Family::new(Gauge, "node_hwmon_chip_names", names_help, names),
    ])
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
        assert_eq!(samples(temperatures(&mut files.root())).as_deref(), Some(expected));
    }

    #[test]
    fn a_machine_without_chips_has_nothing_to_export() {
        assert_eq!(samples(temperatures(&mut TestRoot::new().root())), None);
    }
}
