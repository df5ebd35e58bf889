//! Temperature of the machine. Own reader on Linux: sysinfo merges sensors of the same name, as of
//! two processors, has thermal zones only on machines without other sensors, and finds no sensor
//! that appears later.

pub(super) use self::reader::TemperatureReader;

/// Temperature range of the processor, °C. A running machine is not colder. Missing or broken
/// sensors report 0, 127, 255 or −273.
const CPU_RANGE: [f64; 2] = [1.0, 125.0];

/// Returns the highest temperature in a range.
fn hottest(all: impl Iterator<Item = f64>, [lowest, highest]: [f64; 2]) -> Option<f64> {
    all.filter(|celsius| (lowest..=highest).contains(celsius)).reduce(f64::max)
}

#[cfg(target_os = "linux")]
mod reader {
    use tokio::time::Instant;

    use super::{CPU_RANGE, hottest};
    use crate::kernel::root::Root;
    use crate::kernel::temperature_sensors::{Place, Sensor, sensors};
    use crate::source::rescan::Rescan;

    /// Range of other sensors, °C. Unconnected inputs of board chips report up to 120 °C.
    const OTHER_RANGE: [f64; 2] = [1.0, 110.0];

    /// Reader of the hottest sensor of the processor, or of another place if the processor has
    /// none.
    pub(crate) struct TemperatureReader {
        root: Root,
        /// Sorted by place.
        sensors: Vec<Sensor>,
        rescan: Rescan,
    }

    impl TemperatureReader {
        pub(crate) fn new(root: &Root) -> TemperatureReader {
            TemperatureReader { root: root.clone(), sensors: Vec::new(), rescan: Rescan::default() }
        }

