//! Looks at the processes of a source, by time.

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use loadline_protocol::{Look, Time};

/// Looks at the processes of a source.
///
/// **Invariant:** times strictly increase; the looks span at most `keep`.
#[derive(Debug, Clone)]
pub struct Looks {
    looks: VecDeque<Arc<Look>>,
    keep: Duration,
}

impl Looks {
    /// Returns no looks, of which those of the last `keep` will be kept.
    pub fn new(keep: Duration) -> Looks {
        Looks { looks: VecDeque::new(), keep }
    }

    /// Adds a look at its time. Drops looks that are older than `keep`, and replaces one of the same time.
    pub fn push(&mut self, look: Arc<Look>) {
        let at = self.looks.partition_point(|earlier| earlier.top.time < look.top.time);
        match self.looks.get_mut(at) {
            Some(same) if same.top.time == look.top.time => *same = look,
            _ => self.looks.insert(at, look),
        }
        let Some(newest) = self.newest() else { return };
        let oldest = newest.top.time - self.keep;
        while self.looks.front().is_some_and(|look| look.top.time < oldest) {
            self.looks.pop_front();
        }
    }

    /// Returns the newest look.
    pub fn newest(&self) -> Option<&Look> {
        self.looks.back().map(|look| &**look)
    }

    /// Returns the look that covers `time`: the first one at or after it whose time since the look before
    /// reaches back to it.
    pub fn at(&self, time: Time) -> Option<&Look> {
        let at = self.looks.partition_point(|look| look.top.time < time);
        self.looks.get(at).map(|look| &**look).filter(|look| covers(look, time))
    }

    /// Returns the looks in a span of time, the oldest first.
    pub fn between(&self, span: RangeInclusive<Time>) -> impl Iterator<Item = &Look> + Clone {
        let from = self.looks.partition_point(|look| look.top.time < *span.start());
        let until = self.looks.partition_point(|look| look.top.time <= *span.end());
        self.looks.range(from..until.max(from)).map(|look| &**look)
    }
}

/// Returns whether the time since the look before a look includes `time`.
pub(crate) fn covers(look: &Look, time: Time) -> bool {
    let over =
        look.top.over.and_then(|over| Duration::try_from_secs_f64(over).ok()).unwrap_or_default();
    look.top.time - over <= time
}

#[cfg(test)]
mod tests {
    use loadline_protocol::Top;

    use super::*;

    fn s(seconds: i64) -> Time {
        Time::from_millis(seconds * 1000)
    }

    fn looks(times: &[i64]) -> Looks {
        let mut looks = Looks::new(Duration::from_mins(1));
        for time in times {
            let top = Top { time: s(*time), over: Some(5.0), ..Top::default() };
            looks.push(Arc::new(Look { top, processes: Vec::new() }));
        }
        looks
    }

    fn times<'a>(looks: impl IntoIterator<Item = &'a Look>) -> Vec<i64> {
        looks.into_iter().map(|look| look.top.time.as_millis() / 1000).collect()
    }

    #[test]
    fn a_look_covers_the_time_since_the_look_before() {
        let looks = looks(&[105, 110, 130]);
        assert_eq!(times(looks.at(s(104))), [105]);
        assert_eq!(times(looks.at(s(110))), [110]);
        assert_eq!(times(looks.at(s(112))), [0; 0]);
        assert_eq!(times(looks.at(s(131))), [0; 0]);
        assert_eq!(times(looks.newest()), [130]);
    }

    #[test]
    fn looks_are_in_the_order_of_their_times_and_old_ones_are_dropped() {
        let looks = looks(&[110, 100, 105, 110, 162]);
        assert_eq!(times(looks.between(s(0)..=s(200))), [105, 110, 162]);
        assert_eq!(times(looks.between(s(106)..=s(110))), [110]);
    }
}
