//! Overview of all sources: their order and the chosen one.

use super::App;
use crate::keys::Action;
use crate::layout::Page;
use crate::thresholds::Level;

/// Columns in the row of a source, if it has them. Otherwise, the row has its first columns.
const PREFERRED_COLUMNS: [&str; 3] = ["cpu", "mem", "load1"];

/// Order of the sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// As given.
    #[default]
    AsListed,
    /// Highest value first. Sources without a current value are last.
    Hottest,
}

impl App {
    pub(crate) fn ordered_sources(&self) -> Vec<usize> {
        let mut sources: Vec<usize> = (0..self.sources.all().len()).collect();
        if self.sources.order == Order::Hottest {
            let heats: Vec<Option<f64>> = sources.iter().map(|at| self.heat(*at)).collect();
            let heat = |at: usize| heats[at].unwrap_or(f64::NEG_INFINITY);
            // Equal sources keep the order in which they were given.
            sources.sort_by(|a, b| heat(*b).total_cmp(&heat(*a)));
        }
        // Within the order, sources with a problem come first.
        sources.sort_by_cached_key(|at| !self.has_finding(*at));
        sources
    }

    /// Returns the value by which a source is ordered; `None` if there is no current value.
    fn heat(&self, source: usize) -> Option<f64> {
        let view = &self.sources.all()[source];
        if !view.watched.state(self.now).is_up_to_date() {
            return None;
        }
        let value = self.sample_of(source)?.value(view.heat_column());
        (!value.is_nan()).then_some(value)
    }

    /// Returns the sources that `rows` rows show.
    pub(crate) fn overview_sources(&self, rows: u16) -> Vec<usize> {
        let rows = usize::from(rows);
        let first = self.sources.first_line(rows);
        self.ordered_sources().into_iter().skip(first).take(rows).collect()
    }

    /// Returns the columns in the row of a source, at most `count_max`. The worst hidden column
    /// above its threshold replaces the last shown one of a lower level.
    pub(crate) fn overview_columns(&self, source: usize, count_max: usize) -> Vec<usize> {
        let view = &self.sources.all()[source];
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
        // The first of equals.
        let worst = hidden.rev().max_by_key(|(_, level)| *level);
        if let Some((column, worst)) = worst
            && let Some(index) = shown.iter().rposition(|at| level(*at) < *worst)
        {
            shown[index] = *column;
        }
        shown
    }

    fn overview_rows(&self) -> usize {
        usize::from(self.layout(self.area()).sources.height).max(1)
    }

    /// Returns the row of the chosen source on the overview.
    fn shown_place(&self) -> usize {
        let shown = self.sources.shown();
        self.ordered_sources().iter().position(|at| *at == shown).unwrap_or(0)
    }

    pub(super) fn scroll_to_shown_source(&mut self) {
        self.sources.scroll_to(self.shown_place(), self.overview_rows());
    }

    pub(super) fn scroll_overview(&mut self, lines: isize) {
        self.sources.scroll(lines, self.overview_rows());
    }

    fn choose_line(&mut self, steps: isize) {
        let order = self.ordered_sources();
        let place = self.shown_place().saturating_add_signed(steps).min(order.len() - 1);
        self.show_source(order[place]);
    }

    /// Handles a click on a source: the first click chooses it, the second opens it.
    pub(super) fn click_source(&mut self, at: usize) {
        if at == self.sources.shown() {
            self.screen.page = Page::Dashboard;
        } else {
            self.show_source(at);
        }
    }

    /// Handles an action on the overview. Returns false if the action has its usual effect.
    pub(super) fn handle_overview_action(&mut self, action: Action) -> bool {
        let rows = self.overview_rows() as isize;
        match action {
            Action::Up => self.choose_line(-1),
            Action::Down => self.choose_line(1),
            Action::ScreenLeft => self.choose_line(-rows),
            Action::ScreenRight => self.choose_line(rows),
            Action::Fullscreen => self.screen.page = Page::Dashboard,
            Action::Order => self.sources.toggle_order(),
            // The overview has no charts to choose and no statistics.
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
