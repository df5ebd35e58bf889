//! Sources of samples: the machine, or a script.
//!
//! sysinfo reads CPU use, memory, swap, load averages, uptime and temperatures on every system.
//! Our own readers replace sysinfo where its values are wrong or incomplete, or where it can block.
//! The module docs of each reader give the reason.
//!
//! To add a column, see CONTRIBUTING.md.

mod collector;
pub(crate) mod cpu_use;
mod devices;
mod disk;
mod filesystems;
mod frequency;
mod group_set;
mod limits;
mod modes;
mod net;
mod processes;
mod rates;
mod rescan;
mod snapshot;
mod system;
mod temperature;

use std::time::Duration;

use loadline_protocol::{Column, CpuLimit, LINE_MAX, Look, PLAIN_COLUMNS, SafeText, Time};
use sysinfo::{MINIMUM_CPU_UPDATE_INTERVAL, System};
use tokio::time::Instant;

use self::collector::Collector;
use self::cpu_use::CpuUse;
pub(crate) use self::group_set::Group;
pub use self::group_set::{GroupError, GroupSet};
use self::limits::ContainerLimits;
use self::snapshot::SystemSnapshot;
use self::system::Reserve;
use crate::kernel::root::Root;

/// Shortest time between two samples of the machine. At least 200 ms, because systems count CPU time
/// in hundredths of a second.
const MIN_INTERVAL: Duration = Duration::from_millis(200);

// sysinfo skips a CPU refresh that comes sooner, and the sample would repeat the previous one.
const _: () = assert!(MINIMUM_CPU_UPDATE_INTERVAL.as_millis() <= MIN_INTERVAL.as_millis());

/// Bytes for the columns in a columns note. Its other words need fewer than 100.
const COLUMNS_BYTES_MAX: usize = LINE_MAX - 100;

/// Source of samples: provides one value for each of its columns on request.
pub trait MetricSource: Send {
    /// Returns the column definitions. Constant for the lifetime of the source; names are unique.
    fn columns(&self) -> Vec<Column>;

    /// Appends one value for each column, NaN if unknown. Never panics.
    ///
    /// Values are valid if [`min_interval`](MetricSource::min_interval) has passed since the last
    /// call.
    fn sample(&mut self, values: &mut Vec<f64>);

    /// Returns the highest number of processes by CPU, and by memory, in a look; 0 without looks.
    /// Constant for the lifetime of the source.
    fn top(&self) -> u16 {
        0
    }

    /// Returns a look that was taken since the sample before, which has this time. It stands in front of the
    /// next sample.
    fn look(&mut self, _time: Time) -> Option<Look> {
        None
    }

    /// Returns the shortest time between two samples, and between creation and the first sample.
    fn min_interval(&self) -> Duration {
        Duration::ZERO
    }
}

/// Machine that this program runs on.
pub struct Machine {
    snapshot: SystemSnapshot,
    reserve: Reserve,
    /// In column order. The first one is that of the plain stream.
    collectors: Vec<MachineCollector>,
}

/// Collector, and the group to warn of if it is not available. `None` for the plain stream, which
/// is always collected, and after the warning.
type MachineCollector = (Collector, Option<Group>);

impl Machine {
    /// Returns the machine with the six columns of the plain stream, then the columns of `collect`.
    /// Rates start from this call. Groups that are not available are logged once.
    pub fn with_groups(collect: &GroupSet) -> Machine {
        Machine::at_root(&Root::of_this_machine(), collect)
    }

    /// Returns the machine whose kernel files are below `root`. sysinfo still reads this machine.
    pub(crate) fn at_root(root: &Root, collect: &GroupSet) -> Machine {
        let has_cores = collect.groups().contains(&Group::Cores);
        let cores = if has_cores { system::cores_with_column(root) } else { Vec::new() };
        let mut collectors: Vec<MachineCollector> = vec![(Collector::plain(root), None)];
        for group in collect.groups() {
            let columns = collectors.iter().flat_map(|(collector, _)| &collector.columns);
            let bytes_left =
                COLUMNS_BYTES_MAX.saturating_sub(columns.map(devices::text_bytes).sum());
            let collector = Collector::of_group(*group, root, &cores, bytes_left);
            collectors.extend(collector.map(|collector| (collector, Some(*group))));
        }
        let (snapshot, reserve) = (SystemSnapshot::new(root, cores), Reserve::new(root));
        let mut machine = Machine { snapshot, reserve, collectors };
        // The first sample is the baseline for the rates of the next one.
        machine.sample(&mut Vec::new());
        machine.take_cpu_use();
        machine
    }

    /// Returns the CPU use since the previous call.
    pub(crate) fn take_cpu_use(&mut self) -> CpuUse {
        std::mem::take(&mut self.snapshot.cpu_use)
    }

