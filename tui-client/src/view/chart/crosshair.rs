//! Crosshair, mark, and the time span that is selected with the mouse.

use loadline_protocol::Time;
use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::Rect;
use ratatui::style::Style;
use unicode_width::UnicodeWidthStr as _;

use super::{Figure, is_blank};
use crate::app::Drag;
use crate::store::Window;
use crate::theme::{HIGHLIGHT, STRONG, Theme};
use crate::view::text::put;

pub(super) fn render(figure: &Figure, window: Window, buf: &mut Buffer) {
    let app = figure.app;
    if let Some(Drag::Zoom { from, to }) = app.selection.drag {
        figure.render_drag(window, from.min(to), from.max(to), buf);
    }
    if let Some(mark) = app.selection.mark {
        figure.render_vertical_line(window, mark, STRONG, buf);
    }
    if let Some(time) = app.crosshair_time() {
        figure.render_vertical_line(window, time, HIGHLIGHT, buf);
        if let Some((area, label)) = figure.time_label(window) {
            put(buf, area, &label, HIGHLIGHT);
        }
    }
}

/// Draws a vertical line through a cell. Dots are highlighted, not covered.
pub(in crate::view) fn cross_cell(cell: &mut Cell, theme: Theme, crossing: Style) {
    let symbols = theme.symbols();
    let is_behind = cell.symbol().starts_with(symbols.reference)
        || theme.fill && cell.symbol().starts_with(symbols.area);
    if is_blank(cell.symbol()) || is_behind {
        cell.reset();
        cell.set_char(symbols.crosshair).set_style(STRONG);
    } else {
        cell.set_style(crossing);
    }
}

impl Figure<'_> {
    /// Draws a vertical line at a time.
    fn render_vertical_line(&self, window: Window, time: Time, crossing: Style, buf: &mut Buffer) {
        let Some(cell) = window.cell_of(time.as_millis()) else { return };
        let panel = self.parts.panel;
        for y in panel.top()..panel.bottom() {
            cross_cell(&mut buf[(panel.x + cell as u16, y)], self.app.theme, crossing);
        }
    }

    /// Returns the label of the crosshair's time and its place, if the crosshair is visible.
    pub(super) fn time_label(&self, window: Window) -> Option<(Rect, String)> {
        let times = self.parts.times;
        let time = self.app.crosshair_time().filter(|_| !times.is_empty())?;
        let cell = window.cell_of(time.as_millis())?;
        let left = self.parts.gutter.x;
        let room = usize::from(times.right() - left);
        let label = format!(" {} ", self.app.time_label_within(time, room.saturating_sub(2)));
        let width = label.width() as u16;
        let rightmost = times.right().saturating_sub(width).max(left);
        let x = (times.x + cell as u16).saturating_sub(width / 2).clamp(left, rightmost);
        Some((Rect { x, width: width.min(times.right() - x), ..times }, label))
    }

    fn render_drag(&self, window: Window, from: Time, to: Time, buf: &mut Buffer) {
        for (cell, column) in self.parts.panel.columns().enumerate() {
            if (from..=to).contains(&window.time_of_cell(cell as i64)) {
                buf.set_style(column, HIGHLIGHT);
            }
        }
    }
}
