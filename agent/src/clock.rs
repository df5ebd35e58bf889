//! Clock for the timestamps of samples.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use loadline_protocol::{Time, duration_ms};
use tokio::time::Instant;

/// Wall clock without small corrections: anchored once, then driven by the monotonic clock.
///
/// Corrections by time synchronisation within [`Clock::TOLERANCE`] have no effect. A larger
/// deviation means that the wall clock jumped, or that the machine slept: the clock is anchored
/// again.
pub struct Clock {
    wall_ms: Box<dyn FnMut() -> i64 + Send>,
    anchor_ms: i64,
    anchored_at: Instant,
}

/// Jump of the wall clock since the previous call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClockStep {
    /// No jump.
    Steady,
    /// Jump forward, for example after a suspension: timestamps have a gap.
    Forward,
    /// Jump back: timestamps are about to repeat.
    Back,
}

impl Clock {
    /// Largest deviation of the wall clock that is not a jump: 1 s, for time synchronisation.
    pub const TOLERANCE: Duration = Duration::from_secs(1);

    /// Returns the clock of this machine.
    pub fn system() -> Clock {
        Clock::new(|| {
            let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            duration_ms(since_epoch)
        })
    }

    /// Returns a clock that is anchored to `wall_ms`, in milliseconds since the Unix epoch.
    pub fn new(mut wall_ms: impl FnMut() -> i64 + Send + 'static) -> Clock {
        let anchor_ms = wall_ms();
        Clock { wall_ms: Box::new(wall_ms), anchor_ms, anchored_at: Instant::now() }
    }

    /// Returns the current time.
    pub fn now(&mut self) -> Time {
        self.now_with_step().0
    }

    /// Returns the current time, and whether the wall clock jumped forward since the previous call.
    pub fn now_with_jump(&mut self) -> (Time, bool) {
        let (now, step) = self.now_with_step();
        (now, step == ClockStep::Forward)
    }

    /// Returns the current time, and the jump of the wall clock since the previous call.
    pub(crate) fn now_with_step(&mut self) -> (Time, ClockStep) {
        let now = Instant::now();
        let elapsed_ms = now.duration_since(self.anchored_at).as_millis() as i64;
        let anchored_ms = self.anchor_ms.saturating_add(elapsed_ms);
        let wall_ms = (self.wall_ms)();
        let ahead_ms = wall_ms.saturating_sub(anchored_ms);
        if u128::from(ahead_ms.unsigned_abs()) <= Clock::TOLERANCE.as_millis() {
            return (Time::from_millis(anchored_ms), ClockStep::Steady);
        }
        (self.anchor_ms, self.anchored_at) = (wall_ms, now);
        let step = if ahead_ms > 0 { ClockStep::Forward } else { ClockStep::Back };
        (Time::from_millis(wall_ms), step)
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clock").field("anchor_ms", &self.anchor_ms).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};

    use super::*;

    /// Checks time and step 10 s after the start, when the wall clock has advanced by `wall_ms`.
    async fn check(wall_ms: i64, expected: (i64, ClockStep)) {
        let wall = Arc::new(AtomicI64::new(1_000_000));
        let mut clock = Clock::new({
            let wall = wall.clone();
            move || wall.load(Ordering::Relaxed)
        });
        tokio::time::advance(Duration::from_secs(10)).await;
        wall.fetch_add(wall_ms, Ordering::Relaxed);
        let (time, step) = clock.now_with_step();
        assert_eq!((time.as_millis() - 1_000_000, step), expected, "wall clock: {wall_ms} ms on");
        assert_eq!(clock.now_with_step(), (time, ClockStep::Steady), "a jump is reported once");
    }

    #[tokio::test(start_paused = true)]
    async fn small_corrections_of_the_wall_clock_leave_no_trace() {
        for wall_ms in [10_000, 9_000, 11_000, 9_999, 10_500] {
            check(wall_ms, (10_000, ClockStep::Steady)).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_suspension_the_clock_follows_the_wall_clock() {
        check(11_001, (11_001, ClockStep::Forward)).await;
        check(3_600_000, (3_600_000, ClockStep::Forward)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_was_set_back_is_reported() {
        check(8_999, (8_999, ClockStep::Back)).await;
        check(-900_000, (-900_000, ClockStep::Back)).await;
    }

    #[test]
    fn the_clock_of_this_machine_shows_a_sane_time_without_a_runtime() {
        let time = Clock::system().now();
        assert!(time > "1700000000".parse().unwrap() && time < Time::MAX, "{time}");
    }
}
