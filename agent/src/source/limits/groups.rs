//! The control groups that bound process 1, and the files of each.

use std::fs::File;
use std::io::Read as _;

use loadline_protocol::CpuLimit;

use super::{Path, PathBuf};
use crate::procfs::{Kept, Mount, Mounts};

/// Groups within groups: more of them are looked at by nobody.
const GROUPS_MAX: usize = 16;

/// What is read of the list of groups of a process: a dozen lines of a path each.
const LIST_MAX: u64 = 64 * 1024;

/// Room for what a group tells of its memory: some fifty lines.
const STAT_ROOM: usize = 4 * 1024;

/// A group that may have a limit of the processor.
pub(super) enum CpuGroup {
    /// The second version has all in one hierarchy.
    Two { max: Kept, stat: Kept },
    /// The first one has a hierarchy that bounds, and one that counts.
    One { quota: Kept, period: Kept, total: Kept, user: Kept, system: Kept },
}

/// A group that may have a limit of the memory.
pub(super) enum MemoryGroup {
    Two { max: Kept, current: Kept, stat: Kept },
    One { limit: Kept, usage: Kept, stat: Kept },
}

impl CpuGroup {
    pub(super) fn limit(&mut self) -> Option<CpuLimit> {
        let (quota, period) = match self {
            CpuGroup::Two { max, .. } => cpu_max(max.beginning(&mut [0; 64])?)?,
            // Without a limit it is −1, which is no number here.
            CpuGroup::One { quota, period, .. } => (number(quota)?, number(period)?),
        };
        let thousandths = u128::from(quota) * 1000 / u128::from(period).max(1);
        let thousandths = u32::try_from(thousandths).ok()?;
        (period > 0 && thousandths > 0).then_some(CpuLimit(thousandths))
    }

    /// In all, by programs, and by the kernel for them, ns.
    pub(super) fn used(&mut self) -> Option<[u64; 3]> {
        match self {
            CpuGroup::Two { stat, .. } => {
                let mut room = [0; STAT_ROOM];
                let text = stat.beginning(&mut room)?;
                let of = |name| field(text, name)?.checked_mul(1000);
                Some([of("usage_usec")?, of("user_usec")?, of("system_usec")?])
            }
            CpuGroup::One { total, user, system, .. } => {
                Some([number(total)?, number(user)?, number(system)?])
            }
        }
    }
}

impl MemoryGroup {
    pub(super) fn limit(&mut self) -> Option<u64> {
        match self {
            MemoryGroup::Two { max: limit, .. } | MemoryGroup::One { limit, .. } => number(limit),
        }
    }

    /// What is in use, without the files that nobody has used for long: those are given up first.
    pub(super) fn used(&mut self) -> Option<u64> {
        let (usage, stat, name) = match self {
            MemoryGroup::Two { current, stat, .. } => (current, stat, "inactive_file"),
            MemoryGroup::One { usage, stat, .. } => (usage, stat, "total_inactive_file"),
        };
        let used = number(usage)?;
        let mut room = [0; STAT_ROOM];
        let text = stat.beginning(&mut room).unwrap_or_default();
        Some(used.saturating_sub(field(text, name).unwrap_or_default()))
    }
}

/// `150000 100000`; without a limit `max 100000`
fn cpu_max(text: &str) -> Option<(u64, u64)> {
    let mut words = text.split_ascii_whitespace().map(|word| word.parse().ok());
    Some((words.next()??, words.next()??))
}

/// A file that is a number.
fn number(file: &mut Kept) -> Option<u64> {
    file.beginning(&mut [0; 32])?.trim().parse().ok()
}

