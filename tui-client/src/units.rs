//! Display of values by unit: number format, unit prefix and axis range of each column.

mod prefixes;

use std::time::Duration;

use loadline_protocol::{Column, DurationText, Header};

use crate::store::Magnitude;
use prefixes::{BIT_RATE_UNIT, Prefixes};

/// Range of a value axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum AxisRange {
    /// From 0 to this fixed value, in the displayed unit.
    Fixed(f64),
    /// From 0 to a round number above the maximum, or above this value if the maximum is smaller.
    FromZero(f64),
    /// From below the minimum to above the maximum.
    Fitted,
}

/// Set of units, chosen by the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Units {
    /// Percent, GHz, load, bytes per second.
    #[default]
    Standard,
    /// Bytes, MHz, load per core, network bits per second. Columns keep their standard unit if the
    /// conversion needs an unknown [`MachineCapacity`].
    Alternative,
}

impl Units {
    pub(crate) fn next(self) -> Units {
        match self {
            Units::Standard => Units::Alternative,
            Units::Alternative => Units::Standard,
        }
    }
}

/// Cores and memory of a machine, for conversion to alternative units.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct MachineCapacity {
    pub(crate) cores: Option<f64>,
    /// Size of the main memory in bytes.
    pub(crate) memory: Option<f64>,
}

impl MachineCapacity {
    /// Reads cores and memory from a header. Zero counts as unknown.
    pub(crate) fn of(header: Option<&Header>) -> MachineCapacity {
        let cores = header.and_then(|header| header.cores).filter(|cores| *cores > 0);
        let memory = header.and_then(|header| header.memory).filter(|bytes| *bytes > 0);
        MachineCapacity { cores: cores.map(f64::from), memory: memory.map(|bytes| bytes as f64) }
    }
}

/// Formats the limits of a container: `limit 1.5 cores, 512.0 MiB`. Returns `None` without limits.
pub(crate) fn container_limits_text(header: &Header) -> Option<String> {
    let cores = header.cpu_limit.map(|limit| cores_text(limit.cores()));
    let memory = header.memory_limit.map(bytes_text);
    let limits: Vec<String> = [cores, memory].into_iter().flatten().collect();
    (!limits.is_empty()).then(|| format!("limit {}", limits.join(", ")))
}

/// Formats a number of cores: `1 core`, `1.5 cores`.
pub(crate) fn cores_text(cores: f64) -> String {
    format!("{cores} {}", if cores > 1.0 { "cores" } else { "core" })
}

/// Formats bytes: `48 B`, `4.1 KiB`.
pub(crate) fn bytes_text(bytes: u64) -> String {
    let (value, prefix) = Prefixes::Binary.shorten(bytes as f64);
    let decimals = usize::from(!prefix.is_empty());
    format!("{} {prefix}B", number_text(value, decimals))
}

/// Formats bytes per second: `48 B/s`, `4.1 KiB/s`.
pub(crate) fn rate_text(bytes: u64) -> String {
    format!("{}/s", bytes_text(bytes))
}

/// Display format of the values of a column.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ValueFormat {
    pub(crate) range: AxisRange,
    /// Factor from a value of the stream to a displayed value.
    pub(crate) scale: f64,
    /// Unit of displayed values, without a prefix.
    pub(crate) suffix: String,
    /// Number of decimals of a displayed value.
    pub(crate) decimals: usize,
    /// Magnitude of the values before they are scaled.
    magnitude: Magnitude,
    /// Prefixes of the unit, chosen for each value separately.
    prefixes: Prefixes,
    /// Unit used in tables, if different, and the factor to it from values of the stream.
    pub(crate) table_unit: Option<(&'static str, f64)>,
}

/// Unit that all labels of an axis share.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct AxisUnit {
    /// Value of one unit.
    pub(crate) factor: f64,
    /// Prefix of the unit: `Mi`.
    pub(crate) prefix: &'static str,
    /// Unit to append to a number, with a leading space if needed: ` MiB/s`, `%`.
    pub(crate) text: String,
}

/// Terminal columns of an axis label without a long unit: `100 GiB`, `-12.5 s`, `21.635M`.
pub(crate) const LABEL_WIDTH: u16 = 7;

/// Terminal columns of the longest axis label: `100 Mbit/s`.
const LABEL_WIDTH_MAX: u16 = 10;

/// Maximum terminal columns of an unabbreviated label. Longer labels leave no space for a chart.
const LABEL_DIGITS_MAX: u16 = 12;

