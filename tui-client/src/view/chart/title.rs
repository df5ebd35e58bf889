//! The title of a chart: its number, its name, the values of its lines.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Modifier;

use super::Place;
use super::strokes::Pattern;
use super::value_axis::ValueAxis;
use crate::app::App;
use crate::charts::Chart;
use crate::view::text::{Piece, put, put_right, width};

pub(super) fn render(app: &App, place: &Place, axis: Option<&ValueAxis>, buf: &mut Buffer) {
    let Place { at, chart, parts, .. } = *place;
    let area = parts.title;
    if area.is_empty() {
        return;
    }
    let theme = app.theme;
    let rule = theme.signs().horizontal;
    for x in area.left()..area.right() {
        buf[(x, area.y)].set_char(rule).set_style(theme.faint());
    }
    let chosen = if at == app.chosen() { Modifier::REVERSED } else { Modifier::empty() };
    let number = if at < 9 { format!(" {} ", at + 1) } else { " ".to_owned() };
    let mut title = vec![
        Piece::new(number, theme.strong().add_modifier(chosen)),
        Piece::new(format!(" {} ", chart.title), theme.strong()),
    ];
    if !chart.remark.is_empty() {
        title.push(Piece::new(format!("{} ", chart.remark), theme.faint()));
    }
    let zoom = app.value_zoom(chart);
    if zoom != 0 {
        let factor = f64::from(zoom).exp2();
        title.push(Piece::new(format!("values x{factor} "), theme.faint()));
    }
    let used = put(buf, area, &title);
    let room = Rect { x: area.x + used, width: area.width - used, ..area };
    // The comparison is the first to go, then value after value from the last, then the name of
    // the first one, then that.
    let large = parts.large.map_or(0, |size| size.values);
    let values = values(app, chart, large);
    let compared = axis.map_or(Vec::new(), |axis| compared(app, chart, axis));
    let first = values.iter().take(2).rev().take(1).cloned().collect();
    let fits = |legend: &Vec<Piece>| width(legend) <= usize::from(room.width);
    let all = [values.clone(), compared].concat();
    let fewer = (1..=values.len() / 2).rev().map(|lines| values[..2 * lines].to_vec());
    if let Some(legend) = [all].into_iter().chain(fewer).chain([first]).find(fits) {
        put_right(buf, room, &legend);
    }
}

/// The values of the lines, with their names; without those that stand there in large digits.
fn values(app: &App, chart: &Chart, large: usize) -> Vec<Piece> {
    let theme = app.theme;
    let sample = app.shown_sample();
    let mut legend = Vec::new();
    for (line, member) in chart.lines.iter().enumerate().skip(large) {
        let value = sample.map_or(f64::NAN, |sample| sample.value(member.column));
        if !member.legend.is_empty() {
            // Without colours, a line is known by its pattern.
            let sign = if theme.is_mono() {
                format!("{} ", Pattern::of(line).sign(theme))
            } else {
                String::new()
            };
            legend.push(Piece::new(format!(" {sign}{}", member.legend), theme.faint()));
        }
        let value = format!(" {} ", chart.look.value(value));
        let style = theme.line(member.colour, app.is_fresh()).add_modifier(Modifier::BOLD);
        legend.push(Piece::new(value, style));
    }
    legend
}

/// What the values are compared with, and whether it lies beyond the axis.
fn compared(app: &App, chart: &Chart, axis: &ValueAxis) -> Vec<Piece> {
    let Some(reference) = &chart.reference else { return Vec::new() };
    let signs = app.theme.signs();
    let sign = if axis.is_below(reference.value) { signs.above } else { signs.reference };
    vec![Piece::new(format!(" {sign} {} ", reference.label), app.theme.faint())]
}
