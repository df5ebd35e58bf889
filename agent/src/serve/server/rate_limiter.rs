//! Limit on the rate of new connections.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Connections accepted at once after a pause: as many as the listen backlog holds.
const BURST: u32 = 1024;

/// Interval between connections beyond the burst: 250 µs, so that a full listen backlog is accepted
/// within a quarter of a second, and rows are still sent in time.
const MIN_INTERVAL: Duration = Duration::from_micros(250);

/// Rate limiter of an accept loop. Excess connections wait in the listen backlog, and beyond that
/// the system refuses them.
#[derive(Debug)]
pub(super) struct RateLimiter {
    /// Time of the next connection without a burst.
    next: Instant,
    /// True from the warning until no connection waits.
    is_limiting: bool,
}

impl RateLimiter {
    pub(super) fn new() -> RateLimiter {
        RateLimiter { next: Instant::now(), is_limiting: false }
    }

    /// Waits until the next connection may be accepted. True if this one is the first that has to
    /// wait.
    pub(super) async fn acquire(&mut self) -> bool {
        let now = Instant::now();
        let opens = self.next.checked_sub(MIN_INTERVAL * BURST).unwrap_or(now);
        if opens <= now {
            if self.next <= now {
                self.is_limiting = false;
            }
            self.next = self.next.max(now) + MIN_INTERVAL;
            return false;
        }
        let begins = !std::mem::replace(&mut self.is_limiting, true);
        sleep_until(opens).await;
        self.next += MIN_INTERVAL;
        begins
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_passes_at_once_and_a_flood_is_limited_to_four_per_millisecond() {
        let mut limiter = RateLimiter::new();
        let start = Instant::now();
        for _ in 0..=BURST {
            assert!(!limiter.acquire().await);
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
        assert!(limiter.acquire().await, "reported when it begins");
        for _ in 1..5000 {
            assert!(!limiter.acquire().await, "and not again");
        }
        assert_eq!(start.elapsed(), Duration::from_millis(1250));
        tokio::time::advance(MIN_INTERVAL * BURST * 2).await;
        let start = Instant::now();
        for _ in 0..=BURST {
            assert!(!limiter.acquire().await);
        }
        assert_eq!(start.elapsed(), Duration::ZERO, "after a pause there is room again");
        assert!(limiter.acquire().await, "this is another flood");
    }
}
