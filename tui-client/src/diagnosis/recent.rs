//! Values of the last seconds, by which the rules decide.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Duration;

use loadline_protocol::{Column, CpuLimit, Time};

use crate::store::StoredSample;
use crate::watched::Watched;

/// Span of a mean: 4 s. A single sample at 1 s is a quarter of it.
pub(super) const MEAN_SPAN: Duration = Duration::from_secs(4);

/// Time over which the growth of a value counts: 10 s.
const GROWTH_SPAN: Duration = Duration::from_secs(10);

/// Longest interval of samples that are combined: 10 s. Of samples further apart, each one decides by itself.
const COMBINED_MAX: Duration = Duration::from_secs(10);

/// Tolerated difference of the times of samples: 100 ms.
const JITTER: Duration = Duration::from_millis(100);

/// Maximum number of readings that are kept: 16 s at the shortest interval, and a bound for any other source.
const READINGS_MAX: usize = 64;

/// Columns by which the rules decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RuleColumn {
    Cpu,
    Iowait,
    Steal,
    Mem,
    MemAvailable,
    SwapUsed,
    PsiCpu,
    PsiMem,
    PsiIo,
    Load,
    DiskRead,
    DiskWrite,
    DiskUsed,
}

/// Name and unit of each [`RuleColumn`], in its order.
const COLUMNS: [(&str, &str); 13] = [
    ("cpu", "%"),
    ("iowait", "%"),
    ("steal", "%"),
    ("mem", "%"),
    ("mem_available", "B"),
    ("swap_used", "B"),
    ("psi_cpu", "%"),
    ("psi_mem", "%"),
    ("psi_io", "%"),
    ("load1", ""),
    ("disk_read", "B/s"),
    ("disk_write", "B/s"),
    ("disk_used", "%"),
];

/// Prefix of the columns of the file systems: `disk_used_/srv`.
pub(super) const FILE_SYSTEM_PREFIX: &str = "disk_used_";

/// Places of the columns in a sample.
#[derive(Debug, Clone, Default)]
pub(super) struct RuleColumns {
    places: [Option<usize>; COLUMNS.len()],
    file_systems: Vec<usize>,
}

impl RuleColumns {
    pub(super) fn of(columns: &[Column]) -> RuleColumns {
        let is = |column: &Column, name, unit| column.name() == name && column.unit() == unit;
        let place = |(name, unit)| columns.iter().position(|column| is(column, name, unit));
        let is_file_system =
            |column: &Column| column.name().starts_with(FILE_SYSTEM_PREFIX) && column.unit() == "%";
        let file_systems = columns.iter().enumerate().filter(|(_, column)| is_file_system(column));
        RuleColumns {
            places: COLUMNS.map(place),
            file_systems: file_systems.map(|(at, _)| at).collect(),
        }
    }

    /// Returns whether there is any column for a rule.
    pub(super) fn are_any(&self) -> bool {
        !self.file_systems.is_empty() || self.places.iter().any(Option::is_some)
    }

    pub(super) fn read(&self, sample: StoredSample<'_>) -> Reading {
        let mut values = self.places.map(|place| place.map_or(f64::NAN, |at| sample.value(at)));
        let used = &mut values[RuleColumn::DiskUsed as usize];
        *used = self.file_systems.iter().map(|at| sample.value(*at)).fold(*used, f64::max);
        Reading { time: sample.time(), covers: Duration::ZERO, values }
    }
}

/// Values of a sample.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    pub(super) time: Time,
    /// Time since the previous sample.
    covers: Duration,
    values: [f64; COLUMNS.len()],
}

impl Reading {
    fn value(&self, metric: RuleColumn) -> f64 {
        self.values[metric as usize]
    }
}

/// Facts about the machine and its samples.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct MachineFacts {
    pub(super) cores: Option<f64>,
    /// Size of the memory, or its limit, in bytes.
    pub(super) memory: Option<f64>,
    pub(super) cpu_limit: Option<CpuLimit>,
    /// True if pressure is the mean since the previous sample, and not an average of the kernel.
    is_scraped: bool,
    pub(super) interval: Option<Duration>,
}

impl MachineFacts {
    pub(super) fn of(watched: &Watched) -> MachineFacts {
        let machine = watched.machine();
        MachineFacts {
            cores: machine.cores,
            memory: machine.memory,
            cpu_limit: watched.header().and_then(|header| header.cpu_limit),
            is_scraped: watched.is_scraped(),
            interval: watched.interval(),
        }
    }
}

/// Readings of the last seconds without a gap.
///
/// **Invariant:** times strictly increase; at most [`READINGS_MAX`].
#[derive(Debug, Clone, Default)]
pub(super) struct Recent(VecDeque<Reading>);

