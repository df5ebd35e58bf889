//! Drawing of the value axis.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::view::chart::ChartContext;
use crate::view::text::{Piece, put_right};

/// Draws the line of the axis, its ticks and their labels.
pub(in crate::view::chart) fn render(context: &ChartContext, buf: &mut Buffer) {
    let gutter = context.parts.gutter;
    if gutter.is_empty() {
        return;
    }
    let theme = context.app.theme;
    let symbols = theme.symbols();
    let faint = theme.faint();
    let x = gutter.right() - 1;
    for y in gutter.top()..gutter.bottom() {
        buf[(x, y)].set_char(symbols.vertical).set_style(faint);
    }
    let (_, dots) = theme.charset().pixels_per_cell();
    let mut free_below = gutter.bottom();
    for (value, label) in &context.axis.ticks {
        let Some(row) = context.axis.row(*value, gutter.height, dots) else { continue };
        let y = gutter.y + row;
        if y >= free_below {
            continue;
        }
        free_below = y;
        buf[(x, y)].set_char(symbols.tick_left).set_style(faint);
        let room = Rect { y, height: 1, width: gutter.width - 1, ..gutter };
        put_right(buf, room, &[Piece::new(label.clone(), faint)]);
    }
    if !context.parts.axis_line.is_empty() {
        buf[(x, context.parts.axis_line.y)].set_char(symbols.corner).set_style(faint);
    }
}

/// Draws a symbol at the edge of the panel wherever a line has a value beyond the axis.
pub(in crate::view::chart) fn render_overflow(context: &ChartContext, buf: &mut Buffer) {
    let (theme, panel) = (context.app.theme, context.parts.panel);
    let (per_cell, dots) = theme.charset().pixels_per_cell();
    let rows = i64::from(panel.height) * dots as i64;
    // The first line is the most important one, so it is drawn last.
    for (member, line) in context.chart.lines.iter().zip(&context.lines).rev() {
        let row = |value: f64| context.axis.dot_row(value * line.scale, rows);
        let style = theme.line(member.colour, line.fresh);
        for (x, slots) in (panel.left()..panel.right()).zip(line.slots.slots.chunks(per_cell)) {
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
