//! Temperature of the machine.

use sysinfo::{Component, Components};

/// Number of samples without a temperature after which sensors are searched again.
const RESCAN_SAMPLES: u32 = 64;

/// Reader of the hottest plausible sensor.
pub(super) struct TemperatureReader {
    /// `None` on systems that sysinfo does not support.
    sensors: Option<Components>,
    rescan_in: u32,
}

impl TemperatureReader {
    pub(super) fn new() -> TemperatureReader {
        let sensors = Components::new_with_refreshed_list().ok();
        TemperatureReader { sensors, rescan_in: RESCAN_SAMPLES }
    }

    /// Returns the temperature of the hottest sensor, °C.
    pub(super) fn hottest(&mut self) -> Option<f64> {
        let sensors = self.sensors.as_mut()?;
        if self.rescan_in == 0 {
            self.rescan_in = RESCAN_SAMPLES;
            sensors.refresh(true);
        }
        // Refreshing each sensor reads one file per sensor. Refreshing the list reads a dozen.
        sensors.iter_mut().for_each(Component::refresh);
        let hottest = hottest(sensors.iter().filter_map(Component::temperature).map(f64::from));
        if hottest.is_none() {
            self.rescan_in -= 1;
        }
        hottest
    }
}

/// Returns the highest temperature from 1 to 125 °C. A running machine is neither colder nor
/// hotter. Missing or broken sensors report 0, 127, 255 or −273.
fn hottest(all: impl Iterator<Item = f64>) -> Option<f64> {
    all.filter(|celsius| (1.0..=125.0).contains(celsius)).reduce(f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hottest_plausible_sensor_is_reported() {
        let check = |all: &[f64], expected| {
            assert_eq!(hottest(all.iter().copied()), expected, "{all:?}");
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
