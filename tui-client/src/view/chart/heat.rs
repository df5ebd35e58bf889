//! A chart of many columns as a heat map: a row each, and in it the darker the greater the value.
//!
//! ```text
//!   core0│··░░▒▓██▓▒░··
//!   core1│············░
//! ```

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::Drawn;
use crate::store::Slot;
use crate::theme::{HEAT_LEVELS, Theme};
use crate::thresholds::Level;
use crate::view::text::{Piece, put_right};

/// From these values on a cell is one level darker, in percent. What is less is seen as well: it is no
/// gap.
const LEVELS_FROM: [f64; HEAT_LEVELS - 1] = [5.0, 30.0, 55.0, 80.0];

/// Higher rows tell nothing more.
const ROWS_MAX: usize = 3;

pub(super) fn render(drawn: &Drawn, buf: &mut Buffer) {
    let panel = drawn.parts.panel;
    let rows = usize::from(panel.height);
    if drawn.lines.is_empty() || rows == 0 {
        return;
    }
    // Where there are fewer rows, some share one, which shows the greatest of them.
    let shared = drawn.lines.len().div_ceil(rows);
    // Where there are many more, each has some.
    let high = (rows / drawn.lines.len()).clamp(1, ROWS_MAX);
    let tops = (panel.top()..panel.bottom()).step_by(high);
    for (y, first) in tops.zip((0..drawn.lines.len()).step_by(shared)) {
        let last = (first + shared).min(drawn.lines.len()) - 1;
        drawn.render_label(y, first, last, buf);
        for y in y..y + high as u16 {
            drawn.render_row(y, first, last, buf);
        }
    }
}

impl Drawn<'_> {
    /// The name of the first column of a row, and the number of the last one.
    fn render_label(&self, y: u16, first: usize, last: usize, buf: &mut Buffer) {
        let gutter = self.parts.gutter;
        if gutter.is_empty() {
            return;
        }
        let (signs, faint) = (self.app.theme.signs(), self.app.theme.faint());
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
            buf[(gutter.right() - 1, y)].set_char(signs.vertical).set_style(faint);
        }
        if !self.parts.axis_line.is_empty() {
            let corner = (gutter.right() - 1, self.parts.axis_line.y);
            buf[corner].set_char(signs.corner).set_style(faint);
        }
    }

    fn render_row(&self, y: u16, first: usize, last: usize, buf: &mut Buffer) {
        let theme = self.app.theme;
        let panel = self.parts.panel;
        let per_cell = (self.window.count() / usize::from(panel.width)).max(1);
        let signs = signs(theme);
        let seen = self.app.shown_seen();
        for (cell, x) in (panel.left()..panel.right()).enumerate() {
            let slots = cell * per_cell..(cell + 1) * per_cell;
            let of_line = |at: usize| Some((at, self.lines[at].slots.slots.get(slots.clone())?));
            let greatest = (first..=last).filter_map(of_line).flat_map(|(at, slots)| {
                slots.iter().flatten().map(move |slot: &Slot| (at, slot.max))
            });
            let Some((at, value)) = greatest.max_by(|a, b| a.1.total_cmp(&b.1)) else { continue };
            let heat = LEVELS_FROM.iter().filter(|from| value >= **from).count();
            let fresh = self.lines[first].fresh;
            let style = match seen.level(self.chart.lines[at].column, value) {
                level @ (Level::Warn | Level::Critical) if fresh => theme.threshold(level),
                Level::Calm | Level::Warn | Level::Critical => theme.heat(heat, fresh),
            };
            buf[(x, y)].set_char(signs[heat]).set_style(style);
        }
    }
}

fn signs(theme: Theme) -> [char; HEAT_LEVELS] {
    if theme.ascii { ['.', ':', '+', '#', '@'] } else { ['·', '░', '▒', '▓', '█'] }
}
