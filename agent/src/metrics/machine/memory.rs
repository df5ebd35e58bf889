//! Use of memory, and paging counters.

use std::collections::HashSet;

use prometheus_client::metrics::MetricType::{Gauge, Unknown};

use super::is_new;
use crate::kernel::arcstats::ArcFile;
use crate::kernel::meminfo::{Amount, MeminfoFile};
use crate::kernel::vmstat::VmstatFile;
use crate::metrics::family::Family;

pub(super) fn sizes(file: &mut MeminfoFile) -> Option<Vec<Family>> {
    let (mut known, mut families) = (HashSet::new(), Vec::new());
    file.for_each(|(name, amount)| {
        let (field, value) = match amount {
            Amount::Bytes(bytes) => (metric_name(name) + "_bytes", bytes),
            Amount::Count(count) => (metric_name(name), count),
        };
        if is_new(&mut known, &field) {
            let help = format!("Memory information field {field}.");
            let name = format!("node_memory_{field}");
            families.push(Family::unlabelled(Gauge, name, help, Some(value as f64)));
        }
    });
    (!families.is_empty()).then_some(families)
}

/// Returns size and minimum of the cache of ZFS, if it takes memory of this machine.
pub(super) fn arc(file: &mut ArcFile) -> Vec<Family> {
    let sizes = file.size_and_minimum().into_iter().flatten().zip(["size", "c_min"]);
    let family = |(bytes, field): (u64, &str)| {
        let (name, help) = (format!("node_zfs_arc_{field}"), format!("kstat.zfs.arc.{field}"));
        Family::unlabelled(Unknown, name, help, Some(bytes as f64))
    };
    sizes.map(family).collect()
}

/// Returns the fields that `node_exporter` exports.
pub(super) fn page_counts(file: &mut VmstatFile) -> Option<Vec<Family>> {
    let (mut known, mut families) = (HashSet::new(), Vec::new());
    file.for_each(|(name, count)| {
        let field = metric_name(name);
        if is_exported(name) && is_new(&mut known, &field) {
            let help = format!("vmstat information field {field}.");
            let name = format!("node_vmstat_{field}");
            families.push(Family::unlabelled(Unknown, name, help, Some(count as f64)));
        }
    });
    (!families.is_empty()).then_some(families)
}

/// Returns a kernel name as part of a metric name: `Active(anon)` becomes `Active_anon`.
fn metric_name(name: &str) -> String {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let named: String = name.chars().map(|c| if is_part(c) { c } else { '_' }).collect();
    named.trim_end_matches('_').to_owned()
}

/// Matches `^(oom_kill|pgpg|pswp|pg.*fault).*`.
fn is_exported(name: &str) -> bool {
    let is_fault = name.strip_prefix("pg").is_some_and(|rest| rest.contains("fault"));
    is_fault || ["oom_kill", "pgpg", "pswp"].iter().any(|part| name.starts_with(part))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::tests::TestRoot;
    use crate::metrics::machine::tests::samples;

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
    fn the_cache_of_zfs_is_exported_where_it_takes_memory() {
        let arc = |files: &[(&str, &str)]| {
            samples(Some(arc(&mut ArcFile::new(&TestRoot::with(files).root()))))
        };
        let stats = ("proc/spl/kstat/zfs/arcstats", "c_min 4 100\nsize 4 700\n");
        let expected = "node_zfs_arc_size 700.0\nnode_zfs_arc_c_min 100.0\n";
        assert_eq!(arc(&[stats]).as_deref(), Some(expected));
        assert_eq!(arc(&[]).as_deref(), Some(""));
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
        let text = "MemFree: 1 kB\nMemFree: 2 kB\nSwapFree: 3 kB\n";
        let files = TestRoot::with(&[("proc/meminfo", text)]);
        let samples = samples(sizes(&mut MeminfoFile::new(&files.root())));
        let expected = "node_memory_MemFree_bytes 1024.0\nnode_memory_SwapFree_bytes 3072.0\n";
        assert_eq!(samples.as_deref(), Some(expected));
    }
}
