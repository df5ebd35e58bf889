//! Mouse input: the target under the pointer, and the effect there.

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use loadline_protocol::Time;
use ratatui::layout::{Position, Rect};

use super::{App, TableRow};
use crate::keys::Action;
use crate::layout::Page;
use crate::store::Window;

/// Rows that one step of the wheel scrolls.
const WHEEL_ROWS: isize = 3;

/// Drag with a mouse button.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drag {
    /// Left button: the charts move with the pointer.
    Pan {
        /// Last column of the pointer.
        column: u16,
        /// True if the pointer has moved. Without a move, the drag is a click.
        moved: bool,
    },
    /// Right button: selects a time span.
    Zoom { from: Time, to: Time },
}

/// Target under the pointer.
enum Target {
    /// Title or axis of a chart.
    Chart(usize),
    /// Panel of a chart.
    Panel {
        chart: usize,
        panel: Rect,
        window: Window,
    },
    Source(usize),
    /// Row of the table, the head at 0.
    Table {
        row: u16,
        rows: u16,
    },
    Statistics,
}

impl App {
    pub(super) fn handle_mouse(&mut self, mouse: MouseEvent) {
        let is_help = self.screen.help_scroll.is_some();
        let position = Position { x: mouse.column, y: mouse.row };
        match mouse.kind {
            MouseEventKind::ScrollUp if is_help => self.handle_help_action(Action::Up),
            MouseEventKind::ScrollDown if is_help => self.handle_help_action(Action::Down),
            _ if is_help => {}
            MouseEventKind::Down(button) => self.press(button, position),
            MouseEventKind::Drag(_) => self.drag(position),
            MouseEventKind::Up(_) => self.release(position),
            MouseEventKind::ScrollUp => self.wheel(true, position),
            MouseEventKind::ScrollDown => self.wheel(false, position),
            MouseEventKind::Moved | MouseEventKind::ScrollLeft | MouseEventKind::ScrollRight => {}
        }
    }

    fn target_at(&self, position: Position) -> Option<Target> {
        let layout = self.layout(self.area());
        if layout.table.contains(position) {
            let rows = layout.table.height.saturating_sub(1);
            return Some(Target::Table { row: position.y - layout.table.y, rows });
        }
        if layout.stats.contains(position) {
            return Some(Target::Statistics);
        }
        if layout.sources.contains(position) {
            let lines = self.overview_sources(layout.sources.height);
            return lines
                .get(usize::from(position.y - layout.sources.y))
                .copied()
                .map(Target::Source);
        }
        let place = layout.charts.iter().find(|place| place.area.contains(position))?;
        let panel = self.chart_parts(*place)?.panel;
        let window = self.window_of(panel.width).filter(|_| panel.contains(position));
        Some(match window {
            Some(window) => Target::Panel { chart: place.index, panel, window },
            None => Target::Chart(place.index),
        })
    }

    fn press(&mut self, button: MouseButton, position: Position) {
        self.selection.drag = None;
        match (button, self.target_at(position)) {
            (MouseButton::Left, Some(Target::Panel { .. })) => {
                self.selection.drag = Some(Drag::Pan { column: position.x, moved: false });
            }
            (MouseButton::Right, Some(Target::Panel { panel, window, .. })) => {
                let time = window.time_of_cell(cell(position, panel));
                self.selection.drag = Some(Drag::Zoom { from: time, to: time });
            }
            (MouseButton::Left, Some(Target::Chart(at))) => self.click_chart(at),
            (MouseButton::Left, Some(Target::Source(at))) => self.click_source(at),
            (MouseButton::Left, Some(Target::Table { row, rows })) => self.choose_row(row, rows),
            _ => {}
        }
    }

