//! Sampler: takes one sample per tick. Only this module reads the agent's clock.

use std::convert::Infallible;
use std::time::Duration;

use loadline_protocol::{Column, Note, Time};
use tokio::time::{Instant, sleep, sleep_until};

use crate::clock::{Clock, ClockStep};
use crate::ring::Ring;
use crate::source::MetricSource;
use crate::ticker::Ticker;
use crate::vitals::Vitals;

/// Task that fills the ring, tick by tick.
pub(crate) struct Sampler {
    source: Box<dyn MetricSource>,
    columns: Vec<Column>,
    clock: Clock,
    ticker: Ticker,
    pub(crate) ring: Ring,
    pub(crate) vitals: Vitals,
    sampled_at: Instant,
    newest_time: Time,
    /// Values of the newest sample. The buffer is reused.
    values: Vec<f64>,
}

impl Sampler {
    /// Waits until the source has a valid sample, and begins the ring with it.
    pub(crate) async fn start(
        source: Box<dyn MetricSource>,
        clock: Clock,
        new_ticker: fn(Duration) -> Ticker,
        ring: Ring,
    ) -> Sampler {
        sleep(source.min_interval()).await;
        let columns = source.columns();
        let mut sampler = Sampler {
            // The first sample starts the tick schedule.
            ticker: new_ticker(ring.interval),
            vitals: Vitals::new(columns.len()),
            values: Vec::with_capacity(columns.len()),
            sampled_at: Instant::now(),
            newest_time: Time::default(),
            source,
            columns,
            clock,
            ring,
        };
        let (time, _) = sampler.read();
        sampler.ring.begin(time, &sampler.values);
        sampler
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
        let look = self.source.look(self.newest_time);
        let (time, step) = self.read();
        if let Some(health) = self.vitals.poll_health(self.ring.handle.clients()) {
            self.ring.publish_note(&Note::Health(health));
        }
        if step == ClockStep::Back {
            // Within a run, timestamps must not repeat.
            tracing::warn!(%time, "the clock was set back: a new run begins");
            // The look is of the run that has ended.
            self.ring.restart(time, &self.values);
            return;
        }
        if let Some(look) = look {
            self.ring.add_look(&look);
        }
        self.ring.push(time, &self.values);
    }

    /// Reads the clock, and a value for each column: rounded to the decimals of its unit, NaN if
    /// unknown.
    fn read(&mut self) -> (Time, ClockStep) {
        let clock = self.clock.now_with_step();
        self.values.clear();
        self.source.sample(&mut self.values);
        self.values.resize(self.columns.len(), f64::NAN);
        for (value, column) in self.values.iter_mut().zip(&self.columns) {
            *value = if value.is_finite() { column.round(*value) } else { f64::NAN };
        }
        self.sampled_at = Instant::now();
        self.newest_time = clock.0;
        self.vitals.record_sample(&self.columns, &self.values);
        clock
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

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
        let mut sampler = Sampler::start(Box::new(source), clock, Ticker::runtime, ring).await;
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
