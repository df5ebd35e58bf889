//! Cgroups of process 1, and their files.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use loadline_protocol::CpuLimit;

use super::mounts::{Mount, MountsFile};
use super::open_file::OpenFile;
use super::root::Root;

/// Highest number of nested cgroups that are read.
const CGROUPS_MAX: usize = 16;

/// Size limit of `/proc/1/cgroup`: a dozen lines with a path each.
const LIST_MAX: u64 = 64 * 1024;

/// Buffer for `cpu.stat` and `memory.stat`: about fifty lines.
const STAT_BYTES_MAX: usize = 4 * 1024;

/// Cgroup that may have a CPU limit.
pub(crate) enum CpuCgroup {
    /// cgroup v2: one hierarchy for all controllers.
    V2 { max: OpenFile, stat: OpenFile },
    /// cgroup v1: one hierarchy for the limit, and one for the counters.
    V1 { quota: OpenFile, period: OpenFile, used: [OpenFile; 3] },
}

/// Cgroup that may have a memory limit.
pub(crate) struct MemoryCgroup {
    limit: OpenFile,
    usage: OpenFile,
    stat: OpenFile,
    /// Name of the field of `stat` with the inactive file cache.
    inactive_file: &'static str,
}

impl CpuCgroup {
    pub(crate) fn limit(&mut self) -> Option<CpuLimit> {
        let (quota, period) = match self {
            CpuCgroup::V2 { max, .. } => parse_cpu_max(max.read_prefix(&mut [0; 64])?)?,
            // Without a limit, the quota is −1, which does not parse.
            CpuCgroup::V1 { quota, period, .. } => (quota.read_number()?, period.read_number()?),
        };
        let thousandths = u128::from(quota) * 1000 / u128::from(period).max(1);
        let thousandths = u32::try_from(thousandths).ok()?;
        (period > 0 && thousandths > 0).then_some(CpuLimit(thousandths))
    }

    /// Returns the CPU time used: total, user and system, ns.
    pub(crate) fn used(&mut self) -> Option<[u64; 3]> {
        match self {
            CpuCgroup::V2 { stat, .. } => {
                parse_cpu_stat(stat.read_prefix(&mut [0; STAT_BYTES_MAX])?)
            }
            CpuCgroup::V1 { used: [total, user, system], .. } => {
                Some([total.read_number()?, user.read_number()?, system.read_number()?])
            }
        }
    }
}

impl MemoryCgroup {
    pub(crate) fn limit(&mut self) -> Option<u64> {
        self.limit.read_number()
    }

    /// Returns the bytes in use, without inactive file cache, which the kernel reclaims first.
    pub(crate) fn used(&mut self) -> Option<u64> {
        let used: u64 = self.usage.read_number()?;
        let mut buffer = [0; STAT_BYTES_MAX];
        let text = self.stat.read_prefix(&mut buffer).unwrap_or_default();
        Some(used.saturating_sub(parse_field(text, self.inactive_file).unwrap_or_default()))
    }
}

/// Parses `150000 100000`. `None` for `max 100000`, which means no limit.
pub(super) fn parse_cpu_max(text: &str) -> Option<(u64, u64)> {
    let mut words = text.split_ascii_whitespace().map(|word| word.parse().ok());
    Some((words.next()??, words.next()??))
}

/// Parses the `cpu.stat` of cgroup v2: total, user and system time, ns.
pub(super) fn parse_cpu_stat(text: &str) -> Option<[u64; 3]> {
    let ns = |name| parse_field(text, name)?.checked_mul(1000);
    Some([ns("usage_usec")?, ns("user_usec")?, ns("system_usec")?])
}

