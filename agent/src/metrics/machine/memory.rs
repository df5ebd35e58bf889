//! What the memory is used for, and what became of its pages.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType::{self, Gauge, Unknown};

use super::Part;
use crate::metrics::families::Families;
use crate::procfs::{self, Amount};

/// How many lines are told of each file, which has about 60 or 200.
const LINES_MAX: usize = 512;

/// The collector `meminfo`.
pub(super) struct Meminfo(procfs::Meminfo);

impl Meminfo {
    pub(super) fn new() -> Meminfo {
        Meminfo(procfs::Meminfo::new())
    }
}

impl Part for Meminfo {
    fn name(&self) -> &'static str {
        "meminfo"
    }

    fn read(&mut self) -> Option<Box<dyn Collector>> {
        let mut told = Told { kind: Gauge, values: Vec::new() };
        self.0.each(|name, amount| {
            let (suffix, value) = match amount {
                Amount::Bytes(bytes) => ("_bytes", bytes),
                Amount::Count(count) => ("", count),
            };
            told.add(format!("node_memory_{}{suffix}", named(name)), value);
        });
        told.known()
    }
}

/// A name of the kernel as one of a metric: `Active(anon)` is `Active_anon`.
fn named(name: &str) -> String {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let named: String = name.chars().map(|c| if is_part(c) { c } else { '_' }).collect();
    named.trim_end_matches('_').to_owned()
}

/// The collector `vmstat`: the part of it that `node_exporter` tells.
pub(super) struct Vmstat(procfs::Vmstat);

impl Vmstat {
    pub(super) fn new() -> Vmstat {
        Vmstat(procfs::Vmstat::new())
    }
}

impl Part for Vmstat {
    fn name(&self) -> &'static str {
        "vmstat"
    }

    fn read(&mut self) -> Option<Box<dyn Collector>> {
        let mut told = Told { kind: Unknown, values: Vec::new() };
        self.0.each(|name, count| {
            if is_told(name) {
                told.add(format!("node_vmstat_{}", named(name)), count);
            }
        });
        told.known()
    }
}

/// `^(oom_kill|pgpg|pswp|pg.*fault).*`
fn is_told(name: &str) -> bool {
    let is_fault = name.strip_prefix("pg").is_some_and(|rest| rest.contains("fault"));
    is_fault || ["oom_kill", "pgpg", "pswp"].iter().any(|part| name.starts_with(part))
}

/// Names and values, of a metric each.
#[derive(Debug)]
struct Told {
    kind: MetricType,
    values: Vec<(String, u64)>,
}

impl Told {
    fn add(&mut self, name: String, value: u64) {
        // A name twice would spoil all of it.
        if self.values.len() < LINES_MAX && !self.values.iter().any(|(known, _)| *known == name) {
            self.values.push((name, value));
        }
    }

    fn known(self) -> Option<Box<dyn Collector>> {
        (!self.values.is_empty()).then(|| Box::new(self) as Box<dyn Collector>)
    }
}

impl Collector for Told {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut families = Families::new(encoder);
        for (name, value) in &self.values {
            // Behind `node_memory_` or `node_vmstat_`.
            let field = name.splitn(3, '_').last().unwrap_or_default();
            let help = match self.kind {
                Unknown => format!("vmstat information field {field}."),
                _ => format!("Memory information field {field}."),
            };
            families.one(self.kind, name, &help, Some(*value as f64))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_node_exporter() {
        for (name, expected) in [
            ("MemTotal", "MemTotal"),
            ("Active(anon)", "Active_anon"),
            ("HugePages_Total", "HugePages_Total"),
            ("odd name\u{1b}", "odd_name"),
        ] {
            assert_eq!(named(name), expected);
        }
    }

    #[test]
    fn of_the_pages_that_is_told_which_alerts_are_about() {
        for (name, expected) in [
            ("oom_kill", true),
            ("pgpgin", true),
            ("pswpout", true),
            ("pgmajfault", true),
            ("pgfault", true),
            ("nr_free_pages", false),
            ("numa_pages_migrated", false),
            ("pgscan_kswapd", false),
        ] {
            assert_eq!(is_told(name), expected, "{name}");
        }
    }

    #[test]
    fn a_name_that_comes_twice_is_told_once() {
        let mut told = Told { kind: Gauge, values: Vec::new() };
        told.add("a".to_owned(), 1);
        told.add("a".to_owned(), 2);
        assert_eq!(told.values, [("a".to_owned(), 1)]);
    }
}
