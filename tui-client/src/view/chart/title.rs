//! Title of a chart: its number, its name, the values of its lines.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Modifier;

use super::value_axis::ValueAxis;
use crate::app::App;
use crate::charts::{Chart, ChartKind, ReferenceLine};
use crate::layout::ChartParts;
use crate::theme::STRONG;
use crate::thresholds::Level;
use crate::view::text::{Piece, put, put_right, shortened, width};

/// Content of a title that is not part of the chart itself.
pub(in crate::view) struct TitleText<'a> {
    /// Name of the chart.
    pub(in crate::view) title: &'a str,
    /// Index of the chart; the key that chooses the chart is one higher.
    pub(in crate::view) number: Option<usize>,
    pub(in crate::view) is_chosen: bool,
    /// Values of the lines; empty if they are shown elsewhere.
    pub(in crate::view) values: Vec<f64>,
    /// Levels of the values.
    pub(in crate::view) levels: Vec<Level>,
    /// True if the values have their colours, false if they are faint because they are outdated.
    pub(in crate::view) fresh: bool,
}

impl TitleText<'_> {
    /// Returns the level of a line's value. Outdated values have no level.
    pub(super) fn level(&self, line: usize) -> Level {
        let level = self.levels.get(line).copied().filter(|_| self.fresh);
        level.unwrap_or_default()
    }
}

/// Detail of a line's legend.
#[derive(Debug, Clone, Copy)]
enum LegendDetail {
    /// Name and value.
    Value,
    /// As `Value`, with the unit reduced to its prefix.
    Number,
    /// As `Value`, with few digits.
    Brief,
    /// Name only.
    Name,
}

/// Maximum length of a cut name in letters. More letters are no clearer.
const CUT_NAME_MAX: usize = 5;

/// Draws the title. Returns the number of reference lines that it names.
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
    // The name and the legend share the space between them.
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

/// Returns the number and the name of a chart in `room` columns. The name is shortened last.
fn title(app: &App, chart: &Chart, title_text: &TitleText<'_>, room: usize) -> Vec<Piece> {
    let theme = app.theme;
    let chosen = if title_text.is_chosen { Modifier::REVERSED } else { Modifier::empty() };
    let number = match title_text.number {
        Some(at) if at < 9 => format!(" {} ", at + 1),
        _ => " ".to_owned(),
    };
    let number = Piece::new(number, STRONG.add_modifier(chosen));
    let name = Piece::new(format!(" {} ", title_text.title), STRONG);
    let mut title = vec![number, name];
    if !chart.remark.is_empty() {
        title.push(Piece::new(format!("{} ", chart.remark), theme.faint()));
    }
    let zoom = app.selection.value_zoom(chart);
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
        title[1] = Piece::new(format!(" {name} "), STRONG);
    }
    title
}

/// Returns the legends of the lines that are not shown in large digits, the longest first. The
/// steps: all values, fewer units, fewer digits, shorter names, values of the first lines only,
/// names only, shorter names.
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
    // If lines have symbols, a legend can be the symbol alone.
    let least = usize::from(!app.theme.has_line_symbols());
    let cuts = (least..longest.min(CUT_NAME_MAX + 1)).rev();
    let is_clear = |letters: &usize| {
        let mut names_cut = cut_names(&names, *letters);
        names_cut.sort_unstable();
        *letters == 0 || names_cut.windows(2).all(|pair| pair[0] != pair[1])
    };
    // Beside a value, a name of digits would look like another value.
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

/// Returns `letters` letters of each name: the first, or the last if all names begin alike.
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

/// Returns the legend of a line with a given name.
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
    let space = if symbol.is_empty() || !matches!(detail, LegendDetail::Value) { "" } else { " " };
    let name = format!(" {symbol}{space}{name}");
    let value = match detail {
        LegendDetail::Value => format!(" {} ", chart.format.value(value)),
        LegendDetail::Number => format!(" {}", chart.format.number_and_prefix(value)),
        LegendDetail::Brief => format!(" {}", chart.format.brief(value)),
        LegendDetail::Name => return vec![Piece::new(name, style)],
    };
    let name = (!line.legend.is_empty()).then(|| Piece::new(name, theme.faint()));
    name.into_iter().chain([Piece::new(value, style)]).collect()
}

/// Returns the legend of the line with the greatest value.
fn busiest_line(app: &App, chart: &Chart, title_text: &TitleText<'_>) -> Vec<Piece> {
    let known = chart.lines.iter().zip(&title_text.values).filter(|(_, value)| value.is_finite());
    let Some((line, value)) = known.max_by(|a, b| a.1.total_cmp(b.1)) else { return Vec::new() };
    let style = app.theme.line(line.colour, title_text.fresh).add_modifier(Modifier::BOLD);
    vec![
        Piece::new(format!(" busiest {}", line.legend), app.theme.faint()),
        Piece::new(format!(" {} ", chart.format.value(*value)), style),
    ]
}

/// Returns the names of the reference lines. A symbol marks those above the axis.
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