/// Value from which the labels of an axis without a unit have a prefix: `10k`.
pub(crate) const PREFIX_MIN: f64 = 10_000.0;

const GIB: f64 = (1u64 << 30) as f64;

/// Minimum axis spans of load, pressure (%) and rates (B/s). Smaller spans magnify noise.
const LOAD_SPAN_MIN: f64 = 1.0;
const PRESSURE_SPAN_MIN: f64 = 10.0;
const RATE_SPAN_MIN: f64 = 10.0 * 1024.0;

/// Numbers below 10^-4 and from 10^16 on are in scientific notation.
const SMALL_EXPONENT: i16 = -4;
const LARGE_EXPONENT: i16 = 16;

/// Decimal digits that an `f64` always represents exactly.
const EXACT_DIGITS: usize = 15;

const SECONDS_PER_DAY: f64 = 86_400.0;

/// Returns whether a column is the traffic of all interfaces or of one: `net_rx`, `net_tx_eth0`.
fn is_network_rate(name: &str) -> bool {
    let device = ["net_rx", "net_tx"].iter().find_map(|prefix| name.strip_prefix(prefix));
    device.is_some_and(|device| device.is_empty() || device.starts_with('_'))
}

impl ValueFormat {
    /// Returns the format of a column. `is_known`: one of loadline's own columns, never negative.
    pub(crate) fn for_column(
        column: &Column,
        is_known: bool,
        units: Units,
        machine: MachineCapacity,
    ) -> ValueFormat {
        use AxisRange::{Fitted, Fixed, FromZero};
        use Units::{Alternative, Standard};
        let MachineCapacity { cores, memory } = machine;
        let zero = FromZero(0.0);
        let range = if is_known { zero } else { Fitted };
        let key = (column.name(), column.unit(), units, memory, cores);
        let (range, scale, suffix, decimals, table_unit) = match key {
            ("mem", "%", Alternative, Some(memory), _) => {
                let scale = memory / 100.0;
                (Fixed(memory), scale, "B", 1, Some(("GiB", scale / GIB)))
            }
            ("load1" | "load5" | "load15", "", Alternative, _, Some(cores)) => {
                let scale = 1.0 / cores;
                (FromZero(LOAD_SPAN_MIN / cores), scale, "", 2, Some(("/core", scale)))
            }
            (name, "B/s", Alternative, ..) if is_network_rate(name) => {
                (FromZero(RATE_SPAN_MIN * 8.0), 8.0, BIT_RATE_UNIT, 1, Some(("Mbit/s", 8e-6)))
            }
            ("load1" | "load5" | "load15", "", ..) => (FromZero(LOAD_SPAN_MIN), 1.0, "", 2, None),
            ("psi_cpu" | "psi_mem" | "psi_io", "%", ..) => {
                (FromZero(PRESSURE_SPAN_MIN), 1.0, "%", 1, None)
            }
            ("uptime", "s", ..) => (zero, 1.0 / SECONDS_PER_DAY, "d", 2, None),
            ("procs", "", ..) => (zero, 1.0, "", 0, None),
            (_, "%", ..) => (Fixed(100.0), 1.0, "%", 1, None),
            (_, "MHz", Standard, ..) => (zero, 0.001, "GHz", 2, None),
            (_, "MHz", Alternative, ..) => (zero, 1.0, "MHz", 0, None),
            (_, "B/s", ..) if is_known => (FromZero(RATE_SPAN_MIN), 1.0, "B/s", 1, None),
            (_, unit @ ("B" | "B/s"), ..) => (zero, 1.0, unit, 1, None),
            (_, unit @ ("s" | "°C"), ..) => (range, 1.0, unit, 1, None),
            (_, unit, ..) => (range, 1.0, unit, 2, None),
        };
        let (prefixes, magnitude) = (Prefixes::of(suffix), Magnitude::ZERO);
        let suffix = suffix.to_owned();
        ValueFormat { range, scale, suffix, decimals, magnitude, prefixes, table_unit }
    }

    /// Formats a value with its unit: `12.5 %`, `2.40 GHz`, `1.5 GiB`, `0.52`, `3d 4h`.
    pub(crate) fn value(&self, value: f64) -> String {
        if self.is_uptime() && value >= 0.0 {
            return span_text(Duration::try_from_secs_f64(value.trunc()).unwrap_or_default());
        }
        let (number, unit) = self.number_and_unit(value);
        if unit.is_empty() { number } else { format!("{number} {unit}") }
    }