impl Recent {
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Adds a reading. The first one covers the interval if samples are too far apart to be combined.
    pub(super) fn add(&mut self, reading: Reading, interval: Option<Duration>) {
        let first = interval.filter(|interval| *interval > COMBINED_MAX).unwrap_or_default();
        let covers = self.0.back().map_or(first, |last| reading.time - last.time);
        self.0.push_back(Reading { covers, ..reading });
        // One reading from before the longest span stays.
        let is_old = |it: &Reading| reading.time - it.time >= GROWTH_SPAN;
        while self.0.len() > READINGS_MAX || self.0.get(1).is_some_and(is_old) {
            self.0.pop_front();
        }
    }

    /// Returns the time that the newest reading covers.
    pub(super) fn newest_span(&self) -> Option<Range<Time>> {
        self.0.back().map(|newest| newest.time - newest.covers..newest.time)
    }

    /// Returns the newest value.
    pub(super) fn newest(&self, metric: RuleColumn) -> f64 {
        self.0.back().map_or(f64::NAN, |newest| newest.value(metric))
    }

    /// Returns the mean of the last [`MEAN_SPAN`], NaN if the readings do not reach back so far.
    pub(super) fn mean(&self, metric: RuleColumn) -> f64 {
        let Some(newest) = self.0.back() else { return f64::NAN };
        let (mut sum, mut known, mut left) = (0.0, 0.0, MEAN_SPAN);
        for reading in self.0.iter().rev() {
            let weight = reading.covers.min(left).as_secs_f64();
            left = left.saturating_sub(reading.covers);
            let value = reading.value(metric);
            if !value.is_nan() {
                sum += value * weight;
                known += weight;
            }
            if left.is_zero() {
                break;
            }
        }
        // The previous readings belong to the mean even if their times are not exact.
        let is_whole = left <= newest.covers / 2;
        if is_whole { sum / known } else { f64::NAN }
    }

    /// Returns the mean of the last `span`, from an average of the kernel. The average itself lags by its time
    /// constant.
    fn undecayed(&self, metric: RuleColumn, span: Duration, average: KernelAverage) -> f64 {
        let newest = self.newest(metric);
        let Some((before, passed)) = self.earlier(span) else { return f64::NAN };
        let updates = passed.div_duration_f64(average.updated_every).round();
        let kept = (-updates * average.updated_every.div_duration_f64(average.decay)).exp();
        ((newest - before.value(metric) * kept) / (1.0 - kept)).clamp(0.0, f64::INFINITY)
    }

    /// Returns the newest reading that is at least `span` older than the newest one, and its age. If all
    /// readings are too far apart, the previous one.
    fn earlier(&self, span: Duration) -> Option<(&Reading, Duration)> {
        let newest = self.0.back()?;
        let aged = self.0.iter().rev().skip(1).map(|it| (it, newest.time - it.time));
        let found = aged.clone().find(|(_, age)| *age + JITTER >= span);
        found.or_else(|| (newest.covers > COMBINED_MAX).then_some((newest, newest.covers)))
    }

    /// Returns the share of the last seconds in which tasks waited, in %.
    pub(super) fn waiting(&self, pressure: RuleColumn, facts: &MachineFacts) -> f64 {
        if facts.is_scraped {
            return self.newest(pressure);
        }
        self.undecayed(pressure, MEAN_SPAN, PRESSURE).clamp(0.0, 100.0)
    }

    /// Returns the mean number of tasks that ran or waited in the last `span`.
    pub(super) fn tasks(&self, span: Duration) -> f64 {
        self.undecayed(RuleColumn::Load, span, LOAD)
    }

    /// Returns the available memory in bytes, NaN if it is not known.
    pub(super) fn available(&self, facts: &MachineFacts) -> f64 {
        let available = self.newest(RuleColumn::MemAvailable);
        let memory = facts.memory.unwrap_or(f64::NAN);
        let rest = memory * (100.0 - self.newest(RuleColumn::Mem)) / 100.0;
        if available.is_nan() { rest } else { available }
    }

    /// Returns the growth of a value per second. NaN if the readings do not reach back far enough.
    pub(super) fn growth(&self, metric: RuleColumn) -> f64 {
        let Some((before, passed)) = self.earlier(GROWTH_SPAN) else { return f64::NAN };
        (self.newest(metric) - before.value(metric)) / passed.as_secs_f64()
    }
}

/// Exponential average, as the kernel computes it.
#[derive(Debug, Clone, Copy)]
struct KernelAverage {
    /// Time constant.
    decay: Duration,
    updated_every: Duration,
}

/// `avg10` of `/proc/pressure/`.
const PRESSURE: KernelAverage =
    KernelAverage { decay: Duration::from_secs(10), updated_every: Duration::from_secs(2) };

/// `load1`, from the number of tasks at each update.
const LOAD: KernelAverage =
    KernelAverage { decay: Duration::from_mins(1), updated_every: Duration::from_secs(5) };
