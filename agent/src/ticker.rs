//! When it is time for a sample.

use std::time::Duration;

use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

/// Which clock the beat follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TickClock {
    /// That of the system, at the price of one wake-up a tick where the system can do it.
    System,
    /// That of the runtime, which tests may halt and turn forward; two or three wake-ups a tick.
    Runtime,
}

/// Timers and clocks may disagree by so much about whether it is time.
const EARLY_MAX: Duration = Duration::from_millis(1);

/// A tick that was heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tick {
    /// The ticks before it that nobody heard: the machine or the program stood still.
    pub(crate) missed: u64,
    /// How long after its time it was heard.
    pub(crate) late: Duration,
}

/// Ticks at a fixed distance, counted from its making: work and late wake-ups move none of them. One
/// that is missed, as in a suspended machine, is missed.
pub(crate) struct Ticker {
    kind: TickerKind,
    interval: Duration,
    /// When the last tick was due.
    last: Instant,
}

enum TickerKind {
    #[cfg(target_os = "linux")]
    Timer(timer::Timer),
    Interval(Interval),
}

impl TickerKind {
    fn new(tick_clock: TickClock, interval: Duration) -> TickerKind {
        #[cfg(target_os = "linux")]
        if tick_clock == TickClock::System {
            match timer::Timer::new(interval) {
                Ok(timer) => return TickerKind::Timer(timer),
                // A sandbox may forbid it.
                Err(error) => tracing::debug!(%error, "no timer of the system"),
            }
        }
        #[cfg(not(target_os = "linux"))]
        let _ = tick_clock;
        let mut ticks = interval_at(Instant::now() + interval, interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        TickerKind::Interval(ticks)
    }

    async fn tick(&mut self) {
        match self {
            #[cfg(target_os = "linux")]
            TickerKind::Timer(timer) => timer.tick().await,
            TickerKind::Interval(ticks) => {
                ticks.tick().await;
            }
        }
    }
}

impl Ticker {
    /// Ticks every `interval`, for the first time one from now.
    ///
    /// # Panics
    /// Outside a runtime, and if `interval` is zero.
    pub(crate) fn new(tick_clock: TickClock, interval: Duration) -> Ticker {
        Ticker { last: Instant::now(), interval, kind: TickerKind::new(tick_clock, interval) }
    }

    /// Waits for the next tick. To be dropped while it waits is harmless.
    pub(crate) async fn tick(&mut self) -> Tick {
        self.kind.tick().await;
        let since = self.last.elapsed();
        let ticks = (since + EARLY_MAX).as_nanos() / self.interval.as_nanos();
        let ticks = u32::try_from(ticks).unwrap_or(u32::MAX).max(1);
        let passed = self.interval.saturating_mul(ticks);
        self.last += passed;
        Tick { missed: u64::from(ticks) - 1, late: since.saturating_sub(passed) }
    }
}

#[cfg(target_os = "linux")]
mod timer {
    use std::future;
    use std::io;
    use std::os::fd::OwnedFd;
    use std::time::Duration;

    use rustix::io::Errno;
    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    };
    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;

    /// A timer of the kernel, which rings through a file.
    pub(super) struct Timer(AsyncFd<OwnedFd>);

    impl Timer {
        pub(super) fn new(interval: Duration) -> io::Result<Timer> {
            let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
            let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
            let interval = Timespec {
                tv_sec: i64::try_from(interval.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: interval.subsec_nanos().into(),
            };
            let every = Itimerspec { it_interval: interval, it_value: interval };
            timerfd_settime(&timer, TimerfdTimerFlags::empty(), &every)?;
            #[expect(deprecated, reason = "what takes its place is unsafe; this file is owned")]
            let timer = AsyncFd::with_interest(timer, Interest::READABLE)?;
            Ok(Timer(timer))
        }

        pub(super) async fn tick(&mut self) {
            loop {
                let Ok(mut ready) = self.0.readable().await else {
                    // Only a runtime that is shutting down has no events any more.
                    return future::pending().await;
                };
                // How many ticks there were since the last reading: all but the last are missed.
                let mut ticks = [0; 8];
                match rustix::io::read(self.0.get_ref(), &mut ticks) {
                    Ok(_) => {
                        // It is not ready until it rings again, so that nobody need try.
                        ready.clear_ready();
                        return;
                    }
                    Err(Errno::AGAIN) => ready.clear_ready(),
                    Err(Errno::INTR) => {}
                    Err(error) => panic!("a timer that can be made can be read: {error}"),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each of the first `count` ticks, and when it is heard by somebody who is busy for the first
    /// while.
    async fn collect_ticks(
        tick_clock: TickClock,
        interval: Duration,
        count: usize,
    ) -> Vec<(Duration, Tick)> {
        let begin = Instant::now();
        let mut ticker = Ticker::new(tick_clock, interval);
        tokio::time::sleep(interval * 7 / 2).await;
        let mut heard = Vec::new();
        for _ in 0..count {
            let tick = ticker.tick().await;
            heard.push((begin.elapsed(), tick));
        }
        heard
    }

    #[tokio::test(start_paused = true)]
    async fn missed_ticks_are_skipped_and_later_ticks_stay_on_schedule() {
        let ms = Duration::from_millis;
        let tick = |missed, late| Tick { missed, late: ms(late) };
        let heard = collect_ticks(TickClock::Runtime, ms(1000), 3).await;
        let expected = [(ms(3500), tick(2, 500)), (ms(4000), tick(0, 0)), (ms(5000), tick(0, 0))];
        assert_eq!(heard, expected);
    }

    #[tokio::test]
    async fn the_system_skips_missed_ticks_as_well_and_does_not_drift() {
        let interval = Duration::from_millis(10);
        let heard = collect_ticks(TickClock::System, interval, 9).await;
        // However late each is heard: between one and the next but one lies an interval.
        for ticks in heard.windows(3) {
            assert!(ticks[2].0 > ticks[0].0 + interval, "{heard:?}");
        }
        assert!(heard[8].0 >= interval * 11, "{heard:?}");
        assert!(heard[0].1.missed >= 2, "{heard:?}");
        // What was missed and what was heard, together with how late, is the time that passed.
        let ticks = heard.iter().map(|(_, tick)| tick.missed + 1).sum::<u64>() as u32;
        let (at, last) = heard[8];
        let passed = interval * ticks + last.late;
        assert!(at.abs_diff(passed) < interval, "{heard:?}");
    }
}
