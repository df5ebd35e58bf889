//! Which columns an agent has: groups of them, chosen by name.

use std::fmt;
use std::str::FromStr;

use crate::usage::nearest;

/// Columns that are collected together, or not at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Group {
    /// `user system iowait steal`
    Cpu,
    /// `freq`
    Freq,
    /// `mem_used mem_available mem_total`
    Mem,
    /// `load1 load5 load15`
    Load,
    /// `swap swap_used`
    Swap,
    /// `net_rx net_tx`
    Net,
    /// `disk_read disk_write disk_used`
    Disk,
    /// `psi_cpu psi_mem psi_io`
    Pressure,
    /// `core0 … coreN`
    Cores,
    /// `temp`
    Temp,
    /// `procs`
    Procs,
    /// `uptime`
    Uptime,
}

/// In the order of their columns.
const GROUPS: [Group; 12] = [
    Group::Cpu,
    Group::Freq,
    Group::Mem,
    Group::Load,
    Group::Swap,
    Group::Net,
    Group::Disk,
    Group::Pressure,
    Group::Cores,
    Group::Temp,
    Group::Procs,
    Group::Uptime,
];

/// So many of them are collected if nothing else is said.
const DEFAULTS: usize = 8;

/// Which groups of columns a [`Machine`](crate::Machine) has beside the six of the plain stream,
/// which are always there. Written as a list of names: `cpu,net,disk`, or `all`.
///
/// ```
/// use loadline_agent::Collect;
/// assert_eq!(Collect::default().to_string(), "cpu,freq,mem,load,swap,net,disk,pressure");
/// assert_eq!("uptime, net".parse::<Collect>().unwrap().to_string(), "net,uptime");
/// let error = "dsik".parse::<Collect>().unwrap_err().to_string();
/// assert!(error.starts_with("there is no group dsik; did you mean disk?"), "{error}");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collect {
    /// In the order of [`GROUPS`], each once.
    groups: Vec<Group>,
}

/// A name that no group has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is no group {}; {}the groups are {}, or all",
    loadline_protocol::sanitize(name),
    alike(name),
    names(&GROUPS)
)]
pub struct CollectError {
    name: String,
}

impl Group {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Group::Cpu => "cpu",
            Group::Freq => "freq",
            Group::Mem => "mem",
            Group::Load => "load",
            Group::Swap => "swap",
            Group::Net => "net",
            Group::Disk => "disk",
            Group::Pressure => "pressure",
            Group::Cores => "cores",
            Group::Temp => "temp",
            Group::Procs => "procs",
            Group::Uptime => "uptime",
        }
    }
}

impl Collect {
    /// All groups there are.
    #[must_use]
    pub fn all() -> Collect {
        Collect { groups: GROUPS.into() }
    }

    /// No group: the six columns of the plain stream.
    #[must_use]
    pub fn plain() -> Collect {
        Collect { groups: Vec::new() }
    }

    /// In the order of their columns.
    pub(crate) fn groups(&self) -> &[Group] {
        &self.groups
    }
}

impl Default for Collect {
    fn default() -> Collect {
        Collect { groups: GROUPS[..DEFAULTS].into() }
    }
}

impl FromStr for Collect {
    type Err = CollectError;

    fn from_str(text: &str) -> Result<Collect, CollectError> {
        if text.trim() == "all" {
            return Ok(Collect::all());
        }
        let mut groups = Vec::new();
        for name in text.split(',').map(str::trim) {
            let group = GROUPS.into_iter().find(|group| group.name() == name);
            groups.push(group.ok_or_else(|| CollectError { name: name.to_owned() })?);
        }
        groups.sort_unstable();
        groups.dedup();
        Ok(Collect { groups })
    }
}

impl fmt::Display for Collect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&names(&self.groups))
    }
}

fn names(groups: &[Group]) -> String {
    groups.iter().map(|group| group.name()).collect::<Vec<_>>().join(",")
}

/// The group that was meant, if it can be told.
fn alike(name: &str) -> String {
    let meant = nearest(name, GROUPS.iter().map(|group| group.name()));
    meant.map_or(String::new(), |meant| format!("did you mean {meant}? "))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn groups_are_read_in_any_order_and_kept_in_that_of_their_columns() {
        let read = |text: &str| text.parse::<Collect>().map(|collect| collect.to_string());
        assert_eq!(read("cores,cpu,cores").unwrap(), "cpu,cores");
        assert_eq!(read(" all ").unwrap(), Collect::all().to_string());
        for (wrong, told) in [
            ("", "there is no group ; the groups are cpu,"),
            ("cpu,", "there is no group ; the groups"),
            ("pressur", "there is no group pressur; did you mean pressure? the groups are"),
            ("memory", "did you mean mem?"),
            ("xyz", "there is no group xyz; the groups are cpu,freq,mem,load,swap,net,disk,"),
            ("\x1b[2J", "there is no group \u{fffd}[2J"),
        ] {
            let error = read(wrong).unwrap_err().to_string();
            assert!(error.contains(told), "{error}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_groups_or_a_fault_of_one_line(text: String) {
            match text.parse::<Collect>() {
                Ok(collect) => prop_assert_eq!(collect.to_string().parse(), Ok(collect)),
                Err(error) => prop_assert!(!error.to_string().contains('\n')),
            }
        }
    }
}
