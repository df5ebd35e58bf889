//! Findings of the sources at the shown time.

use super::App;
use crate::diagnosis::{Diagnosis, Finding};
use crate::layout::Page;

impl App {
    /// Returns what is wrong with a source at the shown time: that of the crosshair or of the paused view, else
    /// now. A source without current values has no finding.
    pub(crate) fn finding(&self, source: usize) -> Option<Finding> {
        let watched = &self.sources.all()[source].watched;
        self.with_diagnosis(source, |diagnosis| diagnosis.finding(watched))?
    }

    /// Returns whether the page has a row for a finding.
    pub(super) fn shows_finding(&self) -> bool {
        let shown = self.sources.shown();
        let is_one = matches!(self.screen.page, Page::Dashboard | Page::Fullscreen);
        is_one && self.with_diagnosis(shown, Diagnosis::has_finding) == Some(true)
    }

    /// Returns whether something is wrong with a source now, or at the time of the pause.
    pub(super) fn has_finding(&self, source: usize) -> bool {
        self.is_source_fresh(source) && self.sources.all()[source].diagnosis.has_finding()
    }

    fn with_diagnosis<T>(&self, source: usize, read: impl Fn(&Diagnosis) -> T) -> Option<T> {
        let view = &self.sources.all()[source];
        let sample = self.sample_of(source).filter(|_| self.is_source_fresh(source))?;
        if view.diagnosis.until() == Some(sample.time()) {
            return Some(read(&view.diagnosis));
        }
        Some(read(&Diagnosis::at(&view.watched, sample.time())))
    }
}
