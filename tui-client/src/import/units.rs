//! Units in the headings and cells of a table.

use loadline_protocol::PLAIN_COLUMNS;

/// Families of units that convert exactly, as multiples of the first one. `KB`, `MB` and `GB` are
/// missing: some programs mean powers of 1000, others powers of 1024.
const FAMILIES: [&[(&str, f64)]; 8] = [
    &[("B", 1.0), ("KiB", KIB), ("MiB", KIB * KIB), ("GiB", GIB), ("TiB", KIB * GIB)],
    &[("B/s", 1.0), ("KiB/s", KIB), ("MiB/s", KIB * KIB), ("GiB/s", GIB)],
    &[("bit/s", 1.0), ("kbit/s", 1e3), ("Mbit/s", 1e6), ("Gbit/s", 1e9)],
    &[("s", 1.0), ("ms", 1e-3), ("us", 1e-6), ("µs", 1e-6), ("ns", 1e-9)],
    &[("Hz", 1.0), ("kHz", 1e3), ("MHz", 1e6), ("GHz", 1e9)],
    &[("W", 1.0), ("mW", 1e-3), ("kW", 1e3)],
    &[("V", 1.0), ("mV", 1e-3)],
    &[("A", 1.0), ("mA", 1e-3)],
];

const KIB: f64 = 1024.0;
const GIB: f64 = KIB * KIB * KIB;

/// Further known units, which convert to no other.
const SINGLE: [&str; 26] = [
    "%", "°C", "°F", "K", "kB", "KB", "MB", "GB", "TB", "kB/s", "KB/s", "MB/s", "GB/s", "min", "h",
    "kWh", "Wh", "J", "rpm", "RPM", "dB", "dBm", "hPa", "Pa", "°", "ppm",
];

/// Longest unit in characters. Longer text behind a number is a sentence.
const UNIT_CHARS_MAX: usize = 12;

/// Returns the family of a unit and its multiple.
fn family(unit: &str) -> Option<(usize, f64)> {
    FAMILIES.iter().enumerate().find_map(|(at, family)| {
        let found = family.iter().find(|(name, _)| *name == unit)?;
        Some((at, found.1))
    })
}

/// Returns the factor that converts `from` into `to`. `None` if there is no exact one.
pub(super) fn factor(from: &str, to: &str) -> Option<f64> {
    if from == to {
        return Some(1.0);
    }
    let ((from_family, from), (to_family, to)) = (family(from)?, family(to)?);
    (from_family == to_family).then_some(from / to)
}

/// Returns the unit that all of `units` convert to exactly: their own, or the base of their family.
pub(super) fn common<'u>(units: impl Iterator<Item = &'u str>) -> Option<&'u str> {
    let mut units = units.peekable();
    let first = *units.peek()?;
    let mut result = first;
    for unit in units {
        if unit != first {
            let (at, _) = family(unit)?;
            (at == family(first)?.0).then_some(())?;
            result = FAMILIES[at][0].0;
        }
    }
    Some(result)
}

/// Prefixes that some programs write without a unit. Powers of 1000 or of 1024.
const PREFIXES: [&str; 10] = ["k", "K", "M", "G", "T", "Ki", "Mi", "Gi", "Ti", "P"];

pub(super) fn is_known(unit: &str) -> bool {
    PREFIXES.contains(&unit) || SINGLE.contains(&unit) || family(unit).is_some()
}

/// Returns whether a cell below a name is its unit: `MHz`, `[%]`, or that of an index or a time.
pub(super) fn is_unit_name(cell: &str) -> bool {
    let unit = unit_name(cell);
    is_known(unit) || ["Idx", "idx", "#", "HH:MM:SS", "YYYYMMDD"].contains(&unit)
}

/// Returns the unit in a line of units.
pub(super) fn unit_name(cell: &str) -> &str {
    standard(cell.trim_matches(['[', ']', '(', ')']))
}