    /// Returns the time of the newest sample.
    pub(crate) fn sampled_at(&self) -> Instant {
        self.snapshot.at
    }
}

/// Returns the machine with the default groups. Rates start from this call.
impl Default for Machine {
    fn default() -> Machine {
        Machine::with_groups(&GroupSet::default())
    }
}

impl MetricSource for Machine {
    fn columns(&self) -> Vec<Column> {
        self.collectors.iter().flat_map(|(collector, _)| collector.columns.clone()).collect()
    }

    fn sample(&mut self, values: &mut Vec<f64>) {
        let can_open = self.reserve.release();
        self.snapshot.advance(can_open);
        for (collector, group) in &mut self.collectors {
            let is_known = (collector.read)(&self.snapshot, values);
            if let Some(group) = group.take_if(|_| !is_known) {
                tracing::warn!(
                    group = group.name(),
                    "not available on this machine, reported as NaN; --collect can leave it out"
                );
            }
        }
        self.reserve.renew();
    }

    fn min_interval(&self) -> Duration {
        MIN_INTERVAL
    }
}

/// Source whose values come from a closure, for tests and for custom metrics.
pub struct ScriptedSource<F> {
    columns: Vec<Column>,
    samples_taken: u64,
    values: F,
    top: u16,
    looks: Option<LookScript>,
}

/// Returns the look after a sample, if there is one, from its number and its time.
type LookScript = Box<dyn FnMut(u64, Time) -> Option<Look> + Send>;

impl<F: FnMut(u64, &mut Vec<f64>) + Send> ScriptedSource<F> {
    /// Returns a source of `columns`. The closure gets the number of the sample, from 1, and
    /// appends the values.
    pub fn new(columns: Vec<Column>, values: F) -> ScriptedSource<F> {
        ScriptedSource { columns, samples_taken: 0, values, top: 0, looks: None }
    }

    /// Adds looks of at most `top` processes by CPU, and by memory. The closure gets the number and
    /// the time of the sample before.
    #[must_use]
    pub fn with_looks(
        mut self,
        top: u16,
        looks: impl FnMut(u64, Time) -> Option<Look> + Send + 'static,
    ) -> ScriptedSource<F> {
        self.top = top;
        self.looks = Some(Box::new(looks));
        self
    }

    /// Returns a source of the six columns of the plain stream.
    pub fn plain(values: F) -> ScriptedSource<F> {
        let columns = PLAIN_COLUMNS.iter().map(|(name, unit)| Column::new(name, unit));
        ScriptedSource::new(columns.collect(), values)
    }
}

impl<F: FnMut(u64, &mut Vec<f64>) + Send> MetricSource for ScriptedSource<F> {
    fn columns(&self) -> Vec<Column> {
        self.columns.clone()
    }

    fn sample(&mut self, values: &mut Vec<f64>) {
        self.samples_taken += 1;
        (self.values)(self.samples_taken, values);
    }

    fn top(&self) -> u16 {
        self.top
    }

    fn look(&mut self, time: Time) -> Option<Look> {
        self.looks.as_mut()?(self.samples_taken, time)
    }
}

/// Properties of a machine that do not change while the agent runs, for the header of a stream.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MachineFacts {
    /// Host name.
    pub host: SafeText,
    /// Name and version of the operating system, for display.
    pub os: Option<SafeText>,
    /// Number of logical cores.
    pub cores: Option<u32>,
    /// Size of the main memory in bytes; in a container with a memory limit, the limit.
    pub memory: Option<u64>,
    /// Number of cores that the container may use, if limited.
    pub cpu_limit: Option<CpuLimit>,
    /// Bytes of memory that the container may use, if limited.
    pub memory_limit: Option<u64>,
}

impl MachineFacts {
    /// Returns the facts of the machine that this program runs on.
    pub fn of_this_machine() -> MachineFacts {
        MachineFacts::at_root(&Root::of_this_machine())
    }

    /// Returns the facts of the machine whose kernel files are below `root`. sysinfo still reads
    /// this machine.
    pub(crate) fn at_root(root: &Root) -> MachineFacts {
        let host = System::host_name().ok().filter(|name| !name.is_empty());
        let cores = std::thread::available_parallelism().ok();
        let mut limits = ContainerLimits::new(root);
        limits.refresh(Instant::now());
        let memory_limit = limits.memory_limit();
        MachineFacts {
            host: SafeText::new(host.as_deref().unwrap_or("localhost")),
            os: os().as_deref().map(SafeText::new),
            cores: system::logical_cores()
                .or(cores.and_then(|cores| u32::try_from(cores.get()).ok())),
            memory: memory_limit.or_else(system::total_memory),
            cpu_limit: limits.cpu_limit(),
            memory_limit,
        }
    }
}

