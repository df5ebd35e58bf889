//! One sample a tick. The only code of the agent that reads its clock.

use std::convert::Infallible;

use loadline_protocol::{Column, Note, Time};
use tokio::time::{Instant, sleep, sleep_until};

use crate::beat::{Beat, Rhythm};
use crate::clock::{Clock, Step};
use crate::ring::Ring;
use crate::source::Source;
use crate::vitals::Vitals;

/// Fills the ring, tick by tick.
pub(crate) struct Sampler {
    source: Box<dyn Source>,
    columns: Vec<Column>,
    clock: Clock,
    beat: Beat,
    ring: Ring,
    vitals: Vitals,
    /// When the newest sample was taken.
    sampled: Instant,
    /// The values of the newest sample, kept for their memory.
    values: Vec<f64>,
}

impl Sampler {
    /// Waits until the source has a true sample, and begins the ring with it.
    pub(crate) async fn start(
        mut source: Box<dyn Source>,
        mut clock: Clock,
        rhythm: Rhythm,
        mut ring: Ring,
    ) -> Sampler {
        sleep(source.min_interval()).await;
        let columns = source.columns();
        let mut values = Vec::with_capacity(columns.len());
        // Ticks are counted from the first sample on.
        let beat = Beat::new(rhythm, ring.interval());
        let time = clock.now();
        sample(source.as_mut(), &columns, &mut values);
        let sampled = Instant::now();
        ring.begin(time, &values);
        let mut vitals = Vitals::new(columns.len());
        vitals.sampled(&columns, &values);
        Sampler { source, columns, clock, beat, ring, vitals, sampled, values }
    }

    /// Where the samples are.
    pub(crate) fn ring(&self) -> &Ring {
        &self.ring
    }

    /// What happened since the beginning.
    #[cfg(feature = "metrics")]
    pub(crate) fn totals(&self) -> std::sync::Arc<crate::vitals::Totals> {
        self.vitals.totals()
    }

    /// Samples until it is dropped.
    pub(crate) async fn run(&mut self) -> Infallible {
        loop {
            let tick = self.beat.tick().await;
            self.vitals.heard(tick);
            self.rest().await;
            self.take();
        }
    }

    /// Waits until the shortest interval of the source has passed since the newest sample. A tick that
    /// is heard late is closer to the next tick than an interval; the sample of the next tick then waits
    /// for the rest. Ticks stay where they are, and no sample is lost.
    async fn rest(&mut self) {
        let due = self.sampled + self.source.min_interval();
        if Instant::now() < due {
            sleep_until(due).await;
        }
    }

    fn take(&mut self) {
        let (time, step) = self.clock.look();
        sample(self.source.as_mut(), &self.columns, &mut self.values);
        self.sampled = Instant::now();
        self.vitals.sampled(&self.columns, &self.values);
        if let Some(health) = self.vitals.due(self.ring.clients()) {
            self.ring.tell(&Note::Health(health));
        }
        match step {
            Step::Steady | Step::Forward => self.ring.push(time, &self.values),
            Step::Back => self.restart(time),
        }
    }

    /// Times that come a second time belong to another run.
    fn restart(&mut self, time: Time) {
        tracing::warn!(%time, "the clock was set back: a new run begins");
        self.ring.restart(time, &self.values);
    }
}

/// One sample: a value for each column, with the decimals of its unit, NaN where it is not known.
fn sample(source: &mut dyn Source, columns: &[Column], values: &mut Vec<f64>) {
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

    /// A source that notes when it is sampled, and says that it needs 200 ms between two samples.
    struct Noting {
        begin: Instant,
        times: Arc<Mutex<Vec<Duration>>>,
    }

    impl Source for Noting {
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
    async fn a_late_tick_loses_no_sample_and_brings_no_two_closer_than_the_source_allows() {
        let (begin, times) = (Instant::now(), Arc::default());
        let source = Noting { begin, times: Arc::clone(&times) };
        let schema = Schema::new(Stamp::TimeSeq, source.columns()).unwrap();
        let clock = Clock::new(move || begin.elapsed().as_millis() as i64);
        let ring = Ring::new(&schema, ms(250), ms(10_000));
        let mut sampler = Sampler::start(Box::new(source), clock, Rhythm::Runtime, ring).await;
        // The first tick, due at 450 ms, is heard 60 ms late; the second 249 ms, due at 700 ms.
        tokio::time::sleep(ms(310)).await;
        let _ = timeout(ms(1), sampler.run()).await;
        tokio::time::sleep_until(begin + ms(949)).await;
        let _ = timeout(ms(951), sampler.run()).await;
        let expected = [200, 510, 949, 1149, 1349, 1549, 1749].map(ms);
        assert_eq!(*times.lock().unwrap(), expected);
    }
}