/// Splits a cell into a number and a unit: `35 %`, `120.53W`. `None` without a unit.
pub(super) fn split_cell(cell: &str) -> Option<(&str, &str)> {
    let end = cell.find(|c: char| !matches!(c, '0'..='9' | '+' | '-' | '.' | ','))?;
    let (number, unit) = cell.split_at(end);
    let unit = unit.trim();
    // 0xff is a number of another base.
    if number.ends_with('0') && unit.starts_with(['x', 'X']) {
        return None;
    }
    let is_of_unit = |c: char| c.is_alphabetic() || matches!(c, '%' | '°' | '/' | '²' | '³' | '℃');
    let is_unit = !unit.is_empty()
        && unit.chars().count() <= UNIT_CHARS_MAX
        && !unit.starts_with('/')
        && unit.chars().all(is_of_unit);
    (is_unit && number.contains(|c: char| c.is_ascii_digit())).then(|| (number, standard(unit)))
}

/// Returns the usual notation of a unit.
fn standard(unit: &str) -> &str {
    match unit {
        "C" | "℃" | "degC" => "°C",
        "μs" => "µs",
        unit => unit,
    }
}

/// Splits a heading into name and unit: `temp:°C`, `temp (°C)`, `temp [°C]`, `%usr`, or a bare name.
/// Standard columns have known units.
pub(super) fn split_heading(heading: &str) -> (&str, &str) {
    let bracketed = |open: char, close: char| {
        let (name, unit) = heading.strip_suffix(close)?.rsplit_once(open)?;
        let is_short = unit.chars().count() <= UNIT_CHARS_MAX;
        (is_short && !name.trim().is_empty()).then(|| (name.trim_end(), standard(unit.trim())))
    };
    let coloned = || {
        let (name, unit) = heading.rsplit_once(':')?;
        let is_unit = is_known(unit) || unit.starts_with(['%', '°', '/']);
        (is_unit && !name.is_empty()).then_some((name, unit))
    };
    let percent = || (heading.len() > 1 && heading.starts_with('%')).then_some((heading, "%"));
    let ours = || PLAIN_COLUMNS.into_iter().find(|(ours, _)| *ours == heading);
    coloned()
        .or_else(|| bracketed('(', ')'))
        .or_else(|| bracketed('[', ']'))
        .or_else(percent)
        .or_else(ours)
        .unwrap_or((heading, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_numbers_with_units() {
        for (cell, expected) in [
            ("35 %", Some(("35", "%"))),
            ("120.53 W", Some(("120.53", "W"))),
            ("8123MiB", Some(("8123", "MiB"))),
            ("12,5 °C", Some(("12,5", "°C"))),
            ("51 C", Some(("51", "°C"))),
            ("35", None),
            ("3 of 5", None),
            ("web-1", None),
            ("5/8", None),
        ] {
            assert_eq!(split_cell(cell), expected, "{cell}");
        }
    }

    #[test]
    fn only_exact_conversions_are_made() {
        assert_eq!(factor("MiB", "B"), Some(1_048_576.0));
        assert_eq!(factor("ms", "s"), Some(0.001));
        assert_eq!(factor("MB", "GB"), None);
        assert_eq!(factor("W", "V"), None);
        assert_eq!(common(["MiB", "MiB"].into_iter()), Some("MiB"));
        assert_eq!(common(["MiB", "GiB"].into_iter()), Some("B"));
        assert_eq!(common(["MiB", "W"].into_iter()), None);
    }

    #[test]
    fn headings_have_units_in_brackets_or_behind_a_colon() {
        for (heading, expected) in [
            ("power.draw [W]", ("power.draw", "W")),
            ("room temp (°C)", ("room temp", "°C")),
            ("temp:°C", ("temp", "°C")),
            ("eth0:rx", ("eth0:rx", "")),
            ("%usr", ("%usr", "%")),
            ("cpu", ("cpu", "%")),
            ("fan", ("fan", "")),
        ] {
            assert_eq!(split_heading(heading), expected);
        }
    }
}
