//! Health of the agent process: a note, sent once a minute.

use std::fmt;

use crate::logfmt::{fields, write_field};
use crate::number::parse_number;

/// Upper bound of plausible values. Greater numbers are ignored.
const NUMBER_MAX: f64 = 1e9;

const MIB: f64 = 1024.0 * 1024.0;

/// Resource usage and lateness of an agent: `# agent cpu=0.05% rss=3.1MiB late=0 clients=3`. Absent
/// fields are `None`.
///
/// **Invariant:** CPU and memory are from 0 to 1e9 and rounded: CPU to two decimals, MiB to one.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Health {
    cpu_percent: Option<f64>,
    resident_mib: Option<f64>,
    /// Samples of the last minute that were late or missed.
    pub late: Option<u64>,
    /// Number of connected clients.
    pub clients: Option<u64>,
    /// Values of the last minute that are no longer available from the system.
    pub missing: Option<u64>,
}

impl Health {
    /// Sets the CPU utilization of the last minute, in % of one core.
    #[must_use]
    pub fn with_cpu_percent(mut self, percent: f64) -> Health {
        self.cpu_percent = rounded(percent, 100.0);
        self
    }

    /// Sets the resident memory, in bytes.
    #[must_use]
    pub fn with_resident_bytes(mut self, bytes: u64) -> Health {
        self.resident_mib = rounded(bytes as f64 / MIB, 10.0);
        self
    }

    /// CPU utilization of the last minute, in % of one core.
    #[must_use]
    pub fn cpu_percent(&self) -> Option<f64> {
        self.cpu_percent
    }

    /// Resident memory in MiB.
    #[must_use]
    pub fn resident_mib(&self) -> Option<f64> {
        self.resident_mib
    }

    /// Parses the fields that follow the word `agent`. Ignores invalid fields: health is
    /// informational, so it is no reason to count a line as faulty.
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

/// Rounds `number` to multiples of `1 / steps`. Returns `None` if it is negative, NaN or too large.
fn rounded(number: f64, steps: f64) -> Option<f64> {
    let rounded = (number * steps).round() / steps;
    (0.0..=NUMBER_MAX).contains(&number).then_some(rounded.abs())
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("agent")?;
        write_field(f, "cpu", self.cpu_percent.map(|percent| format!("{percent:.2}%")))?;
        write_field(f, "rss", self.resident_mib.map(|mib| format!("{mib:.1}MiB")))?;
        write_field(f, "late", self.late)?;
        write_field(f, "clients", self.clients)?;
        write_field(f, "missing", self.missing)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_documented_note_round_trips() {
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
    fn implausible_values_are_ignored() {
        for text in
            ["cpu=nan%", "cpu=-1%", "cpu=1e999%", "cpu=2e9%", "rss=3", "late=-1", "clients", "x=y"]
        {
            assert_eq!(Health::parse(text), Health::default(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_printed_note_parses_back(
            cpu in 0.0..1e10, bytes: u64, late: Option<u64>, clients: Option<u64>,
        ) {
            let health = Health { late, clients, ..Health::default() };
            let health = health.with_cpu_percent(cpu).with_resident_bytes(bytes);
            let text = health.to_string();
            prop_assert_eq!(Health::parse(text.strip_prefix("agent").unwrap()), health);
        }
    }
}