/// Returns the number in the line that starts with `name`. A cut-off last line is ignored.
pub(super) fn parse_field(text: &str, name: &str) -> Option<u64> {
    let (whole_lines, _) = text.rsplit_once('\n')?;
    whole_lines.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

pub(crate) fn cpu_cgroups(root: &Root) -> Vec<CpuCgroup> {
    let v2 = |folder: &PathBuf| {
        let [max, stat] = OpenFile::in_folder(folder, ["cpu.max", "cpu.stat"]);
        CpuCgroup::V2 { max, stat }
    };
    let v1 = |(limited, counted): (&PathBuf, &PathBuf)| {
        let names = ["cpu.cfs_quota_us", "cpu.cfs_period_us"];
        let [quota, period] = OpenFile::in_folder(limited, names);
        let names = ["cpuacct.usage", "cpuacct.usage_user", "cpuacct.usage_sys"];
        CpuCgroup::V1 { quota, period, used: OpenFile::in_folder(counted, names) }
    };
    match (hierarchy(root, "cpu"), hierarchy(root, "cpuacct")) {
        (Hierarchy::V2(folders), _) => folders.iter().map(v2).collect(),
        (Hierarchy::V1(limited), Hierarchy::V1(counted)) => {
            limited.iter().zip(&counted).map(v1).collect()
        }
        (Hierarchy::V1(_), Hierarchy::V2(_)) => Vec::new(),
    }
}

pub(crate) fn memory_cgroups(root: &Root) -> Vec<MemoryCgroup> {
    let (folders, limit, usage, inactive_file) = match hierarchy(root, "memory") {
        Hierarchy::V2(folders) => (folders, "memory.max", "memory.current", "inactive_file"),
        Hierarchy::V1(folders) => {
            let usage = "memory.usage_in_bytes";
            (folders, "memory.limit_in_bytes", usage, "total_inactive_file")
        }
    };
    let group = |folder: &PathBuf| {
        let [limit, usage, stat] = OpenFile::in_folder(folder, [limit, usage, "memory.stat"]);
        MemoryCgroup { limit, usage, stat, inactive_file }
    };
    folders.iter().map(group).collect()
}

/// Folders of the cgroups of process 1, from the innermost outwards.
pub(super) enum Hierarchy {
    V1(Vec<PathBuf>),
    V2(Vec<PathBuf>),
}

/// Returns the hierarchy of a controller. A machine may use v1 and v2 for different controllers.
pub(super) fn hierarchy(root: &Root, controller: &str) -> Hierarchy {
    let list = read_cgroup_list(root).unwrap_or_default();
    if let Some(path) = cgroup_path(&list, controller) {
        return Hierarchy::V1(cgroup_folders(root, path, |mount| {
            mount.kind == "cgroup" && mount.super_options.split(',').any(|it| it == controller)
        }));
    }
    let path = cgroup_path(&list, "").unwrap_or("/..");
    Hierarchy::V2(cgroup_folders(root, path, |mount| mount.kind == "cgroup2"))
}

fn read_cgroup_list(root: &Root) -> Option<String> {
    let mut list = String::new();
    let file = File::open(root.path("proc/1/cgroup")).ok()?;
    file.take(LIST_MAX).read_to_string(&mut list).ok()?;
    Some(list)
}

/// Parses `4:cpu,cpuacct:/docker/12ab`, or in cgroup v2 `0::/docker/12ab`.
pub(crate) fn cgroup_path<'a>(list: &'a str, controller: &str) -> Option<&'a str> {
    list.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':');
        let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
        controllers.split(',').any(|it| it == controller).then_some(path)
    })
}

/// Returns the folders of a cgroup and its ancestors, in the mounted hierarchy.
fn cgroup_folders(root: &Root, path: &str, is_match: impl Fn(&Mount) -> bool) -> Vec<PathBuf> {
    // Process 1 is outside of our container, as with `--pid=host`: its cgroup is the machine's.
    if path.starts_with("/..") {
        return Vec::new();
    }
    // systemd moves itself into a cgroup of its own.
    let path = path.strip_suffix("/init.scope").unwrap_or(path);
    let found = MountsFile::new(root).find_map(|mount| {
        let rest = || path_below(path, &Mount::unescape(mount.root)).to_owned();
        is_match(&mount).then(|| (root.path(&Mount::unescape(mount.point)), rest()))
    });
    let Some((top, rest)) = found else { return Vec::new() };
    let innermost = top.join(rest.trim_start_matches('/'));
    // A path with `..` leads out of the mounted hierarchy.
    if rest.split('/').any(|part| part == "..") {
        return Vec::new();
    }
    let around = innermost.ancestors().take_while(|folder| folder.starts_with(&top));
    around.take(CGROUPS_MAX).map(Path::to_path_buf).collect()
}

/// Returns the part of `path` below the mounted folder. Empty if a container sees only its own
/// cgroup, which is then the mounted folder.
fn path_below<'a>(path: &'a str, mounted: &str) -> &'a str {
    if mounted == "/" {
        return path;
    }
    let rest = path.strip_prefix(mounted).filter(|rest| rest.is_empty() || rest.starts_with('/'));
    rest.unwrap_or("")
}
