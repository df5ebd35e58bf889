//! All sources at a glance: their order, and the one that is chosen.

use std::cmp::Ordering;

use super::{App, Screen};
use crate::keys::Action;
use crate::layout::Page;
use crate::thresholds::Level;

/// The columns to show on the line of a source, if it has them; else its first ones.
const PREFERRED_COLUMNS: [&str; 3] = ["cpu", "mem", "load1"];

/// The order of the sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// As they were given.
    #[default]
    AsListed,
    /// The one with the highest value first; those without a value now last.
    Hottest,
}

impl App {
    /// The sources in the order in which the overview shows them.
    #[must_use]
    pub fn ordered_sources(&self) -> Vec<usize> {
        let mut sources: Vec<usize> = (0..self.sources().len()).collect();
        if self.order == Order::Hottest {
            let heats: Vec<Option<f64>> = sources.iter().map(|at| self.heat(*at)).collect();
            // The order in which they were given decides between equals.
            sources.sort_by(|a, b| compare_heat(heats[*a], heats[*b]));
        }
        sources
    }

    /// The value by which a source has its place; none if it is not known now.
    fn heat(&self, source: usize) -> Option<f64> {
        let view = &self.sources()[source];
        if !view.watched.state(self.now).is_up_to_date() {
            return None;
        }
        let value = self.sample_of(source)?.value(view.heat_column());
        (!value.is_nan()).then_some(value)
    }

    /// The sources that so many rows show.
    #[must_use]
    pub fn overview_sources(&self, rows: u16) -> Vec<usize> {
        let rows = usize::from(rows);
        let first = self.first_overview_line.min(self.sources().len().saturating_sub(rows));
        self.ordered_sources().into_iter().skip(first).take(rows).collect()
    }

    /// The columns that the line of a source shows, so many at most. The worst of the others above its
    /// threshold takes the last place of one that is less bad.
    #[must_use]
    pub fn overview_columns(&self, source: usize, count_max: usize) -> Vec<usize> {
        let view = &self.sources()[source];
        let columns = view.watched.columns().unwrap_or_default();
        let position = |name: &&str| columns.iter().position(|column| column.name() == *name);
        let preferred: Vec<usize> = PREFERRED_COLUMNS.iter().filter_map(position).collect();
        let others = (0..columns.len()).filter(|at| !preferred.contains(at));
        let candidates = preferred.iter().copied().chain(others);
        let mut shown: Vec<usize> =
            candidates.take(PREFERRED_COLUMNS.len().min(count_max)).collect();
        let exceeded: Vec<(usize, Level)> =
            self.exceeded_thresholds(source).map(|it| (it.line.column, it.level)).collect();
        let level = |column: usize| {
            let found = exceeded.iter().find(|(at, _)| *at == column);
            found.map_or(Level::Normal, |(_, level)| *level)
        };
        let hidden = exceeded.iter().filter(|(at, _)| !shown.contains(at));
        // Of equals, the first.
        let worst = hidden.rev().max_by_key(|(_, level)| *level);
        if let Some((column, worst)) = worst
            && let Some(index) = shown.iter().rposition(|at| level(*at) < *worst)
        {
            shown[index] = *column;
        }
        shown
    }

    /// The first line that is in sight, as it was left.
    #[must_use]
    pub fn first_overview_line(&self) -> usize {
        self.first_overview_line
    }

    fn overview_rows(&self) -> usize {
        usize::from(self.layout(self.area()).sources.height).max(1)
    }

    /// Scrolls the overview so that the source that is chosen is in sight.
    pub(super) fn scroll_to_shown_source(&mut self) {
        let rows = self.overview_rows();
        let place =
            self.ordered_sources().iter().position(|at| *at == self.shown_source()).unwrap_or(0);
        let first = self.first_overview_line.min(self.sources().len().saturating_sub(rows));
        self.first_overview_line = first.clamp((place + 1).saturating_sub(rows), place);
    }

    pub(super) fn scroll_overview(&mut self, lines: i64) {
        let most = self.sources().len().saturating_sub(self.overview_rows());
        let first = (self.first_overview_line.min(most) as i64).saturating_add(lines);
        self.first_overview_line = first.clamp(0, most as i64) as usize;
    }

    fn choose_line(&mut self, steps: i64) {
        let order = self.ordered_sources();
        let place = order.iter().position(|at| *at == self.shown_source()).unwrap_or(0) as i64;
        let there = place.saturating_add(steps).clamp(0, order.len() as i64 - 1);
        self.show_source(order[there as usize]);
    }

    /// A click on the line of a source: the first chooses it, the second opens it.
    pub(super) fn click_source(&mut self, at: usize) {
        if at == self.shown_source() {
            self.screen = Screen::Page(Page::Dashboard);
        } else {
            self.show_source(at);
        }
    }

    /// What a key does on the overview; false if it does there what it does elsewhere.
    pub(super) fn handle_overview_action(&mut self, action: Action) -> bool {
        let rows = self.overview_rows() as i64;
        match action {
            Action::Up => self.choose_line(-1),
            Action::Down => self.choose_line(1),
            Action::ScreenLeft => self.choose_line(-rows),
            Action::ScreenRight => self.choose_line(rows),
            Action::Fullscreen => self.screen = Screen::Page(Page::Dashboard),
            Action::Order => {
                self.order = match self.order {
                    Order::AsListed => Order::Hottest,
                    Order::Hottest => Order::AsListed,
                };
                self.first_overview_line = 0;
            }
            // Here are no charts to choose, and nothing to measure.
            Action::NextChart
            | Action::PreviousChart
            | Action::Chart(_)
            | Action::ValueIn
            | Action::ValueOut
            | Action::Mark => {}
            _ => return false,
        }
        true
    }
}

/// The higher value first, what is not known last.
fn compare_heat(a: Option<f64>, b: Option<f64>) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) => b.total_cmp(&a),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => Ordering::Equal,
    }
}
