//! The title of a chart: its number, its name, the values of its lines.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Modifier;

use super::value_axis::ValueAxis;
use crate::app::App;
use crate::charts::{Chart, ChartKind, ReferenceLine};
use crate::layout::ChartParts;
use crate::thresholds::Level;
use crate::view::text::{Piece, put, put_right, shortened, width};

/// What stands in a title, besides what the chart itself says.
pub(in crate::view) struct TitleText<'a> {
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

impl TitleText<'_> {
    /// Whether a value is worth a look now.
    pub(super) fn level(&self, line: usize) -> Level {
        let level = self.levels.get(line).copied().filter(|_| self.fresh);
        level.unwrap_or_default()
    }
}

/// How much of a line's legend is shown.
#[derive(Debug, Clone, Copy)]
enum LegendDetail {
    /// Its name and its value.
    Value,
    /// The same, the unit no longer than its prefix.
    Number,
    /// The same, the value in few digits.
    Brief,
    /// Its name.
    Name,
}

/// A name that is cut keeps at most so many letters: further ones tell little.
const CUT_NAME_MAX: usize = 5;

/// Draws the title. Returns how many of the values that others are compared with it names.
pub(super) fn render(
    app: &App,
    chart: &Chart,
    title_text: &TitleText<'_>,
    axis: Option<&ValueAxis>,
    parts: ChartParts,
    buf: &mut Buffer,
) -> usize {
    let area = parts.title;
    if area.is_empty() {
        return 0;
    }
    let theme = app.theme;
    let rule = theme.symbols().horizontal;
    for x in area.left()..area.right() {
        buf[(x, area.y)].set_char(rule).set_style(theme.faint());
    }
    let large = parts.digits_size.map_or(0, |size| size.values);
    let legends = legends(app, chart, title_text, large);
    let shortest = legends.last().map_or(0, |legend| width(legend));
    let title = title(app, chart, title_text, usize::from(area.width).saturating_sub(shortest));
    let used = put(buf, area, &title);
    // The blank behind the name is the one in front of a legend as well.
    let used = used.saturating_sub(1);
    let room = Rect { x: area.x + used, width: area.width - used, ..area };
    let fits = |legend: &[Piece]| width(legend) <= usize::from(room.width);
    let references = axis.map_or(Vec::new(), |axis| reference_pieces(app, chart, axis));
    let whole = legends.first().cloned().unwrap_or_default();
    for named_count in (1..=references.len()).rev() {
        let whole = [&whole, &references[..named_count]].concat();
        if fits(&whole) {
            put_right(buf, room, &whole);
            return named_count;
        }
    }
    if let Some(legend) = legends.iter().find(|legend| fits(legend)) {
        put_right(buf, room, legend);
    }
    0
}

/// The number and the name of a chart, in so many columns: the name is shortened last.
fn title(app: &App, chart: &Chart, title_text: &TitleText<'_>, room: usize) -> Vec<Piece> {
    let theme = app.theme;
    let chosen = if title_text.is_chosen { Modifier::REVERSED } else { Modifier::empty() };
    let number = match title_text.number {
        Some(at) if at < 9 => format!(" {} ", at + 1),
        _ => " ".to_owned(),
    };
    let number = Piece::new(number, theme.strong().add_modifier(chosen));
    let name = Piece::new(format!(" {} ", title_text.title), theme.strong());
    let mut title = vec![number, name];
    if !chart.remark.is_empty() {
        title.push(Piece::new(format!("{} ", chart.remark), theme.faint()));
    }
    let zoom = app.value_zoom(chart);
    if zoom != 0 && chart.kind == ChartKind::Lines {
        let factor = f64::from(zoom).exp2();
        title.push(Piece::new(format!("values x{factor} "), theme.faint()));
    }
    while title.len() > 2 && width(&title) > room {
        title.pop();
    }
    let beside = title[0].width() + 2;
    if width(&title) > room && room > beside {
        let name = shortened(title_text.title, room - beside);
        title[1] = Piece::new(format!(" {name} "), theme.strong());
    }
    title
}

