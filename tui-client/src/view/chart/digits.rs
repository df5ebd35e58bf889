//! Values of a chart in large digits, readable from across a room.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

use super::Figure;
use crate::digits::{DigitSize, cells, width};
use crate::thresholds::Level;
use crate::view::text::put;

/// Columns before the first digit.
const MARGIN: u16 = 1;

pub(super) fn render(figure: &Figure, buf: &mut Buffer) {
    let (theme, area) = (figure.app.theme, figure.parts.digits);
    let Some(size) = figure.parts.digits_size else { return };
    let share = area.width / size.values.max(1) as u16;
    for (at, line) in figure.chart.lines.iter().take(size.values).enumerate() {
        let value = figure.title.values.get(at).copied();
        let (value, level) = value.unwrap_or((f64::NAN, Level::Normal));
        let (mut number, mut unit) = figure.chart.format.number_and_unit(value);
        // The percent sign exists as a large digit.
        if unit == "%" {
            number.push_str(&std::mem::take(&mut unit));
        }
        let has_symbol = theme.has_line_symbols() && !line.legend.is_empty();
        let symbol = has_symbol.then(|| theme.line_symbol(at).to_string());
        let beside = [unit, symbol.unwrap_or_default(), line.legend.clone()];
        let beside = beside.into_iter().filter(|text| !text.is_empty());
        let beside = beside.collect::<Vec<String>>().join(" ");
        let x = area.x + share * at as u16 + MARGIN.min(share);
        let place = Rect { x, width: (area.x + share * (at as u16 + 1)).saturating_sub(x), ..area };
        let style = theme.level(level, theme.line(line.colour, figure.title.fresh));
        figure.render_number(&number, &beside, size, style, place, buf);
    }
}

impl Figure<'_> {
    /// Draws a number as large as it fits with the text beside it.
    fn render_number(
        &self,
        number: &str,
        beside: &str,
        size: DigitSize,
        style: Style,
        place: Rect,
        buf: &mut Buffer,
    ) {
        let bold = style.add_modifier(Modifier::BOLD);
        let taken = beside.chars().count() as u16 + 1;
        let fits = |scale: &u16| width(number, *scale) + taken <= place.width;
        let Some(scale) = (1..=size.scale).rev().find(fits) else {
            // Without room for large digits, the number is written in normal size.
            put(buf, Rect { height: 1, ..place }, &format!("{number} {beside}"), bold);
            return;
        };
        let block = self.app.theme.symbols().block;
        for (x, y) in cells(number, scale) {
            if let Some(cell) = buf.cell_mut((place.x + x, place.y + y)) {
                cell.set_char(block).set_style(style);
            }
        }
        let x = place.x + width(number, scale);
        let y = place.y + size.rows().min(place.height).saturating_sub(1).min(5 * scale - 1);
        put(buf, Rect { x, y, width: place.right().saturating_sub(x), height: 1 }, beside, bold);
    }
}
