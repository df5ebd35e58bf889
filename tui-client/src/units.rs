//! What a column looks like: its unit decides how its values are written and on which axis they
//! stand. The one table of it.

use loadline_protocol::{Column, Header};
use malevich::scale::Unit;

/// Which values an axis spans.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Range {
    /// From 0 to this, always, in the unit that is shown.
    Fixed(f64),
    /// From 0 to the next round number above the greatest value, which is at least this.
    FromZero(f64),
    /// From below the least to above the greatest value.
    Fitted,
}

/// The units that a user can choose between.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Units {
    /// Percent, GHz, load, bytes a second.
    #[default]
    Usual,
    /// Bytes, MHz, load per core, bits a second of networks; where the agent tells what it takes to know them.
    Other,
}

impl Units {
    /// The others.
    #[must_use]
    pub fn next(self) -> Units {
        match self {
            Units::Usual => Units::Other,
            Units::Other => Units::Usual,
        }
    }
}

/// What is known of a machine that other units take.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Machine {
    /// The number of logical cores.
    pub cores: Option<f64>,
    /// The size of the main memory, bytes.
    pub memory: Option<f64>,
}

impl Machine {
    /// What a header tells.
    #[must_use]
    pub fn of(header: Option<&Header>) -> Machine {
        let cores = header.and_then(|header| header.cores).filter(|cores| *cores > 0);
        let memory = header.and_then(|header| header.memory).filter(|bytes| *bytes > 0);
        Machine { cores: cores.map(f64::from), memory: memory.map(|bytes| bytes as f64) }
    }
}

/// What 100 % is where it is less than the machine has, as a container is allowed: `limit 1.5 cores,
/// 512.0 MiB`. Nothing where there is no limit.
#[must_use]
pub fn limits_text(header: &Header) -> Option<String> {
    let cores = header.cpu_limit.map(|limit| {
        let word = if limit.cores() > 1.0 { "cores" } else { "core" };
        format!("{limit} {word}")
    });
    let memory = header.memory_limit.map(|bytes| {
        let (value, prefix) = Prefixes::Binary.of_value(bytes as f64);
        format!("{} {prefix}B", number(value, 1))
    });
    let limits: Vec<String> = [cores, memory].into_iter().flatten().collect();
    (!limits.is_empty()).then(|| format!("limit {}", limits.join(", ")))
}

/// The prefixes of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Prefixes {
    None,
    /// Ki, Mi, Gi.
    Binary,
    /// k, M, G.
    Decimal,
}

impl Prefixes {
    fn of(suffix: &str) -> Prefixes {
        match suffix {
            "B" | "B/s" => Prefixes::Binary,
            BITS => Prefixes::Decimal,
            _ => Prefixes::None,
        }
    }

    /// A value with the prefix that makes it shortest.
    fn of_value(self, value: f64) -> (f64, &'static str) {
        let (step, prefixes): (f64, &[&str]) = match self {
            Prefixes::None => return (value, ""),
            Prefixes::Binary => (1024.0, &["", "Ki", "Mi", "Gi", "Ti", "Pi"]),
            Prefixes::Decimal => (1000.0, &["", "k", "M", "G", "T", "P"]),
        };
        let mut scaled = value;
        let mut at = 0;
        while scaled.abs() >= step && at + 1 < prefixes.len() {
            scaled /= step;
            at += 1;
        }
        (scaled, prefixes[at])
    }
}

/// In which networks are sold.
const BITS: &str = "bit/s";

/// How the values of a column are shown.
#[derive(Debug, Clone, PartialEq)]
pub struct Look {
    /// Which values the axis spans.
    pub range: Range,
    /// Values are multiplied by this before they are shown.
    pub scale: f64,
    /// What stands behind a shown value.
    pub suffix: String,
    /// How many decimals a shown value has.
    pub decimals: usize,
    /// Which prefixes values get, each one of its own.
    prefixes: Prefixes,
    /// What a table says instead of the column's own unit, and what it multiplies values by.
    pub table: Option<(&'static str, f64)>,
}

const GIB: f64 = (1u64 << 30) as f64;

/// A load axis that spans less shows noise as mountains, and so does one of pressure, and one of rates.
const LOAD_SPAN_MIN: f64 = 1.0;
const PRESSURE_SPAN_MIN: f64 = 10.0;
const RATE_SPAN_MIN: f64 = 10.0 * 1024.0;

/// The seconds of a day.
const DAY: f64 = 86_400.0;

impl Look {
    fn new(range: Range, scale: f64, suffix: &str, decimals: usize) -> Look {
        let prefixes = Prefixes::of(suffix);
        Look { range, scale, suffix: suffix.to_owned(), decimals, prefixes, table: None }
    }

