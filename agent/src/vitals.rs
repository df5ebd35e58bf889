//! Health of the agent process: late samples, missing values, CPU time and memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use loadline_protocol::{Column, Health};
#[cfg(target_os = "linux")]
use rustix::time::{ClockId, clock_gettime};
use tokio::time::Instant;

use crate::kernel::own_process;
use crate::kernel::root::Root;
use crate::ticker::Tick;

/// Interval between health reports: one minute.
pub(crate) const HEALTH_INTERVAL: Duration = Duration::from_mins(1);

/// Delay beyond which a sample counts as late: 100 ms.
const LATE_MIN: Duration = Duration::from_millis(100);

/// Counters since the start of the agent, readable at any time.
#[derive(Debug)]
pub(crate) struct Totals {
    started_at: Instant,
    /// Time from `started_at` to the newest sample, ms.
    newest_ms: AtomicU64,
    pub(crate) samples: AtomicU64,
    /// Samples that were late or missed.
    pub(crate) late: AtomicU64,
}

impl Totals {
    fn new() -> Totals {
        let (newest_ms, samples, late) = Default::default();
        Totals { started_at: Instant::now(), newest_ms, samples, late }
    }

    fn record_sample(&self) {
        self.newest_ms.store(self.started_at.elapsed().as_millis() as u64, Relaxed);
        self.samples.fetch_add(1, Relaxed);
    }

    /// Returns the age of the newest sample.
    #[cfg(feature = "metrics")]
    pub(crate) fn since_newest(&self) -> Duration {
        let newest = Duration::from_millis(self.newest_ms.load(Relaxed));
        self.started_at.elapsed().saturating_sub(newest)
    }
}

/// Counters since the last health report.
pub(crate) struct Vitals {
    totals: Arc<Totals>,
    since: Instant,
    cpu: Option<Duration>,
    late: u64,
    missing: u64,
    statuses: Vec<ColumnStatus>,
}

/// History of values of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ColumnStatus {
    /// No value yet: the system has none.
    NeverKnown,
    /// Values in all samples since the first known value.
    Present,
    /// At least one missing value after a known one.
    Lost,
}

impl Vitals {
    pub(crate) fn new(columns: usize) -> Vitals {
        Vitals {
            totals: Arc::new(Totals::new()),
            since: Instant::now(),
            cpu: cpu_time(),
            late: 0,
            missing: 0,
            statuses: vec![ColumnStatus::NeverKnown; columns],
        }
    }

    /// Returns the counters since the start of the agent.
    #[cfg(feature = "metrics")]
    pub(crate) fn totals(&self) -> Arc<Totals> {
        self.totals.clone()
    }

    /// Counts late and missed ticks.
    pub(crate) fn record_tick(&mut self, tick: Tick) {
        let late = tick.missed.saturating_add(u64::from(tick.late > LATE_MIN));
        self.late = self.late.saturating_add(late);
        self.totals.late.fetch_add(late, Relaxed);
        if late > 0 {
            tracing::debug!(missed = tick.missed, late = ?tick.late, "a sample is late");
        }
    }

    /// Counts missing values. Logs once for each column that loses its value.
    pub(crate) fn record_sample(&mut self, columns: &[Column], values: &[f64]) {
        self.totals.record_sample();
        for ((status, value), column) in self.statuses.iter_mut().zip(values).zip(columns) {
            match (*status, value.is_nan()) {
                (ColumnStatus::NeverKnown, false) => *status = ColumnStatus::Present,
                (ColumnStatus::Present, true) => {
                    *status = ColumnStatus::Lost;
                    self.missing = self.missing.saturating_add(1);
                    tracing::warn!(column = column.name(), "no longer available, reported as NaN");
                }
                (ColumnStatus::Lost, true) => self.missing = self.missing.saturating_add(1),
                (ColumnStatus::NeverKnown, true)
                | (ColumnStatus::Present | ColumnStatus::Lost, false) => {}
            }
        }
    }

