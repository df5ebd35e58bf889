//! Use of memory, and paging counters.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType::{self, Gauge, Unknown};

use super::MetricCollector;
use crate::metrics::family_writer::FamilyWriter;
use crate::procfs::{self, Amount};

/// Limit of exported lines per file. `/proc/meminfo` has about 60, `/proc/vmstat` about 200.
const LINES_MAX: usize = 512;

pub(super) struct MeminfoCollector(procfs::MeminfoFile);

impl MeminfoCollector {
    pub(super) fn new() -> MeminfoCollector {
        MeminfoCollector(procfs::MeminfoFile::new())
    }
}

impl MetricCollector for MeminfoCollector {
    fn name(&self) -> &'static str {
        "meminfo"
    }

    fn read(&mut self) -> Option<Box<dyn Collector>> {
        let mut snapshot = MemorySnapshot { kind: Gauge, values: Vec::new() };
        self.0.for_each(|name, amount| {
            let (suffix, value) = match amount {
                Amount::Bytes(bytes) => ("_bytes", bytes),
                Amount::Count(count) => ("", count),
            };
            snapshot.add(format!("node_memory_{}{suffix}", metric_name(name)), value);
        });
        snapshot.into_collector()
    }
}

/// Returns a kernel name as part of a metric name: `Active(anon)` becomes `Active_anon`.
fn metric_name(name: &str) -> String {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let named: String = name.chars().map(|c| if is_part(c) { c } else { '_' }).collect();
    named.trim_end_matches('_').to_owned()
}

/// Collector `vmstat`, limited to the fields that `node_exporter` exports.
pub(super) struct VmstatCollector(procfs::VmstatFile);

impl VmstatCollector {
    pub(super) fn new() -> VmstatCollector {
        VmstatCollector(procfs::VmstatFile::new())
    }
}

impl MetricCollector for VmstatCollector {
    fn name(&self) -> &'static str {
        "vmstat"
    }

    fn read(&mut self) -> Option<Box<dyn Collector>> {
        let mut snapshot = MemorySnapshot { kind: Unknown, values: Vec::new() };
        self.0.for_each(|name, count| {
            if is_exported(name) {
                snapshot.add(format!("node_vmstat_{}", metric_name(name)), count);
            }
        });
        snapshot.into_collector()
    }
}

/// Matches `^(oom_kill|pgpg|pswp|pg.*fault).*`.
fn is_exported(name: &str) -> bool {
    let is_fault = name.strip_prefix("pg").is_some_and(|rest| rest.contains("fault"));
    is_fault || ["oom_kill", "pgpg", "pswp"].iter().any(|part| name.starts_with(part))
}

/// Metrics and their values.
#[derive(Debug)]
struct MemorySnapshot {
    kind: MetricType,
    values: Vec<(String, u64)>,
}

impl MemorySnapshot {
    fn add(&mut self, name: String, value: u64) {
        // A repeated name would make the whole page invalid.
        if self.values.len() < LINES_MAX && !self.values.iter().any(|(known, _)| *known == name) {
            self.values.push((name, value));
        }
    }

    fn into_collector(self) -> Option<Box<dyn Collector>> {
        (!self.values.is_empty()).then(|| Box::new(self) as Box<dyn Collector>)
    }
}

impl Collector for MemorySnapshot {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut families = FamilyWriter::new(encoder);
        for (name, value) in &self.values {
            // The part after `node_memory_` or `node_vmstat_`.
            let field = name.splitn(3, '_').last().unwrap_or_default();
            let help = match self.kind {
                Unknown => format!("vmstat information field {field}."),
                _ => format!("Memory information field {field}."),
            };
            families.unlabelled(self.kind, name, &help, Some(*value as f64))?;
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
            assert_eq!(metric_name(name), expected);
        }
    }

    #[test]
    fn only_vmstat_fields_of_node_exporter_are_exported() {
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
            assert_eq!(is_exported(name), expected, "{name}");
        }
    }

    #[test]
    fn a_repeated_name_is_exported_once() {
        let mut snapshot = MemorySnapshot { kind: Gauge, values: Vec::new() };
        snapshot.add("a".to_owned(), 1);
        snapshot.add("a".to_owned(), 2);
        assert_eq!(snapshot.values, [("a".to_owned(), 1)]);
    }
}
