//! Crosshair, mark, chosen chart and its zoom.

use std::collections::BTreeMap;

use loadline_protocol::Time;

use super::past::TimeDestination;
use super::{Drag, Sources, Statistics};
use crate::charts::Chart;

/// Range of the zoom of a value axis. Each step in halves its span, each step out doubles it.
const VALUE_ZOOM_RANGE: (i8, i8) = (-3, 12);

/// Selection of the user.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Time of the sample at the crosshair.
    pub crosshair: Option<Time>,
    /// Time of the mark, the other end of the measured span.
    pub mark: Option<Time>,
    /// Time to go to once its samples are loaded.
    pub(super) destination: Option<TimeDestination>,
    /// Statistics between mark and crosshair.
    pub statistics: Option<Statistics>,
    /// Scroll position of the statistics: index of the first visible series.
    pub(super) first_series: usize,
    /// Mouse drag in progress.
    pub drag: Option<Drag>,
    /// Title of the chosen chart. If no chart has this title, the first chart is chosen.
    pub(super) chart_title: String,
    /// Zoom of the value axes, by the title of the chart.
    pub(super) value_zoom: BTreeMap<String, i8>,
}

impl Selection {
    /// Computes the statistics anew. To be called when the mark or the crosshair has moved.
    pub(super) fn measure(&mut self, sources: &Sources) {
        let ends = self.mark.zip(self.crosshair);
        self.statistics = ends.and_then(|(mark, end)| Statistics::new(sources, mark, end));
    }

    /// Removes the drag, else the mark, else the crosshair. Returns false if there is none.
    pub(super) fn dismiss_marker(&mut self) -> bool {
        if self.drag.take().is_some() {
            return true;
        }
        self.statistics = None;
        self.mark.take().is_some() || self.crosshair.take().is_some()
    }

    /// Removes the crosshair and the mark.
    pub(super) fn clear(&mut self) {
        (self.crosshair, self.mark, self.statistics) = (None, None, None);
    }

    /// Sets the mark at a sample, or removes the mark that is there.
    pub(super) fn toggle_mark(&mut self, at: Option<Time>, sources: &Sources) {
        self.mark = if self.mark == at { None } else { at };
        self.first_series = 0;
        self.measure(sources);
    }

    /// Returns the index of the chosen chart among charts with these titles.
    pub(super) fn chosen_of(&self, titles: &[&str]) -> usize {
        titles.iter().position(|title| *title == self.chart_title).unwrap_or(0)
    }

    /// Returns how often the span of a chart's value axis is halved, or doubled if negative.
    pub(crate) fn value_zoom(&self, chart: &Chart) -> i8 {
        self.value_zoom.get(&chart.title).copied().unwrap_or(0)
    }

    pub(super) fn zoom_values(&mut self, title: String, by: i8) {
        let zoom = self.value_zoom.entry(title).or_default();
        *zoom = (*zoom + by).clamp(VALUE_ZOOM_RANGE.0, VALUE_ZOOM_RANGE.1);
    }

    /// Forgets the zoom of charts that no source has.
    pub(super) fn retain_value_zoom(&mut self, sources: &Sources) {
        self.value_zoom
            .retain(|title, _| sources.all().iter().any(|view| view.chart(title).is_some()));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::watched::Watched;

    #[test]
    fn the_drag_goes_first_then_the_mark_then_the_crosshair() {
        let mut selection = Selection {
            crosshair: Some(Time::default()),
            mark: Some(Time::default()),
            drag: Some(Drag::Pan { column: 1, moved: false }),
            ..Selection::default()
        };
        let mut dismiss = || {
            let is_done = selection.dismiss_marker();
            (is_done, selection.drag.is_some(), selection.mark.is_some())
        };
        assert_eq!(dismiss(), (true, false, true));
        assert_eq!(dismiss(), (true, false, false));
        assert_eq!(dismiss(), (true, false, false));
        assert_eq!(dismiss(), (false, false, false));
        assert_eq!(selection.crosshair, None);
    }

    #[test]
    fn a_second_mark_at_the_same_sample_removes_the_first() {
        let sources = Sources::new(Watched::new("web-1", false, Duration::MAX));
        let mut selection = Selection::default();
        let [here, there] = [1, 2].map(|ms| Some(Time::from_millis(ms)));
        for (at, mark) in [(here, here), (there, there), (there, None)] {
            selection.toggle_mark(at, &sources);
            assert_eq!(selection.mark, mark);
        }
    }

    #[test]
    fn the_first_chart_is_chosen_if_the_chosen_one_is_gone() {
        let titles = ["CPU", "Load"];
        let mut selection = Selection { chart_title: "Load".to_owned(), ..Selection::default() };
        assert_eq!(selection.chosen_of(&titles), 1);
        selection.chart_title = "Disk".to_owned();
        assert_eq!(selection.chosen_of(&titles), 0);
    }

    #[test]
    fn the_zoom_of_values_is_bounded() {
        let mut selection = Selection::default();
        for (by, bound) in [(1, VALUE_ZOOM_RANGE.1), (-1, VALUE_ZOOM_RANGE.0)] {
            (0..100).for_each(|_| selection.zoom_values("Load".to_owned(), by));
            assert_eq!(selection.value_zoom["Load"], bound);
        }
    }
}