    /// Returns the health report if one is due, and resets its counters.
    pub(crate) fn poll_health(&mut self, clients: u64) -> Option<Health> {
        let passed = self.since.elapsed();
        if passed < HEALTH_INTERVAL {
            return None;
        }
        self.since += passed;
        let cpu = cpu_time();
        let used = cpu.zip(self.cpu).map(|(cpu, before)| cpu.saturating_sub(before));
        self.cpu = cpu;
        let (late, missing) = (std::mem::take(&mut self.late), std::mem::take(&mut self.missing));
        let mut health = Health::default();
        (health.late, health.clients) = (Some(late), Some(clients));
        health.missing = (missing > 0).then_some(missing);
        if let Some(used) = used {
            health = health.with_cpu_percent(100.0 * used.as_secs_f64() / passed.as_secs_f64());
        }
        if let Some(bytes) = own_process::resident_bytes(&Root::of_this_machine()) {
            health = health.with_resident_bytes(bytes);
        }
        Some(health)
    }
}

/// Returns the CPU time of all threads of this process. Linux only.
pub(crate) fn cpu_time() -> Option<Duration> {
    cfg_select! {
        target_os = "linux" => clock_gettime(ClockId::ProcessCPUTime).try_into().ok(),
        _ => None,
    }
}

/// Returns the CPU time of this thread. Linux only.
pub(crate) fn thread_cpu_time() -> Option<Duration> {
    cfg_select! {
        target_os = "linux" => clock_gettime(ClockId::ThreadCPUTime).try_into().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    fn columns() -> Vec<Column> {
        ["cpu", "freq"].map(|name| Column::new(name, "")).to_vec()
    }

    #[tokio::test(start_paused = true)]
    async fn health_is_reported_once_a_minute_and_then_reset() {
        let mut vitals = Vitals::new(2);
        let ms = Duration::from_millis;
        for (missed, late) in [(0, 3), (0, 100), (0, 101), (4, 50), (2, 500)] {
            vitals.record_tick(Tick { missed, late: ms(late) });
        }
        tokio::time::advance(ms(59_999)).await;
        assert_eq!(vitals.poll_health(3), None);
        tokio::time::advance(ms(1)).await;
        let health = vitals.poll_health(3).unwrap();
        assert_eq!((health.late, health.clients, health.missing), (Some(8), Some(3), None));
        assert_eq!(vitals.poll_health(3), None);
        tokio::time::advance(ms(60_000)).await;
        assert_eq!(vitals.poll_health(2).unwrap().late, Some(0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_missing_value_is_counted_after_the_first_known_one() {
        let mut vitals = Vitals::new(2);
        let nan = f64::NAN;
        for values in [[1.0, nan], [nan, nan], [nan, nan], [2.0, nan], [nan, 1.0]] {
            vitals.record_sample(&columns(), &values);
        }
        tokio::time::advance(HEALTH_INTERVAL).await;
        assert_eq!(vitals.poll_health(0).unwrap().missing, Some(3));
    }

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_column_that_loses_its_value_is_logged_once() {
        let log = Log::default();
        let writer = log.clone();
        let subscriber =
            tracing_subscriber::fmt().with_writer(move || writer.clone()).with_ansi(false).finish();
        tracing::subscriber::with_default(subscriber, || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let _inside = runtime.enter();
            let mut vitals = Vitals::new(2);
            let nan = f64::NAN;
            for values in [[1.0, nan], [nan, nan], [nan, nan], [2.0, nan], [nan, 1.0], [nan, nan]] {
                vitals.record_sample(&columns(), &values);
            }
        });
        let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        let warnings: Vec<_> =
            log.lines().map(|line| line.split(" WARN ").nth(1).unwrap()).collect();
        assert_eq!(warnings.len(), 2, "{log}");
        for (line, column) in warnings.into_iter().zip(["cpu", "freq"]) {
            assert!(line.contains("no longer available, reported as NaN"), "{line}");
            assert!(line.contains(&format!("column=\"{column}\"")), "{line}");
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn cpu_time_and_resident_memory_are_known_on_linux() {
        let before = cpu_time().unwrap();
        let mut sum = 0_u64;
        while cpu_time().unwrap() < before + Duration::from_millis(5) {
            sum = std::hint::black_box(sum + 1);
        }
        let bytes = own_process::resident_bytes(&Root::of_this_machine()).unwrap();
        assert!((1 << 20..1 << 30).contains(&bytes), "{bytes}");
    }
}
