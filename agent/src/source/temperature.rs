//! How hot the machine is.

use loadline_protocol::Column;

use super::Part;
use super::moment::Moment;

/// The hottest sensor that makes sense.
pub(super) struct Temperature(reader::Reader);

impl Temperature {
    pub(super) fn new() -> Temperature {
        Temperature(reader::Reader::new())
    }
}

impl Part for Temperature {
    fn columns(&self) -> Vec<Column> {
        vec![Column::new("temp", "°C")]
    }

    fn sample(&mut self, _: &Moment, values: &mut Vec<f64>) -> bool {
        let hottest = self.0.hottest();
        values.push(hottest.unwrap_or(f64::NAN));
        hottest.is_some()
    }
}

/// A machine that runs is neither colder nor hotter. A sensor that is not there, or that is broken,
/// says 0, 127, 255 or −273.
fn is_plausible(celsius: f64) -> bool {
    (1.0..=125.0).contains(&celsius)
}

/// The hottest of those that make sense.
fn hottest(all: impl Iterator<Item = f64>) -> Option<f64> {
    all.filter(|celsius| is_plausible(*celsius)).reduce(f64::max)
}

#[cfg(target_os = "linux")]
mod reader {
    use std::fs;
    use std::path::{Path, PathBuf};

    use crate::procfs::Kept;

    /// Machines have a few dozen; a sample reads no more than this.
    const SENSORS_MAX: usize = 256;

    /// After so many samples without any, sensors are looked for again.
    const SAMPLES_A_LOOK: u32 = 64;

    /// The sensors of the hardware; where there are none, the zones that the kernel cools.
    pub(super) struct Reader {
        root: PathBuf,
        sensors: Vec<Kept>,
        look_in: u32,
    }

    impl Reader {
        pub(super) fn new() -> Reader {
            Reader::of("/sys/class")
        }

        pub(super) fn of(root: impl Into<PathBuf>) -> Reader {
            Reader { root: root.into(), sensors: Vec::new(), look_in: 0 }
        }

        pub(super) fn hottest(&mut self) -> Option<f64> {
            if let Some(hottest) = super::hottest(self.sensors.iter_mut().filter_map(celsius)) {
                return Some(hottest);
            }
            if self.look_in > 0 {
                self.look_in -= 1;
                return None;
            }
            self.look_in = SAMPLES_A_LOOK;
            let is_input = |name: &str| name.starts_with("temp") && name.ends_with("_input");
            self.sensors = files(&self.root.join("hwmon"), is_input);
            let hottest = super::hottest(self.sensors.iter_mut().filter_map(celsius));
            if hottest.is_some() {
                return hottest;
            }
            self.sensors = files(&self.root.join("thermal"), |name| name == "temp");
            super::hottest(self.sensors.iter_mut().filter_map(celsius))
        }
    }

    /// `42500`, which are thousandths of a degree
    fn celsius(file: &mut Kept) -> Option<f64> {
        let thousandths: i32 = file.beginning(&mut [0; 32])?.trim().parse().ok()?;
        Some(f64::from(thousandths) / 1000.0)
    }

    /// The files of this name in all folders of a folder.
    fn files(folder: &Path, is_meant: impl Fn(&str) -> bool) -> Vec<Kept> {
        let entries = |folder: &Path| fs::read_dir(folder).into_iter().flatten().flatten();
        let all = entries(folder).flat_map(|device| entries(&device.path()));
        let meant = all.filter(|file| file.file_name().to_str().is_some_and(&is_meant));
        meant.map(|file| Kept::new(file.path())).take(SENSORS_MAX).collect()
    }
}

#[cfg(not(target_os = "linux"))]
mod reader {
    use sysinfo::Components;

    pub(super) struct Reader(Option<Components>);

    impl Reader {
        pub(super) fn new() -> Reader {
            Reader(Components::new_with_refreshed_list().ok())
        }

        pub(super) fn hottest(&mut self) -> Option<f64> {
            let components = self.0.as_mut()?;
            components.refresh(false);
            let all = components.iter().filter_map(|component| component.temperature());
            super::hottest(all.map(f64::from))
        }
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::fs;

    use super::reader::Reader;

    fn check(files: &[(&str, &str)], expected: Option<f64>) {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let mut reader = Reader::of(folder.path());
        assert_eq!(reader.hottest(), expected, "{files:?}");
        assert_eq!(reader.hottest(), expected, "{files:?}");
    }

    #[test]
    fn the_hottest_sensor_that_makes_sense_is_shown() {
        check(&[], None);
        let zone = ("thermal/thermal_zone0/temp", "51000\n");
        check(&[zone], Some(51.0));
        let one = ("hwmon/hwmon0/temp1_input", "42500\n");
        let two = ("hwmon/hwmon1/temp12_input", "38000\n");
        check(&[one, two, zone], Some(42.5));
        check(
            &[one, ("hwmon/hwmon0/fan1_input", "90000"), ("hwmon/hwmon0/temp1_max", "95000")],
            Some(42.5),
        );
        for absurd in ["", "x", "0", "127000", "255000", "-273000", "999999999999", "nan", "1e4"] {
            check(&[("hwmon/hwmon0/temp1_input", absurd), two], Some(38.0));
            check(&[("hwmon/hwmon0/temp1_input", absurd)], None);
        }
        check(&[("hwmon/hwmon0/temp1_input", "0"), zone], Some(51.0));
    }
}