/// The number on the line of this name, if the line is whole.
fn field(text: &str, name: &str) -> Option<u64> {
    let (whole_lines, _) = text.rsplit_once('\n')?;
    whole_lines.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

pub(super) fn cpu_groups(root: &Path) -> Vec<CpuGroup> {
    let file = |folder: &Path, name| Kept::new(folder.join(name));
    match hierarchy(root, "cpu") {
        Hierarchy::Two(folders) => folders
            .iter()
            .map(|it| CpuGroup::Two { max: file(it, "cpu.max"), stat: file(it, "cpu.stat") })
            .collect(),
        Hierarchy::One(folders) => {
            let Hierarchy::One(counting) = hierarchy(root, "cpuacct") else { return Vec::new() };
            let group = |(bounds, counts): (&PathBuf, &PathBuf)| CpuGroup::One {
                quota: file(bounds, "cpu.cfs_quota_us"),
                period: file(bounds, "cpu.cfs_period_us"),
                total: file(counts, "cpuacct.usage"),
                user: file(counts, "cpuacct.usage_user"),
                system: file(counts, "cpuacct.usage_sys"),
            };
            folders.iter().zip(&counting).map(group).collect()
        }
    }
}

pub(super) fn memory_groups(root: &Path) -> Vec<MemoryGroup> {
    let file = |folder: &Path, name| Kept::new(folder.join(name));
    match hierarchy(root, "memory") {
        Hierarchy::Two(folders) => folders
            .iter()
            .map(|it| MemoryGroup::Two {
                max: file(it, "memory.max"),
                current: file(it, "memory.current"),
                stat: file(it, "memory.stat"),
            })
            .collect(),
        Hierarchy::One(folders) => folders
            .iter()
            .map(|it| MemoryGroup::One {
                limit: file(it, "memory.limit_in_bytes"),
                usage: file(it, "memory.usage_in_bytes"),
                stat: file(it, "memory.stat"),
            })
            .collect(),
    }
}

/// The folders of the groups that process 1 is in, from the innermost one outwards.
enum Hierarchy {
    One(Vec<PathBuf>),
    Two(Vec<PathBuf>),
}

/// The groups that a controller bounds. A machine may have both versions, each for other controllers.
fn hierarchy(root: &Path, controller: &str) -> Hierarchy {
    let list = list_of_groups(root).unwrap_or_default();
    if let Some(path) = path_of(&list, controller) {
        return Hierarchy::One(folders(root, path, |mount| {
            mount.kind == "cgroup" && mount.super_options.split(',').any(|it| it == controller)
        }));
    }
    let path = path_of(&list, "").unwrap_or("/..");
    Hierarchy::Two(folders(root, path, |mount| mount.kind == "cgroup2"))
}

fn list_of_groups(root: &Path) -> Option<String> {
    let mut list = String::new();
    let file = File::open(root.join("proc/1/cgroup")).ok()?;
    file.take(LIST_MAX).read_to_string(&mut list).ok()?;
    Some(list)
}

/// `4:cpu,cpuacct:/docker/12ab`, or of the second version `0::/docker/12ab`
pub(super) fn path_of<'a>(list: &'a str, controller: &str) -> Option<&'a str> {
    list.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':');
        let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
        controllers.split(',').any(|it| it == controller).then_some(path)
    })
}

/// Where a path is in the hierarchy that is mounted, and the groups around it.
fn folders(root: &Path, path: &str, is_meant: impl Fn(&Mount) -> bool) -> Vec<PathBuf> {
    // It begins like this where process 1 is outside of our own container: it is the machine's, as
    // with `--pid=host`.
    if path.starts_with("/..") {
        return Vec::new();
    }
    // systemd puts itself into a group of its own.
    let path = path.strip_suffix("/init.scope").unwrap_or(path);
    let mut found = None;
    let mounts = root.join("proc/self/mountinfo");
    Mounts::of(&mounts.to_string_lossy()).each(|mount| {
        if found.is_none() && is_meant(&mount) {
            let rest = within(path, &Mount::unescaped(mount.root)).to_owned();
            found = Some((Mount::unescaped(mount.point).into_owned(), rest));
        }
    });
    let Some((point, rest)) = found else { return Vec::new() };
    let top = root.join(point.trim_start_matches('/'));
    let innermost = top.join(rest.trim_start_matches('/'));
    // A path that leads elsewhere is none of ours.
    if rest.split('/').any(|part| part == "..") {
        return Vec::new();
    }
    let around = innermost.ancestors().take_while(|folder| folder.starts_with(&top));
    around.take(GROUPS_MAX).map(Path::to_path_buf).collect()
}

/// The part of a path below the folder that is mounted. A container may see no more of the hierarchy
/// than its own group, and that is mounted then.
fn within<'a>(path: &'a str, mounted: &str) -> &'a str {
    if mounted == "/" {
        return path;
    }
    let rest = path.strip_prefix(mounted).filter(|rest| rest.is_empty() || rest.starts_with('/'));
    rest.unwrap_or("")
}