    fn choose_row(&mut self, row: u16, rows: u16) {
        let Some(row) = row.checked_sub(1).filter(|_| !self.screen.shows_processes()) else {
            return;
        };
        if let Some(TableRow::Sample(at)) = self.table_rows(rows).get(usize::from(row))
            && let Some(time) = self.sources.time_at(*at)
        {
            self.set_crosshair(time);
        }
    }

    fn drag(&mut self, position: Position) {
        match self.selection.drag {
            Some(Drag::Pan { column, .. }) if column != position.x => {
                let cells = i64::from(column) - i64::from(position.x);
                if let Some((_, window)) = self.panel_at(position) {
                    self.pan(cells * window.cell_ms());
                }
                self.selection.drag = Some(Drag::Pan { column: position.x, moved: true });
            }
            Some(Drag::Zoom { from, .. }) => {
                if let Some((panel, window)) = self.panel_at(position) {
                    let cell = cell(position, panel).clamp(0, i64::from(panel.width));
                    let to = window.time_of_cell(cell);
                    self.selection.drag = Some(Drag::Zoom { from, to });
                }
            }
            Some(Drag::Pan { .. }) | None => {}
        }
    }

    /// Returns the panel under the pointer, else the first panel.
    fn panel_at(&self, position: Position) -> Option<(Rect, Window)> {
        if let Some(Target::Panel { panel, window, .. }) = self.target_at(position) {
            return Some((panel, window));
        }
        let layout = self.layout(self.area());
        let panel = self.chart_parts(*layout.charts.first()?)?.panel;
        Some((panel, self.window_of(panel.width)?))
    }

    fn release(&mut self, position: Position) {
        match self.selection.drag.take() {
            Some(Drag::Pan { moved: false, .. }) => self.click(position),
            Some(Drag::Zoom { from, to }) => self.window.zoom_to(from, to, self.sources.newest()),
            Some(Drag::Pan { moved: true, .. }) | None => {}
        }
    }

    /// Chooses a chart and moves the crosshair to the sample under the pointer.
    fn click(&mut self, position: Position) {
        let Some(Target::Panel { chart, panel, window }) = self.target_at(position) else { return };
        self.click_chart(chart);
        // The last sample of the cell, so that a click beside the newest one finds it.
        let end = window.time_of_cell(cell(position, panel) + 1).shifted_ms(-1);
        let there = if self.screen.shows_all_sources() {
            self.sources.latest_until(end)
        } else {
            self.sources.time_at(self.sources.sample_index(end))
        };
        if let Some(time) = there {
            self.set_crosshair(time);
        }
    }

    fn wheel(&mut self, up: bool, position: Position) {
        let rows = if up { -WHEEL_ROWS } else { WHEEL_ROWS };
        match self.target_at(position) {
            Some(Target::Panel { panel, window, .. }) => {
                let cell = cell(position, panel);
                // At the right edge the newest sample is meant, so a live view stays live.
                let is_edge = cell + 1 >= i64::from(panel.width);
                let anchor = (!is_edge).then(|| window.time_of_cell(cell));
                self.zoom(up, anchor);
            }
            Some(Target::Chart(_)) => self.zoom(up, None),
            Some(Target::Table { .. }) if self.screen.shows_processes() => {
                self.scroll_processes(rows);
            }
            Some(Target::Table { .. }) => self.step_samples(rows),
            Some(Target::Source(_)) => self.scroll_overview(rows),
            Some(Target::Statistics) => self.scroll_series(rows),
            None => {}
        }
    }

    /// Chooses the metric or the source of a chart.
    fn click_chart(&mut self, at: usize) {
        match self.screen.page {
            Page::CompareGrid => self.show_source(at),
            // Only one metric is visible.
            Page::CompareOverlay => {}
            Page::Overview | Page::Dashboard | Page::Fullscreen => self.choose_nth_chart(at),
        }
    }
}

/// Returns the cell of a chart under the pointer; negative left of the panel.
fn cell(position: Position, panel: Rect) -> i64 {
    i64::from(position.x) - i64::from(panel.x)
}