    /// Formats value and unit separately: `12.5` and `%`. A missing value is `-` without a unit.
    pub(crate) fn number_and_unit(&self, value: f64) -> (String, String) {
        if !value.is_finite() {
            return ("-".to_owned(), String::new());
        }
        let (scaled, prefix) = self.prefixes.shorten(value * self.scale);
        (number_text(scaled, self.decimals), format!("{prefix}{}", self.suffix))
    }

    /// Formats a value with the first letter of its prefixed unit: `13.3M`, `140.0B`, `2.40`.
    pub(crate) fn number_and_prefix(&self, value: f64) -> String {
        let (number, unit) = self.number_and_unit(value);
        let has_letter = self.prefixes != Prefixes::None;
        format!("{number}{}", unit.get(..1).filter(|_| has_letter).unwrap_or_default())
    }

    /// Formats a value in two or three digits: `13M`, `67`. Large values of any unit have a prefix.
    pub(crate) fn brief(&self, value: f64) -> String {
        let scaled = value * self.scale;
        let is_large = scaled.abs() >= PREFIX_MIN && self.prefixes == Prefixes::None;
        let prefixes = if is_large { Prefixes::Decimal } else { self.prefixes };
        let (digits, prefix) = prefixes.shorten(scaled);
        // Bytes without a prefix have no fraction.
        let is_whole = prefixes != Prefixes::None && prefix.is_empty();
        let decimals = self.decimals.min(usize::from(digits.abs() < 9.95 && !is_whole));
        ValueFormat { decimals, prefixes, ..self.clone() }.number_and_prefix(value)
    }

    /// Formats `value` without its unit, scaled by the prefix that `other` has.
    pub(crate) fn number_in_unit_of(&self, value: f64, other: f64) -> String {
        if !value.is_finite() || !other.is_finite() {
            return self.number_and_unit(value).0;
        }
        let other = other * self.scale;
        let (prefixed, _) = self.prefixes.shorten(other);
        let factor = if other == 0.0 { 1.0 } else { prefixed / other };
        number_text(value * self.scale * factor, self.decimals)
    }

    /// Drops the decimals of an unscaled format. Use for columns of whole numbers.
    pub(crate) fn with_whole_numbers(self) -> ValueFormat {
        ValueFormat { decimals: if self.is_unscaled() { 0 } else { self.decimals }, ..self }
    }

    /// Returns the format for values of a magnitude. For unscaled formats, gives small values more
    /// decimals and large values at most as many digits as an `f64` holds exactly.
    pub(crate) fn with_magnitude(self, magnitude: Magnitude) -> ValueFormat {
        let exponent = magnitude.exponent;
        let decimals = match usize::try_from(exponent) {
            _ if !self.is_unscaled() => self.decimals,
            Ok(exponent) => self.decimals.min(EXACT_DIGITS.saturating_sub(exponent + 1)),
            Err(_) if (SMALL_EXPONENT..-1).contains(&exponent) => (2 - exponent) as usize,
            Err(_) => self.decimals,
        };
        ValueFormat { decimals, magnitude, ..self }
    }

    /// Returns whether values are displayed in the unit of the stream, without prefixes.
    pub(crate) fn is_unscaled(&self) -> bool {
        self.prefixes == Prefixes::None && (self.scale - 1.0).abs() < f64::EPSILON
    }

    pub(crate) fn is_uptime(&self) -> bool {
        self.suffix == "d" && !self.is_unscaled()
    }

    /// Terminal columns of the largest value without decimals. 0 if scientific or scaled.
    fn integer_width(&self) -> usize {
        let Magnitude { exponent, is_negative, .. } = self.magnitude;
        let has_exponent = exponent >= LARGE_EXPONENT || !self.is_unscaled();
        if has_exponent { 0 } else { usize::from(is_negative) + exponent.max(0) as usize + 1 }
    }

    /// Terminal columns of the longest number. Valid only for unscaled formats.
    pub(crate) fn number_width(&self) -> usize {
        match self.integer_width() {
            0 if self.is_unscaled() => "-1.00e308".len(),
            width => width + usize::from(self.decimals > 0) + self.decimals,
        }
    }

    /// Returns whether values are displayed without decimals and prefix.
    pub(crate) fn is_whole(&self) -> bool {
        self.decimals == 0 && self.prefixes == Prefixes::None
    }