/// Returns the name of the operating system, such as `Debian GNU/Linux 12`.
fn os() -> Option<String> {
    let name = System::name().ok().filter(|name| !name.is_empty());
    match (name, System::os_version().ok()) {
        (Some(name), Some(version)) => Some(format!("{name} {version}")),
        (Some(name), None) => Some(name),
        (None, _) => System::long_os_version().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_begins_with_the_columns_of_the_plain_stream() {
        let columns = Machine::default().columns();
        let expected = PLAIN_COLUMNS.map(|(name, unit)| Column::new(name, unit));
        assert_eq!(columns[..expected.len()], expected);
    }

    #[test]
    fn the_plain_columns_are_there_for_any_set_of_groups() {
        let names = |collect: &GroupSet| {
            let columns = Machine::with_groups(collect).columns();
            columns.iter().map(Column::to_string).collect::<Vec<_>>().join(" ")
        };
        let plain = "cpu:% freq:MHz mem:% load1 load5 load15";
        assert_eq!(names(&GroupSet::plain()), plain);
        assert_eq!(names(&"load,freq".parse().unwrap()), plain);
        assert_eq!(
            names(&"uptime,temp,procs".parse().unwrap()),
            format!("{plain} temp:°C procs uptime:s")
        );
        assert_eq!(
            names(&GroupSet::default()),
            format!(
                "{plain} user:% system:% iowait:% steal:% mem_used:B mem_available:B mem_total:B \
                 swap:% swap_used:B net_rx:B/s net_tx:B/s disk_read:B/s disk_write:B/s disk_used:% \
                 psi_cpu:% psi_mem:% psi_io:%"
            )
        );
    }

    /// Columns that every Linux has, without special hardware or permissions.
    const KNOWN_ON_LINUX: [&str; 12] = [
        "cpu",
        "mem",
        "load1",
        "load5",
        "load15",
        "mem_used",
        "mem_available",
        "mem_total",
        "swap",
        "swap_used",
        "procs",
        "uptime",
    ];

    /// Keeps a core busy.
    fn keep_busy(time: Duration) {
        let begin = Instant::now();
        while begin.elapsed() < time {
            std::hint::spin_loop();
        }
    }

    #[test]
    fn each_value_of_the_machine_is_plausible() {
        let mut machine = Machine::with_groups(&GroupSet::all());
        keep_busy(machine.min_interval());
        let mut values = Vec::new();
        machine.sample(&mut values);
        let columns = machine.columns();
        assert_eq!(values.len(), columns.len());
        for (column, value) in columns.iter().zip(values) {
            let most = if column.unit() == "%" { 100.0 } else { 1e15 };
            let is_known = cfg!(target_os = "linux") && KNOWN_ON_LINUX.contains(&column.name());
            let is_unknown = value.is_nan() && !is_known;
            assert!(is_unknown || (0.0..=most).contains(&value), "{column} {value}");
        }
    }

    #[test]
    fn the_first_sample_is_not_an_average_since_boot() {
        let mut machine = Machine::with_groups(&GroupSet::plain());
        // An average since boot would not show a busy core.
        keep_busy(machine.min_interval());
        let mut values = Vec::new();
        machine.sample(&mut values);
        let cores = f64::from(system::logical_cores().unwrap_or(1));
        assert!(values[0] > 60.0 / cores, "{values:?} with {cores} cores");
        assert!(values[0] <= 100.0);
    }

    #[test]
    fn without_a_descriptor_values_are_unknown() {
        let mut snapshot = SystemSnapshot::new(&Root::of_this_machine(), vec![0]);
        snapshot.advance(true);
        assert!(snapshot.memory.is_some());
        snapshot.advance(false);
        assert!(snapshot.cpu.is_nan() && snapshot.cores[0].is_nan() && snapshot.memory.is_none());
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn all_machine_facts_are_known_on_linux() {
        let facts = MachineFacts::of_this_machine();
        assert!(!facts.host.as_str().is_empty());
        assert!(facts.os.is_some());
        assert!(facts.cores.is_some_and(|cores| cores > 0));
        assert!(facts.memory.is_some_and(|bytes| bytes > 1 << 20));
    }

    #[test]
    fn a_scripted_source_gets_the_number_of_the_sample() {
        let mut script = ScriptedSource::plain(|number, values| values.push(number as f64));
        let mut values = Vec::new();
        script.sample(&mut values);
        script.sample(&mut values);
        assert_eq!(values, [1.0, 2.0]);
        assert_eq!(script.min_interval(), Duration::ZERO);
    }
}
