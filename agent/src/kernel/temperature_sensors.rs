//! Temperature sensors in `/sys/class/hwmon/` and `/sys/class/thermal/`, and the place of each.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::hwmon::{VALUE_BYTES, parse_celsius, read, temperature_sensor};
use super::root::Root;

/// Highest number of chips and thermal zones that are read: machines have a few dozen.
const CHIPS_MAX: usize = 256;

/// Highest number of sensors: a large machine has one for each of several hundred cores.
const SENSORS_MAX: usize = 1024;

/// Place that a sensor measures, in the order of preference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    /// Inside the processor, by a chip for nothing else.
    Cpu,
    /// The processor, according to the label of a board's sensor.
    CpuByLabel,
    /// Thermal zone of the firmware: often near the processor, on some boards a constant.
    Firmware,
    /// Board, disk, graphics or network card, battery.
    Elsewhere,
}

/// Temperature sensor.
#[derive(Debug)]
pub(crate) struct Sensor {
    pub(crate) place: Place,
    path: PathBuf,
    /// File that says whether the sensor is broken. Few sensors have one.
    fault: Option<PathBuf>,
}

impl Sensor {
    /// Returns the temperature, °C. `None` if the sensor is gone, broken or cannot be read.
    pub(crate) fn celsius(&self) -> Option<f64> {
        let mut buffer = [0; VALUE_BYTES];
        let is_broken = |fault| read_text(fault, &mut [0; VALUE_BYTES]).is_none_or(|it| it != "0");
        if self.fault.as_deref().is_some_and(is_broken) {
            return None;
        }
        parse_celsius(read_text(&self.path, &mut buffer)?)
    }
}

fn read_text<'a>(path: &Path, buffer: &'a mut [u8]) -> Option<&'a str> {
    let length = File::open(path).ok()?.read(buffer).ok()?;
    Some(std::str::from_utf8(&buffer[..length]).ok()?.trim())
}

/// Returns the sensors, sorted by place.
pub(crate) fn sensors(root: &Root) -> Vec<Sensor> {
    let mut sensors: Vec<Sensor> = Vec::new();
    for folder in entries(&root.path("sys/class/hwmon")) {
        // Before Linux 3.13, some drivers keep their files one folder below.
        add_chip(&mut sensors, &folder);
        add_chip(&mut sensors, &folder.join("device"));
    }
    for folder in entries(&root.path("sys/class/thermal")) {
        let path = folder.join("temp");
        let name = read(&folder.join("type")).filter(|_| path.exists());
        let place = name.and_then(|name| place(&clean(&name), ""));
        sensors.extend(place.map(|place| Sensor { place, path, fault: None }));
    }
    sensors.sort_by_key(|sensor| sensor.place);
    sensors.truncate(SENSORS_MAX);
    sensors
}

fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.take(CHIPS_MAX).map(|entry| entry.path())
}

/// Adds the sensors of a chip.
fn add_chip(sensors: &mut Vec<Sensor>, folder: &Path) {
    let Some(name) = read(&folder.join("name")).map(|name| clean(&name)) else { return };
    let files = fs::read_dir(folder).into_iter().flatten().flatten().take(SENSORS_MAX);
    let found: Vec<(PathBuf, String, Option<PathBuf>)> = files
        .filter_map(|file| {
            let sensor = temperature_sensor(file.file_name().to_str()?)?.to_owned();
            let path = |suffix: &str| folder.join(format!("{sensor}_{suffix}"));
            let label = clean(&read(&path("label")).unwrap_or_default());
            Some((file.path(), label, Some(path("fault")).filter(|fault| fault.exists())))
        })
        .collect();
    // AMD adds an offset to Tctl on some models. Tdie is the temperature.
    let has_tdie = found.iter().any(|(_, label, _)| label == "tdie");
    for (path, label, fault) in found {
        let place = place(&name, &label).filter(|_| !(has_tdie && label == "tctl"));
        sensors.extend(place.map(|place| Sensor { place, path, fault }));
    }
}

/// Returns a name in lower case, with underscores as the kernel writes names of chips.
fn clean(name: &str) -> String {
    name.to_lowercase().replace(['-', ' '], "_")
}

/// Processors, by the name of the chip or thermal zone. Also each name with `cpu` in it, or with
/// `soc` at its start.
const CPU_CHIPS: &str = "coretemp k8temp k10temp zenpower x86_pkg_temp bcm2835_thermal \
    imx_thermal_zone armada_thermal apm_xgene package_thermal b0d4";

