//! Cores that process 1 may use: the cpuset of its cgroup, and its affinity.

use std::fs;
use std::path::PathBuf;

use super::cgroups::{Hierarchy, hierarchy};
use super::core_lists::{LIST_BYTES, parse_list};
use super::open_file::OpenFile;
use super::process_status::cores_of_process_1;
use super::root::Root;
use super::stat::core_numbers;

/// Link target of the process namespace of the machine. Linux has no other constant for it.
const NAMESPACE_OF_MACHINE: &str = "pid:[4026531836]";

/// Files with the cores that the container may use.
pub(crate) struct AllowedCores {
    root: Root,
    /// Cpusets from the innermost cgroup outwards. The first readable one counts.
    cpusets: Vec<OpenFile>,
    /// True in a container. On the machine itself, the affinity of process 1 says nothing about
    /// other processes.
    has_affinity: bool,
}

impl AllowedCores {
    pub(crate) fn new(root: &Root) -> AllowedCores {
        let namespace = fs::read_link(root.path("proc/self/ns/pid"));
        let has_affinity = namespace.is_ok_and(|link| link.as_os_str() != NAMESPACE_OF_MACHINE);
        AllowedCores { root: root.clone(), cpusets: cpusets(root), has_affinity }
    }

    /// Returns the numbers of the cores, in ascending order. `None` if all online cores are allowed.
    pub(crate) fn limit(&mut self) -> Option<Vec<u32>> {
        let allowed = self.allowed()?;
        let online = core_numbers(&self.root);
        // lxcfs lists only the allowed cores, and numbers them from 0.
        let is_subset = allowed.iter().all(|core| online.binary_search(core).is_ok());
        (is_subset && (1..online.len()).contains(&allowed.len())).then_some(allowed)
    }

    fn allowed(&mut self) -> Option<Vec<u32>> {
        let mut buffer = [0; LIST_BYTES];
        let mut cpusets = self.cpusets.iter_mut();
        let cpuset = cpusets.find_map(|file| parse_list(file.read_prefix(&mut buffer)?));
        let affinity = cores_of_process_1(&self.root).filter(|_| self.has_affinity);
        let (Some(mut cores), Some(others)) = (cpuset.clone(), &affinity) else {
            return cpuset.or(affinity);
        };
        cores.retain(|core| others.contains(core));
        Some(cores)
    }
}

fn cpusets(root: &Root) -> Vec<OpenFile> {
    let (folders, names) = match hierarchy(root, "cpuset") {
        // The root cgroup of the machine has no `cpuset.cpus`, and lacks cores that are reserved
        // for other cgroups.
        Hierarchy::V2(mut folders) => {
            folders.retain(|folder| folder.join("cpuset.cpus").exists());
            (folders, &["cpuset.cpus.effective"][..])
        }
        Hierarchy::V1(folders) => (folders, &["cpuset.effective_cpus", "cpuset.cpus"][..]),
    };
    let files = |folder: PathBuf| names.iter().map(move |name| OpenFile::new(folder.join(name)));
    folders.into_iter().flat_map(files).collect()
}
