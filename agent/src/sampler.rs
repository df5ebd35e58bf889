//! Sampler: takes one sample per tick. Only this module reads the agent's clock.

use std::convert::Infallible;

use loadline_protocol::{Column, Note, Time};
use tokio::time::{Instant, sleep, sleep_until};

use crate::clock::{Clock, ClockStep};
use crate::ring::Ring;
use crate::source::MetricSource;
use crate::ticker::{TickClock, Ticker};
use crate::vitals::Vitals;

/// Task that fills the ring, tick by tick.
pub(crate) struct Sampler {
    source: Box<dyn MetricSource>,
    columns: Vec<Column>,
    clock: Clock,
    ticker: Ticker,
    ring: Ring,
    vitals: Vitals,
    sampled_at: Instant,
    /// Values of the newest sample. The buffer is reused.
    values: Vec<f64>,
}

impl Sampler {
    /// Waits until the source has a valid sample, and begins the ring with it.
    pub(crate) async fn start(
        mut source: Box<dyn MetricSource>,
        mut clock: Clock,
        tick_clock: TickClock,
        mut ring: Ring,
    ) -> Sampler {
        sleep(source.min_interval()).await;
        let columns = source.columns();
        let mut values = Vec::with_capacity(columns.len());
        // The first sample starts the tick schedule.
        let ticker = Ticker::new(tick_clock, ring.interval());
        let time = clock.now();
        sample(source.as_mut(), &columns, &mut values);
        let sampled_at = Instant::now();
        ring.begin(time, &values);
        let mut vitals = Vitals::new(columns.len());
        vitals.record_sample(&columns, &values);
        Sampler { source, columns, clock, ticker, ring, vitals, sampled_at, values }
    }

    pub(crate) fn ring(&self) -> &Ring {
        &self.ring
    }

    /// Returns the counters since the start of the agent.
    #[cfg(feature = "metrics")]
    pub(crate) fn totals(&self) -> std::sync::Arc<crate::vitals::Totals> {
        self.vitals.totals()
    }

    /// Samples until the future is dropped.
    pub(crate) async fn run(&mut self) -> Infallible {
        loop {
            let tick = self.ticker.tick().await;
            self.vitals.record_tick(tick);
            self.wait_min_interval().await;
            self.take_sample();
        }
    }

    /// Waits until the minimum interval of the source has passed since the newest sample. After a
    /// late tick, the next tick comes sooner than one interval. Its sample then waits for the
    /// remaining time. The tick schedule does not move, and no sample is lost.
    async fn wait_min_interval(&mut self) {
        let earliest = self.sampled_at + self.source.min_interval();
        if Instant::now() < earliest {
            sleep_until(earliest).await;
        }
    }

    fn take_sample(&mut self) {
        let (time, step) = self.clock.now_with_step();
        sample(self.source.as_mut(), &self.columns, &mut self.values);
        self.sampled_at = Instant::now();
        self.vitals.record_sample(&self.columns, &self.values);
        if let Some(health) = self.vitals.poll_health(self.ring.clients()) {
            self.ring.publish_note(&Note::Health(health));
        }
        match step {
            ClockStep::Steady | ClockStep::Forward => self.ring.push(time, &self.values),
            ClockStep::Back => self.restart(time),
        }
    }

    /// Begins a new run. Within a run, timestamps must not repeat.
    fn restart(&mut self, time: Time) {
        tracing::warn!(%time, "the clock was set back: a new run begins");
        self.ring.restart(time, &self.values);
    }
}

/// Takes one sample: a value for each column, rounded to the decimals of its unit, NaN if unknown.
fn sample(source: &mut dyn MetricSource, columns: &[Column], values: &mut Vec<f64>) {
    values.clear();
    source.sample(values);
    values.resize(columns.len(), f64::NAN);
    for (value, column) in values.iter_mut().zip(columns) {
        *value = if value.is_finite() { column.round(*value) } else { f64::NAN };
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use loadline_protocol::{Schema, Stamp};
    use tokio::time::timeout;

    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// Source that records when it is sampled. Its minimum interval is 200 ms.
    struct RecordingSource {
        begin: Instant,
        times: Arc<Mutex<Vec<Duration>>>,
    }

    impl MetricSource for RecordingSource {
        fn columns(&self) -> Vec<Column> {
            vec![Column::new("cpu", "%")]
        }

        fn sample(&mut self, values: &mut Vec<f64>) {
            self.times.lock().unwrap().push(self.begin.elapsed());
            values.push(1.0);
        }

        fn min_interval(&self) -> Duration {
            ms(200)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_late_tick_loses_no_sample_and_keeps_the_minimum_interval() {
        let (begin, times) = (Instant::now(), Arc::default());
        let source = RecordingSource { begin, times: Arc::clone(&times) };
        let schema = Schema::new(Stamp::TimeSeq, source.columns()).unwrap();
        let clock = Clock::new(move || begin.elapsed().as_millis() as i64);
        let ring = Ring::new(&schema, ms(250), ms(10_000));
        let mut sampler = Sampler::start(Box::new(source), clock, TickClock::Runtime, ring).await;
        // The first tick, due at 450 ms, is handled 60 ms late; the second, due at 700 ms, 249 ms
        // late.
        tokio::time::sleep(ms(310)).await;
        let _ = timeout(ms(1), sampler.run()).await;
        tokio::time::sleep_until(begin + ms(949)).await;
        let _ = timeout(ms(951), sampler.run()).await;
        let expected = [200, 510, 949, 1149, 1349, 1549, 1749].map(ms);
        assert_eq!(*times.lock().unwrap(), expected);
    }
}
