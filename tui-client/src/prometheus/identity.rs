//! Labels that distinguish the instances of a server. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::response::Labels;

/// Maximum number of label names that are considered, in alphabetical order. Targets have a dozen.
const NAMES_MAX: usize = 128;

/// Labels that our queries add, or that metrics of a single instance differ in.
const RESERVED: &[&str] = &["__name__", "address", "column", "device", "master", "mode"];

/// Names of the labels that distinguish instances: `instance`, `job`, and as many others as needed.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Identity(Vec<String>);

/// Values of the labels in [`Identity`], in the same order.
pub(super) type InstanceKey = Vec<String>;

impl Identity {
    /// Returns the labels that distinguish `all`.
    pub(super) fn of(all: &[&Labels]) -> Identity {
        // Queries group by these names, so they must not need quotes.
        let is_plain = |name: &str| {
            name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                && name.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'_')
                && !RESERVED.contains(&name)
        };
        let names: BTreeSet<&str> =
            all.iter().flat_map(|labels| labels.names()).filter(|name| is_plain(name)).collect();
        let names: Vec<&str> = names.into_iter().take(NAMES_MAX).collect();
        let labels = distinguishing(all, vec!["instance", "job"], &names, |it, name| it.get(name));
        Identity(labels.into_iter().map(str::to_owned).collect())
    }

    pub(super) fn labels(&self) -> &[String] {
        &self.0
    }

    pub(super) fn key(&self, labels: &Labels) -> InstanceKey {
        self.0.iter().map(|name| labels.get(name).to_owned()).collect()
    }

    /// Returns the display name of each key: its instance, and in parentheses the values of other
    /// labels if several keys have the same instance.
    pub(super) fn names<'a>(&self, keys: impl Iterator<Item = &'a InstanceKey>) -> Vec<String> {
        let keys: Vec<&InstanceKey> = keys.collect();
        let mut groups: BTreeMap<&str, Vec<&InstanceKey>> = BTreeMap::new();
        for key in &keys {
            groups.entry(&key[0]).or_default().push(key);
        }
        let positions: Vec<usize> = (1..self.0.len()).collect();
        let shown: BTreeMap<&str, Vec<usize>> = groups
            .into_iter()
            .map(|(name, group)| {
                (name, distinguishing(&group, vec![], &positions, |key, at| &key[at]))
            })
            .collect();
        let name = |key: &&InstanceKey| {
            let parts: Vec<String> =
                shown[&*key[0]].iter().map(|at| described(&self.0[*at], &key[*at])).collect();
            if parts.is_empty() {
                key[0].clone()
            } else {
                format!("{} ({})", key[0], parts.join(", "))
            }
        };
        keys.iter().map(name).collect()
    }
}

fn described(label: &str, value: &str) -> String {
    if value.is_empty() { format!("no {label}") } else { value.to_owned() }
}

/// Returns `chosen` and as many of `names` as are needed to distinguish all items. Of equally good
/// names, the one with the fewest values says most to a reader: `cluster` rather than `uid`.
fn distinguishing<'a, T, N: Copy + PartialEq>(
    items: &'a [T],
    mut chosen: Vec<N>,
    names: &[N],
    value: impl Fn(&'a T, N) -> &'a str,
) -> Vec<N> {
    let distinct = |names: &[N]| {
        let values = |item| names.iter().map(|name| value(item, *name)).collect::<Vec<_>>();
        items.iter().map(values).collect::<BTreeSet<_>>().len()
    };
    let mut found = distinct(&chosen);
    while found < items.len() {
        let counts = names.iter().rev().map(|name| {
            let count = distinct(&[&chosen[..], &[*name]].concat());
            (count, std::cmp::Reverse(distinct(&[*name])), *name)
        });
        let best = counts.max_by_key(|(count, values, _)| (*count, *values));
        match best {
            Some((count, _, name)) if count > found => {
                found = count;
                chosen.push(name);
            }
            // The others are the same series twice.
            _ => break,
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks the identity and the names of instances. Each item has the labels of an instance.
    fn check(instances: &[&str], identity: &str, names: &[&str]) {
        let parse = |text: &str| {
            let pairs = text.split_whitespace().filter_map(|pair| pair.split_once('='));
            pairs.collect::<Labels>()
        };
        let all: Vec<Labels> = instances.iter().map(|text| parse(text)).collect();
        let found = Identity::of(&all.iter().collect::<Vec<_>>());
        assert_eq!(found.labels().join(" "), identity, "{instances:?}");
        let keys: BTreeSet<InstanceKey> = all.iter().map(|labels| found.key(labels)).collect();
        assert_eq!(found.names(keys.iter()), names, "{instances:?}");
    }

    #[test]
    fn instance_and_job_are_enough_if_they_differ() {
        check(
            &["instance=web-1 job=node env=prod", "instance=web-2 job=node env=dev"],
            "instance job",
            &["web-1", "web-2"],
        );
        let jobs = ["instance=web-1 job=node", "instance=web-1 job=agent", "instance=db job=node"];
        check(&jobs, "instance job", &["db", "web-1 (agent)", "web-1 (node)"]);
        check(&[], "instance job", &[]);
    }

    #[test]
    fn any_other_label_tells_instances_apart() {
        check(
            &["instance=web-1 job=node cluster=us", "instance=web-1 job=node cluster=eu"],
            "instance job cluster",
            &["web-1 (eu)", "web-1 (us)"],
        );
        // An external label that one of them lacks.
        check(
            &["instance=web-1 job=node", "instance=web-1 job=node datacenter=fra"],
            "instance job datacenter",
            &["web-1 (no datacenter)", "web-1 (fra)"],
        );
        // As few labels as possible, those with the fewest values first.
        check(
            &[
                "instance=web-1 job=node cluster=eu uid=1 zone=a",
                "instance=web-1 job=node cluster=eu uid=2 zone=b",
                "instance=web-1 job=node cluster=us uid=3 zone=a",
                "instance=web-2 job=node cluster=us uid=4 zone=a",
            ],
            "instance job uid",
            &["web-1 (1)", "web-1 (2)", "web-1 (3)", "web-2"],
        );
        check(
            &[
                "instance=web-1 job=node cluster=eu zone=a",
                "instance=web-1 job=node cluster=eu zone=b",
                "instance=web-1 job=node cluster=us zone=a",
            ],
            "instance job cluster zone",
            &["web-1 (eu, a)", "web-1 (eu, b)", "web-1 (us, a)"],
        );
    }

    #[test]
    fn labels_of_queries_and_names_that_need_quotes_are_not_used() {
        let both =
            ["instance=a job=node column=x __name__=m", "instance=a job=node column=y my.label=1"];
        check(&both, "instance job", &["a"]);
    }
}
