//! Times of looks: every 5 s, and less often if they cost more than 0.3 % of one core.

use std::time::Duration;

use tokio::time::Instant;

/// Time between two looks.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// Time from the start to the first look, which a new user waits for.
const FIRST_INTERVAL: Duration = Duration::from_secs(1);

/// Highest share of one core for looking, on average: 1/334 is just below 0.3 %.
const COST_DIVISOR: u32 = 334;

/// A sample that comes this much early is no reason to wait for the next one.
const EARLY_MAX: Duration = Duration::from_millis(100);

/// Time of the next look.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    next: Option<Instant>,
    /// CPU time of the first look, for which the second one waits.
    unpaid: Duration,
}

impl Schedule {
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.next.is_none_or(|next| now + EARLY_MAX >= next)
    }

    /// Plans the next look after one that began at `begun` and took `cost` of CPU time.
    pub(super) fn record(&mut self, begun: Instant, cost: Duration) {
        let cost = cost + std::mem::take(&mut self.unpaid);
        let pause = if self.next.is_none() {
            self.unpaid = cost;
            FIRST_INTERVAL
        } else {
            LOOK_INTERVAL.max(cost * COST_DIVISOR)
        };
        self.next = Some(begun + pause);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// Returns the pauses after looks of these costs.
    fn pauses(costs: &[Duration]) -> Vec<Duration> {
        let (mut schedule, mut begun) = (Schedule::default(), Instant::now());
        let mut pause = |cost: &Duration| {
            schedule.record(begun, *cost);
            let next = schedule.next.unwrap();
            assert!(schedule.is_due(next) && !schedule.is_due(next - EARLY_MAX - ms(1)));
            next - std::mem::replace(&mut begun, next)
        };
        costs.iter().map(&mut pause).collect()
    }

    #[test]
    fn looks_are_5_seconds_apart_and_the_first_comes_sooner() {
        assert!(Schedule::default().is_due(Instant::now()));
        assert_eq!(pauses(&[ms(1); 4]), [ms(1000), ms(5000), ms(5000), ms(5000)]);
    }

    #[test]
    fn looking_costs_at_most_0_3_percent_of_a_core() {
        for cost in [ms(1), ms(15), ms(16), ms(400), ms(60_000)] {
            let pauses: Duration = pauses(&[cost; 10]).iter().sum();
            let share = (10 * cost).as_secs_f64() / pauses.as_secs_f64();
            assert!(share <= 0.003, "{cost:?}: {share}");
        }
        assert_eq!(pauses(&[ms(1), ms(300), ms(1)])[2], ms(5000), "a pause follows its own look");
    }
}
