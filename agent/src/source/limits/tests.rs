use std::time::Duration;

use super::*;
use crate::kernel::cgroups::cgroup_path;
use crate::kernel::tests::TestRoot;
use crate::source::rescan::RESCAN_INTERVAL;

const MIB: u64 = 1024 * 1024;

/// Simulated machine: a folder with its files.
struct MachineFiles(TestRoot);

impl MachineFiles {
    fn new(cgroup: &str, mounts: &[&str]) -> MachineFiles {
        let mounts = mounts.concat();
        let files = [("proc/1/cgroup", cgroup), ("proc/self/mountinfo", &*mounts)];
        MachineFiles(TestRoot::with(&files))
    }

    fn write(&self, path: &str, text: &str) {
        self.0.write(path, text);
    }

    fn write_v2(&self, group: &str, cpu_max: &str, memory_max: &str) {
        let folder = format!("sys/fs/cgroup{group}");
        self.write(&format!("{folder}/cpu.max"), cpu_max);
        self.write(&format!("{folder}/memory.max"), memory_max);
        self.write(&format!("{folder}/memory.current"), &(300 * MIB).to_string());
        let stat = format!("anon 5\ninactive_file {}\nslab 5\n", 100 * MIB);
        self.write(&format!("{folder}/memory.stat"), &stat);
        self.write_v2_usage(group, [0, 0, 0]);
    }

    fn write_v2_usage(&self, group: &str, [total, user, system]: [u64; 3]) {
        let stat = format!("usage_usec {total}\nuser_usec {user}\nsystem_usec {system}\n");
        self.write(&format!("sys/fs/cgroup{group}/cpu.stat"), &stat);
    }

    fn limits(&self) -> ContainerLimits {
        let mut limits = ContainerLimits::on_host(&self.0.root(), CpuLimit(4000), 8192 * MIB);
        limits.refresh(Instant::now());
        limits
    }

    fn check(&self, expected: (Option<u32>, Option<u64>)) {
        let limits = self.limits();
        let found = (limits.cpu_limit().map(|it| it.0), limits.memory_limit().map(|it| it / MIB));
        assert_eq!(found, expected);
    }
}

const V2_MOUNT: &str = "31 23 0:28 / /sys/fs/cgroup rw shared:9 - cgroup2 cgroup2 rw,nsdelegate\n";

#[test]
fn the_capacity_is_that_of_the_machine_whose_files_are_read() {
    let tree = MachineFiles::new("0::/\n", &[V2_MOUNT]);
    tree.write_v2("", "1250000 100000\n", "34359738368\n");
    let cores: Vec<String> = (0..16).map(|core| format!("cpu{core} 1 2 3 4\n")).collect();
    tree.write("proc/stat", &format!("cpu 1 2 3 4\n{}intr 5\n", cores.concat()));
    let check = |kib: u64, expected| {
        tree.write("proc/meminfo", &format!("MemTotal: {kib} kB\n"));
        let mut limits = ContainerLimits::new(&tree.0.root());
        limits.refresh(Instant::now());
        let found = (limits.cpu_limit().map(|it| it.0), limits.memory_limit().map(|it| it / MIB));
        assert_eq!(found, expected, "{kib}");
    };
    check(64 << 20, (Some(12500), Some(32768)));
    check(16 << 20, (Some(12500), None));
}

#[test]
fn limits_of_a_container_are_those_of_its_cgroup() {
    let tree = MachineFiles::new("0::/\n", &[V2_MOUNT]);
    tree.write_v2("", "150000 100000\n", "536870912\n");
    tree.check((Some(1500), Some(512)));
    for (cpu, memory) in [("max 100000\n", "max\n"), ("400000 100000", "9999999999999"), ("", "")] {
        tree.write_v2("", cpu, memory);
        tree.check((None, None));
    }
    for absurd in ["0 0", "1", "-1 100000", "5 x", "0 100000", "99999999999999999999 1"] {
        tree.write_v2("", absurd, "-1");
        tree.check((None, None));
    }
}

#[test]
fn the_machine_itself_has_no_limits() {
    let tree = MachineFiles::new("0::/init.scope\n", &[V2_MOUNT]);
    tree.write_v2("/init.scope", "10000 100000", "1048576");
    tree.write_v2("/system.slice/loadline-agent.service", "10000 100000", "1048576");
    tree.check((None, None));
}

