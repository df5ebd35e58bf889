//! How fast clients come in.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// How many come in at once after a pause: as many as the system holds for an agent that is busy.
const BURST: u32 = 1024;

/// The time between two of them in a flood: a thousand a second leave room for rows.
const MIN_INTERVAL: Duration = Duration::from_millis(1);

/// Lets clients in one by one. Those that have to wait do so in the system, which holds so many and
/// turns others away.
#[derive(Debug)]
pub(super) struct RateLimiter {
    /// When the next one may come in, were there no burst.
    next: Instant,
    /// It was told that clients wait, and they still do.
    is_limiting: bool,
}

impl RateLimiter {
    pub(super) fn new() -> RateLimiter {
        RateLimiter { next: Instant::now(), is_limiting: false }
    }

    /// Waits until one more may come in. True if they begin to wait with this one.
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
    async fn a_burst_passes_at_once_and_a_flood_is_limited_to_one_per_millisecond() {
        let mut limiter = RateLimiter::new();
        let start = Instant::now();
        for _ in 0..=BURST {
            assert!(!limiter.acquire().await);
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
        assert!(limiter.acquire().await, "told when it begins");
        for _ in 1..5000 {
            assert!(!limiter.acquire().await, "and not again");
        }
        assert_eq!(start.elapsed(), Duration::from_secs(5));
        tokio::time::advance(MIN_INTERVAL * BURST * 2).await;
        let start = Instant::now();
        for _ in 0..=BURST {
            assert!(!limiter.acquire().await);
        }
        assert_eq!(start.elapsed(), Duration::ZERO, "after a pause there is room again");
        assert!(limiter.acquire().await, "this is another flood");
    }
}
