//! Begin and end of a rule, by time: a level has to hold before it counts.

use std::ops::Range;
use std::time::Duration;

use loadline_protocol::Time;

use super::recent::MEAN_SPAN;

/// Strength of what the conditions of a rule say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Signal {
    /// Below the level at which a problem ends.
    Absent,
    /// Between the levels: nothing begins, and nothing ends.
    Between,
    /// A problem if it lasts.
    Lasting,
    /// A problem.
    Clear,
}

/// Duration of a weaker signal that begins a problem: 2 minutes. A short build that uses all cores is none.
const LASTING_FOR: Duration = Duration::from_mins(2);

/// Duration of an absent signal that ends a problem: 5 s, longer than a single deviating sample is
/// part of a mean.
const ABSENT_FOR: Duration = Duration::from_secs(5);

/// Time in which a signal holds, apart from short lapses.
#[derive(Debug, Clone, Copy, Default)]
struct Run {
    since: Option<Time>,
    lapsed: Option<Time>,
}

impl Run {
    /// Adds the time that a sample covers. A lapse of `lapse_max` ends the run. Returns its length.
    fn update(&mut self, holds: bool, covered: &Range<Time>, lapse_max: Duration) -> Duration {
        if holds {
            self.since.get_or_insert(covered.start);
            self.lapsed = None;
        } else if covered.end - *self.lapsed.get_or_insert(covered.start) >= lapse_max {
            *self = Run::default();
        }
        self.since.map_or(Duration::ZERO, |since| covered.end - since)
    }
}

/// State of a rule.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Spell {
    clear: Run,
    lasting: Run,
    /// The problem itself.
    holding: Run,
    /// Begin of the problem, or of the last one.
    begun: Option<Time>,
}

impl Spell {
    /// Adds the signal of a sample, which covers a span of time. A clear signal begins a problem if it
    /// holds for `clear_for`.
    pub(super) fn update(&mut self, signal: Signal, clear_for: Duration, covered: &Range<Time>) {
        if self.holding.since.is_some() {
            self.holding.update(signal > Signal::Absent, covered, ABSENT_FOR);
            return;
        }
        let is_clear = signal == Signal::Clear;
        let clear = self.clear.update(is_clear, covered, Duration::ZERO);
        let lasting = self.lasting.update(signal >= Signal::Lasting, covered, ABSENT_FOR);
        if is_clear && clear >= clear_for || signal >= Signal::Lasting && lasting >= LASTING_FOR {
            // A mean reaches a level later than most of its values.
            let lag = (MEAN_SPAN / 2).saturating_sub(covered.end - covered.start);
            let begun = self.lasting.since.map(|since| since - lag);
            let holding = Run { since: begun, lapsed: None };
            *self = Spell { holding, begun, ..Spell::default() };
        }
    }

    /// Returns the begin of the problem, if there is one.
    pub(super) fn since(&self) -> Option<Time> {
        self.holding.since
    }

    /// Returns the begin of the problem, or of the last one.
    pub(super) fn begun(&self) -> Option<Time> {
        self.begun
    }
}