#[test]
fn a_container_in_the_host_pid_namespace_has_no_limits() {
    let tree = MachineFiles::new("0::/../../init.scope\n", &[V2_MOUNT]);
    tree.write_v2("", "150000 100000\n", "536870912\n");
    tree.check((None, None));
}

#[test]
fn the_lowest_limit_of_the_ancestor_cgroups_counts() {
    let tree = MachineFiles::new("0::/pods/pod1/main/init.scope\n", &[V2_MOUNT]);
    tree.write_v2("/pods/pod1/main", "200000 100000", "max");
    tree.write_v2("/pods/pod1", "50000 100000", "536870912");
    tree.write_v2("/pods", "300000 100000", "1073741824");
    tree.check((Some(500), Some(512)));
}

#[test]
fn cgroup_v1_has_a_hierarchy_for_each_controller() {
    let mounts = ["cpu", "cpuacct", "memory"].map(|kind| {
        format!("32 31 0:29 /docker/12ab /sys/fs/cgroup/{kind} rw - cgroup cgroup rw,{kind}\n")
    });
    let tree = MachineFiles::new(
        "4:memory:/docker/12ab\n2:cpuacct:/docker/12ab\n1:cpu:/docker/12ab\n0::/\n",
        &mounts.each_ref().map(String::as_str),
    );
    let v1 = |quota: &str, limit: &str| {
        tree.write("sys/fs/cgroup/cpu/cpu.cfs_quota_us", quota);
        tree.write("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
        tree.write("sys/fs/cgroup/memory/memory.limit_in_bytes", limit);
    };
    v1("50000\n", "268435456\n");
    tree.check((Some(500), Some(256)));
    v1("-1\n", "9223372036854771712\n");
    tree.check((None, None));

    v1("50000\n", "268435456\n");
    tree.write("sys/fs/cgroup/cpuacct/cpuacct.usage", "5");
    tree.write("sys/fs/cgroup/cpuacct/cpuacct.usage_user", "3");
    tree.write("sys/fs/cgroup/cpuacct/cpuacct.usage_sys", "2");
    tree.write("sys/fs/cgroup/memory/memory.usage_in_bytes", "104857600\n");
    tree.write("sys/fs/cgroup/memory/memory.stat", "cache 5\ntotal_inactive_file 4857600\n");
    let mut limits = tree.limits();
    assert_eq!(limits.memory_use(), Some((100_000_000, 256 * MIB)));
    let begin = Instant::now();
    assert!(limits.cpu_use(begin).is_some_and(|percents| percents[0].is_nan()));
    tree.write("sys/fs/cgroup/cpuacct/cpuacct.usage", "250000005");
    let percents = limits.cpu_use(begin + Duration::from_secs(1)).unwrap();
    assert_eq!(percents.map(|percent| percent.round() as u32), [50, 0, 0]);
}

#[test]
fn using_the_whole_limit_is_100_percent() {
    let tree = MachineFiles::new("0::/\n", &[V2_MOUNT]);
    tree.write_v2("", "150000 100000\n", "536870912\n");
    let mut limits = tree.limits();
    assert_eq!(limits.memory_use(), Some((200 * MIB, 512 * MIB)));
    let mut at = Instant::now();
    limits.cpu_use(at);
    for (used, expected) in [
        ([1_500_000, 900_000, 600_000], [100, 60, 40]),
        ([1_650_000, 1_050_000, 600_000], [10, 10, 0]),
        ([9_650_000, 1_050_000, 600_000], [100, 0, 0]),
    ] {
        tree.write_v2_usage("", used);
        at += Duration::from_secs(1);
        let percents = limits.cpu_use(at).unwrap();
        assert_eq!(percents.map(|percent| percent.round() as u32), expected);
    }
    tree.write_v2_usage("", [5, 5, 5]);
    at += Duration::from_secs(1);
    assert!(limits.cpu_use(at).unwrap()[0].is_nan(), "a counter that goes back is a gap");
}

#[test]
fn changed_limits_are_noticed_by_the_next_refresh() {
    let tree = MachineFiles::new("0::/\n", &[V2_MOUNT]);
    tree.write_v2("", "max 100000\n", "max\n");
    let mut limits = tree.limits();
    tree.write_v2("", "50000 100000\n", "1048576\n");
    limits.refresh(Instant::now() + RESCAN_INTERVAL);
    assert_eq!((limits.cpu_limit(), limits.memory_limit()), (Some(CpuLimit(500)), Some(MIB)));
}

#[test]
fn malformed_files_mean_no_limits() {
    for list in ["", "::", "x", "0::", "0::/a/../../..", "1:cpu:/\n", "0::/nowhere/at/all"] {
        for mounts in ["", "- - -\n", V2_MOUNT, "1 2 3 /docker /sys/fs/cgroup rw - cgroup2 x rw\n"]
        {
            MachineFiles::new(list, &[mounts]).check((None, None));
        }
    }
    assert_eq!(cgroup_path("4:cpu,cpuacct:/a:b\n0::/c", "cpuacct"), Some("/a:b"));
}

/// Machine with four cores, of which process 1 may use some.
fn machine_with_cpuset(cgroup: &str, mount: &str) -> MachineFiles {
    let tree = MachineFiles::new(cgroup, &[mount]);
    let times = "5 0 5 90 0 0 0 0 0 0";
    let cores: Vec<_> = (0..4).map(|core| format!("cpu{core} {times}\n")).collect();
    tree.write("proc/stat", &format!("cpu {times}\n{}intr 5\n", cores.concat()));
    tree
}

#[track_caller]
fn check_cores(tree: &MachineFiles, expected: Option<(u32, &[u32])>) {
    let limits = tree.limits();
    let found = limits.cpu_limit().map(|limit| limit.0).zip(limits.cores());
    assert_eq!(found, expected);
}

#[test]
fn a_cpuset_is_a_limit() {
    let v2 = machine_with_cpuset("0::/\n", V2_MOUNT);
    let cgroup = "sys/fs/cgroup";
    v2.write(&format!("{cgroup}/cpuset.cpus.effective"), "1,3\n");
    check_cores(&v2, None);
    v2.write(&format!("{cgroup}/cpuset.cpus"), "1,3\n");
    check_cores(&v2, Some((2000, &[1, 3])));
    for no_limit in ["0-3\n", "", "\n", "0-7\n", "x\n", "8-9\n"] {
        v2.write(&format!("{cgroup}/cpuset.cpus.effective"), no_limit);
        check_cores(&v2, None);
    }

    let mount = "32 31 0:29 /docker/12ab /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n";
    let v1 = machine_with_cpuset("3:cpuset:/docker/12ab\n0::/\n", mount);
    v1.write(&format!("{cgroup}/cpuset/cpuset.cpus"), "0\n");
    check_cores(&v1, Some((1000, &[0])));
    v1.write(&format!("{cgroup}/cpuset/cpuset.effective_cpus"), "2-3\n");
    check_cores(&v1, Some((2000, &[2, 3])));
}

#[test]
fn the_lower_of_quota_and_cpuset_is_the_limit() {
    let tree = machine_with_cpuset("0::/\n", V2_MOUNT);
    tree.write("sys/fs/cgroup/cpuset.cpus", "0\n");
    tree.write("sys/fs/cgroup/cpuset.cpus.effective", "0\n");
    tree.write_v2("", "150000 100000\n", "max\n");
    check_cores(&tree, Some((1000, &[0])));
    tree.write_v2("", "50000 100000\n", "max\n");
    check_cores(&tree, None);
    tree.check((Some(500), None));
}

#[test]
fn the_affinity_of_process_1_is_a_limit_in_a_container_only() {
    let tree = machine_with_cpuset("0::/\n", "");
    tree.write("proc/1/status", "Cpus_allowed_list:\t2\n");
    check_cores(&tree, None);
    let link = tree.0.root().path("proc/self/ns/pid");
    std::fs::create_dir_all(link.parent().unwrap()).unwrap();
    std::os::unix::fs::symlink("pid:[4026531836]", &link).unwrap();
    check_cores(&tree, None);
    std::fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink("pid:[4026532178]", &link).unwrap();
    check_cores(&tree, Some((1000, &[2])));
}

#[test]
fn the_cores_of_a_container_may_be_numbered_from_0() {
    let tree = machine_with_cpuset("0::/\n", V2_MOUNT);
    tree.write("sys/fs/cgroup/cpuset.cpus", "2-5\n");
    tree.write("sys/fs/cgroup/cpuset.cpus.effective", "2-5\n");
    check_cores(&tree, None);
}