        /// Returns the temperature, °C.
        pub(crate) fn celsius(&mut self, now: Instant) -> Option<f64> {
            if self.rescan.is_due(now) {
                self.sensors = sensors(&self.root);
            }
            let mut places = self.sensors.chunk_by(|one, other| one.place == other.place);
            places.find_map(|sensors| {
                let is_cpu = sensors.first().is_some_and(|sensor| sensor.place == Place::Cpu);
                let range = if is_cpu { CPU_RANGE } else { OTHER_RANGE };
                hottest(sensors.iter().filter_map(Sensor::celsius), range)
            })
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod reader {
    use sysinfo::{Component, Components};
    use tokio::time::Instant;

    use super::{CPU_RANGE, hottest};
    use crate::kernel::root::Root;
    use crate::source::rescan::Rescan;

    /// Reader of the hottest sensor.
    pub(crate) struct TemperatureReader {
        /// `None` on systems that sysinfo does not support.
        sensors: Option<Components>,
        rescan: Rescan,
    }

    impl TemperatureReader {
        pub(crate) fn new(_: &Root) -> TemperatureReader {
            let sensors = Components::new_with_refreshed_list().ok();
            TemperatureReader { sensors, rescan: Rescan::default() }
        }

        /// Returns the temperature, °C.
        pub(crate) fn celsius(&mut self, now: Instant) -> Option<f64> {
            let sensors = self.sensors.as_mut()?;
            if self.rescan.is_due(now) {
                sensors.refresh(true);
            }
            sensors.iter_mut().for_each(Component::refresh);
            let all = sensors.iter().filter_map(Component::temperature).map(f64::from);
            hottest(all, CPU_RANGE)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hottest_plausible_sensor_is_reported() {
        let check = |all: &[f64], expected| {
            assert_eq!(hottest(all.iter().copied(), CPU_RANGE), expected, "{all:?}");
        };
        check(&[], None);
        check(&[51.0], Some(51.0));
        check(&[38.0, 42.5, 27.0], Some(42.5));
        for absurd in [0.0, 127.0, 255.0, -273.0, 1e9, f64::NAN, f64::INFINITY] {
            check(&[absurd, 38.0], Some(38.0));
            check(&[absurd], None);
        }
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod linux_tests {
    use tokio::time::Instant;

    use super::TemperatureReader;
    use crate::kernel::tests::TestRoot;
    use crate::source::rescan::RESCAN_INTERVAL;

    /// Writes a sensor with its label, in thousandths of a degree.
    fn add(files: &TestRoot, number: u32, chip: &str, sensors: &[(&str, &str)]) {
        let folder = format!("sys/class/hwmon/hwmon{number}");
        files.write(&format!("{folder}/name"), chip);
        for (at, (label, value)) in sensors.iter().enumerate() {
            files.write(&format!("{folder}/temp{at}_label"), label);
            files.write(&format!("{folder}/temp{at}_input"), value);
        }
    }

    fn celsius(files: &TestRoot) -> Option<f64> {
        TemperatureReader::new(&files.root()).celsius(Instant::now())
    }

    #[test]
    fn a_sensor_that_appears_later_counts_within_a_minute_and_may_go_again() {
        let files = TestRoot::new();
        let mut reader = TemperatureReader::new(&files.root());
        let mut now = Instant::now();
        let mut after_rescan = || {
            now += RESCAN_INTERVAL;
            reader.celsius(now)
        };
        assert_eq!(after_rescan(), None);
        add(&files, 0, "acpitz", &[("", "27800\n")]);
        assert_eq!(after_rescan(), Some(27.8));
        add(&files, 1, "coretemp", &[("Package id 0", "71000\n")]);
        assert_eq!(after_rescan(), Some(71.0));
        files.remove_folder("sys/class/hwmon/hwmon1");
        assert_eq!(after_rescan(), Some(27.8));
        assert!(RESCAN_INTERVAL.as_secs() <= 60);
    }

    #[test]
    fn the_processor_counts_and_not_an_unconnected_input() {
        let files = TestRoot::new();
        let inputs = [("SYSTIN", "34000\n"), ("AUXTIN0", "119000\n"), ("CPUTIN", "125000\n")];
        add(&files, 0, "nct6798", &inputs);
        assert_eq!(celsius(&files), Some(34.0));
        add(&files, 2, "nvme", &[("Composite", "61850\n")]);
        assert_eq!(celsius(&files), Some(61.85));
        add(&files, 1, "acpitz", &[("", "16800\n")]);
        assert_eq!(celsius(&files), Some(16.8));
        add(&files, 3, "thinkpad", &[("CPU", "41000\n"), ("GPU", "55000\n")]);
        assert_eq!(celsius(&files), Some(41.0));
        add(&files, 4, "k10temp", &[("Tctl", "39000\n"), ("Tccd1", "38000\n")]);
        assert_eq!(celsius(&files), Some(39.0));
        add(&files, 4, "k10temp", &[("Tctl", "0\n"), ("Tccd1", "broken\n")]);
        assert_eq!(celsius(&files), Some(41.0), "a processor without a plausible value");
    }

    #[test]
    fn a_broken_sensor_does_not_count_while_it_is_broken() {
        let files = TestRoot::new();
        add(&files, 0, "lm90", &[("CPU", "95000\n"), ("CPU diode", "48000\n")]);
        files.write("sys/class/hwmon/hwmon0/temp0_fault", "0\n");
        let mut reader = TemperatureReader::new(&files.root());
        let mut celsius = || reader.celsius(Instant::now());
        assert_eq!(celsius(), Some(95.0));
        files.write("sys/class/hwmon/hwmon0/temp0_fault", "1\n");
        assert_eq!(celsius(), Some(48.0));
        files.write("sys/class/hwmon/hwmon0/temp0_fault", "0\n");
        assert_eq!(celsius(), Some(95.0));
    }

    #[test]
    fn a_value_that_is_no_temperature_is_no_temperature() {
        for absurd in ["127000", "-128000", "0", "-273150", "45", "4294967295", "N/A", ""] {
            let files = TestRoot::new();
            add(&files, 0, "k10temp", &[("Tctl", absurd)]);
            assert_eq!(celsius(&files), None, "{absurd}");
            add(&files, 1, "zenpower", &[("Tdie", "52125\n"), ("Tctl", "79125\n")]);
            assert_eq!(celsius(&files), Some(52.125), "{absurd}");
        }
    }

    #[test]
    fn the_hotter_of_two_processors_counts() {
        let files = TestRoot::new();
        add(&files, 0, "coretemp", &[("Package id 0", "51000\n"), ("Core 0", "49000\n")]);
        add(&files, 1, "coretemp", &[("Package id 1", "48000\n"), ("Core 0", "72000\n")]);
        assert_eq!(celsius(&files), Some(72.0));
    }
}
