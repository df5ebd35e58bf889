//! How the agent itself is: a note once a minute.

use std::fmt;

use crate::logfmt::fields;
use crate::number::{parse_number, write_number};

/// No machine has more of anything: a greater number is none.
const NUMBER_MAX: f64 = 1e9;

/// The bytes of a MiB.
const MIB: f64 = 1024.0 * 1024.0;

/// What an agent costs, and how it copes: `# agent cpu=0.05% rss=3.1MiB late=0 clients=3`. What it
/// does not tell is `None`.
///
/// **Invariant:** its numbers are from 0 to 1e9 and rounded: CPU to two decimals, MiB to one.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Health {
    cpu_percent: Option<f64>,
    resident_mib: Option<f64>,
    /// Samples of the last minute that were taken late, or not at all.
    pub late: Option<u64>,
    /// Clients that are connected.
    pub clients: Option<u64>,
    /// Values of the last minute that the system did not tell although it had before.
    pub missing: Option<u64>,
}

impl Health {
    /// With its CPU utilization in the last minute, % of one core.
    #[must_use]
    pub fn with_cpu_percent(mut self, percent: f64) -> Health {
        self.cpu_percent = rounded(percent, 100.0);
        self
    }

    /// With its resident memory, bytes.
    #[must_use]
    pub fn with_resident_bytes(mut self, bytes: u64) -> Health {
        self.resident_mib = rounded(bytes as f64 / MIB, 10.0);
        self
    }

    /// Its CPU utilization in the last minute, % of one core.
    #[must_use]
    pub fn cpu_percent(&self) -> Option<f64> {
        self.cpu_percent
    }

    /// Its resident memory, MiB.
    #[must_use]
    pub fn resident_mib(&self) -> Option<f64> {
        self.resident_mib
    }

    /// Reads the fields behind the word. A field that cannot be read is not told: of all that an
    /// agent says, this is what matters least.
    pub(crate) fn parse(text: &str) -> Health {
        let mut health = Health::default();
        for (key, value) in fields(text) {
            let value = value.as_deref().unwrap_or_default();
            let number = |unit| value.strip_suffix(unit).and_then(parse_number);
            match key {
                "cpu" => health.cpu_percent = number("%").and_then(|cpu| rounded(cpu, 100.0)),
                "rss" => health.resident_mib = number("MiB").and_then(|mib| rounded(mib, 10.0)),
                "late" => health.late = value.parse().ok(),
                "clients" => health.clients = value.parse().ok(),
                "missing" => health.missing = value.parse().ok(),
                _ => {}
            }
        }
        health
    }
}

/// The number, as it is written; `None` if it cannot be true.
fn rounded(number: f64, steps: f64) -> Option<f64> {
    let rounded = (number * steps).round() / steps;
    (0.0..=NUMBER_MAX).contains(&number).then_some(rounded.abs())
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("agent")?;
        let mut number = |key, value: Option<f64>, decimals, unit| {
            let Some(value) = value else { return Ok(()) };
            let mut text = String::new();
            write_number(&mut text, value, decimals);
            write!(f, " {key}={text}{unit}")
        };
        number("cpu", self.cpu_percent, 2, "%")?;
        number("rss", self.resident_mib, 1, "MiB")?;
        let mut count =
            |key, value: Option<u64>| value.map_or(Ok(()), |value| write!(f, " {key}={value}"));
        count("late", self.late)?;
        count("clients", self.clients)?;
        count("missing", self.missing)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_documented_note_prints_as_it_reads() {
        let text = "agent cpu=0.05% rss=3.1MiB late=0 clients=3";
        let health = Health::parse(text.strip_prefix("agent").unwrap());
        assert_eq!(health.to_string(), text);
        assert_eq!((health.cpu_percent(), health.resident_mib()), (Some(0.05), Some(3.1)));
        assert_eq!((health.late, health.clients, health.missing), (Some(0), Some(3), None));
        assert_eq!(
            Health::default().with_resident_bytes(3_250_000).to_string(),
            "agent rss=3.1MiB"
        );
    }

    #[test]
    fn impossible_values_are_ignored() {
        for text in
            ["cpu=nan%", "cpu=-1%", "cpu=1e999%", "cpu=2e9%", "rss=3", "late=-1", "clients", "x=y"]
        {
            assert_eq!(Health::parse(text), Health::default(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_printed_note_reads_back(
            cpu in 0.0..1e10, bytes: u64, late: Option<u64>, clients: Option<u64>,
        ) {
            let health = Health { late, clients, ..Health::default() };
            let health = health.with_cpu_percent(cpu).with_resident_bytes(bytes);
            let text = health.to_string();
            prop_assert_eq!(Health::parse(text.strip_prefix("agent").unwrap()), health);
        }

        #[test]
        fn any_parsed_note_reads_back_the_same(text: String) {
            let health = Health::parse(&text);
            let printed = health.to_string();
            prop_assert_eq!(Health::parse(printed.strip_prefix("agent").unwrap()), health);
        }
    }
}
