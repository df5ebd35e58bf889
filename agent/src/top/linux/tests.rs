//! Looks at fixtures, and at real processes of this machine.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use super::*;
use crate::kernel::tests::TestRoot;
use crate::source::{Machine, MetricSource as _};

/// Start of processes that the first look has seen, and of later ones, in ticks since boot.
const EARLY: u64 = 1;
const LATE: u64 = u64::MAX;

/// CPU use of a second, of which 80 % are busy.
const SECOND: CpuUse = CpuUse { busy: 0.8, capacity: 1.0 };

/// Returns the text of `/proc/PID/stat`. Times are of its own and of its children.
fn stat(name: &str, parent: u32, [own, children]: [u64; 2], start: u64, pages: u64) -> String {
    format!(
        "1 ({name}) S {parent} 1 1 0 -1 4 0 0 0 0 {own} 0 {children} 0 20 0 1 0 {start} 9 {pages} 9\n"
    )
}

struct Fixture {
    files: TestRoot,
    processes: LinuxProcesses,
}

impl Fixture {
    fn new() -> Fixture {
        let files = TestRoot::with(&[("proc/1/stat", &stat("init", 0, [10, 0], EARLY, 5))]);
        let processes = LinuxProcesses::new(&files.root(), 5);
        Fixture { files, processes }
    }

    fn write(&self, pid: u32, file: &str, text: &str) {
        self.files.write(&format!("proc/{pid}/{file}"), text);
    }

    fn look(&mut self) -> Option<Look> {
        self.processes.look(SECOND)
    }

    /// Looks, and returns pid, name and CPU of the listed processes.
    fn listed(&mut self) -> String {
        let look = self.look().unwrap();
        let word = |it: &Process| format!("{} {} {:?}", it.pid, it.name, it.cpu.unwrap());
        look.processes.iter().map(word).collect::<Vec<_>>().join(", ")
    }
}

#[test]
fn the_first_look_is_only_for_comparison() {
    let mut fixture = Fixture::new();
    assert_eq!(fixture.look(), None);
    fixture.write(1, "stat", &stat("init", 0, [35, 0], EARLY, 5));
    let look = fixture.look().unwrap();
    assert_eq!(
        (look.top.processes, look.top.cpu, look.top.other),
        (Some(1), Some(80.0), Some(55.0))
    );
    let init = &look.processes[0];
    assert_eq!((init.pid, init.name.as_str(), init.cpu), (1, "init", Some(25.0)));
    assert_eq!(init.mem, 5 * page_size() as u64);
    let owner =
        UserNames::default().name(rustix::process::geteuid().as_raw(), tokio::time::Instant::now());
    assert_eq!(init.user, Some(owner));
    assert_eq!((&init.unit, init.io), (&None, None));
}

#[test]
fn unit_and_io_of_a_listed_process_are_read() {
    let mut fixture = Fixture::new();
    fixture.write(1, "cgroup", "0::/system.slice/nginx.service\n");
    fixture.write(1, "io", "rchar: 9\nread_bytes: 4096\nwrite_bytes: 4096\n");
    fixture.look();
    let look = fixture.look().unwrap();
    assert_eq!(look.processes[0].unit.as_ref().unwrap().as_str(), "nginx.service");
    assert_eq!(look.processes[0].io, None, "nothing to compare with");
    fixture.write(1, "io", "rchar: 9\nread_bytes: 104096\nwrite_bytes: 4096\n");
    assert!(fixture.look().unwrap().processes[0].io.unwrap() > 100.0);
    fixture.write(1, "io", "rchar: 9\n");
    assert_eq!(fixture.look().unwrap().processes[0].io, None);
}

#[test]
fn all_bytes_of_a_new_process_are_new() {
    let mut fixture = Fixture::new();
    fixture.look();
    fixture.write(7, "stat", &stat("dd", 1, [10, 0], LATE, 5));
    fixture.write(7, "io", "read_bytes: 100000\nwrite_bytes: 0\n");
    let look = fixture.look().unwrap();
    assert_eq!((look.processes[0].pid, look.processes[0].cpu), (7, Some(10.0)));
    assert!(look.processes[0].io.unwrap() > 0.0);
}

#[test]
fn io_is_not_known_if_a_child_that_was_seen_has_ended() {
    let mut fixture = Fixture::new();
    fixture.write(7, "stat", &stat("dd", 1, [100, 0], EARLY, 5));
    fixture.write(1, "io", "read_bytes: 0\nwrite_bytes: 0\n");
    fixture.look();
    fixture.look();
    fixture.files.remove_folder("proc/7");
    fixture.write(1, "stat", &stat("init", 0, [10, 120], EARLY, 5));
    fixture.write(1, "io", "read_bytes: 99999999999\nwrite_bytes: 0\n");
    let look = fixture.look().unwrap();
    assert_eq!((look.processes[0].cpu, look.processes[0].io), (Some(20.0), None));
}

#[test]
fn odd_processes_are_harmless() {
    let mut fixture = Fixture::new();
    fixture.files.make_folder("proc/2");
    fixture.write(3, "stat", "3 (cut) S 1 1");
    fixture.write(4, "stat", &stat("a) S 9 (b\n", 1, [0, 0], EARLY, 40));
    fixture.write(5, "stat", &stat("", 1, [0, 0], EARLY, 30));
    // Kernel threads and zombies have no memory.
    fixture.write(6, "stat", &stat("kworker/u16:3-events_unbound", 2, [5, 0], EARLY, 0));
    fixture.files.write("proc/self/stat", "no number");
    fixture.write(8, "stat", "");
    let text = [b"8 (\xff\x1b", &stat("", 1, [0, 0], EARLY, 20).as_bytes()[3..]].concat();
    fs::write(fixture.files.root().path("proc/8/stat"), text).unwrap();
    fixture.look();
    fixture.write(6, "stat", &stat("kworker/u16:3-events_unbound", 2, [8, 0], EARLY, 0));
    assert_eq!(
        fixture.listed(),
        "6 kworker/u16:3-events_unbound 3.0, 4 a) S 9 (b\u{fffd} 0.0, 5 ? 0.0, \
         8 \u{fffd}\u{fffd} 0.0, 1 init 0.0"
    );
    assert_eq!(fixture.look().unwrap().top.processes, Some(7));
}

