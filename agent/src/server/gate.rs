//! How fast clients come in.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// How many come in at once after a pause: as many as the system holds for an agent that is busy.
const BURST: u32 = 1024;

/// The time between two of them in a flood: a thousand a second leave room for rows.
const APART: Duration = Duration::from_millis(1);

/// Lets clients in one by one. Those that have to wait do so in the system, which holds so many and
/// turns others away.
#[derive(Debug)]
pub(super) struct Gate {
    /// When the next one may come in, were there no burst.
    next: Instant,
    /// It was told that clients wait, and they still do.
    floods: bool,
}

impl Gate {
    pub(super) fn new() -> Gate {
        Gate { next: Instant::now(), floods: false }
    }

    /// Waits until one more may come in. True if they begin to wait with this one.
    pub(super) async fn pass(&mut self) -> bool {
        let now = Instant::now();
        let opens = self.next.checked_sub(APART * BURST).unwrap_or(now);
        if opens <= now {
            if self.next <= now {
                self.floods = false;
            }
            self.next = self.next.max(now) + APART;
            return false;
        }
        let begins = !std::mem::replace(&mut self.floods, true);
        sleep_until(opens).await;
        self.next += APART;
        begins
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_crowd_comes_in_at_once_and_a_flood_one_a_millisecond() {
        let mut gate = Gate::new();
        let start = Instant::now();
        for _ in 0..=BURST {
            assert!(!gate.pass().await);
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
        assert!(gate.pass().await, "told when it begins");
        for _ in 1..5000 {
            assert!(!gate.pass().await, "and not again");
        }
        assert_eq!(start.elapsed(), Duration::from_secs(5));
        tokio::time::advance(APART * BURST * 2).await;
        let start = Instant::now();
        for _ in 0..=BURST {
            assert!(!gate.pass().await);
        }
        assert_eq!(start.elapsed(), Duration::ZERO, "after a pause there is room again");
        assert!(gate.pass().await, "this is another flood");
    }
}