    /// Formats bytes or bits in three or four digits: `645 MiB`, `64.5 KiB/s`, `512 B`. Returns
    /// `None` for other units and for missing values.
    pub(crate) fn compact(&self, value: f64) -> Option<String> {
        if self.prefixes == Prefixes::None || !value.is_finite() {
            return None;
        }
        let (scaled, prefix) = self.prefixes.shorten(value * self.scale);
        // Values from 99.95 on round to three digits without a decimal.
        let is_long = scaled.abs() >= 99.95 || prefix.is_empty() && scaled.fract() == 0.0;
        let decimals = usize::from(!is_long);
        Some(format!("{} {prefix}{}", number_text(scaled, decimals), self.suffix))
    }

    /// Terminal columns of the longest result of [`ValueFormat::compact`]: `1023 KiB/s`.
    pub(crate) fn compact_width(&self) -> usize {
        if self.prefixes == Prefixes::None { 0 } else { "1023 Ki".len() + self.suffix.len() }
    }

    /// Returns candidate units for the labels of an axis up to `max`, the best first.
    pub(crate) fn axis_units(&self, max: f64) -> Vec<AxisUnit> {
        let space = if matches!(self.suffix.as_str(), "" | "%") { "" } else { " " };
        let unit = |(factor, prefix): (f64, &'static str)| AxisUnit {
            factor,
            prefix,
            text: format!("{space}{prefix}{}", self.suffix),
        };
        let prefixes = match self.suffix.as_str() {
            "" if max.abs() >= PREFIX_MIN => Prefixes::Decimal,
            _ => self.prefixes,
        };
        let mut scales = vec![prefixes.prefix_below(max, 1000.0)];
        // The axis ends at a round number above `max`, which may need the next prefix.
        scales.push(prefixes.prefix_below(max * 2.0, 1000.0));
        scales.dedup();
        scales.extend((prefixes != self.prefixes).then_some((1.0, "")));
        scales.into_iter().map(unit).collect()
    }

    /// Terminal columns of the longest label of an axis.
    pub(crate) fn label_width(&self) -> u16 {
        let prefix = match self.prefixes {
            Prefixes::None => 0,
            Prefixes::Decimal => 1,
            Prefixes::Binary => 2,
        };
        let unit = self.suffix.chars().count() as u16 + prefix;
        // `100 ` or `1.5 `: 4 columns; whole numbers reach `1000 `.
        let number = if self.is_whole() { 5 } else { 4 };
        // Labels of large, nearly equal numbers show all digits.
        let digits = Some(self.integer_width() as u16).filter(|width| *width <= LABEL_DIGITS_MAX);
        (unit + number).clamp(LABEL_WIDTH, LABEL_WIDTH_MAX).max(digits.unwrap_or(0))
    }
}

/// Formats a number with fixed decimals; very large and very small ones in scientific notation.
pub(crate) fn number_text(value: f64, decimals: usize) -> String {
    let size = value.abs();
    let [small, large] = [SMALL_EXPONENT, LARGE_EXPONENT].map(|it| 10f64.powi(i32::from(it)));
    if size >= large || (size > 0.0 && size < small) {
        return format!("{value:.2e}");
    }
    let text = format!("{value:.decimals$}");
    let is_zero = text.bytes().all(|byte| matches!(byte, b'-' | b'0' | b'.'));
    if is_zero { text.trim_start_matches('-').to_owned() } else { text }
}

