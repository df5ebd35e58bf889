//! Ticks at which samples are taken.

use std::time::Duration;

use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

/// Tolerance for ticks that arrive early, because timers and clocks differ: 1 ms.
const EARLY_MAX: Duration = Duration::from_millis(1);

/// Delivered tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tick {
    /// Number of ticks missed before this one, because the machine or the program stood still.
    pub(crate) missed: u64,
    /// Time from the due time of the tick to its delivery.
    pub(crate) late: Duration,
}

/// Ticks at a fixed interval, counted from creation. Neither work nor late wake-ups move the
/// schedule. Missed ticks, as in a suspended machine, are skipped.
pub(crate) struct Ticker {
    kind: TickerKind,
    interval: Duration,
    /// Due time of the last tick.
    last: Instant,
}

enum TickerKind {
    #[cfg(target_os = "linux")]
    Timer(timer::Timer),
    Interval(Interval),
}

impl Ticker {
    /// Returns a ticker of a kernel timer (timerfd): one wake-up per tick. Where it is not
    /// available, the runtime's timer. The first tick is due after one `interval`.
    ///
    /// # Panics
    /// Outside a tokio runtime, or if `interval` is zero.
    pub(crate) fn system(interval: Duration) -> Ticker {
        #[cfg(target_os = "linux")]
        {
            let last = Instant::now();
            match timer::Timer::new(interval) {
                Ok(timer) => return Ticker { last, interval, kind: TickerKind::Timer(timer) },
                // A sandbox may forbid timerfd.
                Err(error) => {
                    let error = loadline_common::without_error_number(&error.to_string());
                    tracing::debug!(%error, "cannot create a kernel timer, using the runtime's");
                }
            }
        }
        Ticker::runtime(interval)
    }

    /// Returns a ticker of the tokio runtime's timer, which tests may pause: two or three wake-ups
    /// per tick. Otherwise as [`Ticker::system`].
    pub(crate) fn runtime(interval: Duration) -> Ticker {
        let last = Instant::now();
        let mut ticks = interval_at(last + interval, interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        Ticker { last, interval, kind: TickerKind::Interval(ticks) }
    }

    /// Waits for the next tick. Cancel safe.
    pub(crate) async fn tick(&mut self) -> Tick {
        match &mut self.kind {
            #[cfg(target_os = "linux")]
            TickerKind::Timer(timer) => timer.tick().await,
            TickerKind::Interval(ticks) => drop(ticks.tick().await),
        }
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

    use rustix::io::{Errno, retry_on_intr};
    use rustix::time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    };
    use tokio::io::Interest;
    use tokio::io::unix::AsyncFd;

    /// Kernel timer that signals ticks through a file descriptor.
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
            #[expect(deprecated, reason = "the replacement is unsafe; this file is owned")]
            let timer = AsyncFd::with_interest(timer, Interest::READABLE)?;
            Ok(Timer(timer))
        }

        pub(super) async fn tick(&mut self) {
            loop {
                let Ok(mut ready) = self.0.readable().await else {
                    // Fails only while the runtime shuts down.
                    return future::pending().await;
                };
                // Number of expirations since the last read: all but the last one are missed.
                let mut ticks = [0; 8];
                let read = retry_on_intr(|| rustix::io::read(self.0.get_ref(), &mut ticks));
                // Not readable until the next tick: avoids a failing read.
                ready.clear_ready();
                match read {
                    Ok(_) => return,
                    Err(Errno::AGAIN) => {}
                    Err(error) => panic!("cannot read a timerfd: {error}"),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the first `count` ticks with their arrival times. The receiver is busy during the
    /// first 3.5 intervals.
    async fn collect_ticks(
        new_ticker: fn(Duration) -> Ticker,
        interval: Duration,
        count: usize,
    ) -> Vec<(Duration, Tick)> {
        let begin = Instant::now();
        let mut ticker = new_ticker(interval);
        tokio::time::sleep(interval * 7 / 2).await;
        let mut received = Vec::new();
        for _ in 0..count {
            let tick = ticker.tick().await;
            received.push((begin.elapsed(), tick));
        }
        received
    }

    #[tokio::test(start_paused = true)]
    async fn missed_ticks_are_skipped_and_later_ticks_stay_on_schedule() {
        let ms = Duration::from_millis;
        let tick = |missed, late| Tick { missed, late: ms(late) };
        let received = collect_ticks(Ticker::runtime, ms(1000), 3).await;
        let expected = [(ms(3500), tick(2, 500)), (ms(4000), tick(0, 0)), (ms(5000), tick(0, 0))];
        assert_eq!(received, expected);
    }

    #[tokio::test]
    async fn the_kernel_timer_skips_missed_ticks_and_does_not_drift() {
        let interval = Duration::from_millis(10);
        let received = collect_ticks(Ticker::system, interval, 9).await;
        // Even if ticks arrive late, three consecutive ticks span more than one interval.
        for ticks in received.windows(3) {
            assert!(ticks[2].0 > ticks[0].0 + interval, "{received:?}");
        }
        assert!(received[8].0 >= interval * 11, "{received:?}");
        assert!(received[0].1.missed >= 2, "{received:?}");
        // Missed and received ticks, plus the last delay, add up to the elapsed time.
        let ticks = received.iter().map(|(_, tick)| tick.missed + 1).sum::<u64>() as u32;
        let (at, last) = received[8];
        let passed = interval * ticks + last.late;
        assert!(at.abs_diff(passed) < interval, "{received:?}");
    }
}
