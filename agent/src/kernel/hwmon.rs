//! `/sys/class/hwmon/`: temperatures of hardware monitoring chips.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;

const HWMON_FOLDER: &str = "/sys/class/hwmon";

/// Highest number of chips that are read. Machines have a few dozen.
const CHIPS_MAX: usize = 256;

/// Highest number of files that are read per chip: each sensor has a few.
const FILES_MAX: usize = 1024;

/// Buffer for a name or a number.
const VALUE_BYTES: usize = 128;

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
pub(crate) fn chips() -> Option<Vec<Chip>> {
    chips_in(Path::new(HWMON_FOLDER))
}

fn chips_in(folder: &Path) -> Option<Vec<Chip>> {
    let entries = fs::read_dir(folder).ok()?.flatten().take(CHIPS_MAX);
    let mut chips: Vec<_> = entries.filter_map(|entry| chip(&entry.path())).collect();
    chips.sort_by(|one, other| one.id.cmp(&other.id));
    // Duplicate names would make the metrics invalid.
    chips.dedup_by(|one, other| one.id == other.id);
    Some(chips)
}

fn chip(folder: &Path) -> Option<Chip> {
    let mut sensors = Vec::new();
    for entry in fs::read_dir(folder).ok()?.flatten().take(FILES_MAX) {
        let file = entry.file_name();
        let sensor = file.to_str().and_then(|file| file.strip_suffix("_input"));
        let number = sensor.and_then(|sensor| sensor.strip_prefix("temp"));
        let is_temperature =
            number.is_some_and(|number| number.bytes().all(|b| b.is_ascii_digit()));
        let Some(sensor) = sensor.filter(|_| is_temperature) else { continue };
        let thousandths = read(&entry.path()).and_then(|text| text.parse::<i32>().ok());
        if let Some(thousandths) = thousandths {
            sensors.push((sensor.to_owned(), f64::from(thousandths) / 1000.0));
        }
    }
    sensors.sort_by(|one, other| one.0.cmp(&other.0));
    let name =
        read(&folder.join("name")).map(|name| clean_name(&name)).filter(|name| !name.is_empty());
    let id = device_id(folder)
        .or_else(|| name.clone())
        .or_else(|| Some(clean_name(&folder.file_name()?.to_string_lossy())))?;
    (!sensors.is_empty()).then_some(Chip { id, name, sensors })
}

/// Returns an identifier from the last two parts of the device path.
fn device_id(folder: &Path) -> Option<String> {
    let device = fs::canonicalize(folder.join("device")).ok()?;
    let word = |path: &Path| Some(clean_name(&path.file_name()?.to_string_lossy()));
    let (kind, name) = (word(device.parent()?)?, word(&device)?);
    (!kind.is_empty() && !name.is_empty()).then(|| format!("{kind}_{name}"))
}

/// Returns a name as `node_exporter` writes it: `coretemp_0` for `coretemp.0`.
fn clean_name(name: &str) -> String {
    let is_part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, ':' | '_');
    let lower = name.to_lowercase();
    let cleaned: String = lower.chars().map(|c| if is_part(c) { c } else { '_' }).collect();
    cleaned.trim_matches('_').to_owned()
}

fn read(path: &Path) -> Option<String> {
    let mut buffer = [0; VALUE_BYTES];
    let length = File::open(path).ok()?.read(&mut buffer).ok()?;
    Some(std::str::from_utf8(&buffer[..length]).ok()?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(unix)]
    fn a_chip_has_an_id_a_name_and_temperatures() {
        let folder = tempfile::tempdir().unwrap();
        let of = |path: &str| folder.path().join(path);
        for (file, text) in [
            ("devices/platform/coretemp.0/none", ""),
            ("class/hwmon0/name", "coretemp\n"),
            ("class/hwmon0/temp2_input", "51500\n"),
            ("class/hwmon0/temp1_input", "-2000\n"),
            ("class/hwmon0/temp1_label", "Package id 0\n"),
            ("class/hwmon0/temp3_input", "broken\n"),
            ("class/hwmon1/name", "acpi tz\n"),
            ("class/hwmon1/temp1_input", "27800\n"),
            ("class/hwmon2/name", "fan\n"),
            ("class/hwmon2/fan1_input", "900\n"),
        ] {
            fs::create_dir_all(of(file).parent().unwrap()).unwrap();
            fs::write(of(file), text).unwrap();
        }
        let device = of("devices/platform/coretemp.0");
        std::os::unix::fs::symlink(device, of("class/hwmon0/device")).unwrap();
        let chip = |id: &str, name: &str, sensors: &[(&str, f64)]| Chip {
            id: id.to_owned(),
            name: Some(name.to_owned()),
            sensors: sensors.iter().map(|(name, celsius)| ((*name).to_owned(), *celsius)).collect(),
        };
        let expected = vec![
            chip("acpi_tz", "acpi_tz", &[("temp1", 27.8)]),
            chip("platform_coretemp_0", "coretemp", &[("temp1", -2.0), ("temp2", 51.5)]),
        ];
        assert_eq!(chips_in(&of("class")), Some(expected));
        assert_eq!(chips_in(&of("none")), None);
    }
}