/// Formats a time span in at most two units: `5m`, `1h 30m`, `2m 13s`.
pub(crate) fn span_text(span: Duration) -> String {
    let seconds = span.as_secs();
    let units = [("d", 86_400, u64::MAX), ("h", 3600, 24), ("m", 60, 60), ("s", 1, 60)];
    let counts = units.map(|(name, unit, max)| (seconds / unit % max, name));
    let shown = counts.into_iter().skip_while(|(count, _)| *count == 0).take(2);
    let parts: Vec<String> = shown
        .filter(|(count, _)| *count > 0)
        .map(|(count, name)| format!("{count}{name}"))
        .collect();
    if parts.is_empty() { DurationText(span).to_string() } else { parts.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MACHINE: MachineCapacity = MachineCapacity { cores: Some(4.0), memory: Some(64.0 * GIB) };

    fn value_format(column: &str, units: Units, machine: MachineCapacity) -> ValueFormat {
        ValueFormat::for_column(&column.parse().unwrap(), true, units, machine)
    }

    #[test]
    fn values_are_formatted_with_their_units() {
        for (column, value, expected) in [
            ("cpu:%", 12.5, "12.5 %"),
            ("freq:MHz", 2400.0, "2.40 GHz"),
            ("x:B", 67_385_159_680.0, "62.8 GiB"),
            ("x:B/s", 512.0, "512.0 B/s"),
            ("uptime:s", 129_600.0, "1d 12h"),
            ("procs", 312.0, "312"),
            ("x:V", 3.3, "3.30 V"),
            ("load1", 0.4, "0.40"),
            ("x", 1e300, "1.00e300"),
            ("x", -1e-9, "-1.00e-9"),
            ("x", -0.0, "0.00"),
            ("x", -0.001, "0.00"),
            ("uptime:s", 5190.0, "1h 26m"),
            ("cpu:%", f64::NAN, "-"),
            ("cpu:%", f64::INFINITY, "-"),
        ] {
            assert_eq!(value_format(column, Units::Standard, MACHINE).value(value), expected);
        }
    }

    #[test]
    fn byte_rates_are_scaled_to_the_largest_fitting_prefix() {
        let texts = [48, 1023, 4229, 12_345_678].map(rate_text);
        assert_eq!(texts, ["48 B/s", "1023 B/s", "4.1 KiB/s", "11.8 MiB/s"]);
    }

    #[test]
    fn compact_bytes_and_rates_fit_the_compact_width() {
        let of = |column, value| value_format(column, Units::Standard, MACHINE).compact(value);
        for (column, value, expected) in [
            ("mem_used:B", 676_655_104.0, "645 MiB"),
            ("mem_used:B", 67_385_159_680.0, "62.8 GiB"),
            ("net_rx:B/s", 99.96 * 1024.0, "100 KiB/s"),
            ("net_rx:B/s", 1023.9 * 1024.0, "1024 KiB/s"),
            ("net_rx:B/s", 512.0, "512 B/s"),
            ("x:B", 0.5, "0.5 B"),
            ("x:B", 0.0, "0 B"),
        ] {
            assert_eq!(of(column, value).as_deref(), Some(expected));
            let widest = value_format(column, Units::Standard, MACHINE).compact_width();
            assert!(expected.len() <= widest, "{expected}");
        }
        assert_eq!((of("mem:%", 12.5), of("x:B", f64::NAN)), (None, None));
    }

    #[test]
    fn a_brief_value_has_two_or_three_digits_and_the_letter_of_its_prefix() {
        for (column, value, expected) in [
            ("net_rx:B/s", 13.3e6, "13M"),
            ("net_rx:B/s", 2e6, "1.9M"),
            ("net_rx:B/s", 140.0, "140B"),
            ("net_rx:B/s", 0.0, "0B"),
            ("cpu:%", 67.14, "67"),
            ("load1", 2.84, "2.8"),
            ("procs", 4.0, "4"),
            ("x", 21_633_256.0, "22M"),
            ("x:°C", -12_345.0, "-12k"),
            ("x:°C", f64::NAN, "-"),
        ] {
            assert_eq!(value_format(column, Units::Standard, MACHINE).brief(value), expected);
        }
    }

    #[test]
    fn alternative_units_depend_on_the_machine() {
        for (column, value, expected, table) in [
            ("mem:%", 50.0, "32.0 GiB", Some("GiB")),
            ("freq:MHz", 2400.4, "2400 MHz", None),
            ("load1", 2.0, "0.50", Some("/core")),
            ("cpu:%", 12.5, "12.5 %", None),
            ("net_rx:B/s", 1_250_000.0, "10.0 Mbit/s", Some("Mbit/s")),
            ("net_tx_eth0:B/s", 1_250_000.0, "10.0 Mbit/s", Some("Mbit/s")),
            ("disk_read:B/s", 2048.0, "2.0 KiB/s", None),
        ] {
            let format = value_format(column, Units::Alternative, MACHINE);
            assert_eq!(format.value(value), expected);
            assert_eq!(format.table_unit.map(|(unit, _)| unit), table);
        }
        let mem = value_format("mem:%", Units::Alternative, MACHINE);
        assert_eq!(mem.range, AxisRange::Fixed(64.0 * GIB));
    }

    #[test]
    fn an_unknown_machine_keeps_the_standard_units() {
        for column in ["mem:%", "load1"] {
            let standard = value_format(column, Units::Standard, MachineCapacity::default());
            let other = value_format(column, Units::Alternative, MachineCapacity::default());
            assert_eq!(other, standard);
        }
    }
}
