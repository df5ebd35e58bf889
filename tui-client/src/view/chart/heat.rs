//! Heat map of many columns: one row per column, darker for greater values.
//!
//! ```text
//!   core0│··░░▒▓██▓▒░··
//!   core1│············░
//! ```

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr as _;

use super::Figure;
use crate::theme::{HEAT_LEVELS, Theme};
use crate::thresholds::Level;
use crate::view::text::put_right;

/// Values from which a cell is one level darker, in percent. Lower values have a symbol too: an
/// empty cell is a gap.
const LEVELS_FROM_PERCENT: [f64; HEAT_LEVELS - 1] = [5.0, 30.0, 55.0, 80.0];

/// Maximum height of a row. Higher rows show no more detail.
const ROW_HEIGHT_MAX: usize = 3;

pub(super) fn render(figure: &Figure, buf: &mut Buffer) {
    let panel = figure.parts.panel;
    let (rows, count) = (usize::from(panel.height), figure.lines.len());
    if count == 0 || rows == 0 {
        return;
    }
    figure.render_gutter(buf);
    // With fewer rows than columns, columns share a row, which shows their maximum.
    let shared = count.div_ceil(rows);
    // If there are many more rows, each column has several.
    let high = (rows / count).clamp(1, ROW_HEIGHT_MAX);
    let tops = (panel.top()..panel.bottom()).step_by(high);
    for (y, first) in tops.zip((0..count).step_by(shared)) {
        let last = (first + shared).min(count) - 1;
        figure.render_label(y, first, last, buf);
        for y in y..y + high as u16 {
            figure.render_row(y, first, last, buf);
        }
    }
}

impl Figure<'_> {
    /// Draws the label of a row: its column's name, or the numbers of its first and last column.
    fn render_label(&self, y: u16, first: usize, last: usize, buf: &mut Buffer) {
        let name = |at: usize| self.chart.lines[at].legend.as_str();
        let number = |at: usize| name(at).trim_start_matches(|c: char| !c.is_ascii_digit());
        let label = if first == last {
            name(first).to_owned()
        } else {
            format!("{}-{}", number(first), number(last))
        };
        let gutter = self.parts.gutter;
        let room = Rect { y, height: 1, width: gutter.width.saturating_sub(1), ..gutter };
        if label.width() <= usize::from(room.width) {
            put_right(buf, room, &label, self.app.theme.faint());
        }
    }

    fn render_row(&self, y: u16, first: usize, last: usize, buf: &mut Buffer) {
        let theme = self.app.theme;
        let panel = self.parts.panel;
        let per_cell = theme.dot_columns();
        let symbols = heat_symbols(theme);
        let fresh = self.lines[first].fresh;
        for (cell, x) in (panel.left()..panel.right()).enumerate() {
            let slots = cell * per_cell..(cell + 1) * per_cell;
            let greatest = (first..=last).flat_map(|at| {
                let slots = self.lines[at].slots.slots.get(slots.clone()).into_iter().flatten();
                slots.flatten().map(move |slot| (at, slot.max))
            });
            let Some((at, value)) = greatest.max_by(|a, b| a.1.total_cmp(&b.1)) else { continue };
            let heat = LEVELS_FROM_PERCENT.iter().filter(|from| value >= **from).count();
            let level = self.app.sources.shown_view().level(self.chart.lines[at].column, value);
            let style = if fresh && level > Level::Normal {
                theme.threshold(level)
            } else {
                theme.heat(heat, fresh)
            };
            buf[(x, y)].set_char(symbols[heat]).set_style(style);
        }
    }
}

fn heat_symbols(theme: Theme) -> [char; HEAT_LEVELS] {
    if theme.ascii { ['.', ':', '+', '#', '@'] } else { ['·', '░', '▒', '▓', '█'] }
}
