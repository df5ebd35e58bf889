//! The title of a chart: its number, its name, the values of its lines.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Modifier;

use super::strokes::Pattern;
use super::value_axis::ValueAxis;
use crate::app::App;
use crate::charts::{Chart, Kind};
use crate::layout::Parts;
use crate::thresholds::Level;
use crate::view::text::{Piece, put, put_right, width};

/// What stands in a title, besides what the chart itself says.
pub(in crate::view) struct Heading<'a> {
    /// The name of the chart.
    pub(in crate::view) title: &'a str,
    /// The number by which it is chosen, the first at 0.
    pub(in crate::view) number: Option<usize>,
    /// Whether it is the chosen one.
    pub(in crate::view) is_chosen: bool,
    /// The values of its lines; none if they stand elsewhere.
    pub(in crate::view) values: Vec<f64>,
    /// Which of them are worth a look.
    pub(in crate::view) levels: Vec<Level>,
    /// Whether they may look live.
    pub(in crate::view) fresh: bool,
}

impl Heading<'_> {
    /// Whether a value is worth a look now.
    pub(super) fn level(&self, line: usize) -> Level {
        let level = self.levels.get(line).copied().filter(|_| self.fresh);
        level.unwrap_or_default()
    }
}

pub(super) fn render(
    app: &App,
    chart: &Chart,
    heading: &Heading<'_>,
    axis: Option<&ValueAxis>,
    parts: Parts,
    buf: &mut Buffer,
) {
    let area = parts.title;
    if area.is_empty() {
        return;
    }
    let theme = app.theme;
    let rule = theme.signs().horizontal;
    for x in area.left()..area.right() {
        buf[(x, area.y)].set_char(rule).set_style(theme.faint());
    }
    let chosen = if heading.is_chosen { Modifier::REVERSED } else { Modifier::empty() };
    let number = match heading.number {
        Some(at) if at < 9 => format!(" {} ", at + 1),
        _ => " ".to_owned(),
    };
    let mut title = vec![
        Piece::new(number, theme.strong().add_modifier(chosen)),
        Piece::new(format!(" {} ", heading.title), theme.strong()),
    ];
    if !chart.remark.is_empty() {
        title.push(Piece::new(format!("{} ", chart.remark), theme.faint()));
    }
    let zoom = app.value_zoom(chart);
    if zoom != 0 && chart.kind == Kind::Lines {
        let factor = f64::from(zoom).exp2();
        title.push(Piece::new(format!("values x{factor} "), theme.faint()));
    }
    let used = put(buf, area, &title);
    let room = Rect { x: area.x + used, width: area.width - used, ..area };
    // The comparison is the first to go, then value after value from the last, then the name of
    // the first one, then that.
    let large = parts.large.map_or(0, |size| size.values);
    let values = values(app, chart, heading, large);
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
fn values(app: &App, chart: &Chart, heading: &Heading<'_>, large: usize) -> Vec<Piece> {
    let theme = app.theme;
    if chart.kind == Kind::Heat {
        return busiest(app, chart, heading);
    }
    let mut legend = Vec::new();
    for (line, (member, value)) in chart.lines.iter().zip(&heading.values).enumerate().skip(large) {
        if !member.legend.is_empty() {
            // Without colours, a line is known by its pattern.
            let sign = if theme.is_mono() {
                format!("{} ", Pattern::of(line).sign(theme))
            } else {
                String::new()
            };
            legend.push(Piece::new(format!(" {sign}{}", member.legend), theme.faint()));
        }
        let value = format!(" {} ", chart.look.value(*value));
        let calm = theme.line(member.colour, heading.fresh).add_modifier(Modifier::BOLD);
        legend.push(Piece::new(value, theme.level(heading.level(line), calm)));
    }
    legend
}

/// Of many columns, the one with the greatest value.
fn busiest(app: &App, chart: &Chart, heading: &Heading<'_>) -> Vec<Piece> {
    let known = chart.lines.iter().zip(&heading.values).filter(|(_, value)| value.is_finite());
    let Some((line, value)) = known.max_by(|a, b| a.1.total_cmp(b.1)) else { return Vec::new() };
    let style = app.theme.line(line.colour, heading.fresh).add_modifier(Modifier::BOLD);
    vec![
        Piece::new(format!(" busiest {}", line.legend), app.theme.faint()),
        Piece::new(format!(" {} ", chart.look.value(*value)), style),
    ]
}

/// What the values are compared with, and whether it lies beyond the axis.
fn compared(app: &App, chart: &Chart, axis: &ValueAxis) -> Vec<Piece> {
    let Some(reference) = &chart.reference else { return Vec::new() };
    let signs = app.theme.signs();
    let sign = if axis.is_below(reference.value) { signs.above } else { signs.reference };
    vec![Piece::new(format!(" {sign} {} ", reference.label), app.theme.faint())]
}
