//! Groups of columns, chosen by name.

use std::fmt;
use std::str::FromStr;

use loadline_protocol::sanitize;

use loadline_common::with_suggestion;

/// Group of columns that are collected together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Group {
    Cpu,
    Freq,
    Mem,
    Load,
    Swap,
    Net,
    Disk,
    Pressure,
    Cores,
    Temp,
    Procs,
    Uptime,
    NetDevices,
    DiskDevices,
    Filesystems,
}

/// All groups with their names, in column order.
const GROUPS: [(Group, &str); 15] = [
    (Group::Cpu, "cpu"),
    (Group::Freq, "freq"),
    (Group::Mem, "mem"),
    (Group::Load, "load"),
    (Group::Swap, "swap"),
    (Group::Net, "net"),
    (Group::Disk, "disk"),
    (Group::Pressure, "pressure"),
    (Group::Cores, "cores"),
    (Group::Temp, "temp"),
    (Group::Procs, "procs"),
    (Group::Uptime, "uptime"),
    (Group::NetDevices, "net-devices"),
    (Group::DiskDevices, "disk-devices"),
    (Group::Filesystems, "filesystems"),
];

/// Number of groups that are collected by default.
const DEFAULT_COUNT: usize = 8;

/// Set of column groups of a [`Machine`](crate::Machine), besides the six columns of the plain
/// stream, which are always collected. Written as a list of names: `cpu,net,disk`, or `all`.
///
/// ```
/// use loadline_agent::GroupSet;
/// assert_eq!(GroupSet::default().to_string(), "cpu,freq,mem,load,swap,net,disk,pressure");
/// assert_eq!("uptime, net".parse::<GroupSet>().unwrap().to_string(), "net,uptime");
/// let error = "dsik".parse::<GroupSet>().unwrap_err().to_string();
/// assert!(error.starts_with("unknown group \"dsik\"; did you mean disk?"), "{error}");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupSet {
    /// In column order, each once.
    groups: Vec<Group>,
}

/// Unknown group name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct GroupError(String);

impl Group {
    pub(crate) fn name(self) -> &'static str {
        let (_, name) = GROUPS[self as usize];
        name
    }
}

impl GroupSet {
    /// Returns all groups.
    pub(crate) fn all() -> GroupSet {
        GroupSet { groups: GROUPS.map(|(group, _)| group).into() }
    }

    /// Returns no group: the six columns of the plain stream.
    #[cfg(test)]
    pub(crate) fn plain() -> GroupSet {
        GroupSet { groups: Vec::new() }
    }

    /// Returns the groups in column order.
    pub(crate) fn groups(&self) -> &[Group] {
        &self.groups
    }
}

impl Default for GroupSet {
    fn default() -> GroupSet {
        GroupSet { groups: GROUPS[..DEFAULT_COUNT].iter().map(|(group, _)| *group).collect() }
    }
}

impl FromStr for GroupSet {
    type Err = GroupError;

    fn from_str(text: &str) -> Result<GroupSet, GroupError> {
        if text.trim() == "all" {
            return Ok(GroupSet::all());
        }
        let mut groups = Vec::new();
        for name in text.split(',').map(str::trim) {
            let entry = GROUPS.into_iter().find(|(_, other)| *other == name);
            let (group, _) = entry.ok_or_else(|| unknown_group(name))?;
            if groups.contains(&group) {
                return Err(GroupError(format!("group {name:?} is given twice; remove one")));
            }
            groups.push(group);
        }
        groups.sort_unstable();
        Ok(GroupSet { groups })
    }
}

impl fmt::Display for GroupSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.groups.iter().map(|group| group.name()).collect();
        f.write_str(&names.join(","))
    }
}

fn unknown_group(name: &str) -> GroupError {
    let names: Vec<&str> = GROUPS.iter().map(|(_, name)| *name).chain(["all"]).collect();
    if name == "all" {
        return GroupError("all contains every group; give all alone".to_owned());
    }
    let error = match sanitize(name) {
        name if name.is_empty() => "no group given".to_owned(),
        name => format!("unknown group {name:?}"),
    };
    GroupError(with_suggestion(&error, name, &names))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn groups_are_sorted_in_the_order_of_their_columns() {
        let read = |text: &str| text.parse::<GroupSet>().map(|collect| collect.to_string());
        assert_eq!(read("cores,cpu").unwrap(), "cpu,cores");
        assert_eq!(read(" all ").unwrap(), GroupSet::all().to_string());
        for (wrong, expected) in [
            ("", "no group given; available: cpu, freq,"),
            ("cpu,", "no group given; available: cpu, freq,"),
            ("pressur", "unknown group \"pressur\"; did you mean pressure? available: cpu,"),
            ("memory", "did you mean mem?"),
            ("cores,cpu,cores", "group \"cores\" is given twice; remove one"),
            ("all,cpu", "all contains every group; give all alone"),
            ("cpu,all", "all contains every group; give all alone"),
            ("xyz", "unknown group \"xyz\"; available: cpu, freq, mem, load, swap, net, disk,"),
            ("\x1b[2J", "unknown group \"\u{fffd}[2J\""),
        ] {
            let error = read(wrong).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    proptest! {
        #[test]
        fn any_text_parses_or_gives_a_one_line_error(text in "((cpu|freq|mem|net),? ?){1,4}|.{0,9}") {
            match text.parse::<GroupSet>() {
                Ok(collect) => prop_assert_eq!(collect.to_string().parse(), Ok(collect)),
                Err(error) => prop_assert!(!error.to_string().contains('\n')),
            }
        }
    }
}
