//! The title of a chart: its number, its name, the values of its lines.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Modifier;

use super::value_axis::ValueAxis;
use crate::app::App;
use crate::charts::{Chart, Kind};
use crate::layout::Parts;
use crate::thresholds::Level;
use crate::view::text::{Piece, put, put_right, shortened, width};

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

/// How much of a line's legend is shown.
#[derive(Debug, Clone, Copy)]
enum Detail {
    /// Its name and its value.
    Value,
    /// The same, the unit no longer than its prefix.
    Number,
    /// Its value with an exponent, which is shorter than many digits.
    Exponent,
    /// Its name, or so many letters of it.
    Name(usize),
}

/// Draws the title. Returns whether it says what the values are compared with.
pub(super) fn render(
    app: &App,
    chart: &Chart,
    heading: &Heading<'_>,
    axis: Option<&ValueAxis>,
    parts: Parts,
    buf: &mut Buffer,
) -> bool {
    let area = parts.title;
    if area.is_empty() {
        return true;
    }
    let theme = app.theme;
    let rule = theme.signs().horizontal;
    for x in area.left()..area.right() {
        buf[(x, area.y)].set_char(rule).set_style(theme.faint());
    }
    let large = parts.large.map_or(0, |size| size.values);
    let legends = legends(app, chart, heading, large);
    let shortest = legends.last().map_or(0, |legend| width(legend));
    let title = title(app, chart, heading, usize::from(area.width).saturating_sub(shortest));
    let used = put(buf, area, &title);
    let room = Rect { x: area.x + used, width: area.width - used, ..area };
    let fits = |legend: &[Piece]| width(legend) <= usize::from(room.width);
    let compared = axis.map_or(Vec::new(), |axis| compared(app, chart, axis));
    let whole = [legends.first().cloned().unwrap_or_default(), compared].concat();
    if fits(&whole) {
        put_right(buf, room, &whole);
        return true;
    }
    if let Some(legend) = legends.iter().find(|legend| fits(legend)) {
        put_right(buf, room, legend);
    }
    false
}

/// The number and the name of a chart, in so many columns: the name is shortened last.
fn title(app: &App, chart: &Chart, heading: &Heading<'_>, room: usize) -> Vec<Piece> {
    let theme = app.theme;
    let chosen = if heading.is_chosen { Modifier::REVERSED } else { Modifier::empty() };
    let number = match heading.number {
        Some(at) if at < 9 => format!(" {} ", at + 1),
        _ => " ".to_owned(),
    };
    let number = Piece::new(number, theme.strong().add_modifier(chosen));
    let name = Piece::new(format!(" {} ", heading.title), theme.strong());
    let mut title = vec![number, name];
    if !chart.remark.is_empty() {
        title.push(Piece::new(format!("{} ", chart.remark), theme.faint()));
    }
    let zoom = app.value_zoom(chart);
    if zoom != 0 && chart.kind == Kind::Lines {
        let factor = f64::from(zoom).exp2();
        title.push(Piece::new(format!("values x{factor} "), theme.faint()));
    }
    while title.len() > 2 && width(&title) > room {
        title.pop();
    }
    let beside = title[0].width() + 2;
    if width(&title) > room && room > beside {
        let name = shortened(heading.title, room - beside);
        title[1] = Piece::new(format!(" {name} "), theme.strong());
    }
    title
}

/// The legends of the lines without those that stand there in large digits, the longest first: with all
/// values, with fewer units, with values of the first lines only, with names only, with their first
/// letters.
fn legends(app: &App, chart: &Chart, heading: &Heading<'_>, large: usize) -> Vec<Vec<Piece>> {
    if chart.kind == Kind::Heat {
        let all = busiest(app, chart, heading);
        let value = all.iter().skip(1).cloned().collect();
        return vec![all, value];
    }
    let lines: Vec<usize> = (large..chart.lines.len().min(heading.values.len())).collect();
    let legend = |detail: &dyn Fn(usize) -> Detail| -> Vec<Piece> {
        let of_line = |at: &usize| line_legend(app, chart, heading, *at, detail(*at - large));
        lines.iter().flat_map(of_line).collect()
    };
    let name = |at: &usize| chart.lines[*at].legend.chars().count();
    let longest = lines.iter().map(name).max().unwrap_or(0);
    let mut legends = vec![legend(&|_| Detail::Value), legend(&|_| Detail::Number)];
    if longest == 0 {
        // The name of the chart is that of its line.
        legends.extend([legend(&|_| Detail::Exponent), Vec::new()]);
        return legends;
    }
    for values in (1..lines.len()).rev() {
        let detail = |nth: usize| if nth < values { Detail::Number } else { Detail::Name(longest) };
        legends.push(legend(&detail));
    }
    // Where lines have signs, those alone are legends, too.
    let least = usize::from(!app.theme.has_signs());
    legends.extend((least..=longest).rev().map(|letters| legend(&|_| Detail::Name(letters))));
    legends
}

/// The legend of a line.
fn line_legend(
    app: &App,
    chart: &Chart,
    heading: &Heading<'_>,
    at: usize,
    detail: Detail,
) -> Vec<Piece> {
    let theme = app.theme;
    let (line, value) = (&chart.lines[at], heading.values[at]);
    let calm = theme.line(line.colour, heading.fresh).add_modifier(Modifier::BOLD);
    let style = theme.level(heading.level(at), calm);
    let sign = if theme.has_signs() { theme.line_sign(at).to_string() } else { String::new() };
    let name = |text: String| {
        let piece = Piece::new(format!(" {text}"), theme.faint());
        (!line.legend.is_empty()).then_some(piece)
    };
    let (name, value) = match detail {
        Detail::Value => {
            let sign = if sign.is_empty() { sign } else { sign + " " };
            let value = format!(" {} ", chart.look.value(value));
            (name(format!("{sign}{}", line.legend)), value)
        }
        Detail::Number => {
            let (number, unit) = chart.look.parts(value);
            let prefix = unit.strip_suffix(&chart.look.suffix).and_then(|it| it.chars().next());
            let prefix = prefix.map_or(String::new(), String::from);
            (name(format!("{sign}{}", line.legend)), format!(" {number}{prefix}"))
        }
        Detail::Exponent if value.is_finite() => {
            (None, format!(" {:.2e}", value * chart.look.scale))
        }
        Detail::Exponent => (None, " -".to_owned()),
        Detail::Name(letters) => {
            let name: String = line.legend.chars().take(letters).collect();
            (None, format!(" {sign}{name}"))
        }
    };
    name.into_iter().chain([Piece::new(value, style)]).collect()
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
    let style = app.theme.threshold(reference.level);
    vec![Piece::new(format!(" {sign} {} ", reference.label), style)]
}
