//! Values of a chart in large digits, readable from across a room.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Modifier;

use super::{ChartContext, TitleText};
use crate::digits::{cells, width};
use crate::view::text::{Piece, put};

/// Columns before the first digit.
const MARGIN: u16 = 1;

pub(super) fn render(context: &ChartContext, title_text: &TitleText<'_>, buf: &mut Buffer) {
    let (app, chart) = (context.app, context.chart);
    let area = context.parts.digits;
    let Some(size) = context.parts.digits_size else { return };
    let share = area.width / size.values.max(1) as u16;
    for (at, line) in chart.lines.iter().take(size.values).enumerate() {
        let value = title_text.values.get(at).copied().unwrap_or(f64::NAN);
        let (mut number, mut unit) = chart.format.number_and_unit(value);
        // The percent sign exists as a large digit.
        if unit == "%" {
            number.push_str(&std::mem::take(&mut unit));
        }
        let normal = app.theme.line(line.colour, title_text.fresh);
        let style = app.theme.level(title_text.level(at), normal);
        let x = area.x + share * at as u16 + MARGIN.min(share);
        let place = Rect { x, width: (area.x + share * (at as u16 + 1)).saturating_sub(x), ..area };
        let has_symbol = app.theme.has_line_symbols() && !line.legend.is_empty();
        let symbol = has_symbol.then(|| app.theme.line_symbol(at).to_string());
        let beside = [unit, symbol.unwrap_or_default(), line.legend.clone()];
        let beside = beside.into_iter().filter(|text| !text.is_empty());
        let beside: Vec<String> = beside.collect();
        let beside = beside.join(" ");
        let taken = beside.chars().count() as u16 + 1;
        let scale =
            (1..=size.scale).rev().find(|scale| width(&number, *scale) + taken <= place.width);
        let bold = style.add_modifier(Modifier::BOLD);
        let Some(scale) = scale else {
            // Without room for large digits, the number is written in normal size.
            put(
                buf,
                Rect { height: 1, ..place },
                &[Piece::new(format!("{number} {beside}"), bold)],
            );
            continue;
        };
        let block = app.theme.symbols().block;
        for (x, y) in cells(&number, scale) {
            if let Some(cell) = buf.cell_mut((place.x + x, place.y + y)) {
                cell.set_char(block).set_style(style);
            }
        }
        let x = place.x + width(&number, scale);
        let y = place.y + size.rows.min(place.height).saturating_sub(1).min(5 * scale - 1);
        let room = Rect { x, y, width: place.right().saturating_sub(x), height: 1 };
        put(buf, room, &[Piece::new(beside, bold)]);
    }
}