/// Processors, by the start of the label.
const CPU_LABELS: &str = "cpu package_id tctl tdie tccd peci_agent tsi";

/// Returns the place of a sensor by the name of its chip and its label. `None` if the sensor
/// measures nothing.
fn place(chip: &str, label: &str) -> Option<Place> {
    let is_cpu_chip = chip.contains("cpu")
        || chip.starts_with("soc")
        || (chip.contains("core") && chip.ends_with("_thermal"))
        || CPU_CHIPS.split_ascii_whitespace().any(|known| known == chip);
    // CPUTIN is an input of board chips that many boards do not connect.
    let is_cpu_label = label != "cputin"
        && (CPU_LABELS.split(' ').any(|start| label.starts_with(start))
            || label.contains("_core_"));
    match chip {
        // Policy of the firmware: a constant.
        _ if chip.starts_with("int3400") => None,
        _ if is_cpu_chip => Some(Place::Cpu),
        _ if is_cpu_label => Some(Place::CpuByLabel),
        "acpitz" => Some(Place::Firmware),
        _ => Some(Place::Elsewhere),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::tests::TestRoot;

    #[test]
    fn the_place_follows_from_chip_and_label() {
        let check = |chip: &str, label: &str, expected| {
            assert_eq!(place(&clean(chip), &clean(label)), expected, "{chip} {label}");
        };
        for chip in [
            "coretemp",
            "k10temp",
            "zenpower",
            "cpu_thermal",
            "cpu-thermal",
            "cpu0-0-top-thermal",
            "x86_pkg_temp",
            "soc_thermal",
            "soc_dts0",
            "bigcore0-thermal",
            "via_cputemp",
            "cpu-hwmon",
            "TCPU",
        ] {
            check(chip, "", Some(Place::Cpu));
        }
        check("thinkpad", "CPU", Some(Place::CpuByLabel));
        check("asus_ec_sensors", "CPU Package", Some(Place::CpuByLabel));
        check("nct6798", "PECI Agent 0", Some(Place::CpuByLabel));
        check("ibmpowernv", "Chip 0 Core 8", Some(Place::CpuByLabel));
        check("nct6798", "CPUTIN", Some(Place::Elsewhere));
        check("nct6798", "AUXTIN3", Some(Place::Elsewhere));
        check("acpitz", "", Some(Place::Firmware));
        check("INT3400 Thermal", "", None);
        for chip in ["nvme", "iwlwifi_1", "amdgpu", "gpu-thermal", "drivetemp", "pch_skylake", ""] {
            check(chip, "", Some(Place::Elsewhere));
        }
    }

    #[test]
    fn sensors_are_found_in_each_layout() {
        let files = TestRoot::with(&[
            ("sys/class/hwmon/hwmon0/name", "nvme\n"),
            ("sys/class/hwmon/hwmon0/temp1_input", "38850\n"),
            ("sys/class/hwmon/hwmon0/temp1_crit", "99000\n"),
            ("sys/class/hwmon/hwmon1/device/name", "k10temp\n"),
            ("sys/class/hwmon/hwmon1/device/temp1_input", "81000\n"),
            ("sys/class/hwmon/hwmon1/device/temp1_label", "Tctl\n"),
            ("sys/class/hwmon/hwmon1/device/temp2_input", "54000\n"),
            ("sys/class/hwmon/hwmon1/device/temp2_label", "Tdie\n"),
            ("sys/class/hwmon/hwmon2/name", "it8728\n"),
            ("sys/class/hwmon/hwmon2/temp1_input", "30000\n"),
            ("sys/class/hwmon/hwmon2/temp1_fault", "1\n"),
            ("sys/class/thermal/thermal_zone0/type", "x86_pkg_temp\n"),
            ("sys/class/thermal/thermal_zone0/temp", "55000\n"),
            ("sys/class/thermal/cooling_device0/type", "Processor\n"),
        ]);
        let found: Vec<_> =
            sensors(&files.root()).iter().map(|it| (it.place, it.celsius())).collect();
        let cpu = |celsius| (Place::Cpu, Some(celsius));
        let elsewhere = |celsius| (Place::Elsewhere, celsius);
        assert_eq!(found[..2], [cpu(54.0), cpu(55.0)]);
        assert_eq!(found.len(), 4);
        assert!(found.contains(&elsewhere(Some(38.85))) && found.contains(&elsewhere(None)));
        assert!(sensors(&TestRoot::new().root()).is_empty());
    }
}
