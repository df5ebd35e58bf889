//! `/proc/PID/status`: rights of this process, which decide which other processes it sees, and the
//! cores that process 1 may use.

use super::core_lists::parse_list;
use super::mounts::MountsFile;
use super::record_file::{Record, RecordFile};
use super::root::Root;

/// Line of the file.
struct StatusLine;

impl Record for StatusLine {
    /// Name and value.
    type Of<'a> = (&'a str, &'a str);

    const PATH: &'static str = "proc/self/status";

    /// Parses `CapEff: 000001ffffffffff`.
    fn parse(line: &[u8]) -> Option<(&str, &str)> {
        let (name, value) = std::str::from_utf8(line).ok()?.split_once(':')?;
        Some((name, value.trim()))
    }
}

/// Processes that a mounted `/proc` hides. With `hidepid=1` it hides only their contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hidden {
    None,
    /// `hidepid=2`: processes of other users, except from members of a group.
    FromOthersThan(u32),
    /// `hidepid=4`: processes that may not be traced.
    Untraceable,
}

/// Rights of this process.
#[derive(Debug, Default)]
struct Rights {
    groups: Vec<u32>,
    /// True with `CAP_SYS_PTRACE`: root has it.
    may_trace: bool,
}

/// Number of `CAP_SYS_PTRACE`.
const CAP_SYS_PTRACE: u32 = 19;

/// Returns true if `/proc` hides processes from this one.
pub(crate) fn are_processes_hidden(root: &Root) -> bool {
    let mut hidden = Hidden::None;
    // The last mount covers earlier ones.
    MountsFile::new(root).for_each(|mount| {
        if mount.point.strip_prefix('/') == Some("proc") {
            hidden = Hidden::by_options(mount.super_options);
        }
    });
    let rights = Rights::read(root);
    match hidden {
        Hidden::None => false,
        Hidden::FromOthersThan(group) => !rights.may_trace && !rights.groups.contains(&group),
        Hidden::Untraceable => !rights.may_trace,
    }
}

impl Hidden {
    /// Parses `rw,gid=27,hidepid=invisible`. Linux before 5.8 has numbers in place of names.
    fn by_options(options: &str) -> Hidden {
        let value = |name| options.split(',').find_map(|option| option.strip_prefix(name));
        let group = value("gid=").and_then(|group| group.parse().ok()).unwrap_or(0);
        match value("hidepid=") {
            None | Some("0" | "off" | "1" | "noaccess") => Hidden::None,
            Some("2" | "invisible") => Hidden::FromOthersThan(group),
            Some(_) => Hidden::Untraceable,
        }
    }
}

impl Rights {
    fn read(root: &Root) -> Rights {
        let mut rights = Rights::default();
        let number = |word: &str| word.parse::<u32>().ok();
        RecordFile::<StatusLine>::new(root).for_each(|(name, value)| match name {
            // The last of four counts for files.
            "Gid" => rights.groups.extend(value.split_whitespace().last().and_then(number)),
            "Groups" => rights.groups.extend(value.split_whitespace().filter_map(number)),
            "CapEff" => {
                let bits = u64::from_str_radix(value, 16).unwrap_or_default();
                rights.may_trace = (bits >> CAP_SYS_PTRACE) & 1 == 1;
            }
            _ => {}
        });
        rights
    }
}

/// Returns the cores that process 1 may use. `None` if process 1 is hidden.
pub(crate) fn cores_of_process_1(root: &Root) -> Option<Vec<u32>> {
    let path = root.path("proc/1/status");
    let mut status = RecordFile::<StatusLine>::with_buffer(path, StatusLine::BUFFER_BYTES);
    status.find_map(|(name, value)| (name == "Cpus_allowed_list").then(|| parse_list(value)))?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::tests::TestRoot;

    const USER: &str = "Gid:\t0\t0\t0\t1000\nGroups:\t27 1000 \nCapEff:\t0000000000000000\n";
    const ROOT: &str = "Gid:\t0\t0\t0\t0\nGroups:\t \nCapEff:\t000001ffffffffff\n";

    #[test]
    fn processes_are_hidden_from_users_by_hidepid() {
        let check = |options: &str, status: &str, expected| {
            let first = "22 27 0:21 / /proc rw shared:12 - proc proc rw\n";
            let mounts = format!("{first}23 22 0:22 / /proc rw - proc proc {options}\n");
            let files = [("proc/self/mountinfo", &*mounts), ("proc/self/status", status)];
            let hidden = are_processes_hidden(&TestRoot::with(&files).root());
            assert_eq!(hidden, expected, "{options} {status}");
        };
        for open in ["rw", "rw,hidepid=0", "rw,hidepid=off", "rw,hidepid=1", "rw,hidepid=noaccess"]
        {
            check(open, USER, false);
        }
        for hidden in
            ["rw,hidepid=2", "rw,hidepid=invisible", "rw,hidepid=4", "rw,hidepid=ptraceable"]
        {
            check(hidden, USER, true);
            check(hidden, ROOT, false);
            check(hidden, "", true);
        }
        check("rw,gid=27,hidepid=invisible", USER, false);
        check("rw,gid=28,hidepid=invisible", USER, true);
        check("rw,gid=27,hidepid=ptraceable", USER, true);
        assert!(!are_processes_hidden(&TestRoot::new().root()));
    }

    #[test]
    fn cores_of_process_1_are_listed() {
        let files = TestRoot::with(&[("proc/1/status", "Pid:\t1\nCpus_allowed_list:\t0-1,3\n")]);
        assert_eq!(cores_of_process_1(&files.root()), Some(vec![0, 1, 3]));
        assert_eq!(cores_of_process_1(&TestRoot::new().root()), None);
    }
}