#[test]
fn a_process_with_the_number_of_another_one_is_new() {
    let mut fixture = Fixture::new();
    fixture.write(7, "stat", &stat("old", 1, [900, 0], EARLY, 5));
    fixture.look();
    fixture.write(7, "stat", &stat("new", 1, [20, 0], LATE, 50));
    assert_eq!(fixture.listed(), "7 new 20.0, 1 init 0.0");
}

#[test]
fn the_number_of_processes_is_not_known_if_some_are_hidden() {
    let mut fixture = Fixture::new();
    fixture.write(7, "stat", &stat("own", 1, [1, 0], EARLY, 5));
    fixture.look();
    fixture.files.remove_folder("proc/1");
    let look = fixture.look().unwrap();
    assert_eq!((look.top.processes, look.processes.len()), (None, 1));
    fixture.files.remove_folder("proc/7");
    assert_eq!(fixture.look(), None);
}

#[test]
fn without_the_cpu_use_only_memory_is_known() {
    let mut fixture = Fixture::new();
    fixture.look();
    let unknown = CpuUse { busy: f64::NAN, capacity: 1.0 };
    let look = fixture.processes.look(unknown).unwrap();
    assert_eq!((look.top.cpu, look.top.other, look.processes[0].cpu), (None, None, None));
    // After a look that failed, the next one covers both times.
    fixture.files.remove_folder("proc/1");
    assert_eq!(fixture.look(), None);
    fixture.write(1, "stat", &stat("init", 0, [110, 0], EARLY, 5));
    assert_eq!(fixture.listed(), "1 init 50.0");
}

/// Process that a test ends.
struct Running(Child);

impl Running {
    fn start(program: &str, arguments: &[&str]) -> Running {
        let command = &mut Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped());
        Running(command.spawn().unwrap())
    }

    /// Returns the CPU time in ticks, with that of ended children, as the kernel counts it.
    fn ticks(&self) -> u64 {
        let stat = fs::read(format!("/{}/{}/stat", "proc", self.0.id())).unwrap();
        let stat = crate::kernel::process_stat::parse(&stat).unwrap();
        stat.own + stat.children
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = (self.0.kill(), self.0.wait());
    }
}

/// Time between looks at this machine. Times of processes are known to 10 ms.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);

/// Ticks by which times of a process may differ: user and system time, each rounded at both looks.
const TICKS_MAX: f64 = 4.0;

#[test]
fn who_used_this_machine_is_listed_with_what_the_kernel_counts() {
    let hog = Running::start("sh", &["-c", "while :; do :; done"]);
    // Each child takes about 20 ms.
    let child = "i=0; while [ $i -lt 5000 ]; do i=$((i+1)); done";
    let shell = Running::start("sh", &["-c", &format!("while :; do ({child}); done")]);
    // Waits for a reader of its 256 MiB.
    let memory = Running::start("dd", &["if=/dev/zero", "bs=256M", "count=1"]);
    let mut machine = Machine::default();
    let mut processes = LinuxProcesses::new(&Root::of_this_machine(), 50);
    let mut earlier = [hog.ticks(), shell.ticks()];
    processes.look(machine.take_cpu_use());
    let mut latest = [hog.ticks(), shell.ticks()];
    for _ in 0..3 {
        sleep(LOOK_INTERVAL);
        machine.sample(&mut Vec::new());
        let cpu = machine.take_cpu_use();
        let before = [hog.ticks(), shell.ticks()];
        let look = processes.look(cpu).unwrap();
        let after = [hog.ticks(), shell.ticks()];
        let shares = [&hog, &shell].map(|it| find(&look, it).cpu.unwrap());
        let used = shares.map(|share| share / 100.0 * cpu.capacity * ticks_per_second());
        let least = [0, 1].map(|at| before[at].saturating_sub(latest[at]) as f64);
        let most = [0, 1].map(|at| (after[at] - earlier[at]) as f64);
        // A child that was running at the previous look had used a part of its time.
        assert!(used[0] >= least[0] - TICKS_MAX && used[1] >= 0.8 * least[1], "{used:?} {least:?}");
        assert!(
            used[0] <= most[0] + TICKS_MAX && used[1] <= most[1] + TICKS_MAX,
            "{used:?} {most:?}"
        );
        let listed: f64 = look.processes.iter().filter_map(|process| process.cpu).sum();
        let [cpu, other] = [look.top.cpu, look.top.other].map(Option::unwrap);
        assert!((listed + other - cpu).abs() <= 3.0, "{listed} + {other} = {cpu}: {look}");
        (earlier, latest) = (before, after);
    }
    let look = processes.look(machine.take_cpu_use()).unwrap();
    let memory = find(&look, &memory);
    assert!(memory.mem >= 256 << 20 && memory.name.as_str() == "dd", "{look}");
}

fn find<'l>(look: &'l Look, process: &Running) -> &'l Process {
    let found = look.processes.iter().find(|it| it.pid == process.0.id());
    found.unwrap_or_else(|| panic!("{} is missing: {look}", process.0.id()))
}
