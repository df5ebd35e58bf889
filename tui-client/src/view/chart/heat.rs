//! Heat map of many columns: one row per column, darker for greater values.
//!
//! ```text
//!   core0│··░░▒▓██▓▒░··
//!   core1│············░
//! ```

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::ChartContext;
use crate::store::Slot;
use crate::theme::{HEAT_LEVELS, Theme};
use crate::thresholds::Level;
use crate::view::text::{Piece, put_right};

/// Values from which a cell is one level darker, in percent. Lower values have a symbol too: an
/// empty cell is a gap.
const LEVELS_FROM_PERCENT: [f64; HEAT_LEVELS - 1] = [5.0, 30.0, 55.0, 80.0];

/// Maximum height of a row. Higher rows show no more detail.
const ROW_HEIGHT_MAX: usize = 3;

pub(super) fn render(context: &ChartContext, buf: &mut Buffer) {
    let panel = context.parts.panel;
    let rows = usize::from(panel.height);
    if context.lines.is_empty() || rows == 0 {
        return;
    }
    // With fewer rows than columns, columns share a row, which shows their maximum.
    let shared = context.lines.len().div_ceil(rows);
    // If there are many more rows, each column has several.
    let high = (rows / context.lines.len()).clamp(1, ROW_HEIGHT_MAX);
    let tops = (panel.top()..panel.bottom()).step_by(high);
    for (y, first) in tops.zip((0..context.lines.len()).step_by(shared)) {
        let last = (first + shared).min(context.lines.len()) - 1;
        context.render_label(y, first, last, buf);
        for y in y..y + high as u16 {
            context.render_row(y, first, last, buf);
        }
    }
}

impl ChartContext<'_> {
    /// Draws the label of a row: its column's name, or the numbers of its first and last column.
    fn render_label(&self, y: u16, first: usize, last: usize, buf: &mut Buffer) {
        let gutter = self.parts.gutter;
        if gutter.is_empty() {
            return;
        }
        let (symbols, faint) = (self.app.theme.symbols(), self.app.theme.faint());
        let name = |at: usize| self.chart.lines[at].legend.as_str();
        let number = |at: usize| name(at).trim_start_matches(|c: char| !c.is_ascii_digit());
        let label = if first == last {
            name(first).to_owned()
        } else {
            format!("{}-{}", number(first), number(last))
        };
        let room = Rect { y, height: 1, width: gutter.width - 1, ..gutter };
        let label = Piece::new(label, faint);
        if label.width() <= usize::from(room.width) {
            put_right(buf, room, &[label]);
        }
        for y in gutter.top()..gutter.bottom() {
            buf[(gutter.right() - 1, y)].set_char(symbols.vertical).set_style(faint);
        }
        if !self.parts.axis_line.is_empty() {
            let corner = (gutter.right() - 1, self.parts.axis_line.y);
            buf[corner].set_char(symbols.corner).set_style(faint);
        }
    }

    fn render_row(&self, y: u16, first: usize, last: usize, buf: &mut Buffer) {
        let theme = self.app.theme;
        let panel = self.parts.panel;
        let per_cell = (self.window.slot_count() / usize::from(panel.width)).max(1);
        let symbols = heat_symbols(theme);
        let view = self.app.sources.shown_view();
        for (cell, x) in (panel.left()..panel.right()).enumerate() {
            let slots = cell * per_cell..(cell + 1) * per_cell;
            let of_line = |at: usize| Some((at, self.lines[at].slots.slots.get(slots.clone())?));
            let greatest = (first..=last).filter_map(of_line).flat_map(|(at, slots)| {
                slots.iter().flatten().map(move |slot: &Slot| (at, slot.max))
            });
            let Some((at, value)) = greatest.max_by(|a, b| a.1.total_cmp(&b.1)) else { continue };
            let heat = LEVELS_FROM_PERCENT.iter().filter(|from| value >= **from).count();
            let fresh = self.lines[first].fresh;
            let style = match view.level(self.chart.lines[at].column, value) {
                level @ (Level::Warning | Level::Critical) if fresh => theme.threshold(level),
                Level::Normal | Level::Warning | Level::Critical => theme.heat(heat, fresh),
            };
            buf[(x, y)].set_char(symbols[heat]).set_style(style);
        }
    }
}

fn heat_symbols(theme: Theme) -> [char; HEAT_LEVELS] {
    if theme.ascii { ['.', ':', '+', '#', '@'] } else { ['·', '░', '▒', '▓', '█'] }
}
