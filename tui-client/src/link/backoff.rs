//! Delays between attempts to connect.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};

use super::logins::Retry;

/// First delay: 250 ms. Each further failure doubles the delay.
const BACKOFF_MIN: Duration = Duration::from_millis(250);

/// Longest delay: 4 s. A network that is back is noticed within 5 s: the system repeats the packets of an
/// attempt that hangs at shorter distances.
const BACKOFF_MAX: Duration = Duration::from_secs(4);

/// Longest delay if the server was reached, and refuses: 10 s. Each attempt costs it a session.
const REFUSED_BACKOFF_MAX: Duration = Duration::from_secs(10);

/// Delays since the last success.
pub(super) struct Backoff {
    unreached: ExponentialBackoff,
    refused: ExponentialBackoff,
}

impl Default for Backoff {
    fn default() -> Backoff {
        Backoff { unreached: delays(BACKOFF_MAX), refused: delays(REFUSED_BACKOFF_MAX) }
    }
}

impl Backoff {
    /// Returns the delay after an attempt or a connection of this duration; `None` if a person has to log
    /// in.
    pub(super) fn delay(
        &mut self,
        retry: Retry,
        is_refused: bool,
        lasted: Duration,
    ) -> Option<Duration> {
        let unreached = self.unreached.next().unwrap_or(BACKOFF_MAX);
        let refused = self.refused.next().unwrap_or(REFUSED_BACKOFF_MAX);
        match retry {
            Retry::WithPerson => None,
            Retry::After(delay) => Some(delay.max(refused)),
            Retry::LongBackoff => Some(refused),
            Retry::Backoff if is_refused => Some(refused),
            // An attempt that hung was a delay by itself.
            Retry::Backoff if lasted >= BACKOFF_MAX => delays(BACKOFF_MAX).next(),
            Retry::Backoff => Some(unreached),
        }
    }
}

/// Returns growing delays of at most `max`. Jitter doubles them at most: clients that lost the same agent
/// at the same moment come back one by one.
fn delays(max: Duration) -> ExponentialBackoff {
    ExponentialBuilder::new()
        .with_min_delay(BACKOFF_MIN)
        .with_max_delay(max / 2)
        .without_max_times()
        .with_jitter()
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_doubles_up_to_its_maximum_with_jitter() {
        for max in [BACKOFF_MAX, REFUSED_BACKOFF_MAX] {
            let twelve = || delays(max).take(12).collect::<Vec<_>>();
            let (ours, theirs) = (twelve(), twelve());
            assert_ne!(ours[11], theirs[11], "the longest delays differ, too");
            let mut least = BACKOFF_MIN;
            for delay in &ours {
                assert!((least..=2 * least).contains(delay), "{ours:?}");
                least = (2 * least).min(max / 2);
            }
        }
    }

    #[test]
    fn an_attempt_that_hung_is_repeated_soon_and_a_refusal_late() {
        let mut backoff = Backoff::default();
        let mut after = |retry, is_refused, seconds| {
            backoff.delay(retry, is_refused, Duration::from_secs(seconds))
        };
        for _ in 0..8 {
            after(Retry::Backoff, false, 0);
        }
        assert!(after(Retry::Backoff, false, 10) <= Some(2 * BACKOFF_MIN));
        assert!(after(Retry::Backoff, false, 0) >= Some(BACKOFF_MAX / 2));
        assert!(after(Retry::Backoff, true, 10) >= Some(REFUSED_BACKOFF_MAX / 2));
        assert!(after(Retry::LongBackoff, false, 10) >= Some(REFUSED_BACKOFF_MAX / 2));
        assert_eq!(after(Retry::WithPerson, false, 0), None);
    }
}
