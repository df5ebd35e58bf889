//! Drawing of the value axis.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::view::chart::Figure;
use crate::view::text::{fill, put_right};

impl Figure<'_> {
    /// Draws the line of the axis.
    pub(in crate::view::chart) fn render_gutter(&self, buf: &mut Buffer) {
        let (theme, gutter) = (self.app.theme, self.parts.gutter);
        let symbols = theme.symbols();
        let Some(line) = gutter.columns().next_back() else { return };
        fill(buf, line, symbols.vertical, theme.faint());
        let corner = Rect { x: line.x, width: 1, ..self.parts.axis_line };
        fill(buf, corner, symbols.corner, theme.faint());
    }
}

/// Draws the line of the axis, its ticks and their labels.
pub(in crate::view::chart) fn render(figure: &Figure, buf: &mut Buffer) {
    let gutter = figure.parts.gutter;
    if gutter.is_empty() {
        return;
    }
    figure.render_gutter(buf);
    let theme = figure.app.theme;
    let mut free_below = gutter.bottom();
    for (value, label) in &figure.axis.ticks {
        let Some(row) = figure.axis.row(*value) else { continue };
        let y = gutter.y + row;
        if y >= free_below {
            continue;
        }
        free_below = y;
        let tick = &mut buf[(gutter.right() - 1, y)];
        tick.set_char(theme.symbols().tick_left).set_style(theme.faint());
        let room = Rect { y, height: 1, width: gutter.width - 1, ..gutter };
        put_right(buf, room, label, theme.faint());
    }
}

/// Draws a symbol at the edge of the panel wherever a line has a value beyond the axis.
pub(in crate::view::chart) fn render_overflow(figure: &Figure, buf: &mut Buffer) {
    let (theme, panel) = (figure.app.theme, figure.parts.panel);
    let rows = i64::from(panel.height) * theme.dot_rows();
    // The first line is the most important one, so it is drawn last.
    for (at, line) in figure.lines.iter().enumerate().rev() {
        let (row, style) = (figure.dot_row(line), figure.line_style(at));
        let cells = line.slots.slots.chunks(theme.dot_columns());
        for (x, slots) in (panel.left()..panel.right()).zip(cells) {
            let slots = || slots.iter().flatten();
            if slots().any(|slot| row(slot.max) < 0) {
                buf[(x, panel.top())].set_char(theme.symbols().above).set_style(style);
            }
            if slots().any(|slot| row(slot.min) >= rows) {
                buf[(x, panel.bottom() - 1)].set_char(theme.symbols().below).set_style(style);
            }
        }
    }
}