/// The legends of the lines without those that stand there in large digits, the longest first: with all
/// values, with fewer units, with fewer digits, with fewer letters, with values of the first lines only, with
/// names only, with fewer letters.
fn legends(app: &App, chart: &Chart, title_text: &TitleText<'_>, large: usize) -> Vec<Vec<Piece>> {
    if chart.kind == ChartKind::Heat {
        let all = busiest_line(app, chart, title_text);
        let value = all.iter().skip(1).cloned().collect();
        return vec![all, value];
    }
    let lines: Vec<usize> = (large..chart.lines.len().min(title_text.values.len())).collect();
    let names: Vec<&str> = lines.iter().map(|at| chart.lines[*at].legend.as_str()).collect();
    let longest = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
    let legend = |letters: usize, detail: &dyn Fn(usize) -> LegendDetail| -> Vec<Piece> {
        let lines = lines.iter().zip(cut_names(&names, letters)).enumerate();
        let of_line = |(nth, (at, name)): (usize, (&usize, &str))| {
            line_legend(app, chart, title_text, *at, name, detail(nth))
        };
        lines.flat_map(of_line).collect()
    };
    // Where lines have signs, those alone are legends, too.
    let least = usize::from(!app.theme.has_line_symbols());
    let cuts = (least..longest.min(CUT_NAME_MAX + 1)).rev();
    let is_clear = |letters: &usize| {
        let mut names_cut = cut_names(&names, *letters);
        names_cut.sort_unstable();
        *letters == 0 || names_cut.windows(2).all(|pair| pair[0] != pair[1])
    };
    // Beside a value, a name of digits would be taken for another one.
    let is_number = |name: &&str| !name.is_empty() && name.chars().all(|c| c.is_ascii_digit());
    let brief =
        |letters: &usize| is_clear(letters) && !cut_names(&names, *letters).iter().any(is_number);
    let mut legends = vec![
        legend(longest, &|_| LegendDetail::Value),
        legend(longest, &|_| LegendDetail::Number),
        legend(longest, &|_| LegendDetail::Brief),
    ];
    if longest > 0 {
        let some = |letters| legend(letters, &|_| LegendDetail::Brief);
        legends.extend(cuts.clone().filter(brief).map(some));
        for values in (1..lines.len()).rev() {
            let detail =
                |nth: usize| if nth < values { LegendDetail::Brief } else { LegendDetail::Name };
            legends.push(legend(longest, &detail));
        }
        let name = |letters| legend(letters, &|_| LegendDetail::Name);
        legends.push(name(longest));
        legends.extend(cuts.filter(is_clear).map(name));
        legends.push(name(least));
    }
    legends
}

/// So many letters of each name: the first ones, or the last ones where all names begin alike.
fn cut_names<'a>(names: &[&'a str], letters: usize) -> Vec<&'a str> {
    let head = |name: &'a str| {
        let end = name.char_indices().nth(letters).map_or(name.len(), |(at, _)| at);
        &name[..end]
    };
    let tail = |name: &'a str| {
        let start = name.chars().count().saturating_sub(letters);
        &name[name.char_indices().nth(start).map_or(name.len(), |(at, _)| at)..]
    };
    let begin_alike = names.len() > 1 && names.iter().all(|name| head(name) == head(names[0]));
    names.iter().map(|name| if begin_alike { tail(name) } else { head(name) }).collect()
}

/// The legend of a line under such a name.
fn line_legend(
    app: &App,
    chart: &Chart,
    title_text: &TitleText<'_>,
    at: usize,
    name: &str,
    detail: LegendDetail,
) -> Vec<Piece> {
    let theme = app.theme;
    let (line, value) = (&chart.lines[at], title_text.values[at]);
    let normal = theme.line(line.colour, title_text.fresh).add_modifier(Modifier::BOLD);
    let style = theme.level(title_text.level(at), normal);
    let symbol =
        if theme.has_line_symbols() { theme.line_symbol(at).to_string() } else { String::new() };
    let blank = if symbol.is_empty() || !matches!(detail, LegendDetail::Value) { "" } else { " " };
    let name = format!(" {symbol}{blank}{name}");
    let value = match detail {
        LegendDetail::Value => format!(" {} ", chart.format.value(value)),
        LegendDetail::Number => format!(" {}", chart.format.number_and_prefix(value)),
        LegendDetail::Brief => format!(" {}", chart.format.brief(value)),
        LegendDetail::Name => return vec![Piece::new(name, style)],
    };
    let name = (!line.legend.is_empty()).then(|| Piece::new(name, theme.faint()));
    name.into_iter().chain([Piece::new(value, style)]).collect()
}

/// Of many columns, the one with the greatest value.
fn busiest_line(app: &App, chart: &Chart, title_text: &TitleText<'_>) -> Vec<Piece> {
    let known = chart.lines.iter().zip(&title_text.values).filter(|(_, value)| value.is_finite());
    let Some((line, value)) = known.max_by(|a, b| a.1.total_cmp(b.1)) else { return Vec::new() };
    let style = app.theme.line(line.colour, title_text.fresh).add_modifier(Modifier::BOLD);
    vec![
        Piece::new(format!(" busiest {}", line.legend), app.theme.faint()),
        Piece::new(format!(" {} ", chart.format.value(*value)), style),
    ]
}

/// What the values are compared with, a piece each, and whether it lies beyond the axis.
fn reference_pieces(app: &App, chart: &Chart, axis: &ValueAxis) -> Vec<Piece> {
    let symbols = app.theme.symbols();
    let piece = |reference: &ReferenceLine| {
        let symbol =
            if axis.is_exceeded_by(reference.value) { symbols.above } else { symbols.reference };
        let style = app.theme.threshold(reference.level);
        Piece::new(format!(" {symbol} {} ", reference.label), style)
    };
    chart.references.iter().map(piece).collect()
}
