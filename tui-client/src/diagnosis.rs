//! Diagnosis: what is wrong with a machine, from its newest samples. Pure: time is that of the samples.
//!
//! ```text
//!  sample ─▶ recent.rs      values of the last seconds: means, rates, pressure without its inertia
//!              ▼
//!            rules.rs       table of conditions with their levels
//!              ▼
//!            spell.rs       begin and end of each rule, by time
//!              ▼
//!            finding.rs     the most important problem as a sentence, with its evidence.rs
//! ```

mod evidence;
mod finding;
mod recent;
mod rules;
mod spell;
#[cfg(test)]
mod tests;

use std::time::Duration;

use loadline_protocol::{Column, Time};

use crate::store::StoredSample;
use crate::watched::Watched;
pub(crate) use finding::Finding;
use finding::HeldTime;
use recent::{MEAN_SPAN, MachineFacts, Metrics, Recent};
use rules::{Problem, RULES};
use spell::Spell;

/// Minimum time between two changes of the shown problem: 10 s. A sentence that changes faster cannot be
/// read.
const CHANGE_MIN: Duration = Duration::from_secs(10);

/// Minimum time between two samples that count: 200 ms, below the shortest interval of an agent. Of a flood of
/// rows, the others cost nothing.
const SPACING_MIN: Duration = Duration::from_millis(200);

/// Time before a past time from which its problem is derived: 10 minutes, five times what the slowest rule
/// needs. A longer spell is "over 10m".
const LOOK_BACK: Duration = Duration::from_mins(10);

/// Maximum number of samples from which a past problem is derived: 10 minutes at the shortest interval.
const LOOK_BACK_SAMPLES: usize = 2400;

/// State of all rules after the newest sample of a source.
#[derive(Debug, Clone, Default)]
pub(crate) struct Diagnosis {
    metrics: Metrics,
    facts: MachineFacts,
    recent: Recent,
    spells: [Spell; RULES.len()],
    shown: Option<Problem>,
    /// Time at which `shown` changed.
    changed: Option<Time>,
    /// First sample since the last gap: whatever holds since then may have begun earlier.
    first: Option<Time>,
    /// Newest sample.
    until: Option<Time>,
}

impl Diagnosis {
    /// Returns the diagnosis at the newest sample up to `time`, from the samples shortly before it.
    pub(crate) fn at(watched: &Watched, time: Time) -> Diagnosis {
        let mut diagnosis = Diagnosis::default();
        diagnosis.set_columns(watched.columns().unwrap_or_default());
        let end = watched.store().count_until(time);
        let begin = watched.store().count_until(time - LOOK_BACK);
        diagnosis.add(watched, begin.max(end.saturating_sub(LOOK_BACK_SAMPLES)), end);
        diagnosis
    }

    /// Uses the columns of the samples to come.
    pub(crate) fn set_columns(&mut self, columns: &[Column]) {
        self.metrics = Metrics::of(columns);
    }

    /// Returns whether there is any column by which a problem is found.
    pub(crate) fn is_possible(&self) -> bool {
        self.metrics.are_any()
    }

    /// Returns whether something is wrong at the newest sample.
    pub(crate) fn has_finding(&self) -> bool {
        self.shown.is_some()
    }

    /// Returns the time of the newest sample.
    pub(crate) fn until(&self) -> Option<Time> {
        self.until
    }

    /// Adds the samples of a source that are newer than the last ones. A clock that was set back begins
    /// anew.
    pub(crate) fn follow(&mut self, watched: &Watched) {
        let store = watched.store();
        if store.newest() < self.until {
            *self =
                Diagnosis { metrics: std::mem::take(&mut self.metrics), ..Diagnosis::default() };
        }
        let begin = self.until.map_or(0, |until| store.count_until(until));
        self.add(watched, begin, store.len());
    }

    fn add(&mut self, watched: &Watched, begin: usize, end: usize) {
        if begin < end && self.metrics.are_any() {
            self.facts = MachineFacts::of(watched);
            let samples = (begin..end).filter_map(|index| watched.store().get(index));
            samples.for_each(|sample| self.add_sample(sample));
        }
    }

    fn add_sample(&mut self, sample: StoredSample<'_>) {
        let time = sample.time();
        if sample.gap_before().is_some() || self.until.is_none() {
            self.spells = Default::default();
            self.recent.clear();
            self.first = Some(time);
        }
        self.until = Some(time);
        if self.recent.newest_span().is_some_and(|last| time - last.end < SPACING_MIN) {
            return;
        }
        self.recent.add(self.metrics.read(sample), self.facts.interval);
        let Some(covered) = self.recent.newest_span() else { return };
        for (rule, spell) in RULES.iter().zip(&mut self.spells) {
            spell.update(rule.signal(&self.recent, &self.facts), rule.clear_for, &covered);
        }
        self.choose(time);
    }

    /// Chooses the problem to show. It changes at most once in [`CHANGE_MIN`].
    fn choose(&mut self, time: Time) {
        let holding = RULES.iter().zip(&self.spells).filter(|(_, spell)| spell.since().is_some());
        let worst = holding.map(|(rule, _)| rule.problem).min();
        let may_change = self.changed.is_none_or(|changed| time - changed >= CHANGE_MIN);
        if worst != self.shown && may_change {
            self.shown = worst;
            self.changed = Some(time);
        }
    }

    /// Returns what is wrong at the newest sample.
    pub(crate) fn finding(&self, watched: &Watched) -> Option<Finding> {
        let (problem, until) = (self.shown?, self.until?);
        let rules = RULES.iter().zip(&self.spells).filter(|(rule, _)| rule.problem == problem);
        let spells = rules.map(|(_, spell)| spell);
        let holding = spells.clone().filter_map(Spell::since).min();
        // A problem that has just ended may still be shown.
        let begun = holding.or_else(|| spells.filter_map(Spell::begun).max())?;
        let first = self.first?;
        // The first means are known after their span.
        let began_earlier = begun <= first + MEAN_SPAN;
        let since = if began_earlier { first } else { begun };
        let held = HeldTime { since, until, began_earlier };
        Some(Finding::new(problem, held, &self.recent, &self.facts, watched))
    }
}
