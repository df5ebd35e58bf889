//! `/sys/class/hwmon/`: temperatures of hardware monitoring chips.

use std::fs::{self, DirEntry};
use std::path::Path;

use super::open_file::OpenFile;
use super::root::Root;

/// Highest number of chips that are read. Machines have a few dozen.
const CHIPS_MAX: usize = 256;

/// Highest number of files that are read per chip: each sensor has a few.
const FILES_MAX: usize = 1024;

/// Buffer for a name or a number.
pub(super) const VALUE_BYTES: usize = 128;

/// Hardware monitoring chip.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Chip {
    /// Identifier from the device path, such as `platform_coretemp_0`.
    pub(crate) id: String,
    /// Name from the driver, such as `coretemp`.
    pub(crate) name: Option<String>,
    /// Temperatures by sensor, such as `temp1`, °C.
    pub(crate) sensors: Vec<(String, f64)>,
}

/// Returns the chips with temperatures. `None` if unknown.
pub(crate) fn chips(root: &Root) -> Option<Vec<Chip>> {
    let entries = fs::read_dir(root.path("sys/class/hwmon")).ok()?.flatten().take(CHIPS_MAX);
    let mut chips: Vec<_> = entries.filter_map(|entry| chip(&entry.path())).collect();
    chips.sort_by(|one, other| one.id.cmp(&other.id));
    // Duplicate names would make the metrics invalid.
    chips.dedup_by(|one, other| one.id == other.id);
    Some(chips)
}

fn chip(folder: &Path) -> Option<Chip> {
    let entries = fs::read_dir(folder).ok()?.flatten().take(FILES_MAX);
    let temperature = |file: DirEntry| {
        let sensor = temperature_sensor(file.file_name().to_str()?)?.to_owned();
        Some((sensor, parse_celsius(&read(&file.path())?)?))
    };
    let mut sensors: Vec<_> = entries.filter_map(temperature).collect();
    sensors.sort_by(|one, other| one.0.cmp(&other.0));
    let name = read(&folder.join("name")).map(|name| clean_name(&name));
    let name = name.filter(|name| !name.is_empty());
    let id = device_id(folder).or_else(|| name.clone()).or_else(|| last_part(folder))?;
    (!sensors.is_empty()).then_some(Chip { id, name, sensors })
}

/// Parses a file name such as `temp1_input`: returns `temp1`.
pub(super) fn temperature_sensor(file: &str) -> Option<&str> {
    let sensor = file.strip_suffix("_input")?;
    let number = sensor.strip_prefix("temp")?;
    number.bytes().all(|byte| byte.is_ascii_digit()).then_some(sensor)
}

/// Parses `51500`, in thousandths of a degree.
pub(super) fn parse_celsius(text: &str) -> Option<f64> {
    Some(f64::from(text.trim().parse::<i32>().ok()?) / 1000.0)
}

/// Returns an identifier from the last two parts of the device path.
fn device_id(folder: &Path) -> Option<String> {
    let device = fs::canonicalize(folder.join("device")).ok()?;
    let (kind, name) = (last_part(device.parent()?)?, last_part(&device)?);
    (!kind.is_empty() && !name.is_empty()).then(|| format!("{kind}_{name}"))
}

fn last_part(path: &Path) -> Option<String> {
    Some(clean_name(&path.file_name()?.to_string_lossy()))
}

/// Returns a name as `node_exporter` writes it: `coretemp_0` for `coretemp.0`.
fn clean_name(name: &str) -> String {
    let is_part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, ':' | '_');
    let lower = name.to_lowercase();
    let cleaned: String = lower.chars().map(|c| if is_part(c) { c } else { '_' }).collect();
    cleaned.trim_matches('_').to_owned()
}

/// Reads a file of one line.
pub(super) fn read(path: &Path) -> Option<String> {
    Some(OpenFile::new(path).read_prefix(&mut [0; VALUE_BYTES])?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::tests::TestRoot;

    #[test]
    fn a_chip_has_an_id_a_name_and_temperatures() {
        let files = TestRoot::with(&[
            ("sys/devices/platform/coretemp.0/none", ""),
            ("sys/class/hwmon/hwmon0/name", "coretemp\n"),
            ("sys/class/hwmon/hwmon0/temp2_input", "51500\n"),
            ("sys/class/hwmon/hwmon0/temp1_input", "-2000\n"),
            ("sys/class/hwmon/hwmon0/temp1_label", "Package id 0\n"),
            ("sys/class/hwmon/hwmon0/temp3_input", "broken\n"),
            ("sys/class/hwmon/hwmon1/name", "acpi tz\n"),
            ("sys/class/hwmon/hwmon1/temp1_input", "27800\n"),
            ("sys/class/hwmon/hwmon2/name", "fan\n"),
            ("sys/class/hwmon/hwmon2/fan1_input", "900\n"),
        ]);
        let link = files.root().path("sys/class/hwmon/hwmon0/device");
        std::os::unix::fs::symlink("../../../devices/platform/coretemp.0", link).unwrap();
        let chip = |id: &str, name: &str, sensors: &[(&str, f64)]| Chip {
            id: id.to_owned(),
            name: Some(name.to_owned()),
            sensors: sensors.iter().map(|(name, celsius)| ((*name).to_owned(), *celsius)).collect(),
        };
        let expected = vec![
            chip("acpi_tz", "acpi_tz", &[("temp1", 27.8)]),
            chip("platform_coretemp_0", "coretemp", &[("temp1", -2.0), ("temp2", 51.5)]),
        ];
        assert_eq!(chips(&files.root()), Some(expected));
        assert_eq!(chips(&TestRoot::new().root()), None);
    }
}
