//! The values of a chart in large digits, readable from across a room.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Modifier;

use super::{Drawn, Heading};
use crate::digits::{cells, width};
use crate::view::text::{Piece, put};

/// Columns in front of the first digit.
const MARGIN: u16 = 1;

pub(super) fn render(drawn: &Drawn, heading: &Heading<'_>, buf: &mut Buffer) {
    let (app, chart) = (drawn.app, drawn.chart);
    let area = drawn.parts.digits;
    let Some(size) = drawn.parts.large else { return };
    let share = area.width / size.values.max(1) as u16;
    for (at, line) in chart.lines.iter().take(size.values).enumerate() {
        let value = heading.values.get(at).copied().unwrap_or(f64::NAN);
        let (mut number, mut unit) = chart.look.parts(value);
        // There is a large one of this unit.
        if unit == "%" {
            number.push_str(&std::mem::take(&mut unit));
        }
        let calm = app.theme.line(line.colour, heading.fresh);
        let style = app.theme.level(heading.level(at), calm);
        let x = area.x + share * at as u16 + MARGIN.min(share);
        let place = Rect { x, width: (area.x + share * (at as u16 + 1)).saturating_sub(x), ..area };
        let is_told_by_sign = app.theme.has_signs() && !line.legend.is_empty();
        let sign = is_told_by_sign.then(|| app.theme.line_sign(at).to_string());
        let beside = [unit, sign.unwrap_or_default(), line.legend.clone()];
        let beside = beside.into_iter().filter(|text| !text.is_empty());
        let beside: Vec<String> = beside.collect();
        let beside = beside.join(" ");
        let taken = beside.chars().count() as u16 + 1;
        let scale =
            (1..=size.scale).rev().find(|scale| width(&number, *scale) + taken <= place.width);
        let bold = style.add_modifier(Modifier::BOLD);
        let Some(scale) = scale else {
            // No room for large ones: what matters is that the number is right.
            put(
                buf,
                Rect { height: 1, ..place },
                &[Piece::new(format!("{number} {beside}"), bold)],
            );
            continue;
        };
        let sign = app.theme.signs().block;
        for (x, y) in cells(&number, scale) {
            if let Some(cell) = buf.cell_mut((place.x + x, place.y + y)) {
                cell.set_char(sign).set_style(style);
            }
        }
        let x = place.x + width(&number, scale);
        let y = place.y + size.rows.min(place.height).saturating_sub(1).min(5 * scale - 1);
        let room = Rect { x, y, width: place.right().saturating_sub(x), height: 1 };
        put(buf, room, &[Piece::new(beside, bold)]);
    }
}
