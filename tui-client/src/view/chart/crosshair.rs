//! Crosshair, mark, and the time span that is selected with the mouse.

use loadline_protocol::Time;
use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

use super::{ChartContext, is_blank};
use crate::app::Drag;
use crate::theme::{HIGHLIGHT, STRONG, Theme};
use crate::view::text::{Piece, put};

pub(super) fn render(context: &ChartContext, buf: &mut Buffer) {
    let app = context.app;
    if let Some(Drag::Zoom { from, to }) = app.selection.drag {
        context.render_drag(from.min(to), from.max(to), buf);
    }
    if let Some(mark) = app.selection.mark {
        context.render_vertical_line(mark, STRONG, buf);
    }
    if let Some(time) = app.crosshair_time() {
        context.render_vertical_line(time, HIGHLIGHT, buf);
        if let Some((area, label)) = context.time_label() {
            put(buf, area, &[label]);
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

impl ChartContext<'_> {
    /// Draws a vertical line at a time. Dots are highlighted, not covered.
    fn render_vertical_line(&self, time: Time, crossing: Style, buf: &mut Buffer) {
        let Some(cell) = self.window.cell_of(time.as_millis()) else { return };
        let panel = self.parts.panel;
        let x = panel.x + cell as u16;
        for y in panel.top()..panel.bottom() {
            cross_cell(&mut buf[(x, y)], self.app.theme, crossing);
        }
    }

    /// Returns the label of the crosshair's time and its place, if the crosshair is visible.
    pub(super) fn time_label(&self) -> Option<(Rect, Piece)> {
        let times = self.parts.times;
        let time = self.app.crosshair_time().filter(|_| !times.is_empty())?;
        let cell = self.window.cell_of(time.as_millis())?;
        let left = self.parts.gutter.x;
        let room = usize::from(times.right() - left);
        let text = self.app.time_label_within(time, room.saturating_sub(2));
        let label = Piece::new(format!(" {text} "), HIGHLIGHT);
        let width = label.width() as u16;
        let rightmost = times.right().saturating_sub(width).max(left);
        let x = (times.x + cell as u16).saturating_sub(width / 2).clamp(left, rightmost);
        Some((Rect { x, width: width.min(times.right() - x), ..times }, label))
    }

    fn render_drag(&self, from: Time, to: Time, buf: &mut Buffer) {
        let panel = self.parts.panel;
        for cell in 0..panel.width {
            let time = self.window.time_of_cell(i64::from(cell));
            if time >= from && time <= to {
                let column = Rect { x: panel.x + cell, width: 1, ..panel };
                buf.set_style(column, Style::new().add_modifier(Modifier::REVERSED));
            }
        }
    }
}