    /// The look of a column; `known` says whether it is one of ours, which are never negative.
    #[must_use]
    pub fn of(column: &Column, known: bool, units: Units, machine: Machine) -> Look {
        let zero = Range::FromZero(0.0);
        let range = if known { zero } else { Range::Fitted };
        match (column.name(), column.unit(), units, machine) {
            ("mem", "%", Units::Other, Machine { memory: Some(memory), .. }) => Look {
                table: Some(("GiB", memory / 100.0 / GIB)),
                ..Look::new(Range::Fixed(memory), memory / 100.0, "B", 1)
            },
            (
                "load1" | "load5" | "load15",
                "",
                Units::Other,
                Machine { cores: Some(cores), .. },
            ) => Look {
                table: Some(("/core", 1.0 / cores)),
                ..Look::new(Range::FromZero(LOAD_SPAN_MIN / cores), 1.0 / cores, "", 2)
            },
            ("load1" | "load5" | "load15", "", ..) => {
                Look::new(Range::FromZero(LOAD_SPAN_MIN), 1.0, "", 2)
            }
            ("psi_cpu" | "psi_mem" | "psi_io", "%", ..) => {
                Look::new(Range::FromZero(PRESSURE_SPAN_MIN), 1.0, "%", 1)
            }
            ("uptime", "s", ..) => Look::new(zero, 1.0 / DAY, "d", 2),
            ("procs", "", ..) => Look::new(zero, 1.0, "", 0),
            (_, "%", ..) => Look::new(Range::Fixed(100.0), 1.0, "%", 1),
            (_, "MHz", Units::Usual, _) => Look::new(zero, 0.001, "GHz", 2),
            (_, "MHz", Units::Other, _) => Look::new(zero, 1.0, "MHz", 0),
            ("net_rx" | "net_tx", "B/s", Units::Other, _) => Look {
                table: Some(("Mbit/s", 8e-6)),
                ..Look::new(Range::FromZero(RATE_SPAN_MIN * 8.0), 8.0, BITS, 1)
            },
            (_, "B/s", ..) if known => Look::new(Range::FromZero(RATE_SPAN_MIN), 1.0, "B/s", 1),
            (_, unit @ ("B" | "B/s"), ..) => Look::new(zero, 1.0, unit, 1),
            (_, unit @ ("s" | "°C"), ..) => Look::new(range, 1.0, unit, 1),
            (_, unit, ..) => Look::new(range, 1.0, unit, 2),
        }
    }

    /// The value as people read it, with its unit: `12.5 %`, `2.40 GHz`, `1.5 GiB`, `0.52`.
    #[must_use]
    pub fn value(&self, value: f64) -> String {
        let (number, unit) = self.parts(value);
        if unit.is_empty() { number } else { format!("{number} {unit}") }
    }

    /// The value and its unit: `12.5` and `%`. What is not known is `-` and has none.
    #[must_use]
    pub fn parts(&self, value: f64) -> (String, String) {
        if !value.is_finite() {
            return ("-".to_owned(), String::new());
        }
        let scaled = value * self.scale;
        let (scaled, prefix) = self.prefixes.of_value(scaled);
        (number(scaled, self.decimals), format!("{prefix}{}", self.suffix))
    }

    /// The number alone, in the unit that another value has.
    #[must_use]
    pub fn number_as(&self, value: f64, other: f64) -> String {
        if !value.is_finite() || !other.is_finite() {
            return self.parts(value).0;
        }
        let other = other * self.scale;
        let (prefixed, _) = self.prefixes.of_value(other);
        let factor = if other == 0.0 { 1.0 } else { prefixed / other };
        number(value * self.scale * factor, self.decimals)
    }

    /// The unit of an axis's labels.
    #[must_use]
    pub fn axis_unit(&self) -> Unit {
        match self.suffix.as_str() {
            "" => Unit::Plain,
            _ if self.prefixes == Prefixes::Binary => Unit::Bytes,
            // An axis has no room for more.
            BITS => Unit::si("b"),
            "%" => Unit::suffix("%"),
            suffix => Unit::suffix(format!(" {suffix}")),
        }
    }
}

/// A number of at most so many decimals; very large and very small ones with an exponent.
#[must_use]
pub fn number(value: f64, decimals: usize) -> String {
    let size = value.abs();
    if size >= 1e9 || (size > 0.0 && size < 1e-4) {
        format!("{value:.2e}")
    } else {
        format!("{value:.decimals$}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MACHINE: Machine = Machine { cores: Some(4.0), memory: Some(64.0 * GIB) };

    fn look(column: &str, units: Units, machine: Machine) -> Look {
        Look::of(&column.parse().unwrap(), true, units, machine)
    }

    #[test]
    fn values_are_written_as_people_read_them() {
        for (column, value, expected) in [
            ("cpu:%", 12.5, "12.5 %"),
            ("freq:MHz", 2400.0, "2.40 GHz"),
            ("x:B", 67_385_159_680.0, "62.8 GiB"),
            ("x:B/s", 512.0, "512.0 B/s"),
            ("uptime:s", 129_600.0, "1.50 d"),
            ("procs", 312.0, "312"),
            ("x:V", 3.3, "3.30 V"),
            ("load1", 0.4, "0.40"),
            ("x", 1e300, "1.00e300"),
            ("x", -1e-9, "-1.00e-9"),
            ("cpu:%", f64::NAN, "-"),
            ("cpu:%", f64::INFINITY, "-"),
        ] {
            assert_eq!(look(column, Units::Usual, MACHINE).value(value), expected);
        }
    }

    #[test]
    fn other_units_are_those_of_the_machine() {
        for (column, value, expected, table) in [
            ("mem:%", 50.0, "32.0 GiB", Some("GiB")),
            ("freq:MHz", 2400.4, "2400 MHz", None),
            ("load1", 2.0, "0.50", Some("/core")),
            ("cpu:%", 12.5, "12.5 %", None),
            ("net_rx:B/s", 1_250_000.0, "10.0 Mbit/s", Some("Mbit/s")),
            ("disk_read:B/s", 2048.0, "2.0 KiB/s", None),
        ] {
            let look = look(column, Units::Other, MACHINE);
            assert_eq!(look.value(value), expected);
            assert_eq!(look.table.map(|(unit, _)| unit), table);
        }
        let mem = look("mem:%", Units::Other, MACHINE);
        assert_eq!(mem.range, Range::Fixed(64.0 * GIB));
    }

    #[test]
    fn a_machine_that_tells_nothing_keeps_the_usual_units() {
        for column in ["mem:%", "load1"] {
            let usual = look(column, Units::Usual, Machine::default());
            assert_eq!(look(column, Units::Other, Machine::default()), usual);
        }
    }
}
